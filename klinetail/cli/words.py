"""The words of a command line: reading streams, and wording the notices. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from klinetail.candle import Interval, Stream, symbol_fault
from klinetail.errors import UsageError
from klinetail.exchange.proxy import Proxy
from klinetail.pattern import Pattern, is_glob
from klinetail.pipeline.notices import plural
from klinetail.spelling import intervals_like, plainer, spelled


def expand(words: Sequence[str], read: Callable[[str], str]) -> list[str]:
    """Return the words, with the words of a file in place of `@FILE`.

    A line of the file holds any number of words; `#` begins a comment.

    Args:
        words: the words of the command line.
        read: returns the text of the file with the given name; `-` is stdin.

    Raises:
        UsageError: a word of a file names another file. Errors of `read` pass through.
    """
    expanded: list[str] = []
    for word in words:
        if not word.startswith("@"):
            expanded.append(word)
            continue
        for line in read(word[1:]).splitlines():
            for inner in line.partition("#")[0].split():
                if inner.startswith("@"):
                    raise UsageError(f"{word[1:]}: {inner} would name another file")
                expanded.append(inner)
    return expanded


def parse_streams(
    words: Sequence[str], *, everything: bool = False
) -> list[Stream | Pattern]:
    """Return the streams named by words.

    `btcusdt ethusdt 1m 5m` are four streams, `btcusdt@5m` is one stream; without an
    interval the interval is 1m. Commas separate words like spaces. A glob such as
    `*usdc` gives a pattern.

    A word that looks like an interval and is no interval (`60m`, `daily`, `4U`) gives a
    pattern too, since the exchange could list a symbol of this name. If the exchange
    does not, the word is refused later, and the error names the similar interval.

    Args:
        words: symbols, intervals, or both joined by `@`.
        everything: whether every symbol is wanted besides.

    Raises:
        UsageError: the words name no symbol, or a word is neither a symbol nor an
            interval.
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
    """Return the notice about words such as `BTC/USDT`, read as a perpetual.

    In other programs such a word names a spot pair. The result is None without a word
    of this kind.

    Args:
        words: the words given to `parse_streams`.
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
    """Return the symbol named by a word, in upper case.

    The word is the exchange's own name in any case, or another spelling of the name.

    Raises:
        UsageError: the word cannot be a symbol; the message names a similar symbol.
    """
    try:
        return Stream.of(spelled(word).symbol, Interval.M1).symbol
    except UsageError as error:
        alike = _stream_like(word)
        hint = f"; did you mean {alike}?" if alike else ""
        raise UsageError(f"{error}{hint}") from None


def _stream_like(word: str) -> str:
    """Return the symbol or stream probably meant by a word that cannot be a symbol.

    The result is "" without a probable meaning.
    """
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
"""Names listed in a notice, at most; further names are counted."""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SAID:,} more" if len(names) > _SAID else ""
    return f"{', '.join(names[:_SAID])}{more}"


def proxy_lines(ws: Proxy | None, rest: Proxy | None) -> list[str]:
    """Return the notices about the proxies in use."""
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
    """Return the notice at a start without a table: streams, source, and the end.

    Args:
        streams: the streams to follow; at least one stream.
        source: the name of the exchange.
        lines: the number of closed candles of each stream from before the start.
        follow: whether the run goes on after the history.
        limit: the number of closed candles in all after which the run ends.
        updates: whether forming candles are lines too.
        zone: the name of the time zone of plain lines; None for records, since records
            name their units themselves.
    """
    which = f"{_some(list(map(str, streams)))}, from {source}"
    if follow:
        end = "Ctrl-C" if limit is None else f"{plural(limit, 'closed candle')} came"
        said = f"following {which}, until {end}"
    elif not lines:
        said = f"fetching no closed candle for stdout, of {which}"
    else:
        said = f"fetching the last {plural(lines, 'closed candle')} of {which}"
    if zone is None:
        return said
    each = "update" if updates else "closed candle"
    return f"{said}; one line for each {each}, times {zone}"


def unconfirmed_line(streams: int) -> str:
    """Return the notice about closed candles for which a reader of a pipe waits."""
    which = f"the last closed candle of {plural(streams, 'stream')} is being confirmed"
    return (
        f"{which}: a candle that closed just now counts after two equal REST answers,"
        " 20 s apart"
    )


def history_lines(streams: int, minutes: float) -> list[str]:
    """Return the notice about a history that takes a minute or more, if there is one.

    Args:
        streams: the number of streams.
        minutes: the expected duration of the history.
    """
    if minutes < 1:
        return []
    takes = f"the history of {plural(streams, 'stream')} takes about {minutes:.0f} min"
    return [f"{takes} (--weight, -n); each stream's live candles follow its own"]
