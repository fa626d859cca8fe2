"""The table's outlet: what it takes, and when."""

from __future__ import annotations

from datetime import UTC

import pytest

from klinetail.candle import Interval, Stream
from klinetail.cli.outlets import TableOutlet
from klinetail.events import CandleEvent
from klinetail.mailbox import Latest
from klinetail.view.table import REAL, Table
from tests.strategies import candle

STREAMS = [Stream(f"S{number}USDT", Interval.M1) for number in range(100)]
OPEN = 1_700_000_040_000
LINES = 24


class Screen:
    """Notes what it would show."""

    def __init__(self) -> None:
        self.due = 0.0
        self.frames: list[list[str]] = []

    def draw(self, view: Table, now: float) -> float:
        if now < self.due:
            return self.due
        self.due = now + 0.125
        self.frames.append([line.plain for line in view.render(120, LINES)])
        return now + 1.0


class Running:
    """An outlet over a table of 100 streams."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.woken = 0
        self.refreshed: list[float] = []
        self.latest = Latest(5, notify=self._wake)
        self.table = Table(STREAMS, tz=UTC, source=REAL)
        self.outlet = TableOutlet(
            self.screen,  # type: ignore[arg-type]
            self.table,
            self.latest,
            self.refreshed.append,
        )

    def _wake(self) -> None:
        self.woken += 1

    def push(self, close: str) -> None:
        prices = ("100", "900", "1", close)
        for stream in STREAMS:
            forming = candle(OPEN, stream=stream, prices=prices, closed=False)
            self.latest.put([CandleEvent(forming)])

    def showing(self, text: str) -> int:
        return sum(text in line for line in self.screen.frames[-1])


@pytest.fixture
def running() -> Running:
    return Running()


def test_nothing_is_taken_before_a_frame_is_due(running: Running) -> None:
    assert running.outlet.step(0, 1.0) == 2.0
    running.push("123.40")
    assert running.outlet.step(0, 1.01) == running.screen.due
    assert len(running.latest.take()) == len(STREAMS)
    assert running.refreshed == [1.0]


def test_many_messages_wake_it_once_a_frame(running: Running) -> None:
    for frame in range(1, 4):
        for message in range(50):
            running.push(f"1{message}.5")
        assert running.woken == frame
        running.outlet.step(0, float(frame))
        assert running.showing("149.5") > 10


def test_streams_that_do_not_fit_are_left_alone(running: Running) -> None:
    running.outlet.step(0, 1.0)
    running.push("123.40")
    running.outlet.step(0, 2.0)
    shown = running.showing("123.40")
    assert 0 < shown < LINES
    assert list(running.table.shown) == STREAMS[:shown]
    assert len(running.latest.take()) == len(STREAMS) - shown
