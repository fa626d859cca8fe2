"""Exchange clocks that know the time, for tests that need one."""

from __future__ import annotations

from klinetail.candle import MINUTE
from klinetail.clock import ExchangeClock, NewestRow
from klinetail.pace import Reading


def tell(clock: ExchangeClock, time: int, now: float) -> None:
    """Have the exchange say what time it is, with all that makes it believable."""
    opens = time - time % MINUTE
    for _ in range(3):
        clock.read(Reading(time, now, now))
    clock.show(NewestRow(opens, opens + MINUTE - 1, now, now))
    assert not clock.doubted, "nothing contradicts it"


def known(time: int, now: float = 0.0) -> ExchangeClock:
    """A clock that was told the time."""
    clock = ExchangeClock()
    tell(clock, time, now)
    return clock
