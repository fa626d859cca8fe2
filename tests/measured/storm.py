"""F16: how often a venue that refuses or hangs up is tried."""

import itertools
import random
import socket
import threading
import time
from collections import Counter

from klinetail.events import LinkState
from klinetail.exchange.client import connector
from klinetail.exchange.link import Link
from klinetail.exchange.pacing import ConnectPacing
from klinetail.protocol.venues import own_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.exchange import test_supervision as fake
from tests.measured.shared import BTC, START, Timed, collecting
from tests.venue import PATIENCE, Ack, Close, Heed, Text, Venue

WINDOW = 300.0
ACKED = [Ack(), Heed(), Text('{"result":null,"id":1}')]
SCRIPTS = {
    "accepts and closes": [],
    "handshakes and closes": [Ack()],
    "acks and closes with 1011": [*ACKED, Close(1011)],
    "acks and closes with 1008": [*ACKED, Close(1008, b"Too many requests")],
}


def measure(quick, seed):
    seconds = 20 if quick else 3600
    found = {}
    threads = [
        threading.Thread(
            target=lambda name=name: found.update({name: leg(name, seconds, seed)})
        )
        for name in ("refuses", *SCRIPTS)
    ]
    threads.append(
        threading.Thread(target=lambda: found.update(many=many(seconds, seed)))
    )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    assert len(found) == len(threads)
    together = found.pop("many")
    return {
        "real_seconds": seconds,
        "twelve_links_refused": together,
        "venues": found,
        "most_in_5_min": max(leg["most_in_5_min"] for leg in found.values()),
        "simulated_hours": hours(10 if quick else 100),
    }


def leg(name, seconds, seed):
    """One venue: the attempts on it."""
    seen = Timed()
    chance = random.Random(f"{name}/{seed}").random
    with Server(Synthetic(seed=seed, start=START)) as server:
        rest = f"http://127.0.0.1:{server.port}"
        if name == "refuses":
            with collecting(
                [BTC],
                seen,
                own_venue(f"ws://127.0.0.1:{closed_port()}", rest),
                random=chance,
            ):
                time.sleep(seconds)
            came = None
        else:
            with Venue(SCRIPTS[name]) as venue:
                with collecting(
                    [BTC], seen, own_venue(venue.ws_url, rest), random=chance
                ):
                    time.sleep(seconds)
                came = len(venue.peers)
    attempts = [at for at, event in seen.links if event.state is LinkState.CONNECTING]
    pauses = [b - a for a, b in itertools.pairwise(attempts)]
    return {
        "attempts": len(attempts),
        "seen_by_venue": came,
        "most_in_5_min": busiest(attempts, WINDOW),
        "most_in_10_s": busiest(attempts, 10.0),
        "pauses": histogram(pauses),
    }


def many(seconds, seed):
    """Twelve links that share their turns, refused: the attempts of all."""
    pacing, chance, attempts = ConnectPacing(), random.Random(seed).random, []
    connect = connector(f"ws://127.0.0.1:{closed_port()}")

    def counted(handlers, deadline):
        attempts.append(time.monotonic())
        return connect(handlers, deadline)

    links = [
        Link(
            f"link-{number}",
            ["btcusdt@kline_1m"],
            counted,
            on_message=lambda *_: None,
            on_event=lambda _: None,
            on_refused=lambda _: None,
            on_quiet=lambda: None,
            monotonic=time.monotonic,
            random=chance,
            pacing=pacing,
        )
        for number in range(12)
    ]
    began = time.monotonic()
    for link in links:
        link.start()
    time.sleep(seconds)
    for link in links:
        link.ask_to_stop()
    for link in links:
        link.join(PATIENCE)
    attempts.sort()
    return {
        "attempts": len(attempts),
        "all_tried_after": round(attempts[11] - began, 1),
        "most_in_5_min": busiest(attempts, WINDOW),
        "most_in_10_s": busiest(attempts, 10.0),
    }


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def busiest(times, seconds):
    """The most of them in any window of this length."""
    return max((sum(a <= b < a + seconds for b in times) for a in times), default=0)


def histogram(pauses):
    """How many pauses were below 1, 2, 4, ... seconds."""
    bounds = (1, 2, 4, 8, 16, 32, 64, 128)
    counts = Counter(
        next(bound for bound in bounds if pause < bound) for pause in pauses
    )
    return {f"<{bound} s": counts[bound] for bound in bounds if counts[bound]}


def hours(seeds):
    """The most attempts in 5 minutes of simulated hours, by the transition alone."""
    plays = {
        name: getattr(fake, name)
        for name in (
            "refuse",
            "accept_then_close",
            "ack_then_close",
            "candle_then_close",
        )
        if hasattr(fake, name)
    }
    return {
        name: max(fake.Hour(seed, play).busiest(WINDOW) for seed in range(seeds))
        for name, play in plays.items()
    }
