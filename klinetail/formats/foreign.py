"""CSV of other programs, read but never written: a person says which column is which.

Only the open time and the four prices are needed. What a file does not hold (the quote
volume, the number of trades ...) is 0 in its candles, and a close time that is not
there is that of the interval. Times are milliseconds, seconds or microseconds since the
epoch, or ISO 8601; a time without an offset is UTC.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.escape import brief
from klinetail.formats import columns, csv
from klinetail.formats.rows import MICROSECONDS, PRICES, SECONDS, RowsOf, of_csv
from klinetail.formats.values import BOOLEANS, plain, sound

KEYS: Final = csv.COLUMNS[:14]
"""The keys of a record that a column can have."""

NEEDED: Final = ("open_time", *PRICES)
"""The keys needed for a candle."""

_SEPARATORS: Final = b",", b";", b"\t"

_NUMBER: Final = re.compile(r"([0-9]{1,17})(?:\.0{1,18})?").fullmatch


class Columns(NamedTuple):
    """The meaning of the columns, as given by a person."""

    columns: Mapping[str, str]
    """By key of the record: the name of a column, or its number, from 1 on."""
    symbol: str | None
    """The symbol, for a file without a column for symbols."""
    interval: Interval | None
    """The interval, for a file without a column for intervals."""


def parse(words: str) -> dict[str, str]:
    """Return by key the column that `open_time=ts,open=o` names.

    Raises:
        UsageError: a word is no such pair, or a key is unknown or there twice.
    """
    found: dict[str, str] = {}
    for word in words.split(","):
        key, equals, column = (part.strip() for part in word.partition("="))
        if not equals or not column:
            raise UsageError(
                f"--columns: {word[:60]!r} is no KEY=COLUMN; write open_time=ts,open=o"
            )
        if key not in KEYS:
            raise UsageError(
                f"--columns: there is no key {key[:60]!r}; there are {', '.join(KEYS)}"
            )
        if key in found:
            raise UsageError(f"--columns: {key} is there twice")
        found[key] = column
    return found


class Foreign:
    """The format of one file of another program.

    Args:
        line: the first line, stripped: a header, or a candle if all columns are given
            by number.
        mapping: which column holds what.

    Raises:
        BadRecording: a column is missing, or something that the candles need.
    """

    def __init__(self, line: bytes, mapping: Columns) -> None:
        self._separator = max(_SEPARATORS, key=line.count)
        """The byte between two cells."""
        cells = _cells(line, self._separator)
        self._width = len(cells)
        """The number of cells of a line."""
        self._at = {
            key: _place(key, column, cells) for key, column in mapping.columns.items()
        }
        """By key, the place of the cell."""
        for key in NEEDED:
            if key not in self._at and key in cells:
                self._at[key] = cells.index(key)
            if key not in self._at:
                raise BadRecording(
                    f"no column is known for {key}; --columns {key}=NAME tells it, of"
                    f" {brief(', '.join(cells), 200)}"
                )
        self._symbol = mapping.symbol
        self._interval = mapping.interval
        for key, told in (("symbol", mapping.symbol), ("interval", mapping.interval)):
            if key not in self._at and told is None:
                raise BadRecording(
                    f"nothing tells the {key}; --{key} tells it, or a column in"
                    " --columns"
                )
        try:
            _time(cells[self._at["open_time"]])
        except BadRecording:
            self.HEADER = line
        else:
            self.HEADER = b""

    def recognises(self, _line: bytes) -> bool:
        """Return True: a person says that the lines are candles."""
        return True

    def decoder(self, _path: str | None) -> Callable[[bytes], Candle]:
        """Return `decode`."""
        return self.decode

    def decode(self, line: bytes) -> Candle:
        """Return the candle of a line.

        Raises:
            BadRecording: the line holds no candle.
        """
        cells = _cells(line, self._separator)
        if len(cells) != self._width:
            raise BadRecording(
                f"no record: {len(cells)} columns instead of {self._width}"
            )
        cell = {key: cells[at] for key, at in self._at.items()}
        stream = self._stream(cell)
        opened = _time(cell["open_time"])
        closing = stream.interval.close_time(min(opened, 1 << 47))
        if "close_time" in cell:
            closing = _close_time(cell["close_time"], closing)
        words = cell.get("closed", "true")
        if words not in BOOLEANS:
            raise BadRecording(f"no record: closed is {words[:20]!r}")
        count = _NUMBER(cell.get("count", "0"))
        if count is None:
            raise BadRecording("no candle: the count is not a whole number")
        first, high, low, last, volume = (plain(cell.get(key, "0")) for key in _FIVE)
        quote, taker, taker_quote = (plain(cell.get(key, "0")) for key in _THREE)
        return sound(
            Candle(
                stream,
                opened,
                first,
                high,
                low,
                last,
                volume,
                closing,
                quote,
                int(count[1]),
                taker,
                taker_quote,
                BOOLEANS[words],
                Source.REST,
            )
        )

    def _stream(self, cell: Mapping[str, str]) -> Stream:
        symbol = cell.get("symbol", self._symbol)
        interval = cell.get("interval", self._interval)
        if symbol is None or interval is None:
            raise RuntimeError("the constructor looks for both")
        try:
            return _stream_of(symbol, interval)
        except UsageError as error:
            raise BadRecording(f"no record: {error}") from None

    def rows_decoder(self, _path: str) -> RowsOf:
        """Return a function that makes rows of a block of lines."""
        keys: list[str | None] = [None] * self._width
        for key, at in self._at.items():
            keys[at] = key
        names = self._symbol, None if self._interval is None else str(self._interval)
        decode = of_csv(keys, names, any_unit=True)
        if self._separator == b",":
            return decode
        return lambda block: (
            None if b"," in block else decode(block.replace(self._separator, b","))
        )


_FIVE: Final = (*PRICES, "volume")
_THREE: Final = ("quote_volume", "taker_buy_volume", "taker_buy_quote_volume")


@functools.lru_cache(maxsize=columns.STREAMS)
def _stream_of(symbol: str, interval: str) -> Stream:
    return Stream.of(symbol, interval)


def _place(key: str, column: str, cells: Sequence[str]) -> int:
    """Return the place of a column given by name or by number.

    Raises:
        BadRecording: there is no such column.
    """
    if column in cells:
        return cells.index(column)
    if column.isascii() and column.isdigit() and 0 < int(column) <= len(cells):
        return int(column) - 1
    raise BadRecording(
        f"--columns {key}={brief(column, 100)}: there is no such column among"
        f" {brief(', '.join(cells), 200)}"
    )


def _cells(line: bytes, separator: bytes) -> list[str]:
    """Return the cells of a line, without quotes.

    Raises:
        BadRecording: the line is not UTF-8.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise BadRecording(f"no record: {error}") from None
    return [cell.strip(' "\r') for cell in text.split(separator.decode())]


def _time(text: str) -> int:
    """Return a time in ms.

    Raises:
        BadRecording: the text is no time.
    """
    if (number := _NUMBER(text)) is not None:
        time = int(number[1])
        if time < SECONDS:
            return time * 1000
        return time if time < MICROSECONDS else time // 1000
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadRecording(f"no candle: {text[:40]!r} is no time") from None


def _close_time(text: str, closing: int) -> int:
    """Return a close time in ms: `closing`, the right one, for the spellings of other
    programs, which leave out the milliseconds or tell the next open time."""
    time = _time(text)
    return closing if time in (closing - 999, closing + 1) else time
