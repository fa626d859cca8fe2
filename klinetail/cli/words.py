"""The words of a command line: streams and time zones. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from klinetail.candle import Interval, Pattern, Stream, is_glob, symbol_fault
from klinetail.errors import UsageError
from klinetail.exchange.proxy import Proxy
from klinetail.pipeline.notices import plural
from klinetail.spelling import intervals_like, plainer, spelled


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

    A word that looks like an interval and is none (`60m`, `daily`, `4U`) gives a
    pattern too, as the exchange could list a symbol of that name: what it does not list
    is refused with the interval that is like it.

    Args:
        words: symbols, intervals, or both joined by `@`.
        everything: whether every symbol is meant besides.

    Raises:
        UsageError: no symbol, or something that is neither.
    """
    symbols: list[str] = ["*"] if everything else []
    intervals: list[Interval] = []
    streams: list[Stream | Pattern] = []
    doubts: dict[str, str] = {}
    for word in _split(words):
        if "@" in word:
            symbol, _, name = word.partition("@")
            if not name:
                raise UsageError(f"{word} lacks its interval, as in {symbol}@1m")
            streams.extend(_streams(symbol, [Interval.of(name)]))
        elif intervals_like(word, Interval) is None:
            symbols.append(word)
        else:
            try:
                intervals.append(Interval.of(word))
            except UsageError as error:
                symbols.append(word)
                doubts[word] = str(error)
    if not symbols and not streams:
        raise UsageError("which symbol? for example: klinetail watch btcusdt 1m")
    if not symbols and intervals:
        raise UsageError(f"{intervals[0]} of which symbol? btcusdt@5m has its own")
    wanted = list(dict.fromkeys(intervals or [Interval.M1]))
    for symbol in symbols:
        if symbol in doubts:
            streams.append(Pattern(symbol, tuple(wanted), doubts[symbol]))
        else:
            streams.extend(_streams(symbol, wanted))
    return list(dict.fromkeys(streams))


def taken_line(words: Sequence[str]) -> str | None:
    """What to say about those words that mean a spot pair in other programs and are
    taken as the perpetual here; None if there are none.

    Args:
        words: as `parse_streams` takes them.
    """
    taken: dict[str, str] = {}
    for word in _split(words):
        name = word.partition("@")[0]
        symbol, assumed = spelled(name)
        if assumed and not is_glob(name):
            taken[name] = symbol.upper()
    if not taken:
        return None
    one, many = "taken as the USDⓈ-M perpetual", "taken as the USDⓈ-M perpetuals"
    said = _some(list(taken))
    return f"{said}: {one if len(taken) == 1 else many} {_some(list(taken.values()))}"


def parse_symbol(word: str) -> str:
    """The symbol that a word means, in upper case: the exchange's own name in any case,
    or another spelling of it.

    Raises:
        UsageError: it cannot be a symbol; the message has what is like it.
    """
    try:
        return Stream.of(spelled(word).symbol, Interval.M1).symbol
    except UsageError as error:
        alike = _stream_like(word)
        hint = f"; did you mean {alike}?" if alike else ""
        raise UsageError(f"{error}{hint}") from None


def _stream_like(word: str) -> str:
    """The symbol or stream that is meant by a word that cannot be a symbol, or ""."""
    name, interval = word, ""
    if match := re.fullmatch(r"(.+)[^\w@](\w+)", word, re.DOTALL):
        alike = intervals_like(match[2], Interval) or ()
        if len(alike) == 1:
            name, interval = match[1], f"@{alike[0]}"
    symbol = plainer(name)
    return f"{symbol}{interval}" if symbol_fault(symbol.upper()) is None else ""


def _split(words: Sequence[str]) -> Iterator[str]:
    return filter(None, ",".join(words).split(","))


def _streams(symbol: str, intervals: Sequence[Interval]) -> list[Stream | Pattern]:
    if is_glob(symbol):
        return [Pattern(symbol, tuple(intervals))]
    name = parse_symbol(symbol)
    return [Stream.of(name, interval) for interval in intervals]


_SAID: Final = 3
"""Names that a line has room for."""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SAID:,} more" if len(names) > _SAID else ""
    return f"{', '.join(names[:_SAID])}{more}"


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
    updates: bool,
    zone: str | None,
) -> str:
    """What to say at a start without a table: what is followed, from where, and how
    the run ends.

    Args:
        streams: what is followed; at least one.
        source: where the candles come from.
        lines: closed candles of each stream from before the start.
        follow: whether the run goes on after these.
        limit: closed candles in all after which the run ends.
        updates: whether forming candles are lines too.
        zone: what the time zone of plain lines is called; None for records, which
            explain themselves.
    """
    which = f"{_some(list(map(str, streams)))}, from {source}"
    if follow:
        end = "Ctrl-C" if limit is None else f"{plural(limit, 'closed candle')} came"
        said = f"following {which}, until {end}"
    else:
        said = f"fetching the last {plural(lines, 'closed candle')} of {which}"
    if zone is None:
        return said
    each = "update" if updates else "closed candle"
    return f"{said}; one line for each {each}, times {zone}"


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
