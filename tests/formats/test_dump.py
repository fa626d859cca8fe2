"""The exchange's public dumps: lines without a stream, which the file's name tells."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump
from tests.strategies import BTCUSDT_1M, candle

NAME = "BTCUSDT-1m-2023-11-14.csv"
LINE = (
    b"1700000040000,100.10,100.90,100.00,100.50,12.500,1700000099999,1255.62500,42,"
    b"6.250,627.81250,0\n"
)


def test_a_line_is_a_closed_candle_from_rest():
    expected = candle(source=Source.REST)
    assert dump.decode(LINE, BTCUSDT_1M) == expected
    assert dump.decoder(NAME)(LINE) == expected
    assert dump.decoder(f"a/b-c/{NAME}")(LINE) == expected


def test_without_a_name_only_the_stream_is_made_up():
    found = dump.decoder(None)(LINE)
    assert found.stream != BTCUSDT_1M
    assert found.texts == candle().texts


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        csv.encode([candle()]),
        dump.HEADER,
        LINE.replace(b",0\n", b"\n"),
        LINE.replace(b"1700000040000", b"9" * 5000),
        LINE.replace(b"1700000040000", b"1700000040000000"),  # microseconds
    ],
)
def test_other_lines_are_no_candles(line):
    with pytest.raises(BadRecording):
        dump.decode(line, BTCUSDT_1M)


@given(st.binary())
def test_any_bytes_are_a_candle_or_none(line):
    with contextlib.suppress(BadRecording):
        assert dump.decode(line, BTCUSDT_1M).fault() is None


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        (LINE.rstrip(), True),
        (b"1,2,3", True),  # the decoder says what is wrong with it
        (csv.encode([candle()]).rstrip(), False),
        (b"", False),
        (b"hello", False),
    ],
)
def test_what_looks_like_a_candle(line, looks):
    assert dump.recognises(line) is looks


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        (NAME, BTCUSDT_1M),
        ("a/b-c/ETHUSDT-1m-2023-12-29_2023-12-31.csv", Stream("ETHUSDT", Interval.M1)),
        ("BTCUSDT-1mo-2023-11.csv", Stream("BTCUSDT", Interval.MO1)),
        ("BTCUSDT_261225-12h-2023-11.csv", Stream("BTCUSDT_261225", Interval.H12)),
        ("币安人生USDT-1d-2026-01-02.csv", Stream("币安人生USDT", Interval.D1)),
    ],
)
def test_a_dump_s_name_tells_its_stream(name, stream):
    assert dump.stream_of(name) == stream


@pytest.mark.parametrize(
    "name", ["x.csv", "BTCUSDT.csv", "BTCUSDT-9x-2023-11-14.csv", "-1m-2023-11-14.csv"]
)
def test_another_name_tells_none(name):
    with pytest.raises(BadRecording, match="a public dump whose name"):
        dump.decoder(name)
