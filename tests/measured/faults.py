"""F6: each network fault in each state of a line; the truth must come out whole."""

import contextlib
import math
import os
import re
import ssl
import struct
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import trustme

from klinetail.events import LinkState
from klinetail.protocol.venues import own_venue
from klinetail.sim.faults import junk
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import whole
from tests.measured.shared import START, STREAMS, Timed, collecting, live, spread
from tests.toxic import Toxic, nothing
from tests.venue import (
    BINARY,
    PING,
    TEXT,
    Ack,
    Answer,
    Close,
    Send,
    Stall,
    frame,
    server_context,
)

SPEED = 120
AT_ONCE = 12
PATIENCE = 120.0
"""Real seconds in which a fault has to be noticed, and in which all must be well."""

LASTING = 3.0
"""Seconds that a fault lasts which breaks nothing."""

LIVE, SUBSCRIBING, BACKFILL = "live", "subscribing", "backfill"


class Rig:
    """A collector, the exchange, and a toxic proxy before each of its two sides."""

    def __init__(self, name, seed, authority=None):
        self.seen = Timed()
        self.name = name
        self._stack = contextlib.ExitStack()
        enter = self._stack.enter_context
        self.server = enter(Server(Synthetic(seed=seed, start=START), speed=SPEED))
        tls = authority and server_context(authority, "localhost")
        self.line = enter(Toxic(self.server.port, tls=tls))
        self.rest = enter(Toxic(self.server.port))
        there = own_venue(f"{self.line.ws_url}/market", self.rest.rest_url)
        self.healed = threading.Event()
        self.collector = enter(
            collecting(
                STREAMS,
                self.seen,
                there,
                lines=3,
                hold=math.inf,
                random=lambda: 0.05,
            )
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.healed.set()
        self._stack.__exit__(*error)

    def heal(self):
        """The venue is back. What hung there hangs no more, as after a restart."""
        self.healed.set()
        hung = self.line.script is not None or self.line.up is nothing
        rest_hung = self.rest.script is not None
        self.line.heal()
        self.rest.heal()
        if hung:
            self.line.cut()
        if rest_hung:
            self.rest.cut()

    def until(self, true, what):
        assert self.seen.wait_for(true, PATIENCE), f"{what} did not come"

    def bring_to(self, state):
        """Into one of the states that a fault can meet."""
        live(self.seen)
        self.until(lambda: sum(c.closed for c in self.seen.candles) > 12, "candles")
        if state == SUBSCRIBING:
            since = time.monotonic()
            self.line.up = self._hold_the_acks
            self.line.cut()
            self.until(
                lambda: self.seen.first(LinkState.SUBSCRIBING, since), "subscribing"
            )
            self.line.up = lambda data: data
        elif state == BACKFILL:
            since, asked = time.monotonic(), len(self.rest.peers)
            self.rest.script = [Stall()]
            self.line.cut()
            live(self.seen, since)
            self.until(lambda: len(self.rest.peers) > asked, "a request")

    def _hold_the_acks(self, data):
        if not data.startswith(b"GET "):
            self.line.hold()
        return data


class Fault(NamedTuple):
    """A way to fail."""

    strike: object
    """Called with the rig."""
    breaks: bool = True
    """Whether the line has to be given up for it."""
    tls: bool = False
    connects: bool = False
    """Whether it is the next connection that it meets."""
    by_rest: bool = False
    """Whether only REST can tell that something is wrong."""
    words: str = ""
    """What is then said of the line, if not just anything."""


def scripted(*steps):
    """New connections meet this, and those there are break."""

    def strike(rig):
        rig.line.script = list(steps)
        rig.line.cut()

    return Fault(strike, connects=True)


def refused(status, *headers):
    """The WebSocket is refused with this status; REST too, if it is wanted."""

    def strike(rig):
        steps = [Answer(status, b'{"code":-1,"msg":"no"}', headers)]
        if rig.rest.script is not None:
            rig.rest.script = steps
            rig.rest.cut()
        rig.line.script = steps
        rig.line.cut()

    return Fault(strike, connects=True)


def injected(data, *, breaks=True):
    """The client gets these bytes between two frames."""
    return Fault(lambda rig: rig.line.inject(data), breaks)


def closed(code, reason):
    """A CLOSE, after which nothing more comes."""

    def strike(rig):
        rig.line.inject(junk.close_frame(code, reason))
        rig.line.down = nothing

    return Fault(strike)


def refuse(rig):
    rig.line.refuse()


def half(reset):
    def strike(rig):
        rig.line.inject(frame(TEXT, b'{"e":"kline","E":1', length=300))
        rig.line.cut(reset=reset)

    return Fault(strike)


def stall(rig):
    """Nothing comes, yet what is asked is answered: pongs pass, text does not."""
    rig.line.down = lambda data: b"" if data[0] & 15 == TEXT else data


def half_open(rig):
    rig.line.down = rig.line.up = nothing


def only_pings(rig):
    half_open(rig)

    def ping():
        while not rig.healed.wait(0.5):
            rig.line.inject(frame(PING, b"here"))

    threading.Thread(target=ping, daemon=True).start()


def one_mute(rig):
    rig.line.down = lambda data: b"" if b'"s":"ETHUSDT"' in data else data


def unrouted(rig):
    """The address that acks and never sends a candle."""
    rig.line.up = lambda data: data.replace(b"GET /market/ws ", b"GET /ws ", 1)
    rig.line.cut()


def fragments(rig):
    """Each text message in three pieces, with a ping between."""
    rig.line.down = shredded


def shredded(data):
    if data[0] & 15 != TEXT:
        return data
    at = {126: 4, 127: 10}.get(data[1] & 127, 2)
    return junk.fragments(data[at:], 3)


def trickle(rig):
    rig.line.trickling = True


def flood(rig):
    def ping():
        pings = b"".join(frame(PING, b"%d" % n) for n in range(500))
        until = time.monotonic() + LASTING
        while time.monotonic() < until and not rig.healed.wait(0.05):
            rig.line.inject(pings)

    threading.Thread(target=ping, daemon=True).start()


def no_tls(rig):
    rig.line.tls = None
    rig.line.script = [Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")]
    rig.line.cut()


def tls_hangs(rig):
    rig.line.tls = None
    rig.line.script = [Stall()]
    rig.line.cut()


def stranger(rig):
    """A certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    rig.line.tls = context
    rig.line.cut()


RETRY = "Retry-After: 1"
AWAY = "Location: ws://127.0.0.1:9/elsewhere"
FAULTS = {
    "connection refused": Fault(refuse, connects=True),
    "accepts and says nothing": scripted(Stall()),
    "handshake drips": scripted(Ack(drip=0.25), Stall()),
    "TLS port speaks plain HTTP": Fault(no_tls, tls=True, connects=True),
    "TLS handshake hangs": Fault(tls_hangs, tls=True, connects=True),
    "certificate of a stranger": Fault(stranger, tls=True, connects=True),
    "redirect 302": refused(302, AWAY),
    **{f"HTTP {status}": refused(status) for status in (400, 403, 404, 451)},
    **{f"HTTP {status}, Retry-After": refused(status, RETRY) for status in (418, 429)},
    **{f"HTTP {status}": refused(status) for status in (500, 502, 503, 504)},
    "bad Sec-WebSocket-Accept": scripted(Ack(accept="AAAA"), Stall()),
    "silent stall, pongs come": Fault(stall, by_rest=True),
    "half-open, no pong": Fault(half_open),
    "only pings come": Fault(only_pings),
    "one stream of many mute": Fault(one_mute, breaks=False),
    "acks but sends no data": Fault(
        unrouted, by_rest=True, words="mute|no candle comes"
    ),
    "RST": Fault(lambda rig: rig.line.cut()),
    "FIN, no CLOSE": Fault(lambda rig: rig.line.cut(reset=False)),
    "RST mid-frame": half(reset=True),
    "FIN mid-frame": half(reset=False),
    **{
        f"CLOSE {code} {reason!a}".replace("''", "").strip(): closed(code, reason)
        for code, reason in junk.CLOSES
    },
    "CLOSE with an invalid code": injected(junk.frame(8, struct.pack("!H", 99))),
    "accepts and closes": scripted(),
    "handshakes and closes": scripted(Ack()),
    "handshakes and closes with 1011": scripted(Ack(), Close(1011)),
    "our CLOSE is not answered": Fault(half_open),
    "ping of 0 bytes": injected(frame(PING), breaks=False),
    "ping of 125 bytes": injected(frame(PING, bytes(125)), breaks=False),
    "pong unasked": injected(frame(junk.PONG, b"unasked"), breaks=False),
    "ping flood": Fault(flood, breaks=False),
    "message of 2 MiB": injected(frame(TEXT, b" " * (2 << 20))),
    "fragments with pings between": Fault(fragments, breaks=False),
    "binary frame": injected(frame(BINARY, b"\0\1\2"), breaks=False),
    # Text that is no UTF-8 is a bad message here, and costs no connection.
    **{
        f"frame: {name}": injected(make(), breaks="UTF-8" not in name)
        for name, make in junk.BAD_FRAMES.items()
    },
    "trickle": Fault(trickle, breaks=False),
}


def measure(quick, seed):
    rows = [(name, state) for name in FAULTS for state in (LIVE, SUBSCRIBING, BACKFILL)]
    if quick:
        rows = rows[::7]
    with trusted() as authority, ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda row: trial(*row, seed, authority), rows))
    passed = [one for one in found if not one["wrong"]]
    slow = [one for one in passed if re.search("HTTP 4[05]|302|stranger", one["fault"])]
    rest = [one for one in passed if one not in slow]
    return {
        "passed": len(passed),
        "total": len(found),
        "closed_candles": sum(one["candles"] for one in found),
        "detect_s": times(passed, "detect"),
        "next_candle_after_return_s": times(rest, "back"),
        "the_same_after_refusals_for_good_s": times(slow, "back"),
        "stop_s": times(passed, "stop"),
        "by_fault": {
            name: {
                "passed": sum(one["fault"] == name for one in passed),
                **{
                    key: times([one for one in passed if one["fault"] == name], key)
                    for key in ("detect", "back")
                },
            }
            for name in dict.fromkeys(one["fault"] for one in found)
        },
        "wrong": [one for one in found if one["wrong"]],
    }


def times(trials, key):
    return spread([one[key] for one in trials if one.get(key) is not None])


@contextlib.contextmanager
def trusted():
    """An authority that clients of this process are told to trust."""
    authority = trustme.CA()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        authority.cert_pem.write_to_path(file.name)
        os.environ["SSL_CERT_FILE"] = file.name
        try:
            yield authority
        finally:
            del os.environ["SSL_CERT_FILE"]


def trial(name, state, seed, authority):
    """One fault in one state."""
    found = {"fault": name, "state": state, "candles": 0, "wrong": ""}
    fault = FAULTS[name]
    try:
        with Rig(name, seed, authority if fault.tls else None) as rig:
            found |= struck(rig, fault, state)
            found |= stopped(rig)
            found["candles"] = sum(
                len(whole(rig.server, rig.seen, stream)) for stream in STREAMS
            )
    except Exception as error:  # noqa: BLE001 - a trial that failed is a figure too
        found["wrong"] = f"{type(error).__name__}: {error}"[:300]
    return found


def struck(rig, fault, state):
    """Strike, wait until it is noticed, heal, wait until all is well."""
    rig.bring_to(state)
    began = time.monotonic()
    fault.strike(rig)
    if fault.breaks:
        detect = noticed(rig, fault, began)
        time.sleep(1)
    else:
        detect = None
        time.sleep(LASTING)
    known = len(rig.seen.came)
    back = time.monotonic()
    rig.heal()
    rig.until(lambda: len(rig.seen.came) > known, "a candle")
    came = rig.seen.came[known]
    for stream in STREAMS:
        had = len(rig.seen.closed(stream))
        rig.until(
            lambda stream=stream, had=had: len(rig.seen.closed(stream)) >= had + 8,
            f"{stream} again",
        )
    return {
        "detect": detect,
        "back": came - back if fault.breaks else None,
    }


def noticed(rig, fault, since):
    """Seconds until the line, or the next attempt at one, is given up."""
    if fault.by_rest and rig.rest.script is not None:
        rig.rest.heal()
        rig.rest.cut()
    state = LinkState.WAITING
    if fault.connects:
        first = LinkState.CONNECTING
        rig.until(lambda: rig.seen.first(first, since), "an attempt")
        since = rig.seen.first(first, since)
    rig.until(lambda: rig.seen.first(state, since, fault.words), "the noticing")
    return rig.seen.first(state, since, fault.words) - since


def stopped(rig):
    """Stop it; if its CLOSE is never to be answered, before a dead line."""
    if "our CLOSE" in rig.name:
        rig.line.down = nothing
    began = time.monotonic()
    rig.collector.stop()
    return {"stop": time.monotonic() - began}
