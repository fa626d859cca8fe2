"""Where the exchange's candles begin: two answers decide."""

from __future__ import annotations

import math

from klinetail.clock import Moment
from klinetail.contract.finality import SETTLED
from klinetail.contract.listing import Listed
from tests.contract.minutes import T0


def test_the_earliest_that_was_shown_is_remembered() -> None:
    listed = Listed()
    assert listed.shown == math.inf
    for time in (T0 + 2, T0 + 1, T0 + 3):
        listed.show(time)
    assert listed.shown == T0 + 1


def test_two_answers_that_agree_settle_it() -> None:
    listed = Listed()
    assert listed.settle(T0) is None
    assert listed.settle(T0) is True


def test_answers_that_never_agree_settle_nothing() -> None:
    listed = Listed()
    assert listed.settle(T0) is None
    assert listed.settle(T0 + 1) is False
    assert listed.settle(T0) is False
    assert listed.settle(T0) is True


def test_of_the_next_candle_two_answers_are_needed_again() -> None:
    listed = Listed()
    listed.settle(T0)
    listed.moved_on()
    assert listed.settle(T0) is None


def test_what_is_young_may_be_there_later() -> None:
    listed = Listed()
    settled = T0 - 1 + SETTLED
    assert listed.is_young(T0, Moment(settled - 1, 0.0))
    assert not listed.is_young(T0, Moment(settled, 0.0))
    assert listed.is_young(T0, Moment(settled, 0.0, ahead=1)), "by /time alone"
