"""The start of a collector, and what can keep the start from succeeding."""

from __future__ import annotations

import queue
import threading

import pytest

from klinetail import DataCollector
from klinetail.errors import (
    Refused,
    Unreachable,
)
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    FakeRest,
    Lines,
    Seen,
    never,
)


class SlowRest(FakeRest):
    """Tells the time only when it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def server_time(self) -> int:
        assert self.told.wait(PATIENCE)
        return super().server_time()


def test_it_connects_at_once_and_subscribes_once_the_time_is_known() -> None:
    rest, lines = SlowRest(), Lines()
    collector = DataCollector([BTC], rest=rest, connect=lines)
    collector.start()
    try:
        assert lines.opened.wait(PATIENCE)
        with pytest.raises(queue.Empty):
            lines.subscribed.get(timeout=0.1)
        rest.told.set()
        assert lines.subscribed.get(timeout=PATIENCE) == ["btcusdt@kline_1m"]
    finally:
        collector.stop()


def test_a_refused_start_closes_its_line_and_says_nothing_of_it() -> None:
    seen, rest, lines = Seen(), SlowRest(), Lines()
    rest.failure = Refused("no", -1121)
    collector = DataCollector([BTC], on_event=seen.event, rest=rest, connect=lines)
    collector.start()
    try:
        assert lines.opened.wait(PATIENCE)
        rest.told.set()
        assert isinstance(collector.ended.exception(PATIENCE), Refused)
        assert lines.stopped.wait(PATIENCE)
        assert lines.subscribed.empty()
    finally:
        collector.stop()
    assert not [e for e in seen.events if getattr(e, "reason", "")]


def test_what_can_never_work_ends_the_start_and_says_why() -> None:
    rest = FakeRest()
    rest.failure = Refused("refused (HTTP 451)")
    collector = DataCollector([BTC], rest=rest, connect=never)
    collector.start()
    error = collector.ended.exception(PATIENCE)
    collector.stop()
    assert isinstance(error, Refused)


def test_history_alone_gives_up_when_the_exchange_cannot_be_reached() -> None:
    rest = FakeRest()
    rest.failure = Unreachable("no route")
    collector = DataCollector(
        [BTC], rest=rest, connect=never, follow=False, patience=0.1, random=lambda: 0.1
    )
    collector.start()
    error = collector.ended.exception(PATIENCE)
    collector.stop()
    assert isinstance(error, Unreachable)


def test_one_that_follows_never_gives_up() -> None:
    """However little patience there is for a history alone."""
    seen, rest = Seen(), FakeRest()
    rest.failure = Unreachable("no route")
    collector = DataCollector(
        [BTC],
        on_event=seen.event,
        rest=rest,
        connect=never,
        patience=0.0,
        random=lambda: 0.0,
    )
    collector.start()
    try:
        seen.wait(lambda: len(seen.events) > 20)
        assert not collector.ended.done()
    finally:
        collector.stop()
