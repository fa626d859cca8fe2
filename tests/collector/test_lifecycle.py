"""The milestones of a run."""

from __future__ import annotations

import asyncio

import pytest

from klinetail.collector.lifecycle import Lifecycle, reached, settle
from klinetail.errors import Refused, UsageError

LONG = 60.0


def test_the_first_outcome_of_a_milestone_stands() -> None:
    lifecycle = Lifecycle()
    settle(lifecycle.subscribed)
    lifecycle.fail(Refused("no"))
    lifecycle.close()
    assert lifecycle.subscribed.result(0) is None
    assert isinstance(lifecycle.history.exception(0), Refused)
    assert isinstance(lifecycle.ended.exception(0), Refused)
    assert lifecycle.stopping.is_set()


def test_after_a_stop_nobody_waits_for_a_milestone_and_the_run_has_not_failed() -> None:
    lifecycle = Lifecycle()
    lifecycle.close()
    for milestone in (lifecycle.subscribed, lifecycle.history):
        assert isinstance(milestone.exception(0), UsageError)
    assert lifecycle.ended.exception(0) is None


def test_a_wait_that_is_cancelled_leaves_the_milestone_to_others() -> None:
    async def main() -> None:
        lifecycle = Lifecycle()
        first = asyncio.ensure_future(reached(lifecycle.history))
        second = asyncio.ensure_future(reached(lifecycle.history))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not lifecycle.history.done()
        lifecycle.fail(Refused("no"))
        with pytest.raises(Refused):
            await second

    asyncio.run(asyncio.wait_for(main(), LONG))
