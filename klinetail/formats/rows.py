"""Many lines at once as numbers: as much as is needed to say that lines are right.

A block of lines becomes one JSON text, which msgspec decodes into columns of numbers.
The digits are not kept. What these functions accept, the decoder of single lines
accepts, too, with the same stream and times, and no number has the digits of a float.
A block that is not accepted may be right all the same: the other decoders decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import le
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from klinetail.candle import Interval, Source, symbol_fault
from klinetail.formats import columns
from klinetail.formats.values import BOOLEANS

DECIMALS: Final = 8
"""Decimals of a number at most; the exchange's `quotePrecision` is 8. More decimals
are looked at one by one."""

DEAREST: Final = 10_000_000.0
"""Prices from here on are not compared as floats: with `DECIMALS` decimals they have
more digits than a float holds."""

SECONDS: Final = 10**11
"""Times below are in seconds in files of other programs: in milliseconds they would be
before 1974."""

MICROSECONDS: Final = 10**14
"""Times from here on are in microseconds: in milliseconds they would be after 5138."""

_LARGEST: Final = 1e18
"""No volume reaches this number, which has more digits than `Candle.fault` accepts."""

_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_EXPONENT: Final = re.compile(r" *[0-9.]+[eE][0-9]+ *").fullmatch
_LONG: Final = b"." + b"0" * (DECIMALS + 1)

_INTERVALS: Final = {str(interval) for interval in Interval}
_SOURCES: Final = {str(source) for source in Source}
_SYMBOLS: Final = 32_768
"""Symbols that are remembered at most."""


class Rows(NamedTuple):
    """Lines that hold sound candles, by columns."""

    names: Sequence[tuple[str, str]]
    """Symbol and interval of each row."""
    opened: Sequence[int]
    """Open times, ms."""
    closing: Sequence[int]
    """Close times, ms."""
    closed: Sequence[bool] | None
    """Whether each candle is closed; None if all candles are."""


RowsOf: TypeAlias = Callable[[bytes], Rows | None]
"""Returns the rows of whole lines without the last line break, or None if a line is
not certain to be right."""

PRICES: Final = ("open", "high", "low", "close")
VOLUMES: Final = (
    *("volume", "quote_volume"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)
_TIMES: Final = ("open_time", "close_time", "count")
"""The whole numbers. `columns.integers` reads them: msgspec would read 1.0 as 1."""


def of_csv(
    keys: Sequence[str | None],
    names: tuple[str | None, str | None] = (None, None),
    *,
    any_unit: bool = False,
) -> RowsOf:
    """Return a function that makes rows of lines of CSV.

    Args:
        keys: the record's key of each cell; None for a cell without a meaning. Keys
            other than `open_time` and the prices may be missing.
        names: symbol and interval, where the cells do not tell them.
        any_unit: whether times may be in seconds, too.
    """
    kinds: list[Any] = [_kind(key) for key in keys]
    decoder = msgspec.json.Decoder(
        list[tuple[tuple(kinds)]],  # type: ignore[misc]
        strict=False,
    )
    integers = [key for key in _TIMES if key in keys]
    with_e = sum(key in ("closed", "source") for key in keys)
    """Cells whose words have one letter `e` each: `true`, `false`, `stream`, `rest`."""
    symbols = _Symbols()

    def rows_of(block: bytes) -> Rows | None:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if b"-" in block or b'"' in block or b"\\" in block:
            return None
        quoted = block.replace(b",", b'","').replace(b"\n", b'"],["')
        try:
            found = decoder.decode(b'[["%b"]]' % quoted)
        except ValueError:
            return None
        rows = len(found)
        cells: dict[str | None, Sequence[Any]] = {}
        texts: list[str] = []
        for key, column in zip(keys, zip(*found, strict=True), strict=True):
            if key is None or key == "symbol":
                texts += column
            cells[key] = column
        if _has_float(block, texts, with_e * rows):
            return None
        if (numbers := columns.integers([cells[key] for key in integers])) is None:
            return None
        cells.update(zip(integers, numbers, strict=True))
        if any_unit and not _in_milliseconds(cells):
            return None
        return _rows(cells, rows, names, symbols)

    return rows_of


_FIRST: Final = (
    "open_time",
    *PRICES,
    "volume",
    "close_time",
    "quote_volume",
    "count",
)
_CELLS: Final = (*_FIRST, *VOLUMES[2:])
"""The keys of the numbers of a record, in the order of its CSV."""

_named: Final = msgspec.json.Decoder(
    list[tuple[str, int, *(float,) * 5, int, float, int, float, float, bool, str]]  # type: ignore[misc]
)
_unnamed: Final = msgspec.json.Decoder(
    list[tuple[int, *(float,) * 5, int, float, int, float, float, msgspec.Raw]]  # type: ignore[misc]
)

_STRANGE: Final = (b"-", b'"', b"\\", b" ", b"\t", b"\r", b"\x7f")
"""Bytes that neither a record nor a dump has, and that JSON would take otherwise."""


def of_record(careful: RowsOf) -> RowsOf:
    """Return a function that makes rows of the record's CSV.

    A usual line is JSON but for its brackets and two pairs of quotes. These are set by
    single letters, which bytes are searched for fastest: an `s` begins `stream`, and an
    `m` ends both `stream` and `BTCUSDT,1m`. No symbol has a small ASCII letter.

    Args:
        careful: makes rows of other lines.
    """
    names = _Names()

    def rows_of(block: bytes) -> Rows | None:
        first = block.partition(b"\n")[0].split(b",", 2)
        if len(first) < 3 or any(map(block.__contains__, _STRANGE)):
            return careful(block)
        text = (block + b"\n").replace(b",rest\n", b",s\x7fm\n")
        text = text.replace(b"s", b'"s')
        if first[1][-1:] == b"m":
            text = text.replace(b"m", b'm"').replace(b"\n", b'],["')
        else:
            unit = first[1][-1:]
            text = text.replace(unit, unit + b'"').replace(b"\n", b'"],["')
        try:
            found = _named.decode(b'[["%b]' % text.removesuffix(b',["'))
            told, *numbers, _, sources = zip(*found, strict=True)
            named = [*map(names.__getitem__, told)]
        except (ValueError, KeyError):
            return careful(block)
        lines = block.count(b"\n") + 1
        if len(found) != lines or not _TOKENS.issuperset(sources):
            return careful(block)
        if _has_float(block, told, 2 * lines):
            return careful(block)
        cells: dict[str | None, Sequence[Any]] = {}
        cells.update(zip(_CELLS, numbers, strict=True))
        intervals = [interval for _, interval in named]
        times = _times(cells, intervals)
        if times is None or not _priced(cells) or max(cells["count"]) >= 1 << 53:
            return None
        return Rows(named, *times, None)

    return rows_of


_TOKENS: Final = {"stream", "s\x7fm"}
"""The sources: the second one stands for `rest`."""


class _Names(dict[str, tuple[str, str]]):
    """Symbol and interval by a text such as `BTCUSDT,1m`. A `KeyError` means that the
    text names no stream."""

    def __missing__(self, text: str) -> tuple[str, str]:
        symbol, comma, interval = text.partition(",")
        if not comma or symbol_fault(symbol) is not None or interval not in _INTERVALS:
            raise KeyError(text)
        if len(self) > _SYMBOLS:
            self.clear()
        name = self[text] = symbol, interval
        return name


def of_dump(careful: RowsOf, names: tuple[str, str]) -> RowsOf:
    """Return a function that makes rows of a public dump, whose lines are JSON already.

    Args:
        careful: makes rows of lines that are no JSON.
        names: symbol and interval.
    """
    symbols = _Symbols()

    def rows_of(block: bytes) -> Rows | None:
        if any(map(block.__contains__, _STRANGE)):
            return careful(block)
        try:
            found = _unnamed.decode(b"[[%b]]" % block.replace(b"\n", b"],["))
        except ValueError:
            return careful(block)
        *numbers, _ = zip(*found, strict=True)
        if _has_float(block, ()):
            return careful(block)
        return _rows(
            dict(zip(_CELLS, numbers, strict=True)), len(found), names, symbols
        )

    return rows_of


def _in_milliseconds(cells: dict[str | None, Sequence[Any]]) -> bool:
    """Make the open times milliseconds, and return whether they all are now."""
    opened = cells["open_time"]
    if max(opened) < SECONDS and "close_time" not in cells:
        cells["open_time"] = [time * 1000 for time in opened]
        return True
    return bool(min(opened) >= SECONDS and max(opened) < MICROSECONDS)


def _kind(key: str | None) -> type:
    return float if key in PRICES or key in VOLUMES else str


class _Record(msgspec.Struct, gc=False):
    symbol: str
    interval: str
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_time: int
    quote_volume: float
    count: int
    taker_buy_volume: float
    taker_buy_quote_volume: float
    closed: bool
    source: Source


_KEYS: Final = _Record.__struct_fields__
_E_OF_KEYS: Final = sum(key.count("e") for key in (*_KEYS, *("e",) * 2))
"""Letters `e` of a JSON line without its symbol: those of the keys, and one in each of
`true` and `false`, and of `stream` and `rest`."""

_records: Final = msgspec.json.Decoder(list[_Record])


def of_jsonl() -> RowsOf:
    """Return a function that makes rows of JSON lines."""
    symbols = _Symbols()

    def rows_of(block: bytes) -> Rows | None:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        breaks = block.count(b"\n")
        apart = block.count(b"{") == breaks + 1 and block.count(b"}\n{") == breaks
        if not apart or b"-" in block:
            return None
        try:
            records = _records.decode(b"[%b]" % block.replace(b"\n", b",\n"))
        except (ValueError, RecursionError):
            return None
        values = zip(*map(msgspec.structs.astuple, records), strict=True)
        cells: dict[str | None, Sequence[Any]] = dict(zip(_KEYS, values, strict=True))
        if _has_float(block, cells["symbol"], _E_OF_KEYS * len(records)):
            return None
        closed = cells.pop("closed")
        del cells["source"]
        rows = _rows(cells, len(records), (None, None), symbols)
        if rows is not None and not all(closed):
            return rows._replace(closed=closed)
        return rows

    return rows_of


def _has_float(block: bytes, texts: Sequence[str], more: int = 0) -> bool:
    """Return whether a number may have an exponent, or more than `DECIMALS` decimals.

    Args:
        block: the lines.
        texts: all text of the lines that is no number.
        more: further letters `e` that are no exponents.
    """
    text = "".join(texts)
    known = text.count("e") + text.count("E") + more
    exponents = block.count(b"e") + block.count(b"E") - known
    if exponents or _LONG in block.translate(_DIGITS):
        return True
    return known > more and any(map(_EXPONENT, {*texts}))


class _Symbols:
    """Tells whether texts can be symbols."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        """Texts that can be symbols."""

    def possible(self, symbols: Sequence[str]) -> bool:
        """Return whether all texts can be symbols."""
        if new := set(symbols) - self._known:
            if any(symbol_fault(symbol) is not None for symbol in new):
                return False
            if len(self._known) > _SYMBOLS:
                self._known.clear()
            self._known |= new
        return True


def _rows(
    cells: Mapping[str | None, Sequence[Any]],
    rows: int,
    names: tuple[str | None, str | None],
    known: _Symbols,
) -> Rows | None:
    """Return the rows of columns, or None if a value is not certain to be right."""
    symbols = cells.get("symbol") or (names[0] or "",) * rows
    intervals = cells.get("interval") or (names[1] or "",) * rows
    if not (known.possible(symbols) and _INTERVALS.issuperset(intervals)):
        return None
    times = _times(cells, intervals)
    if times is None or not _priced(cells):
        return None
    if max(cells.get("count", (0,))) >= 1 << 53:
        return None
    closed = None
    if "closed" in cells:
        words = cells["closed"]
        if words.count("true") != rows:
            try:
                closed = [*map(BOOLEANS.__getitem__, words)]
            except KeyError:
                return None
    if "source" in cells and not _SOURCES.issuperset(cells["source"]):
        return None
    return Rows([*zip(symbols, intervals, strict=True)], *times, closed)


def _times(
    cells: Mapping[str | None, Sequence[Any]], intervals: Sequence[str]
) -> tuple[Sequence[int], Sequence[int]] | None:
    """Return open and close times (ms), or None if a time is no candle's."""
    opened = cells["open_time"]
    closing = cells.get("close_time")
    if closing is None:
        closing = [*map(columns.close_time, intervals, opened)]
        return None if None in closing else (opened, closing)
    return (opened, closing) if columns.timely(intervals, opened, closing) else None


def _priced(cells: Mapping[str | None, Sequence[Any]]) -> bool:
    """Return whether every open and close lies between low and high, and the volumes
    are numbers."""
    first, high, low, last = (cells[key] for key in PRICES)
    if not (
        all(map(le, low, first))
        and all(map(le, low, last))
        and all(map(le, first, high))
        and all(map(le, last, high))
        and max(high) < DEAREST
    ):
        return False
    # The sum of a NaN or an infinite number is not less than any number.
    return all(sum(cells[key]) < _LARGEST for key in VOLUMES if key in cells)
