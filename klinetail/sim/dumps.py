"""The public dumps of a market: when a dump is published, and the bytes. Pure.

Equal markets make equal bytes, so that the checksum of a dump never changes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator, Sequence
from typing import Final

import msgspec

from klinetail.candle import DAY, HOUR, MINUTE, Candle, Interval
from klinetail.formats.dump import COLUMNS
from klinetail.formats.dump_names import Dump, Period
from klinetail.sim.faults.archive import SOUND, Spoilt
from klinetail.sim.market import Market

ROWS: Final = 256
"""Candles made in one step. A step takes some 15 ms, and the server does nothing else
during a step."""

PUBLISHED: Final = 8 * HOUR + 35 * MINUTE
"""The time of the day (ms) at which dumps are published.

Source: https://github.com/binance/binance-public-data/issues/440.
"""

_HEADER: Final = ",".join(COLUMNS) + "\n"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of the file in each archive: the earliest that a zip archive can tell."""
_MICRO: Final = 1000
"""Microseconds in a millisecond."""


def published(dump: Dump) -> int:
    """Return the exchange time (ms) from which a dump can be downloaded.

    A day is published in the morning of the next day, and a month in the morning of the
    first Monday of the next month.
    """
    if dump.period is Period.DAILY:
        return dump.end + PUBLISHED
    monday = Interval.W1.floor(dump.end)
    return (monday if monday == dump.end else monday + 7 * DAY) + PUBLISHED


def zipping(
    market: Market, dump: Dump, spoilt: Spoilt = SOUND
) -> Generator[None, None, bytes | None]:
    """Make a dump step by step, and return the zip archive; None for a dump without
    candles, which is never published.

    Each step makes `ROWS` candles at most.

    Args:
        market: the market.
        dump: the dump, already published.
        spoilt: the faults of the content.
    """
    out = io.BytesIO()
    info = zipfile.ZipInfo(dump.member, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, on every system
    candles = yield from _candles(market, dump, spoilt)
    if not candles:
        return None
    with zipfile.ZipFile(out, "w") as archive, archive.open(info, "w") as member:
        if not spoilt.headless:
            member.write(_HEADER.encode())
        for at in range(0, len(candles), 4 * ROWS):
            member.write(_lines(candles[at : at + 4 * ROWS], micro=spoilt.micro))
            yield
    return out.getvalue()


def _candles(
    market: Market, dump: Dump, spoilt: Spoilt
) -> Generator[None, None, list[Candle]]:
    """Make the candles of a dump step by step, and return them.

    Candles after the end of trading are not in a dump, nor are candles that close after
    the dump was published.
    """
    stream, now = dump.stream, published(dump)
    if stream.interval not in market.intervals(stream.symbol):
        return []
    ends = [one.end for one in market.instruments if one.symbol == stream.symbol]
    end = dump.end if ends[0] is None else min(dump.end, ends[0])
    found: list[Candle] = []
    start = dump.start
    while start < end:
        rows = market.klines(stream, start, end - 1, ROWS, now=now)
        found += [row for row in rows if row.closed]
        yield
        if len(rows) < ROWS:
            break
        start = rows[-1].close_time + 1
    old = len(found) - spoilt.old
    return [
        candle if number < old else _older(candle)
        for number, candle in enumerate(found)
        if candle.open_time - candle.open_time % DAY != spoilt.lacking
    ]


def _older(candle: Candle) -> Candle:
    """Return the candle with other values, as published before a correction."""
    return msgspec.structs.replace(
        candle,
        close_text=candle.low_text
        if candle.close_text != candle.low_text
        else candle.high_text,
        count=candle.count + 1,
    )


def _lines(candles: Sequence[Candle], *, micro: bool) -> bytes:
    """Return the lines of candles."""
    unit, last = (_MICRO, _MICRO - 1) if micro else (1, 0)
    return "".join(
        f"{c.open_time * unit},{c.open_text},{c.high_text},{c.low_text},"
        f"{c.close_text},{c.volume_text},{c.close_time * unit + last},"
        f"{c.quote_volume_text},{c.count},{c.taker_buy_volume_text},"
        f"{c.taker_buy_quote_volume_text},0\n"
        for c in candles
    ).encode()
