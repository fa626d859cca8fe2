"""The names of the public dumps, and what their checksums say."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, Interval, Stream
from klinetail.formats import dump
from klinetail.formats.dump_names import (
    Dump,
    Period,
    checksum_line,
    checksum_of,
    daily,
    day_of,
    month_of,
    parse,
)
from tests import strategies

MAY = 1_651_363_200_000  # 2022-05-01
BTC = Stream("BTCUSDT", Interval.M1)


@st.composite
def dumps(draw):
    stream, time = draw(strategies.streams), draw(strategies.times)
    if daily(stream.interval) and draw(st.booleans()):
        return day_of(stream, time)
    return month_of(stream, time)


@pytest.mark.parametrize(
    ("given_dump", "path"),
    [
        (month_of(BTC, MAY + 5 * DAY), "monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2022-05"),
        (day_of(BTC, MAY + DAY), "daily/klines/BTCUSDT/1m/BTCUSDT-1m-2022-05-02"),
        (
            month_of(Stream("BTCUSDT", Interval.MO1), MAY),
            "monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2022-05",
        ),
        (
            month_of(Stream("BTCUSDT_261225", Interval.D3), MAY),
            "monthly/klines/BTCUSDT_261225/3d/BTCUSDT_261225-3d-2022-05",
        ),
    ],
)
def test_the_exchanges_own_names(given_dump, path):
    assert given_dump.path == f"{path}.zip"
    assert given_dump.member == f"{given_dump.stem}.csv"
    assert parse(f"{path}.zip") == given_dump


def test_what_a_dump_covers():
    month = month_of(BTC, MAY)
    assert (month.start, month.end) == (MAY, MAY + 31 * DAY)
    assert [*month.days] == [MAY + n * DAY for n in range(31)]
    day = day_of(BTC, MAY + 3)
    assert (day.start, day.end, [*day.days]) == (MAY, MAY + DAY, [MAY])


@given(dumps())
def test_a_path_is_the_dump(one):
    assert parse(one.path) == one
    assert dump.stream_of(one.member) == one.stream
    assert one.start < one.end
    assert one.path.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2022-05-01.zip",
        "daily/klines/BTCUSDT/1m/BTCUSDT-1m-2022-05.zip",
        "daily/klines/BTCUSDT/1m/BTCUSDT-1m-2022-02-30.zip",
        "daily/klines/BTCUSDT/1m/ETHUSDT-1m-2022-02-20.zip",
        "daily/klines/BTCUSDT/1m/BTCUSDT-5m-2022-02-20.zip",
        "daily/klines/BTCUSDT/1w/BTCUSDT-1w-2022-02-21.zip",
        "daily/klines/btcusdt/1m/btcusdt-1m-2022-02-20.zip",
        "monthly/klines/BTCUSDT/1M/BTCUSDT-1M-2022-02.zip",
        "monthly/klines/BTCUSDT/7m/BTCUSDT-7m-2022-02.zip",
        "monthly/klines/BTCUSDT/1m/BTCUSDT-1m-0000-02.zip",
        "monthly/klines/../1m/..-1m-2022-02.zip",
        "/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2022-02.zip",
        "",
    ],
)
def test_anything_else_is_no_dump(path):
    assert parse(path) is None


@given(st.text(string.printable + "币"))
def test_no_text_is_too_odd(text):
    assert parse(text) is None


def test_a_checksum():
    one = Dump(BTC, Period.DAILY, MAY)
    line = checksum_line("ab" * 32, one)
    assert line == b"ab" * 32 + b"  BTCUSDT-1m-2022-05-01.zip\n"
    assert checksum_of(line, one) == "ab" * 32
    assert checksum_of(line.upper().replace(b"ZIP", b"zip"), one) is None
    assert checksum_of(line.replace(b"ab", b"AB").rstrip(), one) == "ab" * 32
    assert checksum_of(line, day_of(BTC, MAY + DAY)) is None
    for broken in (b"", line[1:], line * 2, b"<html></html>", b"\xff" * 99):
        assert checksum_of(broken, one) is None
