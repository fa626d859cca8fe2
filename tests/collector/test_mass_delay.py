"""When it is the exchange that is late, and when a stream."""

from __future__ import annotations

from klinetail.candle import MINUTE, Stream
from klinetail.clock import Moment
from klinetail.collector.mass_delay import MassDelay
from klinetail.contract.close import GRACE
from klinetail.contract.finality import SETTLED
from klinetail.contract.series import Series
from tests.contract.minutes import STREAM, T0, candle

LATE = Moment(T0 + MINUTE + GRACE, 63.0)


def waiting(number: int) -> list[Series]:
    """Series that took notice of the minute's end and heard of no close."""
    found = [Series(Stream(f"S{n}USDT", STREAM.interval)) for n in range(number)]
    for one in found:
        one.begin(Moment(T0 + 1000, 1.0))
        one.tick(Moment(T0 + MINUTE, 60.0))
    return found


def test_more_than_a_quarter_is_a_mass_delay() -> None:
    delay = MassDelay(40)
    for number, series in enumerate(waiting(11), 1):
        assert not delay.late
        delay.look_at(series, LATE)
        delay.look_at(series, LATE)
        assert delay.late is (number > 10)


def test_a_few_are_none_on_a_small_link() -> None:
    delay = MassDelay(4)
    for series in waiting(4):
        delay.look_at(series, LATE)
    assert not delay.late


def test_what_is_not_overdue_or_not_any_more_does_not_count() -> None:
    delay = MassDelay(5)
    early = Moment(T0 + MINUTE + GRACE - 1, 63.0)
    series = waiting(5)
    for one in series:
        delay.look_at(one, early)
    assert not delay.late
    for one in series:
        delay.look_at(one, LATE)
    assert delay.late
    series[0].accept(candle(T0, 3, stream=series[0].stream), LATE)
    delay.look_at(series[0], LATE)
    assert not delay.late


def test_a_longer_grace_is_over_at_its_end() -> None:
    (one,) = waiting(1)
    delay = MassDelay(0)
    one.grace = SETTLED
    delay.look_at(one, LATE)
    assert not one.overdue(LATE)
    assert one.overdue(Moment(T0 + MINUTE + SETTLED, 90.0))
