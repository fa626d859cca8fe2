"""Series: the contract of one stream, pure.

Frames, REST rows and the passing of time come in; what may be delivered, the range
to fetch and the next deadlines come out. No thread, no socket, no clock of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.contract.ending import Ending
from klinetail.contract.fetching import Fetching, Wish
from klinetail.contract.held import HELD
from klinetail.contract.hold import Hold
from klinetail.contract.order import Order
from klinetail.contract.output import Output, bad
from klinetail.contract.start import check_start
from klinetail.contract.timetable import Timetable
from klinetail.contract.trading import State
from klinetail.events import Drop, DropEvent, MuteEvent, UnconfirmedEvent
from klinetail.protocol.klines import Row

_TRADED: Final = State.TRADED
"""Found more quickly than a member of its enum, and every frame asks for it."""


class Series:
    """The state machine that keeps one stream's closed candles consecutive.

    Call `begin` once, before subscribing; then `accept` for each frame, `tick` when
    a deadline (`due`, `exchange_due`) has passed, `resume` when a link is
    subscribed again. When `take_wish` gives a range, fetch it (what `renew_wish` says
    of it if that took a while to send) and hand the answer to `fill`, or the failure
    to `fail`; there is never more than one on its way.

    The parts: `Order` delivers, `Fetching` says what to fetch and takes the answers,
    `Hold` gives up what cannot be had, `Ending` knows when the symbol is not traded any
    more, and `Timetable` knows the deadlines of all of them.

    Args:
        stream: what is followed.
        lines: closed candles wanted from before the start.
        hold: real seconds that later candles wait for a failing fetch.
        keep: closed candles to keep, at least 1.
        held: closed candles to keep while an earlier one is missing.
        follow: whether frames come, and candles are awaited after the history. If
            not, what answers lack at its end is given up as well: nothing later will
            ever wait for it.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        lines: int = 0,
        hold: float = 30.0,
        keep: int = 500,
        held: int = HELD,
        follow: bool = True,
    ) -> None:
        self.stream = stream
        order = Order(stream, lines=lines, keep=keep, held=held)
        fetching = Fetching(order, hold=hold, follow=follow)
        self._order = order
        """The order of the delivered, the awaited and the held candles."""
        self._fetching = fetching
        """The ranges to fetch, and the answers of REST."""
        self._hold = Hold(order, fetching, hold)
        """The end of the wait for a candle that cannot be fetched."""
        self._ending = Ending(order, fetching)
        """The end of the symbol's trading."""
        self._timetable = Timetable(
            order, fetching, self._hold, self._ending, follow=follow
        )
        """The times at which the series has something to do."""
        self.closed = order.delivered.closed
        """The latest closed candles delivered, oldest first. The values of candles that
        left the list are remembered for a day, see `Delivered`."""
        self.hearing = order.hearing
        """Whether frames bring what REST shows."""
        self.trading = order.trading
        """Whether the symbol is traded."""
        self.follow = order.follow
        """See `Order.follow`: called for nearly every frame, without a detour."""

    def __repr__(self) -> str:
        order, fetching = self._order, self._fetching
        return (
            f"<Series {self.stream} expected={order.expected} held={len(order.held)}"
            f" gaps={len(fetching.gaps)} in_flight={fetching.in_flight}>"
        )

    # Delivered and awaited candles

    @property
    def forming(self) -> Candle | None:
        """The newest forming candle; perhaps of a later candle than is awaited."""
        return self._order.forming

    @property
    def expected(self) -> int:
        """Open time (ms) of the closed candle to be delivered next; 0 until it is
        known."""
        return self._order.expected

    @property
    def started(self) -> bool:
        """Whether all history from before the start was delivered or given up."""
        return self._order.started

    @property
    def lacking(self) -> bool:
        """Whether closed candles are known to be missing."""
        return self._order.lacking

    @property
    def ended(self) -> bool:
        """Whether its symbol is not traded any more, see `end`."""
        return self._order.ended

    @property
    def finished(self) -> bool:
        """Return whether the stream has ended and the candle of the last trade is out
        too: nothing more is then expected."""
        return self._order.finished

    @property
    def pending(self) -> bool:
        """Whether its symbol is not traded yet."""
        return self._order.pending

    # Time

    def begin(
        self, now: Moment, onboard: int | None = None, start: int | None = None
    ) -> None:
        """Fix what is expected first: `lines` candles before the one of `now`, or the
        one that opens at `start`.

        Args:
            now: the start.
            onboard: of a symbol that is not traded yet, exchange time (ms) at which it
                shall be, or 0 if nobody knows. It has no candles so far, and `start`
                counts for nothing.
            start: open time (ms) of the first closed candle wanted, in place of
                `lines`. The candle before it is taken to exist: all that the exchange
                lacks from there on is a gap, and nothing was "not listed then". Of 3d,
                where no candle opens then, the next one is the first.

        Raises:
            UsageError: the stream cannot start there, see `check_start`.
        """
        if start is not None:
            check_start(self.stream, start, now)
        self._order.begin(now, onboard, start)

    def due(self, now: Moment) -> float:
        """Monotonic seconds at which to `tick` and `take_wish` next, if exchange
        time runs at the pace of real time until then."""
        return self._timetable.due(now)

    def exchange_due(self, now: Moment) -> float:
        """Exchange time (ms) from which on the same may have something to do, if
        exchange time runs faster; infinite if it cannot bring anything about."""
        return self._timetable.exchange_due(now)

    def tick(self, now: Moment) -> list[Output]:
        """Let time pass: notice overdue closes, end a hold that lasted too long."""
        return self._timetable.tick(now)

    def overdue(self, now: Moment) -> bool:
        """Whether the awaited close should have been pushed by now."""
        return self._timetable.overdue(now)

    @property
    def grace(self) -> int:
        """How far (ms of exchange time) the awaited close may be overdue; `GRACE` again
        for the next one."""
        return self._order.close.grace

    @grace.setter
    def grace(self, grace: int) -> None:
        self._order.close.grace = grace

    def lose(self) -> None:
        """The line to the exchange broke."""
        self.hearing.up_since = None

    def resume(self, now: Moment) -> None:
        """Take note that the line is up. Closes from the line's absence are never
        pushed, and nothing is gained by waiting for a push."""
        self.hearing.up_since = now.exchange
        self._timetable.line_up(now)

    # Trading

    def idle_at(self) -> float:
        """Exchange time (ms) from which on its end is to be expected if no trade is
        seen until then; infinite while it would be seen by nobody."""
        return self._ending.idle_at()

    def denied(self, now: Moment) -> float:
        """Return the real seconds for which REST has answered without any candle.

        Old candles were asked for. From the first candle on the result is 0.
        """
        return self._ending.denied(now)

    def end(self) -> None:
        """The exchange does not trade the symbol any more: expect nothing but the
        candle of its last trade, unless a frame tells otherwise."""
        self._ending.end()

    def trade(self, time: int) -> None:
        """The symbol is traded, again or at last, and was at exchange time `time` (ms)
        at the latest."""
        self._ending.trade(time)

    # Frames

    def accept(
        self, candle: Candle, now: Moment, *, echo: bool = False
    ) -> list[Output]:
        """Take in a frame of the stream; the output is in order.

        Args:
            candle: the frame's.
            now: when it came.
            echo: whether frames come over two lines, out of step with one another.
        """
        out: list[Output] = []
        order = self._order
        if (fault := order.fault(candle, now)) is not None:
            return [bad(self.stream, fault)]
        if order.held and not echo:
            order.doubt_held(candle.event_time, out)
        if not order.expected:
            order.start(candle.open_time)
        hearing = self.hearing
        hearing.frame(candle.open_time)
        if self.trading.state is not _TRADED and not self._ending.heeds(candle, out):
            return [DropEvent(Drop.STALE, self.stream)]
        expected = order.expected
        if candle.open_time < expected:
            self._accept_past(candle, out)
        else:
            if expected == order.first:
                self._fetching.listed.show(candle.open_time)
            order.take(candle, out)
            if order.expected != expected:
                self._fetching.delivered(expected)
        self._hold.note_waiting(now)
        if hearing.mute:
            hearing.mute = False
            out.append(MuteEvent(self.stream, over=True))
        return out

    def _accept_past(self, candle: Candle, out: list[Output]) -> None:
        if candle.open_time < self._order.first:
            return
        if not candle.closed:
            out.append(DropEvent(Drop.STALE, self.stream))
        elif not self._fetching.take_late(candle, out):
            self._order.take_past(candle, out)

    # What is missing

    @property
    def asking(self) -> bool:
        """Whether a wish is on its way; its answer may set a deadline."""
        return self._fetching.in_flight is not None

    def take_wish(self, now: Moment) -> Wish | None:
        """The range to fetch now, if any; it then counts as on its way."""
        return self._fetching.take_wish(now)

    def renew_wish(self) -> Wish | None:
        """The wish that is on its way, as of now: while it queued more may have been
        missed, or less be missing. None if nothing is; it is on its way no more."""
        return self._fetching.renew_wish()

    def fill(self, rows: Sequence[Row], asked: Moment, now: Moment) -> list[Output]:
        """Take in the answer to the wish.

        Args:
            rows: by open time, each candle once, from the wish's start on; see
                `decode_rows`.
            asked: when the request was sent.
            now: when the answer was there.
        """
        return self._fetching.fill(rows, asked, now)

    def unconfirmed(self, asked: Moment) -> UnconfirmedEvent | None:
        """That the awaited candle is to be confirmed, if this answer has shown it for
        the first time, or otherwise than before. Of what is not traded any more
        nothing is told: a flat row after the last trade is never delivered.

        Args:
            asked: when the request was sent, as given to `fill`.
        """
        return self._fetching.unconfirmed(asked)

    def fail(self, reason: str, now: Moment, wait: float = 0.0) -> None:
        """The wish could not be fetched.

        Args:
            reason: why, for the gap's announcement.
            now: when it failed.
            wait: real seconds that the exchange asks to wait at least.
        """
        self._fetching.fail(reason, now, wait)
