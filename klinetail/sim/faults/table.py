"""The table of faults: all faults of `serve --chaos`, with default frequencies."""

from __future__ import annotations

import enum
from typing import Final

import msgspec


class Group(enum.StrEnum):
    """The place where faults strike. A group's name in a spec selects all faults of the
    group."""

    DATA = "data"
    """The frames of streams."""
    LINE = "line"
    """Open connections."""
    CONNECT = "connect"
    """Handshakes and subscriptions."""
    REST = "rest"
    """REST answers."""
    ARCHIVE = "archive"
    """Public dumps."""


class Fault(msgspec.Struct, frozen=True):
    """A kind of failure.

    A fault has either a `rate` or a `period`.
    """

    name: str
    """The word in a spec."""
    group: Group
    """The place where the fault strikes."""
    meaning: str
    """The effect, in words for help."""
    rate: float | None = None
    """The share of possible strikes that happen by default, over 0 up to 1."""
    period: float | None = None
    """The mean real seconds between two strikes by default, each on one open
    connection."""
    each: str = ""
    """The object counted by the rate."""
    asked_for: bool = False
    """Whether only the fault's own name selects the fault, not `all` or the group."""
    fatal: bool = False
    """Whether a client may give up because of the fault before a first success."""


def _data(name: str, rate: float, each: str, meaning: str) -> Fault:
    """Return a fault of the frames of streams."""
    return Fault(name, Group.DATA, meaning, rate, None, each)


def _line(name: str, period: float, meaning: str) -> Fault:
    """Return a fault of open connections."""
    return Fault(name, Group.LINE, meaning, None, period)


def _connect(
    name: str, rate: float, each: str, meaning: str, *, fatal: bool = False
) -> Fault:
    """Return a fault of handshakes and subscriptions."""
    return Fault(name, Group.CONNECT, meaning, rate, None, each, fatal=fatal)


def _rest(
    name: str, rate: float, each: str, meaning: str, *, fatal: bool = False
) -> Fault:
    """Return a fault of REST answers."""
    return Fault(name, Group.REST, meaning, rate, None, each, fatal=fatal)


def _archive(name: str, rate: float, each: str, meaning: str) -> Fault:
    """Return a fault of public dumps."""
    return Fault(name, Group.ARCHIVE, meaning, rate, None, each)


_FAULTS: Final = (
    _data("late", 0.1, "close", "pushed 2 to 24 s late"),
    _data("missing", 0.05, "close", "never pushed"),
    _data("duplicate", 0.1, "close", "pushed again, up to 5 s later"),
    _data("empty", 0.5, "candle without a trade", "pushed nevertheless, with `f:-1`"),
    _data("stale", 0.02, "update", "pushed again, 1 to 5 s later"),
    _data("reorder", 0.02, "update", "overtaken by later updates"),
    _data("early", 0.01, "update", "also pushed as closed, before its end"),
    _data("future", 0.01, "update", "followed by a future candle, open or closed"),
    _data("foreign", 0.01, "update", "followed by a frame of a foreign symbol"),
    _data("garbage", 0.02, "update", "followed by an invalid or odd message"),
    _data("fragments", 0.02, "update", "sent in pieces, with a ping in between"),
    Fault(
        "revised",
        Group.DATA,
        "pushed with wrong values first, with the final values 1 to 5 s later",
        0.05,
        each="close",
        asked_for=True,
    ),
    _line("cut", 60, "RST, FIN, or either in the middle of a frame"),
    _line("close", 90, "CLOSE 1000 to 1013, 1006, empty, escapes in the reason"),
    _line("badframe", 90, "oversize, RSV1, masked, bad opcode, bad UTF-8 ..."),
    _line("stall", 30, "nothing sent for 2 to 8 s, then everything at once"),
    _line("trickle", 60, "byte by byte for 3 s"),
    _line("ping", 15, "a ping of 0 or 125 bytes, or a pong unasked"),
    _line("flood", 60, "2,000 pings at once"),
    _line("silence", 180, "the connection stays open, without a byte or an answer"),
    _line("pings", 180, "only the exchange's own pings are sent"),
    _line("lifetime", 180, 'the "24 h" are over: CLOSE 1001'),
    _connect(
        "refused",
        0.05,
        "handshake",
        "HTTP 403, 404, 418, 429, 451, 500 or 503",
        fatal=True,
    ),
    _connect("redirect", 0.03, "handshake", "HTTP 302", fatal=True),
    _connect(
        "hangup", 0.05, "handshake", "connection cut before or after the handshake"
    ),
    _connect(
        "handshake",
        0.05,
        "handshake",
        "no answer for 15 s, byte by byte, or a wrong accept key",
    ),
    _connect("deaf", 0.03, "connection", "everything acked, no candle sent"),
    _connect(
        "mute", 0.1, "stream subscribed", "acked and silent until subscribed anew"
    ),
    _connect("noack", 0.05, "request", "not answered, not always carried out"),
    _connect("lateack", 0.1, "request", "answered 1 to 4 s later"),
    _connect("error", 0.05, "request", "error 2; or 3 or 4, then CLOSE 1008"),
    _rest("lag", 0.3, "candle", "unfinished up to 19 s after its close"),
    _rest("absent", 0.1, "candle", "missing up to 19 s after its close"),
    _rest("busy", 0.03, "request", "429, Retry-After 1 to 3 s"),
    _rest("banned", 0.02, "request", '418, Retry-After or "banned until" 1 to 3 s'),
    _rest("forbidden", 0.02, "request", "403 with HTML, or 451", fatal=True),
    _rest("unavailable", 0.03, "request", "408, 500, 502, 503 or 504"),
    _rest("challenge", 0.02, "request", "202 with an empty body"),
    _rest("timeout", 0.01, "request", "no answer for 15 s"),
    _rest("drip", 0.01, "request", "four bytes a second for 15 s"),
    _rest("reset", 0.02, "request", "reset in the middle of the answer"),
    _rest("html", 0.02, "request", "200 with HTML"),
    _rest("truncated", 0.02, "request", "200 with half of the JSON, or `{}`"),
    _rest("unsorted", 0.02, "klines request", "rows in descending order"),
    _rest("doubled", 0.02, "klines request", "a row twice"),
    _rest("short", 0.02, "klines request", "fewer rows than available"),
    _rest("hole", 0.02, "klines request", "a row in the middle is missing"),
    _rest("longer", 0.02, "klines request", "rows with one more value"),
    _rest("differing", 0.02, "klines request", "a row twice, once with another value"),
    _rest("impossible", 0.02, "klines request", "an impossible or malformed row"),
    Fault(
        "clock",
        Group.REST,
        "5 s to 12 h ahead or behind, and its `Date` with it",
        0.2,
        each="answer about the time",
        asked_for=True,
    ),
    _archive("nozip", 0.05, "dump", "404 for ever, for its checksum, too"),
    _archive("thin", 0.3, "monthly dump", "lacks a day that the daily dumps have"),
    _archive("latezip", 0.2, "daily dump", "published 1 to 7 days late"),
    _archive("badsum", 0.1, "dump", "a wrong checksum, once or for ever"),
    _archive("cutzip", 0.1, "request", "cut in the middle of the dump, by RST or FIN"),
    _archive("headless", 0.2, "dump", "no header line"),
    _archive("micro", 0.1, "dump", "times in microseconds"),
    Fault(
        "oldvalue",
        Group.ARCHIVE,
        "the last 1 to 20 candles have other values than REST",
        0.1,
        each="monthly dump",
        asked_for=True,
    ),
    _archive("slowzip", 0.05, "request", "the dump takes 1 to 4 s"),
)

FAULTS: Final = {fault.name: fault for fault in _FAULTS}
"""All faults, by name."""
