"""Who waits is told why, once and not too late."""

import threading

from klinetail.exchange.slowness import SOON, Slowness
from tests.venue import PATIENCE


def test_what_takes_long_is_told_once_while_it_does():
    told = threading.Event()
    with Slowness(told.set, 0.01) as slowness:
        assert told.wait(PATIENCE)
    assert slowness.told


def test_what_is_over_is_not_told():
    told = []
    with Slowness(lambda: told.append(1), 60.0) as slowness:
        pass
    slowness._take_note()  # its timer went off right at the end
    assert told == []
    assert not slowness.told


def test_who_waits_is_told_within_two_seconds():
    assert SOON < 2
