"""F7: how soon silence is noticed, and that a thin stream's is not taken for one."""

import threading
import time

from klinetail.events import EndedEvent, LinkState
from klinetail.protocol.venues import own_venue, sim_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import whole
from tests.measured.faults import Rig, half_open, only_pings
from tests.measured.shared import BTC, START, THIN, Timed, collecting, live, spread

NAMED = "no candle comes"


def measure(quick, seed):
    runs = 1 if quick else 6
    found = {}
    legs = [
        *[("silent", lambda: silent(half_open, seed))] * runs,
        *[("pings", lambda: silent(only_pings, seed))] * (1 if quick else 3),
        *[("no_data", lambda: no_data(seed))] * runs,
        ("thin", lambda: thin(30 if quick else 240, seed)),
    ]

    def play(name, leg):
        found.setdefault(name, []).append(leg())

    threads = [threading.Thread(target=play, args=leg) for leg in legs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, found.values())) == len(legs), "a run failed"
    return {
        "silent_noticed_s": spread(found["silent"]),
        "only_pings_noticed_s": spread(found["pings"]),
        "no_data_named_s": spread([named for named, _ in found["no_data"]]),
        "no_data_candles_by_rest_meanwhile": [n for _, n in found["no_data"]],
        "thin": found["thin"][0],
    }


def silent(strike, seed):
    """Seconds until a line is given up that neither says nor hears anything. REST says
    nothing either, since at speed it would soon show what is not heard."""
    with Rig("silent", seed) as rig:
        rig.bring_to("live")
        rig.rest.refuse()
        began = time.monotonic()
        strike(rig)
        noticed = (LinkState.WAITING, began, "our ping")
        rig.until(lambda: rig.seen.first(*noticed), "the noticing")
        return rig.seen.first(*noticed) - began


def no_data(seed):
    """Seconds from live until the address is named that acks and sends nothing, at the
    pace of real time, and closed candles that REST brought meanwhile."""
    seen = Timed()
    with Server(Synthetic(seed=seed, start=START)) as server:
        venue = own_venue(
            f"ws://127.0.0.1:{server.port}", sim_venue(server.port).rest_url
        )
        with collecting([BTC], seen, venue, random=lambda: 0.05):
            live(seen)
            began = seen.first(LinkState.LIVE, 0)
            at = seen.wait_for(lambda: seen.first(LinkState.LIVE, 0, NAMED), 180)
            assert at
            count = len(seen.closed(BTC))
            assert seen.wait_for(lambda: seen.closed(BTC), 180)
        whole(server, seen, BTC)
    return at - began, count


def thin(seconds, seed):
    """A stream with empty minutes at the pace of real time: false alarms, and how often
    it was asked whether the symbol is still traded."""
    seen = Timed()
    with (
        Server(Synthetic(seed=seed, start=START)) as server,
        collecting([THIN], seen, sim_venue(server.port)),
    ):
        time.sleep(seconds)
        asked = server.requests(server.venue.paths.exchange_info)
    return {
        "seconds": seconds,
        "false_alarms": sum(
            event.state is LinkState.WAITING or NAMED in event.reason
            for _, event in seen.links
        )
        + sum(isinstance(event, EndedEvent) for event in seen.events),
        "lists_asked_for": asked,
        "closed_candles": len(whole(server, seen, THIN)) if seen.closed(THIN) else 0,
        "frames": len(seen.candles),
    }
