"""Plain lines: short, in words, with the exchange's own digits."""

from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.escape import printable
from klinetail.formats.plain import Plain, change
from klinetail.recordings.read import read
from tests.strategies import candle, candles, decimals

START = 1_700_000_040_000


DAY = Stream("ETHUSDT", Interval.D1)
FALLING = ("100.50", "100.90", "100.00", "100.10")


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (candle(START), "22:14 BTCUSDT 1m close 100.50 up 0.40%"),
        (candle(START, prices=FALLING), "22:14 BTCUSDT 1m close 100.10 down 0.40%"),
        (candle(START, closed=False), "22:14 BTCUSDT 1m forming 100.50 up 0.40%"),
        (
            candle(Interval.D1.floor(START), stream=DAY),
            "2023-11-14 ETHUSDT 1d close 100.50 up 0.40%",
        ),
    ],
)
def test_is_a_line_of_words(made, line):
    line += " high 100.90 low 100.00 vol 12.500"
    assert Plain(UTC).line(made) == f"{line}\n"
    assert Plain(UTC).encode([made, made]) == f"{line}\n{line}\n".encode()
    assert Plain(UTC).HEADER == b""


def test_times_are_of_the_zone_as_it_was_then():
    vienna = Plain(ZoneInfo("Europe/Vienna"))
    assert vienna.line(candle(START)).startswith("23:14 ")
    summer = START - 120 * 1440 * MINUTE
    assert vienna.line(candle(summer)).startswith("00:14 ")


@given(candles())
def test_any_candle_is_one_line_without_glyphs(made):
    line = Plain(UTC).line(made)
    assert line.endswith("\n")
    assert printable(line[:-1]) == line[:-1]
    assert line.replace(made.symbol, "").isascii()
    words = line.split()
    assert made.symbol in words
    for text in (made.close_text, made.high_text, made.low_text, made.volume_text):
        assert text in words


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_real_candles_fit_into_a_terminal_or_nearly(shared_data, symbol):
    path = shared_data / "rest_klines" / f"{symbol}-1m-2023-12-29_2023-12-31.csv"
    lengths = [len(Plain(UTC).line(made)) - 1 for made in read(str(path))]
    assert len(lengths) > 1_000
    assert max(lengths) <= 84


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("43047.00", "43080.80", "up 0.08%"),
        ("100", "87.5", "down 12.50%"),
        ("100", "100.00", "unchanged"),
        ("100", "99.9966", "down 0.0034%"),
        ("100", "100.00996", "up 0.0100%"),
        ("1", "20", "up 1900.00%"),
        ("100", "0", "down 100.00%"),
        ("0", "1", "up"),
        ("0", "0", "unchanged"),
    ],
)
def test_changes_are_words(start, end, words):
    assert change(Decimal(start), Decimal(end)) == words


@given(decimals(), decimals())
def test_a_change_is_never_shown_as_none(start, end):
    words = change(Decimal(start), Decimal(end))
    way, _, share = words.partition(" ")
    assert (
        way
        == {1: "up", -1: "down", 0: "unchanged"}[
            int(Decimal(end).compare(Decimal(start)))
        ]
    )
    if share:
        exact = abs(Decimal(end) - Decimal(start)) * 100 / Decimal(start)
        assert Decimal(share.rstrip("%")) > 0
        assert abs(Decimal(share.rstrip("%")) - exact) <= max(
            Decimal("0.005"), exact / 19
        )


@given(st.sampled_from(Interval))
def test_the_interval_is_in_the_line(interval):
    assert f" {interval} close " in Plain(UTC).line(
        candle(interval.floor(START), stream=Stream("BTCUSDT", interval))
    )
