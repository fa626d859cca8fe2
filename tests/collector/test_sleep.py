"""What counts as a sleep."""

from __future__ import annotations

import pytest

from klinetail.collector.sleep import PULSE, SleepWatch, slept


@pytest.mark.parametrize(
    ("now", "suspended", "woke"),
    [
        (PULSE, 0.0, False),
        (2 * PULSE - 0.1, 0.0, False),
        (2 * PULSE, 0.0, True),
        (PULSE, PULSE - 0.1, False),
        (PULSE, PULSE, True),
        (0.0, 3600.0, True),
    ],
)
def test_a_sleep_is_what_stops_a_clock_for_long(
    now: float, suspended: float, woke: bool
) -> None:
    watch = SleepWatch(100.0, 7.0)
    assert watch.woke(100.0 + now, 7.0 + suspended) is woke
    assert watch.woke(100.0 + now, 7.0 + suspended) is False, "it is told once"


def test_looks_follow_one_another() -> None:
    watch = SleepWatch(0.0, 0.0)
    assert not any(watch.woke(n * PULSE, n * 0.1) for n in range(1, 20))


def test_the_system_s_own_figure_is_no_date() -> None:
    assert -1.0 < slept() < 10 * 365 * 86_400
