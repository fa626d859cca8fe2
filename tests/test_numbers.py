"""The numbers in README.md, SECURITY.md and docs/ are the constants of the code."""

from __future__ import annotations

import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from klinetail.exchange.pacing import TokenBucket
from klinetail.protocol.limits import Limits

ROOT = Path(__file__).resolve().parents[1]

CODE = {
    "mute proofs": "klinetail.collector.silence:PROOFS",
    "ahead": "klinetail.clock:AHEAD",
    "all kept": "klinetail.collector.collector:ALL_KEPT",
    "announced kept": "klinetail.pipeline.stats:ANNOUNCED_KEPT",
    "attempt apart": "klinetail.exchange.pacing:ATTEMPT_APART",
    "attempts": "klinetail.exchange.pacing:ATTEMPTS",
    "bad row answers": "klinetail.contract.holes:AGREED",
    "backoff": "klinetail.exchange.backoff:BACKOFF",
    "ban": "klinetail.sim.limits:BAN",
    "benchmark floods": "benchmarks.speed:SECONDS",
    "benchmark market": "benchmarks.paced:measure_market(rate)",
    "benchmark per write": "benchmarks.speed:measure(per_write)",
    "benchmark pushes": "benchmarks.startup:RATE",
    "benchmark streams": "benchmarks.speed:STREAMS",
    "benchmark symbols": "benchmarks.exchange:LISTED",
    "benchmark warm": "benchmarks.paced:WARM",
    "body": "klinetail.exchange.http:MAX_BODY",
    "budget burst": "klinetail.collector.budget:_BURST",
    "budget ceiling": "klinetail.collector.budget:CEILING",
    "budget least": "klinetail.collector.budget:_LEAST",
    "budget share": "klinetail.collector.budget:SHARE",
    "clock agrees": "klinetail.clock:AGREE",
    "clock fault least": "klinetail.sim.faults.clocks:SMALLEST",
    "clock fault most": "klinetail.sim.faults.clocks:GREATEST",
    "clock fresh": "klinetail.clock:FRESH",
    "clock read again": "klinetail.collector.timekeeping:AGAIN",
    "clock row lag": "klinetail.clock:ROW_LAG",
    "coins": "klinetail.sim.synthetic:_COINS",
    "confirm": "klinetail.contract.finality:CONFIRM",
    "connect": "klinetail.exchange.status:CONNECT_TIMEOUT",
    "day": "klinetail.candle:DAY",
    "end intervals": "klinetail.contract.trading:_INTERVALS",
    "end least": "klinetail.contract.trading:LEAST",
    "end most": "klinetail.contract.trading:MOST",
    "end pause": "klinetail.collector.endings:PAUSE",
    "end stopped": "klinetail.contract.trading:STOPPED",
    "every stream": "benchmarks.paced:MANY",
    "exit bug": "klinetail.errors:ExitCode.BUG",
    "exit exchange": "klinetail.errors:ExitCode.EXCHANGE",
    "exit hangup": "klinetail.errors:ExitCode.HANGUP",
    "exit not whole": "klinetail.errors:ExitCode.NOT_WHOLE",
    "exit ok": "klinetail.errors:ExitCode.OK",
    "exit output": "klinetail.errors:ExitCode.OUTPUT",
    "exit reader gone": "klinetail.errors:ExitCode.READER_GONE",
    "exit twice": "klinetail.errors:ExitCode.INTERRUPTED_TWICE",
    "exit usage": "klinetail.errors:ExitCode.USAGE",
    "fault flood": "klinetail.sim.faults.line:FLOOD",
    "fault held": "klinetail.sim.faults.answers:HELD",
    "fault lag": "klinetail.sim.faults.lags:LONGEST",
    "fault late": "klinetail.sim.faults.feed:LATE",
    "fault stall": "klinetail.sim.faults.line:_STALL",
    "fault trickle": "klinetail.sim.faults.line:_TRICKLE",
    "first quiet": "klinetail.exchange.status:FIRST_QUIET",
    "forbidden": "klinetail.errors:FORBIDDEN",
    "grace": "klinetail.contract.close:GRACE",
    "hash bytes": "klinetail.contract.fingerprints:_BYTES",
    "held": "klinetail.contract.held:HELD",
    "history weight": "klinetail.collector.backfill:weight_of",
    "hold": "klinetail.cli.watch:watch(hold)",
    "hold in programs": "klinetail.collector.collector:DataCollector(hold)",
    "intervals": "klinetail.candle:Interval",
    "keep": "klinetail.collector.collector:DataCollector(keep)",
    "klines weight": "klinetail.protocol.venues:LIVE.limits.klines_weight",
    "last words": "klinetail.cli.stderr:LAST_WORDS",
    "lifetime": "klinetail.exchange.status:LIFETIME",
    "limits": "klinetail.protocol.venues:LIVE.limits",
    "line": "klinetail.escape:LINE",
    "lines": "klinetail.cli.watch:watch(lines)",
    "lines burst": "klinetail.throttle:BURST",
    "lines few": "klinetail.throttle:FEW",
    "lines rate": "klinetail.throttle:RATE",
    "lines window": "klinetail.throttle:WINDOW",
    "marks": "klinetail.escape:STACKED",
    "max streams": "klinetail.cli.watch:MAX_STREAMS",
    "message": "klinetail.exchange.reader:MAX_MESSAGE",
    "message rate": "klinetail.exchange.pacing:message_rate",
    "messages admitted": "klinetail.protocol.venues:LIVE.limits.messages_per_second",
    "messages at once": "klinetail.sim.limits:BURST",
    "minute": "klinetail.candle:MINUTE",
    "names": "klinetail.protocol.venues:LIVE.limits.names",
    "one shot": "klinetail.cli.session:ONE_SHOT",
    "one shot symbols": "klinetail.cli.symbols:PATIENCE",
    "page": "klinetail.protocol.venues:LIVE.limits.page",
    "parked": "klinetail.collector.quarantine:KEPT",
    "ping": "klinetail.exchange.status:PING_TIMEOUT",
    "policy": "klinetail.exchange.status:POLICY",
    "policy of the sim": "klinetail.sim.hub:_VIOLATION",
    "port": "klinetail.cli.serve:DEFAULT_PORT",
    "pulse": "klinetail.collector.sleep:PULSE",
    "push late": "klinetail.sim.pushes:LATEST",
    "put": "klinetail.pipeline.mailbox:PATIENCE",
    "queue": "klinetail.pipeline.mailbox:MOST",
    "quiet": "klinetail.exchange.status:QUIET",
    "read": "klinetail.exchange.client:READ",
    "read over tls": "klinetail.exchange.tls:READ",
    "recorded history": "klinetail.sim.recorded:HISTORY",
    "renewals": "klinetail.exchange.pacing:RENEWAL_APART",
    "request": "klinetail.exchange.rest_client:PATIENCE",
    "retry": "klinetail.contract.attempts:RETRY",
    "settled": "klinetail.contract.finality:SETTLED",
    "slow": "klinetail.pipeline.notices:SLOW",
    "soon": "klinetail.exchange.slowness:SOON",
    "stagger": "klinetail.exchange.transport:STAGGER",
    "steady": "klinetail.exchange.status:STEADY",
    "stop": "klinetail.collector.collector:STOP_TIMEOUT",
    "stop by signal": "klinetail.cli.signals:STOPPING",
    "stop of the screen": "klinetail.view.screen:_FAREWELL",
    "streams": "klinetail.protocol.venues:LIVE.limits.streams",
    "table glance": "klinetail.cli.session:_GLANCE",
    "weight": "klinetail.protocol.venues:LIVE.limits.weight_per_minute",
    "weight percent": "klinetail.cli.watch:watch(weight)",
    "workers": "klinetail.collector.backfill:WORKERS",
    "write": "klinetail.sinks.stdout:MOST",
}
"""The constants of the code, as `module:name`, or as `module:function(parameter)` for
the default of a parameter. A renamed constant is one edit here."""

WORDS = {
    "a third": 1 / 3,
    "half a": 0.5,
    "half an": 0.5,
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "twice": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "fifth": 5,
    "six": 6,
    "ten": 10,
    "twelve": 12,
}
"""Numbers that a document may write as words."""

_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_NUMBER = rf"(?:(?<![\d.,])\d+(?:,\d{{3}})*(?:\.\d+)?|\b(?:{_WORD})\b)"


class Number(NamedTuple):
    """A number in a document that is a constant of the code."""

    document: str
    """The path from the root of the project."""
    quotation: str
    """The words around the number; `{}` is the number, `#` any other number. Line
    breaks of the document count as spaces."""
    constants: str
    """Keys of `CODE`, separated by commas."""
    value: Callable[..., float] = float
    """Makes the number of the constants' values."""


def thousandth(value: float) -> float:
    return value / 1000


def minutes(seconds: float) -> float:
    return seconds / 60


def first(pair: tuple[float, float]) -> float:
    return pair[0]


def second(pair: tuple[float, float]) -> float:
    return pair[1]


def mebibytes(size: int) -> float:
    return size / (1 << 20)


def kibibytes(size: int) -> float:
    return size / 1024


def product(one: float, other: float) -> float:
    return one * other


def connections(streams: int, most: int) -> int:
    return math.ceil(streams / most)


def budget_rate(weight: float, share: float, burst: float) -> float:
    """The REST weight a second once the burst is spent."""
    return weight * share * (1 - burst) / 60


def others_at_most(weight: float, share: float, burst: float, ceiling: float) -> float:
    """The REST weight a minute that others may use before klinetail uses less."""
    return weight * (ceiling - share * (1 - burst))


def history_hours(
    weight_of: Callable[[int, int, Limits], int],
    streams: int,
    lines: int,
    limits: Limits,
) -> float:
    """Hours to fetch the candles before the start, to the tenth."""
    from klinetail.collector.budget import Budget

    return round(Budget().lasts(weight_of(streams, lines, limits)) / 3600, 1)


def messages_in_a_second(
    message_rate: Callable[[int], TokenBucket], admitted: int
) -> int:
    """Messages that a connection sends at most in a second, the ends included."""
    rate = message_rate(admitted)
    return sum(rate.book(0.0) < 1 + 1e-6 for _ in range(2 * admitted))


def seconds_to_subscribe(
    streams: int, names: int, message_rate: Callable[[int], TokenBucket], admitted: int
) -> float:
    """Seconds until the last message of a connection's subscriptions, to the half."""
    rate = message_rate(admitted)
    sent = [rate.book(0.0) for _ in range(math.ceil(streams / names))]
    return math.ceil(2 * sent[-1]) / 2


def attempts_in(seconds: float) -> Callable[[tuple[int, float], float], float]:
    """Attempts to connect in a time, renewals included."""

    def attempts(pace: tuple[int, float], renewals: float) -> float:
        return pace[0] + seconds / pace[1] + math.ceil(seconds / renewals)

    return attempts


README, SECURITY = "README.md", "SECURITY.md"
PERFORMANCE, RELIABILITY = "docs/performance.md", "docs/reliability.md"

NUMBERS = [
    # README: recipes, streams, the embedded exchange
    Number(README, "whole market, {} messages a second", "benchmark market"),
    Number(README, "ends with exit code {} and a suggestion", "exit usage"),
    Number(README, "last {} candles of all symbols", "lines"),
    Number(
        README,
        "in all intervals take {} hour at the default",
        "history weight, every stream, lines, limits",
        history_hours,
    ),
    Number(README, "without a match is refused (exit code {})", "exit usage"),
    Number(README, "a synthetic market, port {}", "port"),
    Number(README, "--ws-url ws://127.0.0.1:{}/market", "port"),
    Number(README, "--rest-url http://127.0.0.1:{} ", "port"),
    Number(README, '["fapiPublic"] = "http://127.0.0.1:{}/', "port"),
    Number(README, '["linear"] = "ws://127.0.0.1:{}/', "port"),
    Number(
        README,
        "nobody trades in {} of its minutes",
        "coins",
        lambda coins: max(coin.empty for coin in coins),
    ),
    Number(README, "Closes come up to {} s late", "push late", thousandth),
    Number(
        README,
        "or {} days after its beginning",
        "recorded history, day",
        lambda history, day: history / day,
    ),
    Number(README, "says so and exits with code {}.", "exit ok"),
    # README: faults
    Number(README, "answer is right {} s after the close", "fault lag", thousandth),
    Number(
        README,
        "| pushed {} to # s late |",
        "fault late",
        lambda late: late[0] / 1000,
    ),
    Number(
        README,
        "| pushed # to {} s late |",
        "fault late",
        lambda late: late[1] / 1000,
    ),
    Number(README, "nothing sent for {} to # s,", "fault stall", first),
    Number(README, "nothing sent for # to {} s,", "fault stall", second),
    Number(README, "byte by byte for {} s |", "fault trickle"),
    Number(README, "| {} pings at once |", "fault flood"),
    Number(README, "then CLOSE {} |", "policy of the sim"),
    Number(README, "| unfinished up to {} s after", "fault lag", thousandth),
    Number(README, "| missing up to {} s after", "fault lag", thousandth),
    Number(README, "| request | no answer for {} s |", "fault held"),
    Number(README, "four bytes a second for {} s |", "fault held"),
    Number(README, "| {} s to # h ahead", "clock fault least", thousandth),
    Number(
        README,
        "| # s to {} h ahead",
        "clock fault most, minute",
        lambda most, minute: most / minute / 60,
    ),
    Number(README, "More than {} messages a second", "messages admitted"),
    Number(
        README,
        "messages a second ({} at once)",
        "messages at once, messages admitted",
        product,
    ),
    Number(README, "or a {}th stream", "streams", lambda streams: streams + 1),
    Number(README, "connection with close code {}.", "policy"),
    Number(README, "connection with close code {}.", "policy of the sim"),
    Number(README, "More than {} of REST weight in a real minute", "weight"),
    Number(
        README,
        "answered with 418 for {} minutes",
        "ban, minute",
        lambda ban, minute: ban / minute,
    ),
    # README: programs
    Number(README, "and left within {} s;", "stop"),
    Number(README, "collector waits {} s for room", "put"),
    Number(README, "up to {} closed candles and events queue up", "queue"),
    Number(README, "`limit` is the {}.", "queue"),
    # README: the contract
    Number(README, "when its close is {} s overdue", "grace", thousandth),
    Number(README, "unfinished for up to {} s.", "confirm", thousandth),
    Number(README, "the row is {} s old and a later row", "settled", thousandth),
    Number(README, "two answers at least {} s apart", "confirm", thousandth),
    Number(README, "seconds, at least {}; then a gap", "bad row answers"),
    Number(README, "random: up to {} s at first,", "backoff", first),
    Number(README, "growing up to {} s,", "backoff", second),
    Number(README, "candles have flowed for {} s.", "steady"),
    Number(README, "when a pause reaches {} s,", "slow"),
    Number(README, "similar answers end the run (exit code {})", "exit exchange"),
    Number(README, "tries again for {} s, ever more slowly", "forbidden"),
    Number(README, "connections are tried every {} s,", "backoff", second),
    Number(README, "fetches after {} s at first", "retry", first),
    Number(README, "s at first and {} s at most", "retry", second),
    Number(README, "without candles for {} s (", "quiet"),
    Number(README, "({} s if no candle ever came)", "first quiet"),
    Number(README, "klinetail's ping within {} s;", "ping"),
    Number(
        README,
        "is named about {} s after the ack",
        "first quiet, mute proofs",
        lambda quiet, proofs: math.ceil(quiet * (proofs + 1)),
    ),
    Number(
        README,
        "renewed after {} h # min at the latest",
        "lifetime",
        lambda lifetime: lifetime // 3600,
    ),
    Number(
        README,
        "renewed after # h {} min at the latest",
        "lifetime",
        lambda lifetime: lifetime % 3600 / 60,
    ),
    Number(README, "was suspended ({} s or longer)", "pulse"),
    Number(README, "was stopped ({} s or longer)", "pulse", lambda pulse: 2 * pulse),
    Number(README, "connections and clock within {} s.", "pulse"),
    Number(README, "up after {} intervals without a trade", "end intervals"),
    Number(
        README,
        "({} minutes at least, # at most)",
        "end least, minute",
        lambda least, minute: least / minute,
    ),
    Number(
        README,
        "(# minutes at least, {} at most)",
        "end most, minute",
        lambda most, minute: most / minute,
    ),
    Number(
        README,
        "or after {} minute once the symbol's delivery date",
        "end stopped, minute",
        lambda stopped, minute: stopped / minute,
    ),
    Number(README, "is read at most every {} minutes", "end pause", minutes),
    Number(README, "`--hold` seconds ({}) from", "hold"),
    Number(README, "`--hold` seconds ({}) from", "hold in programs"),
    Number(README, "source agrees within {} second", "clock agrees", thousandth),
    # README: options, lines, exit codes
    Number(README, "more than N streams ({};", "max streams"),
    Number(README, "in all intervals are some {})", "every stream"),
    Number(README, "before the live candles ({})", "lines"),
    Number(README, "that cannot be fetched ({});", "hold"),
    Number(README, "REST limit to use ({});", "weight percent"),
    Number(
        README,
        "REST limit to use ({});",
        "budget share",
        lambda share: share * 100,
    ),
    Number(README, "at the first gap with exit code {};", "exit not whole"),
    Number(README, "command, gets exit code {} and one line", "exit usage"),
    Number(README, "at the start ends the run (exit code {});", "exit exchange"),
    Number(README, "a line says so within {} s.", "soon", math.ceil),
    Number(README, "dropped messages) {} lines come at once", "lines burst"),
    Number(README, "lines come at once, then {} a second", "lines rate"),
    Number(README, "and once {} second a line says", "lines window"),
    Number(README, "the exchange is asked (exit code {}).", "exit usage"),
    Number(README, "| {} | done: the count", "exit ok"),
    Number(README, "| {} | a bug,", "exit bug"),
    Number(README, "| {} | usage:", "exit usage"),
    Number(README, "| {} | the exchange refuses for good", "exit exchange"),
    Number(README, "| {} | the data is not whole", "exit not whole"),
    Number(README, "| {} | an output failed", "exit output"),
    Number(README, "| {} | hang-up", "exit hangup"),
    Number(README, "| {} | a second Ctrl-C", "exit twice"),
    Number(README, "| {} | the reader of the pipe went away", "exit reader gone"),
    Number(README, "refuses for good (403: for {} s)", "forbidden"),
    Number(README, "reach the exchange for {} s,", "one shot"),
    Number(README, "reach the exchange for {} s,", "one shot symbols"),
    Number(
        README,
        "Stopping takes {} s at most",
        "stop by signal, stop of the screen, last words",
        lambda *parts: sum(parts),
    ),
    # README: limits
    Number(README, "| streams a connection | {};", "streams"),
    Number(
        README,
        "| {} a second, up to # in a burst",
        "attempt apart",
        lambda apart: 1 / apart,
    ),
    Number(README, "a second, up to {} in a burst", "attempts", first),
    Number(README, "in a burst, then one in {} s:", "attempts", second),
    Number(README, "s: {} in 5 minutes,", "attempts, renewals", attempts_in(300)),
    Number(
        README,
        "{} connections are each tried every # s",
        "every stream, streams",
        connections,
    ),
    Number(
        README,
        "connections are each tried every {} s",
        "every stream, streams, attempts",
        lambda all_, most, pace: connections(all_, most) * pace[1],
    ),
    Number(
        README,
        "| {} in any second, pings included",
        "message rate, messages admitted",
        messages_in_a_second,
    ),
    Number(README, "included; {} streams are subscribed in", "streams"),
    Number(
        README,
        "streams are subscribed in {} second",
        "streams, names, message rate, messages admitted",
        seconds_to_subscribe,
    ),
    Number(README, "at least {} minute apart", "renewals", lambda apart: apart // 60),
    Number(README, "| {} s each, in all;", "connect"),
    Number(README, "| {} s each, in all;", "request"),
    Number(README, "a name is tried after {} s,", "stagger"),
    Number(README, "a REST answer | {} MiB;", "message", mebibytes),
    Number(README, "MiB; {} MiB, and no more", "body", mebibytes),
    Number(README, "| waited for during {} s;", "put"),
    Number(README, "is *behind*: {} closed candles", "queue"),
    Number(README, "gets no more candles (exit code {};", "exit output"),
    Number(README, "kept in `buffer` | {} a stream,", "keep"),
    Number(README, "kept in `buffer` | # a stream, {} in all", "all kept"),
    Number(README, "candle is missing | {} a stream,", "held"),
    Number(README, "candle is missing | # a stream, {} in all", "all kept"),
    Number(README, "a person | {} characters", "line"),
    Number(README, "behind the table | {} at once,", "lines burst"),
    Number(README, "behind the table | # at once, then {} a second", "lines rate"),
    Number(README, "ends | {} of each within", "lines few"),
    Number(README, "up to {} more follow", "lines few"),
    Number(README, "`--stats` lists {} ", "announced kept"),
    Number(README, "requests at once | {},", "workers"),
    Number(README, "of at most {} rows", "page"),
    Number(README, "weight | {} a minute of", "weight, budget share", product),
    Number(README, "a minute of the exchange's {}: a quarter", "weight"),
    Number(README, "{} quarter at once,", "budget burst", lambda burst: burst / 0.25),
    Number(
        README,
        "quarter at once, then {} a second",
        "weight, budget share, budget burst",
        budget_rate,
    ),
    Number(
        README,
        "while others use more than {},",
        "weight, budget share, budget burst, budget ceiling",
        others_at_most,
    ),
    Number(README, "but always {} a minute", "budget least"),
    Number(README, "closed less than {} s before the start", "settled", thousandth),
    Number(README, "{} and further marks", "marks", lambda marks: marks + 1),
    # The other pages
    Number(SECURITY, "A line has at most {} characters", "line"),
    Number(PERFORMANCE, "(REST with {} symbols", "benchmark symbols"),
    Number(PERFORMANCE, "of CPU with {} frames in a write", "benchmark per write"),
    Number(PERFORMANCE, "**A flood**: {} streams", "benchmark streams"),
    Number(PERFORMANCE, "whole market, {} messages/s of", "benchmark market"),
    Number(PERFORMANCE, "messages/s of {} streams (", "every stream"),
    Number(
        PERFORMANCE,
        "({} symbols in # intervals)",
        "every stream, intervals",
        lambda streams, intervals: round(streams / len(intervals)),
    ),
    Number(PERFORMANCE, "symbols in {} intervals)", "intervals", len),
    Number(
        PERFORMANCE,
        "intervals) on {} connections",
        "every stream, streams",
        connections,
    ),
    Number(PERFORMANCE, "a flood of about {} s and", "benchmark floods", first),
    Number(PERFORMANCE, "a flood of about {} s,", "benchmark floods", second),
    Number(PERFORMANCE, "the first {} s are left out", "benchmark warm"),
    Number(PERFORMANCE, "a push every {} ms", "benchmark pushes", lambda n: 1000 / n),
    Number(
        PERFORMANCE,
        "`-n {}`: # closed candles by REST",
        "all kept, every stream",
        lambda kept, streams: kept // streams + 1,
    ),
    Number(
        PERFORMANCE,
        "`-n #`: {} closed candles by REST",
        "all kept, every stream",
        lambda kept, streams: (kept // streams + 1) * streams,
    ),
    Number(PERFORMANCE, "A write has {} frames", "benchmark per write"),
    Number(PERFORMANCE, "streams with {} candles kept", "all kept"),
    Number(PERFORMANCE, "A read takes up to {} KiB", "read", kibibytes),
    Number(PERFORMANCE, "A read takes up to {} KiB", "read over tls", kibibytes),
    Number(PERFORMANCE, "whole lines of up to {} KiB", "write", kibibytes),
    Number(PERFORMANCE, "{} s after the preceding close", "grace", thousandth),
    Number(
        PERFORMANCE, "reads wait {} ms", "table glance", lambda seconds: seconds * 1000
    ),
    Number(RELIABILITY, "the row is {} s old", "settled", thousandth),
    Number(RELIABILITY, "two answers at least {} s apart", "confirm", thousandth),
    Number(RELIABILITY, "takes {} a minute of", "weight, budget share", product),
    Number(RELIABILITY, "a minute of the exchange's {},", "weight"),
    Number(
        RELIABILITY,
        "a bucket that holds {} and",
        "weight, budget share, budget burst",
        lambda weight, share, burst: weight * share * burst,
    ),
    Number(
        RELIABILITY,
        "fills with {} a second",
        "weight, budget share, budget burst",
        budget_rate,
    ),
    Number(RELIABILITY, "one page of up to {} rows", "page"),
    Number(
        RELIABILITY,
        "rows, which weighs {}.",
        "klines weight, page",
        lambda weight, page: weight(page),
    ),
    Number(
        RELIABILITY,
        "300 streams take {},",
        "klines weight, page",
        lambda weight, page: 300 * weight(page),
    ),
    Number(
        RELIABILITY,
        "so the pages take {} s.",
        "klines weight, page, weight, budget share, budget burst",
        lambda weight, page, *budget: 300 * weight(page) / budget_rate(*budget),
    ),
    Number(RELIABILITY, "held, up to {} candles a stream", "held"),
    Number(
        RELIABILITY,
        "is then less than {} s,",
        "minute, clock row lag, clock agrees",
        lambda *parts: sum(parts) / 1000,
    ),
    Number(RELIABILITY, "frame has come for {} seconds", "clock fresh"),
    Number(RELIABILITY, "after {} minutes at the latest", "clock read again", minutes),
    Number(RELIABILITY, "more than {} waiting frames", "parked"),
    Number(
        RELIABILITY,
        "a clock that is {} minute off",
        "ahead, minute",
        lambda ahead, minute: ahead / minute,
    ),
    Number(RELIABILITY, "candle comes {} s later", "settled", thousandth),
    Number(RELIABILITY, "{} bits of a hash", "hash bytes", lambda size: 8 * size),
    Number(RELIABILITY, "after {} intervals without a trade", "end intervals"),
    Number(RELIABILITY, "at most every {} minutes of real", "end pause", minutes),
    Number(
        RELIABILITY,
        "up to {} minutes of empty candles",
        "end most, minute, end pause",
        lambda most, minute, pause: most / minute + pause / 60,
    ),
    Number(
        RELIABILITY,
        "more than about {} s after the ack",
        "first quiet, mute proofs",
        lambda quiet, proofs: math.ceil(quiet * (proofs + 1)),
    ),
    Number(RELIABILITY, "with a message and exit code {}.", "exit output"),
]


@cache
def text_of(document: str) -> str:
    """The text of a document, with single spaces."""
    return " ".join((ROOT / document).read_text().split())


def constant(dotted: str) -> Any:
    """The value of a constant, or of a parameter's default."""
    name, _, parameter = dotted.removesuffix(")").partition("(")
    found = pkgutil.resolve_name(name)
    return (
        inspect.signature(found).parameters[parameter].default if parameter else found
    )


def constants_of(number: Number) -> dict[str, Any]:
    """The constants behind a number: their values, by name in the code."""
    return {
        dotted: constant(dotted)
        for dotted in (CODE[key] for key in number.constants.split(", "))
    }


def numbers_at(quotation: str, text: str) -> list[str]:
    """The numbers that a text has where a quotation has `{}`."""
    pattern = re.escape(quotation)
    pattern = pattern.replace(r"\{\}", f"({_NUMBER})").replace(r"\#", _NUMBER)
    return [found[1] for found in re.finditer(pattern, text, re.IGNORECASE)]


def fault(number: Number, text: str, constants: Mapping[str, Any]) -> str | None:
    """What is wrong with a number in the text of a document, or None."""
    right = float(number.value(*constants.values()))
    shown = ", ".join(f"{name} = {value!r}"[:120] for name, value in constants.items())
    told = numbers_at(number.quotation, text)
    if not told:
        return (
            f"{number.document} has no `{number.quotation}` any more, which was"
            f" {right:,g} by {shown}; quote its new words in tests/test_numbers.py"
        )
    for one in told:
        known = WORDS.get(one.lower())
        value = float(one.replace(",", "")) if known is None else known
        if not math.isclose(value, right):
            return (
                f"{number.document} says {one} in `{number.quotation}`, but it is"
                f" {right:,g} by {shown}; change one of the two"
            )
    return None


@pytest.mark.parametrize(
    "number", NUMBERS, ids=[f"{n.document}: {n.quotation}" for n in NUMBERS]
)
def test_a_number_is_the_constant_s(number: Number) -> None:
    wrong = fault(number, text_of(number.document), constants_of(number))
    assert wrong is None, wrong


@pytest.mark.parametrize("document", [README, SECURITY, PERFORMANCE, RELIABILITY])
def test_another_number_in_a_document_is_noticed(document: str) -> None:
    for number in NUMBERS:
        if number.document != document:
            continue
        constants = constants_of(number)
        said = number.quotation.replace("#", "7")
        wrong = fault(number, said.format("54,321.5"), constants)
        assert wrong is not None
        assert all(name in wrong for name in (document, "54,321.5", *constants))
        gone = fault(number, "nothing", constants)
        assert gone is not None
        assert all(name in gone for name in (document, number.quotation, *constants))


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("up to 65,536 items", 65_536, True),
        ("up to 65,536 items", 65_537, False),
        ("up to 65,536 items", 536, False),
        ("up to\nfive items, up to 5 items", 5, True),
        ("up to five items, up to 6 items", 5, False),
        ("Up to half an items", 0.5, True),
        ("up to 5.5 items", 5.5, True),
        ("up to many items", 5, False),
    ],
)
def test_another_value_of_a_constant_is_noticed(
    text: str, value: float, right: bool
) -> None:
    number = Number(README, "up to {} items", "queue")
    code = {"klinetail.pipeline.mailbox:MOST": value}
    wrong = fault(number, " ".join(text.split()), code)
    assert (wrong is None) is right
    assert wrong is None or f"klinetail.pipeline.mailbox:MOST = {value}" in wrong


def test_every_constant_is_quoted_and_has_one_name() -> None:
    quoted = {key for number in NUMBERS for key in number.constants.split(", ")}
    assert quoted == set(CODE)
    assert len(set(CODE.values())) == len(CODE)
