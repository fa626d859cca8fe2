"""The words of a command line: streams and time zones. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from klinetail.candle import Interval, Pattern, Stream, is_glob
from klinetail.errors import UsageError
from klinetail.exchange.proxy import Proxy
from klinetail.notices import plural

_NAMED: Final = 3
"""Streams that are named where there may be thousands."""

_INTERVAL: Final = re.compile(r"\d+[A-Za-z]").fullmatch


def expand(words: Sequence[str], read: Callable[[str], str]) -> list[str]:
    """The words, with those of a file in place of `@FILE`: one or several a line,
    `#` begins a comment.

    Args:
        words: of the command line.
        read: the text of a file of this name, `-` is stdin.

    Raises:
        UsageError: a file names another one; or what `read` raises.
    """
    expanded: list[str] = []
    for word in words:
        if not word.startswith("@"):
            expanded.append(word)
            continue
        for line in read(word[1:]).splitlines():
            for inner in line.partition("#")[0].split():
                if inner.startswith("@"):
                    raise UsageError(f"{word[1:]}: {inner} in it would be another file")
                expanded.append(inner)
    return expanded


def parse_streams(
    words: Sequence[str], *, everything: bool = False
) -> list[Stream | Pattern]:
    """The streams that words name: `btcusdt ethusdt 1m 5m` are four, `btcusdt@5m`
    is one; without an interval it is 1m. Commas separate like spaces. A glob such as
    `*usdc` gives a pattern.

    Args:
        words: symbols, intervals, or both joined by `@`.
        everything: whether every symbol is meant besides.

    Raises:
        UsageError: no symbol, or something that is neither.
    """
    symbols: list[str] = ["*"] if everything else []
    intervals: list[Interval] = []
    streams: list[Stream | Pattern] = []
    for word in filter(None, ",".join(words).split(",")):
        if "@" in word:
            symbol, _, name = word.partition("@")
            streams.extend(_streams(symbol, [_interval(name)]))
        elif _INTERVAL(word):
            intervals.append(_interval(word))
        else:
            symbols.append(word)
    if not symbols and not streams:
        raise UsageError("which symbol? for example: klinetail watch btcusdt 1m")
    if not symbols and intervals:
        raise UsageError(f"{intervals[0]} of which symbol? btcusdt@5m has its own")
    for symbol in symbols:
        streams.extend(_streams(symbol, intervals or [Interval.M1]))
    return list(dict.fromkeys(streams))


def _streams(symbol: str, intervals: Sequence[Interval]) -> list[Stream | Pattern]:
    if is_glob(symbol):
        return [Pattern(symbol, tuple(dict.fromkeys(intervals)))]
    return [Stream.of(symbol, interval) for interval in intervals]


def _interval(name: str) -> Interval:
    try:
        return Interval(name)
    except ValueError:
        pass
    import difflib

    alike = difflib.get_close_matches(name, list(Interval), n=2, cutoff=0.5)
    if name.lower() in list(Interval):
        alike = [name.lower(), *(other for other in alike if other != name.lower())]
    hint = f", did you mean {' or '.join(alike)}" if alike else ""
    raise UsageError(f"there is no interval {name!r}{hint}: {' '.join(Interval)}")


def proxy_lines(ws: Proxy | None, rest: Proxy | None) -> list[str]:
    """What to say about the proxies in use."""
    if ws == rest:
        return [] if ws is None else [f"through the proxy {ws}"]
    sides = (("WebSocket", ws), ("REST", rest))
    return [f"{side} through the proxy {proxy}" for side, proxy in sides if proxy]


def start_line(
    streams: Sequence[Stream],
    source: str,
    *,
    lines: int,
    follow: bool,
    limit: int | None,
) -> str:
    """What to say at a start that nobody sees: what is followed, from where, and how
    it ends.

    Args:
        streams: what is followed.
        source: where candles come from.
        lines: closed candles from before the start.
        follow: whether it goes on after these.
        limit: closed candles in all after which it ends.
    """
    names = [str(stream) for stream in streams[:_NAMED]]
    if (more := len(streams) - len(names)) > 0:
        names.append(f"{more:,} more")
    last = f" and {names.pop()}" if len(names) > 1 else ""
    which = f"{', '.join(names)}{last}, from {source}"
    if not follow:
        return f"fetching the last {plural(lines, 'closed candle')} of {which}"
    end = "Ctrl-C" if limit is None else f"{plural(limit, 'closed candle')} came"
    return f"following {which}, until {end}"


def unconfirmed_line(streams: int) -> str:
    """What to say about closed candles that keep whoever reads a pipe waiting."""
    which = f"the last closed candle of {plural(streams, 'stream')} is being confirmed"
    return (
        f"{which}: the exchange's REST has to show it alike twice, 20 s apart, as it"
        " closed just now"
    )


def history_lines(streams: int, minutes: float) -> list[str]:
    """What to say about a history that takes its time."""
    if minutes < 1:
        return []
    takes = f"the history of {plural(streams, 'stream')} takes about {minutes:.0f} min"
    return [f"{takes} (--weight, -n); each stream's live candles follow its own"]


def parse_zone(name: str) -> tzinfo:
    """The time zone of a name: `local`, `UTC` or one such as `Europe/Vienna`.

    Raises:
        UsageError: there is none of that name.
    """
    if name.lower() == "local":
        return datetime.now().astimezone().tzinfo or UTC
    if name.lower() == "utc":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: ZoneInfoNotFoundError
        raise UsageError(
            f"there is no time zone {name!r}; try local, UTC or one like Europe/Vienna"
        ) from None
