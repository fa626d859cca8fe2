"""The order of one stream: its closed candles consecutive, each once. Pure.

Frames and rows come in here one by one, and candles come out in order. The ranges to
fetch, and the effects of time, are decided elsewhere.
"""

from __future__ import annotations

from typing import Final

from klinetail.candle import Candle, Interval, Stream
from klinetail.clock import Moment
from klinetail.contract.close import AwaitedClose
from klinetail.contract.delivered import Delivered
from klinetail.contract.grid import Grid
from klinetail.contract.held import Held
from klinetail.contract.mute import Hearing
from klinetail.contract.output import Output, bad
from klinetail.contract.trading import State, Trading
from klinetail.events import Drop, DropEvent, PreviewEvent

_TRADED: Final = State.TRADED
_ENDED: Final = State.ENDED
"""Found more quickly than members of their enum, and every frame asks for them."""


class Order:
    """The delivered, the awaited and the held candles of one stream.

    Invariant: a held candle is later than the awaited candle.

    Args:
        stream: the stream that is followed.
        keep: closed candles to keep once they were delivered, at least 1.
        held: closed candles to hold at most while an earlier one is missing.
    """

    __slots__ = (
        "begun",
        "close",
        "delivered",
        "expected",
        "fetch_until",
        "first",
        "forming",
        "grid",
        "hearing",
        "held",
        "lines",
        "start_point",
        "started",
        "stream",
        "subscribed_in",
        "trading",
    )

    def __init__(self, stream: Stream, *, lines: int, keep: int, held: int) -> None:
        self.stream = stream
        self.grid = Grid(stream.interval)
        """The open times of the stream's candles."""
        self.begun: Moment | None = None
        """When the stream was begun."""
        self.lines = lines
        """Closed candles wanted from before the start."""
        self.start_point: int | None = None
        """Open time (ms) of the first closed candle wanted, in place of `lines`."""
        self.first = 0
        """Open time (ms) of the first candle ever awaited; earlier candles are of no
        concern."""
        self.subscribed_in = 0
        """Open time (ms) of the candle in which the start fell: earlier candles are
        history."""
        self.started = False
        """Whether all history from before the start was delivered or given up."""
        self.expected = 0
        """Open time (ms) of the closed candle to be delivered next; 0 until it is
        known."""
        self.fetch_until = 0
        """Open time (ms) of the first candle that may still be pushed in time: missing
        earlier candles are fetched."""
        self.forming: Candle | None = None
        """The newest forming candle; perhaps of a later candle than is awaited."""
        self.held = Held(held)
        """The closed candles waiting for an earlier candle."""
        self.close = AwaitedClose()
        """The close of the awaited candle."""
        self.delivered = Delivered(stream.interval, keep)
        """The closed candles that came out."""
        self.hearing = Hearing()
        """Whether frames bring what REST shows."""
        self.trading = Trading(stream.interval)
        """Whether the symbol is traded."""

    # The start

    def begin(self, now: Moment, onboard: int | None, start: int | None) -> None:
        """Fix what is expected first; arguments as `Series.begin`."""
        self.begun = now
        self.trading.begin(now.exchange, onboard)
        if onboard is not None:
            self.lines, self.started = 0, True
        else:
            self.start_point = start
        if self.stream.interval is not Interval.D3:
            self.start(None)

    def start(self, anchor: int | None) -> None:
        """Fix what is expected first, once the stream's open times are known.

        Args:
            anchor: an open time of the stream (ms), if the open times do not follow
                from the calendar.
        """
        assert self.begun is not None  # noqa: S101 - begin comes first
        self.grid.anchor = anchor
        current = self.grid.floor(self.begun.exchange)
        self.subscribed_in = self.fetch_until = current
        if self.start_point is None:
            self.expected = self.first = self.grid.back(current, self.lines)
            self.started = self.started or self.lines == 0
        else:
            self.expected = self.first = self.grid.first_from(self.start_point)
            self.started = self.expected >= current

    def first_range(self) -> tuple[int, int]:
        """The candles to ask for while the stream's open times are unknown, as the open
        time (ms) of the first one and of the one behind them."""
        assert self.begun is not None  # noqa: S101 - begin comes first
        current = self.grid.floor(self.begun.exchange)
        start = self.grid.back(current, self.lines + 1)
        if self.start_point is not None:
            start = min(start, self.start_point)
        return start, self.grid.end_of(current)

    # What is awaited

    @property
    def finished(self) -> bool:
        """Whether nothing more is expected: trading ended, and the candle of the last
        trade is out."""
        return self.expected >= self.trading.until

    @property
    def pending(self) -> bool:
        """Whether the symbol is not traded yet."""
        return self.trading.state is State.PENDING

    @property
    def ended(self) -> bool:
        """Whether the symbol is not traded any more."""
        return self.trading.state is _ENDED

    @property
    def unknown(self) -> bool:
        """Whether the first candle's open time is still to be learned."""
        return self.begun is not None and not self.expected

    @property
    def wanted(self) -> int:
        """Return the open time (ms) up to which missing candles are to be fetched."""
        return min(self.fetch_until, self.trading.until)

    @property
    def lacking(self) -> bool:
        """Whether closed candles are known to be missing."""
        if self.trading.state is _TRADED:
            wanted = self.fetch_until
        elif self.finished or self.pending:
            return False
        else:
            wanted = self.wanted
        return bool(self.held) or wanted > self.expected or self.unknown

    @property
    def waiting(self) -> bool:
        """Whether something waits for the awaited candle: a later one, or the end."""
        forming = self.forming
        if self.held or (forming is not None and forming.open_time > self.expected):
            return True
        return self.trading.state is _ENDED and not self.finished

    # Frames

    def follow(self, candle: Candle) -> bool:
        """Take in the usual frame: a newer form of the awaited, known, forming candle.

        Return False for any further frame: `Series.accept` takes in all the rest.

        `Series.accept` would answer with just this candle.
        """
        last = self.forming
        if (
            last is None
            or candle.closed
            or not candle.open_time == last.open_time == self.expected
            or candle.event_time <= last.event_time
            or self.held
            or self.trading.state is not _TRADED
            or self.hearing.mute
        ):
            return False
        self.forming = candle
        self.hearing.unheard = 0
        return True

    def fault(self, candle: Candle, now: Moment) -> str | None:
        """Why a frame cannot be one of the stream, or None if it can.

        Args:
            candle: the frame's.
            now: when the frame came.
        """
        opens, event_time, grid = candle.open_time, candle.event_time, self.grid
        if opens > now.exchange + grid.longest:
            return f"{opens} opens in the future"
        if candle.closed and event_time <= candle.close_time:
            return f"{opens} closed before its end"
        if event_time < opens:
            return f"{opens} pushed before it opens"
        if grid.amid(opens):
            return f"{opens} opens amid other candles"
        return None

    def doubt_held(self, event_time: int, out: list[Output]) -> None:
        """Forget the held candles that a frame of `event_time` (ms) disproves."""
        for candle in self.held.doubt(event_time):
            what = f"{candle.open_time} closed ahead of its time"
            out.append(bad(self.stream, what))

    def take(self, candle: Candle, out: list[Output]) -> None:
        """Take in a frame of the awaited candle or of a later one.

        Args:
            candle: the frame's.
            out: what may be delivered is added here.
        """
        if not candle.closed:
            self._take_forming(candle, out)
        elif candle.open_time == self.expected:
            self.deliver(candle, out)
            self.release(out)
        else:
            if candle.open_time in self.held:
                out.append(DropEvent(Drop.DUPLICATE, self.stream))
            self.held.hold(candle)

    def _take_forming(self, candle: Candle, out: list[Output]) -> None:
        last = self.forming
        if candle.open_time in self.held or (
            last is not None
            and (candle.open_time, candle.event_time)
            <= (last.open_time, last.event_time)
        ):
            out.append(DropEvent(Drop.STALE, self.stream))
            return
        self.forming = candle
        due = candle.open_time == self.expected
        out.append(candle if due else PreviewEvent(candle))

    def take_past(self, candle: Candle, out: list[Output]) -> None:
        """Take in a close that was delivered before (arguments as `take`)."""
        revision = self.delivered.revise(candle, self.expected)
        duplicate = DropEvent(Drop.DUPLICATE, self.stream)
        out.append(duplicate if revision is None else revision)

    # Deliveries

    def deliver(self, candle: Candle, out: list[Output]) -> None:
        """Let the awaited closed candle out; call `release` for the waiting candles."""
        out.append(candle)
        self.delivered.add(candle)
        self.trading.see_closed(candle, self.forming)
        self.held.pop(candle.open_time, None)
        self.expect(candle.close_time + 1)

    def release(self, out: list[Output]) -> None:
        """Let out the candles held behind the candle awaited until now."""
        while (candle := self.held.get(self.expected)) is not None:
            self.deliver(candle, out)
        if self.forming is not None:
            if self.forming.open_time < self.expected:
                self.forming = None
            elif self.forming.open_time == self.expected:
                out.append(self.forming)

    def expect(self, open_time: int) -> None:
        """Await the closed candle with the given open time (ms)."""
        self.expected = open_time
        self.close.renew()
        self.started = self.started or open_time >= self.subscribed_in
