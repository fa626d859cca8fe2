"""The cells of a candle."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from klinetail.candle import Interval, Stream
from klinetail.view.candle_columns import COLUMNS, candle_row
from klinetail.view.theme import DOWN, QUIET, UNICODE, UP
from tests.strategies import candle
from tests.view.tables import START


def cells(candle, state=("closed", QUIET), tz=UTC):
    row = candle_row(candle, "✓", state, tz=tz, glyphs=UNICODE)
    return {column.name: column.cell(row) for column in COLUMNS}


def test_every_cell_of_a_candle():
    assert cells(candle(START)) == {
        "time": ("✓ 22:14", ""),
        "open": ("100.10", ""),
        "high": ("100.90", ""),
        "low": ("100.00", ""),
        "close": ("100.50", UP),
        "change": ("▲ +0.40%", UP),
        "volume": ("12.500", ""),
        "trades": ("42", ""),
        "state": ("closed", QUIET),
    }


@pytest.mark.parametrize(
    ("close", "style", "text"),
    [("100.00", DOWN, "▼ -0.10%"), ("100.10", QUIET, "= 0.00%")],
)
def test_the_close_and_the_change_have_the_style_of_the_direction(close, style, text):
    made = cells(candle(START, prices=("100.10", "100.90", "100.00", close)))
    assert made["close"] == (close, style)
    assert made["change"] == (text, style)


def test_the_time_column_is_headed_by_the_zone_of_its_times():
    (time,) = (column for column in COLUMNS if column.name == "time")
    tokyo = ZoneInfo("Asia/Tokyo")
    row = candle_row(candle(START), "✓", ("", ""), tz=tokyo, glyphs=UNICODE)
    assert time.heading(row) == "  JST"
    assert time.cell(row) == ("✓ 07:14", "")
    assert time.heading(None) == "time"


def test_a_day_is_a_date():
    day = Stream("BTCUSDT", Interval.D1)
    made = candle(Interval.D1.floor(START), stream=day)
    assert cells(made)["time"] == ("✓ 2023-11-14", "")
