"""Times are as precise as their interval needs."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from klinetail.candle import Interval
from klinetail.times import clock

START = 1_700_000_040_000


@pytest.mark.parametrize(
    ("interval", "tz", "shown"),
    [
        (Interval.M1, UTC, "22:14"),
        (Interval.H4, UTC, "11-14 22:14"),
        (Interval.D1, UTC, "2023-11-14 22:14"),
        (Interval.M1, ZoneInfo("Asia/Kolkata"), "03:44"),
    ],
)
def test_clock(interval, tz, shown):
    assert clock(START, interval, tz) == shown


def test_a_day_that_opens_at_midnight_needs_no_hour():
    assert clock(0, Interval.D1, UTC) == "1970-01-01"
    assert clock(0, Interval.MO1, ZoneInfo("Asia/Tokyo")) == "1970-01-01 09:00"
