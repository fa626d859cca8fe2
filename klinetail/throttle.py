"""How many lines a person is told, whatever the network does. Pure, not thread-safe.

Of a kind of lines 50 go out at once and then ten a second; once a second one line more
says how many were left out. Gaps, filled gaps and ends are never left out: of those
that come within a second a few are lines of their own, and all others together become
one line with their number, streams and range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from klinetail.kinds import ANNOUNCED, Kind

if TYPE_CHECKING:
    from klinetail.events import Event

BURST: Final = 50
"""Lines of a kind that go out at once."""

RATE: Final = 10
"""Lines of a kind a second, after those."""

FEW: Final = 5
"""Gaps, filled gaps or ends within a second that are lines of their own."""

WINDOW: Final = 1.0
"""Seconds that a line is held back at most."""

_FREE: Final = (Kind.OWN, Kind.RECEIPT)
"""What klinetail says of itself: the network cannot multiply it."""


class Throttle:
    """Decides when a line goes out, and sums up those that do not."""

    def __init__(self) -> None:
        self._lanes: dict[Kind, _Lane] = {
            kind: _Summed(kind) if kind in ANNOUNCED else _Counted(kind)
            for kind in Kind
            if kind not in _FREE
        }

    @property
    def due(self) -> float:
        """When `take` has something to say, monotonic seconds; inf for never."""
        return min(lane.due for lane in self._lanes.values())

    def put(
        self, line: str, kind: Kind, event: Event | None, now: float
    ) -> list[tuple[Kind, str]]:
        """The lines that go out now, with their kinds; this one is the last, or is
        held back. Figures come after all that was held back, for they count it.

        Args:
            line: what is to be said.
            kind: what it is about.
            event: what a gap, a filled gap or an end was announced by.
            now: monotonic seconds; they do not go back from call to call.
        """
        lines = self.rest() if kind is Kind.RECEIPT else self.take(now)
        lane = self._lanes.get(kind)
        if lane is None or lane.passes(line, event, now):
            lines.append((kind, line))
        return lines

    def take(self, now: float) -> list[tuple[Kind, str]]:
        """What is due of the lines that were held back, and counts of those that were
        left out."""
        return self._taken(until=now)

    def rest(self) -> list[tuple[Kind, str]]:
        """The same of all lines, due or not."""
        return self._taken(until=math.inf)

    def _taken(self, until: float) -> list[tuple[Kind, str]]:
        return [
            (kind, line)
            for kind, lane in self._lanes.items()
            if lane.due <= until
            for line in lane.take()
        ]


class _Lane(Protocol):
    """The lines of one kind."""

    due: float
    """When something is to be said of what did not pass, monotonic seconds."""

    def passes(self, line: str, event: Event | None, now: float) -> bool:
        """Whether a line goes out at once."""

    def take(self) -> list[str]:
        """What is to be said of the lines that did not pass."""


class _Counted:
    """Lines that may be left out: a bucket that holds `BURST` and fills at `RATE`."""

    def __init__(self, kind: Kind) -> None:
        self.due = math.inf
        self._kind = kind
        self._level: float = BURST
        """Lines that may go out at once."""
        self._at = 0.0
        """Monotonic seconds of the level."""
        self._left_out = 0

    def passes(self, line: str, event: Event | None, now: float) -> bool:  # noqa: ARG002
        self._level = min(BURST, self._level + (now - self._at) * RATE)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return True
        self._left_out += 1
        self.due = min(self.due, now + WINDOW)
        return False

    def take(self) -> list[str]:
        number, self._left_out, self.due = self._left_out, 0, math.inf
        lines = "line" if number == 1 else "lines"
        return [f"{number:,} more {lines} about {self._kind} left out"] * (number > 0)


class _Summed:
    """Lines that are never left out: after a few the others wait for the end of the
    second, and if they are many then they become one."""

    def __init__(self, kind: Kind) -> None:
        self.due = math.inf
        self._kind = kind
        self._ends = -math.inf
        """When the present second is over, monotonic seconds."""
        self._said = 0
        """Lines in the present second."""
        self._held: list[tuple[str, Event]] = []

    def passes(self, line: str, event: Event | None, now: float) -> bool:
        if event is None:
            return True
        if now >= self._ends:
            self._ends, self._said = now + WINDOW, 0
        if self._said < FEW:
            self._said += 1
            return True
        self._held.append((line, event))
        self.due = self._ends
        return False

    def take(self) -> list[str]:
        held, self._held, self.due = self._held, [], math.inf
        if len(held) > FEW:
            # Loaded here: each command has a throttle, and few of them a gap.
            from klinetail.pipeline.notices import summed_up

            return [summed_up(self._kind, [event for _, event in held])]
        return [line for line, _ in held]
