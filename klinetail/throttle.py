"""Limits on the lines shown to a person, whatever the network does. Pure, not
thread-safe.

Of each kind, 50 lines go out at once and then ten lines a second; a further line tells
once a second how many lines were left out. Gaps, filled gaps and ends are never left
out: within a second the first few are lines of their own, and the rest become one line
with number, streams and range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from klinetail.kinds import ANNOUNCED, Kind

if TYPE_CHECKING:
    from klinetail.events import Event

BURST: Final = 50
"""The lines of a kind that may go out at once."""

RATE: Final = 10
"""The lines of a kind a second after the burst."""

FEW: Final = 5
"""Gaps, filled gaps or ends within a second that are lines of their own."""

WINDOW: Final = 1.0
"""Seconds that a line is held back at most."""

_FREE: Final = (Kind.OWN, Kind.RECEIPT)
"""The kinds of klinetail's own lines, never multiplied by the network."""


class Throttle:
    """Decides when a line goes out, and sums up the lines held back."""

    def __init__(self) -> None:
        self._lanes: dict[Kind, _Lane] = {
            kind: _Summed(kind) if kind in ANNOUNCED else _Counted(kind)
            for kind in Kind
            if kind not in _FREE
        }
        """The limited kinds, each with the state of its limit."""

    @property
    def due(self) -> float:
        """The monotonic seconds at which `take` returns a line; inf for never."""
        return min(lane.due for lane in self._lanes.values())

    def put(
        self, line: str, kind: Kind, event: Event | None, now: float
    ) -> list[tuple[Kind, str]]:
        """Return the lines that go out now, with kinds; the given line is the last or
        held back.

        Figures come after all lines held back, because the figures count the same
        events.

        Args:
            line: the line.
            kind: the line's kind.
            event: the event of a gap, a filled gap or an end; else None.
            now: monotonic seconds, never earlier than in the last call.
        """
        lines = self.rest() if kind is Kind.RECEIPT else self.take(now)
        lane = self._lanes.get(kind)
        if lane is None or lane.passes(line, event, now):
            lines.append((kind, line))
        return lines

    def take(self, now: float) -> list[tuple[Kind, str]]:
        """Return the held lines that are due, and counts of lines left out."""
        return self._taken(until=now)

    def rest(self) -> list[tuple[Kind, str]]:
        """Return all held lines, due or not, and counts of lines left out."""
        return self._taken(until=math.inf)

    def _taken(self, until: float) -> list[tuple[Kind, str]]:
        return [
            (kind, line)
            for kind, lane in self._lanes.items()
            if lane.due <= until
            for line in lane.take()
        ]


class _Lane(Protocol):
    """The limit of one kind of lines."""

    due: float
    """The monotonic seconds at which `take` returns a line; inf for never."""

    def passes(self, line: str, event: Event | None, now: float) -> bool:
        """Return whether a line goes out at once; otherwise the lane notes the line."""

    def take(self) -> list[str]:
        """Return the report of the lines held back or left out since the last call."""


class _Counted:
    """Lines that may be left out, limited by a token bucket of `BURST`, refilled at
    `RATE`."""

    def __init__(self, kind: Kind) -> None:
        self.due = math.inf
        self._kind = kind
        """The kind, for the report."""
        self._level: float = BURST
        """The lines that may go out at once."""
        self._at = 0.0
        """The monotonic seconds of the level."""
        self._left_out = 0
        """The lines left out since the last report."""

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
    """Lines that are never left out.

    The first few of a second go out at once. The rest wait for the end of the second,
    and become one line if many.
    """

    def __init__(self, kind: Kind) -> None:
        self.due = math.inf
        self._kind = kind
        """The kind, for the report."""
        self._ends = -math.inf
        """The monotonic seconds at which the present second ends."""
        self._said = 0
        """The lines sent out in the present second."""
        self._held: list[tuple[str, Event]] = []
        """The lines held back, with their events."""

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
            # A late import: every command has a throttle, but few commands meet a gap.
            from klinetail.pipeline.notices import summed_up

            return [summed_up(self._kind, [event for _, event in held])]
        return [line for line, _ in held]
