"""Attempts: repeated as long as the sink says, or until the pause forbids more."""

import pytest

from klinetail.sinks.attempts import Attempts
from klinetail.sinks.sink import Retry
from tests.sinks.memory import Memory


class Fixture:
    """Attempts at a sink, whose pauses take fake time."""

    def __init__(self, retry, over=lambda: False):
        sink = Memory()
        sink.retry = retry
        self.slept, self.said = [], []

        def pause(seconds):
            self.slept.append(seconds)
            return over()

        self.attempts = Attempts(
            sink,
            pause,
            say=self.said.append,
            monotonic=lambda: sum(self.slept),
            random=lambda: 1.0,
        )

    def make(self, *faults):
        faults, calls = list(faults), []

        def call(*arguments):
            calls.append(arguments)
            if faults and (fault := faults.pop(0)) is not None:
                raise fault

        self.attempts.make(call, "a", 1)
        assert set(calls) == {("a", 1)}
        return len(calls)


def test_a_call_that_succeeds_is_made_once():
    fixture = Fixture(Retry((OSError,)))
    assert fixture.make() == 1
    assert (fixture.slept, fixture.said) == ([], [])


def test_pauses_double_up_to_the_longest_and_each_way_is_said_once():
    fixture = Fixture(Retry((OSError,), first=1.0, longest=5.0))
    assert fixture.make(*[OSError("full")] * 5) == 6
    assert fixture.slept == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert fixture.said == [
        "memory: full; tried again",
        "memory: works again after 17 s",
    ]


def test_a_pause_can_forbid_more():
    fixture = Fixture(Retry((OSError,)), over=lambda: True)
    with pytest.raises(OSError, match="second"):
        Fixture(Retry((OSError,)), over=iter([False, True]).__next__).make(
            OSError("first"), OSError("second")
        )
    with pytest.raises(OSError, match="first"):
        fixture.make(OSError("first"))


def test_other_errors_and_the_last_in_time_are_raised():
    with pytest.raises(KeyError):
        Fixture(Retry((OSError,))).make(KeyError())
    fixture = Fixture(Retry((OSError,), seconds=3.0, first=1.0))
    with pytest.raises(OSError, match="full"):
        fixture.make(*[OSError("full")] * 9)
    assert fixture.slept == [1.0, 2.0]
