"""The awaited close: overdue once both clocks say so."""

from __future__ import annotations

import pytest

from klinetail.candle import MINUTE
from klinetail.clock import Moment
from klinetail.contract.close import GRACE, AwaitedClose
from klinetail.contract.finality import NOTICE
from tests.contract.minutes import T0

END = T0 + MINUTE


def test_before_its_end_was_seen_to_pass_it_is_not_overdue() -> None:
    now = Moment(END + MINUTE, 1_000.0)
    assert AwaitedClose().is_overdue(END, now) is False


@pytest.mark.parametrize(
    ("late", "noticed", "overdue"),
    [
        (GRACE, NOTICE, True),
        (GRACE - 1, 99.0, False),
        (MINUTE, NOTICE - 0.01, False),
        (MINUTE, 99.0, True),
    ],
)
def test_it_is_overdue_when_both_clocks_say_so(
    late: int, noticed: float, overdue: bool
) -> None:
    close = AwaitedClose()
    close.passed_at = 100.0
    assert close.is_overdue(END, Moment(END + late, 100.0 + noticed)) is overdue
    assert close.overdue_from(END, 100.0) == (END + GRACE, 100.0 + NOTICE)


def test_a_greater_grace_puts_it_off() -> None:
    close = AwaitedClose()
    close.passed_at = 100.0
    close.grace = 30_000
    assert not close.is_overdue(END, Moment(END + 29_999, 200.0))
    assert close.is_overdue(END, Moment(END + 30_000, 200.0))


def test_of_the_next_candle_nothing_is_known() -> None:
    close = AwaitedClose()
    close.grace, close.passed_at, close.waiting_since = 30_000, 100.0, 99.0
    close.renew()
    assert (close.grace, close.passed_at, close.waiting_since) == (GRACE, None, None)
