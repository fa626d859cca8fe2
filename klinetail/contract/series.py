"""Series: the contract of one stream, pure.

Frames, REST rows and the passing of time come in; what may be delivered, the range
to fetch and the next deadlines come out. No thread, no socket, no clock of its own.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from klinetail.candle import DAY, Candle, Interval, Stream
from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY, Attempts
from klinetail.contract.finality import NOTICE, SETTLED, Finality
from klinetail.contract.fingerprints import Fingerprints
from klinetail.contract.gaps import OpenGaps
from klinetail.contract.holes import Holes, lacks
from klinetail.contract.mute import Hearing
from klinetail.contract.trading import MOST, State, Trading
from klinetail.events import (
    Drop,
    DropEvent,
    GapEvent,
    MuteEvent,
    PreviewEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)
from klinetail.protocol.rest import BadRow, Row

GRACE: Final = 3_000
"""How far (ms of exchange time) a close may be overdue before it is fetched: the
exchange pushes `x:true` up to about 2 s late."""

ABSENT: Final = 5_000
"""After what time (ms of exchange time) a row that is not there is asked for again."""

FOUNDED: Final = 1_483_228_800_000
"""2017-01-01: no candle of the exchange is older."""

HELD: Final = 500
"""Closed candles kept while an earlier one is missing, at most; the rest is fetched
again."""

_TRADED: Final = State.TRADED
_ENDED: Final = State.ENDED
"""Found more quickly than members of their enum, and every frame asks for them."""

Output = (
    Candle
    | PreviewEvent
    | GapEvent
    | RevisionEvent
    | MuteEvent
    | DropEvent
    | TradedEvent
)


class Wish(NamedTuple):
    """A range to fetch: the candles that open in [start, end), both open times."""

    start: int
    end: int
    late: bool = False
    """It was announced as a gap already; nothing waits for it."""


class Series:
    """The state machine that keeps one stream's closed candles consecutive.

    Call `begin` once, before subscribing; then `accept` for each frame, `tick` when
    a deadline (`due`, `exchange_due`) has passed, `resume` when a link is
    subscribed again. When `take_wish` gives a range, fetch it (what `renew_wish` says
    of it if that took a while to send) and hand the answer to `fill`, or the failure
    to `fail`; there is never more than one on its way.

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
        self.closed: deque[Candle] = deque(maxlen=keep)
        """The latest closed candles delivered, oldest first. Of those that left it the
        values are remembered for a day, see `Fingerprints`."""
        self.forming: Candle | None = None
        """The newest forming candle; perhaps of a later candle than is awaited."""
        self.expected = 0
        """Open time of the closed candle to be delivered next."""
        self.started = False
        """Whether all history from before the start was delivered or given up."""
        self.grace = GRACE
        """How far (ms) the awaited close may be overdue; back to `GRACE` with each."""
        self.hearing = Hearing()
        self.trading = Trading(stream.interval)
        self._long = (stream.interval.length or 31 * DAY) > MOST
        """Whether a candle is longer than a stream may be without a trade. Shorter ones
        are looked at often enough anyway, at each close."""
        self._lines = lines
        self._hold = hold
        self._keep = keep
        self._fingerprints = Fingerprints(stream.interval)
        self._looked_ahead = False
        """Whether the candle that leaves `closed` with the next one was looked at since
        the last one came: its values are remembered, or need not be."""
        self._most_held = held
        self._follow = follow
        self._first = 0
        self._subscribed_in = 0
        self._fetch_until = 0
        self._held: dict[int, Candle] = {}
        self._gaps = OpenGaps()
        self._in_flight: Wish | None = None
        self._finality = Finality()
        self._holes = Holes()
        self._listed: int | None = None
        """Where the exchange's candles begin (open time, ms) by the last answer that
        told it, while that is in question; see `_skip_unlisted`."""
        self._shown = math.inf
        """While nothing was delivered yet: the earliest awaited candle (open time, ms)
        that there was a frame of, or a row, however bad."""
        self._told: frozenset[int] = frozenset()
        """Open times (ms) of candles whose bad rows were told of."""
        self._answered = False
        """Whether an answer had a candle, whichever."""
        self._passed_at: float | None = None
        self._waiting_since: float | None = None
        self._attempts = Attempts()
        self._anchor: int | None = None
        self._begun: Moment | None = None

    def __repr__(self) -> str:
        return (
            f"<Series {self.stream} expected={self.expected} held={len(self._held)}"
            f" gaps={len(self._gaps)} in_flight={self._in_flight}>"
        )

    # Time

    def begin(self, now: Moment, onboard: int | None = None) -> None:
        """Fix what is expected first: `lines` candles before the one of `now`.

        Args:
            now: the start.
            onboard: of a symbol that is not traded yet, exchange time (ms) at which it
                shall be, or 0 if nobody knows. It has no candles so far.
        """
        self._begun = now
        self.trading.begin(now.exchange, onboard)
        if onboard is not None:
            self._lines, self.started = 0, True
        if self.stream.interval is not Interval.D3:
            self._start(None)

    def _start(self, anchor: int | None) -> None:
        assert self._begun is not None  # noqa: S101 - begin comes first
        interval = self.stream.interval
        self._anchor = anchor
        current = interval.floor(self._begun.exchange, anchor)
        self._subscribed_in = self._fetch_until = current
        self.expected = self._first = self._back(current, self._lines)
        self.started = self.started or self._lines == 0

    def due(self, now: Moment) -> float:
        """Monotonic seconds at which to `tick` and `take_wish` next, if exchange
        time runs at the pace of real time until then."""
        dues = [
            max(since, now.monotonic + now.left(time))
            for time, since in self._thresholds()
        ]
        if (over := self._hold_over) is not None:
            confirmed_in = (over[0] - now.confirmed) / 1000
            dues.append(max(over[1], now.monotonic + confirmed_in))
        return min(dues, default=math.inf)

    def exchange_due(self, now: Moment) -> float:
        """Exchange time (ms) from which on the same may have something to do, if
        exchange time runs faster; infinite if it cannot bring anything about."""
        times = [time for time, _ in self._thresholds()]
        if (over := self._hold_over) is not None:
            # Confirmed exchange time lags behind by `ahead` now, and not more later.
            times.append(over[0] + now.ahead)
        return min((time for time in times if time > now.exchange), default=math.inf)

    def _thresholds(self) -> list[tuple[float, float]]:
        """What time brings about, but for the end of a hold: exchange time (ms) and
        monotonic seconds that both must have come."""
        found: list[tuple[float, float]] = []
        traded = self.trading.state is _TRADED
        if self._long or not traded:
            at = self.idle_at()
            if at < math.inf:
                found.append((at, self.trading.look_up_from))
            if not traded and (self.finished or self.pending):
                return found
        idle = self._in_flight is None
        if self.lacking:
            if idle:
                found.append((self._attempts.ask_from, self._attempts.retry_at))
        elif self.expected:
            if not self._looked_ahead and self._leaving is not None:
                found.append((self.expected + GRACE, -math.inf))
            end = self.stream.interval.shift(self.expected, 1)
            if self._passed_at is not None:
                found.append((end + self.grace, self._passed_at + NOTICE))
            elif self._follow:
                found.append((end, -math.inf))
            if idle and self._gaps:
                found.append((0, self._gaps.retry_at))
        return found

    def tick(self, now: Moment) -> list[Output]:
        """Let time pass: notice overdue closes, end a hold that lasted too long."""
        out: list[Output] = []
        if not self.expected:
            return out
        if not self._looked_ahead and now.exchange >= self.expected + GRACE:
            # Not with the closes: at an hour's end all streams' come in two seconds.
            self._look_ahead()
        self._notice(now)
        while (over := self._hold_over) is not None:
            if now.confirmed < over[0] or now.monotonic < over[1]:
                break
            self._give_up(now, out)
        return out

    @property
    def _hold_over(self) -> tuple[float, float] | None:
        """Confirmed exchange time (ms) and monotonic seconds from which on the awaited
        candle may be given up; None if nothing waits, or nothing fails.

        A forming frame of the next candle may come early, so a hold counts from when
        the awaited close is overdue; what event times say of that is not enough.
        """
        failing = self._attempts.failing_since
        hole = self._holes.at(self.expected)
        if (failing is None and hole is None) or self.finished or self.pending:
            return None
        waiting, since = self._waiting, []
        if failing is not None and waiting:
            since.append(max(failing, self._waiting_since or failing))
        if hole is not None and hole.agreed and (waiting or self._alone):
            asked_last = hole.last >= hole.since + self._hold
            if asked_last or failing is not None:
                since.append(hole.since)
        if not since:
            return None
        overdue = self.stream.interval.shift(self.expected, 1) + GRACE
        return overdue + self._hold * 1000, min(since) + self._hold

    @property
    def _alone(self) -> bool:
        """Whether nothing is to come but answers, and some had candles."""
        return not self._follow and self._answered

    def _notice(self, now: Moment) -> None:
        interval = self.stream.interval
        end = interval.shift(self.expected, 1)
        if now.exchange < end or not self._follow:
            return
        if self._passed_at is None:
            self._passed_at = now.monotonic
        elif self.overdue(now):
            overdue = interval.floor(now.exchange - self.grace, self._anchor)
            self._fetch_until = max(self._fetch_until, overdue)

    def overdue(self, now: Moment) -> bool:
        """Whether the awaited close should have been pushed by now."""
        if self._passed_at is None or self.finished or self.pending:
            return False
        end = self.stream.interval.shift(self.expected, 1)
        late = now.exchange >= end + self.grace
        return late and now.monotonic >= self._passed_at + NOTICE

    def lose(self) -> None:
        """The line to the exchange broke."""
        self.hearing.up_since = None

    def resume(self, now: Moment) -> None:
        """The line is up: closes that fell into its absence are never pushed, so
        nothing is gained by waiting for them."""
        self.hearing.up_since = now.exchange
        waiting = self._waiting_since
        holding = waiting is not None and now.monotonic >= waiting + self._hold
        self._attempts.line_up(holding=holding)
        if self.expected:
            floor = self.stream.interval.floor(now.exchange, self._anchor)
            self._fetch_until = max(self._fetch_until, floor)

    # Trading

    @property
    def ended(self) -> bool:
        """Whether its symbol is not traded any more, see `end`."""
        return self.trading.state is _ENDED

    @property
    def finished(self) -> bool:
        """Whether it has ended and the candle of its last trade is out too, so that
        nothing more is expected."""
        return self.expected >= self.trading.until

    @property
    def pending(self) -> bool:
        """Whether its symbol is not traded yet."""
        return self.trading.state is State.PENDING

    def idle_at(self) -> float:
        """Exchange time (ms) from which on its end is to be expected if no trade is
        seen until then; infinite while it would be seen by nobody."""
        if self.ended:
            return math.inf
        if self.forming is not None:
            self.trading.see(self.forming)
        if self._held and any(candle.count for candle in self._held.values()):
            return math.inf
        at = self.trading.idle_at()
        if self.expected >= at:  # closed candles say so
            return at
        hearing = self.hearing
        if self.lacking:
            denied = self._attempts.denied_since is not None
            return at if denied and hearing.newest <= self.expected else math.inf
        if hearing.up_since is None or hearing.unheard:
            return math.inf
        return self.trading.idle_at(since=hearing.up_since)

    def denied(self, now: Moment) -> float:
        """Real seconds for which the exchange has answered and had no candle at all,
        though those asked for are old; 0 from the first one on."""
        since = self._attempts.denied_since
        return 0.0 if since is None or self._answered else now.monotonic - since

    def end(self) -> None:
        """The exchange does not trade the symbol any more: expect nothing but the
        candle of its last trade, unless a frame tells otherwise."""
        if self.forming is not None:
            self.trading.see(self.forming)
        interval = self.stream.interval
        last = interval.floor(self.trading.last, self._anchor)
        denied = self._attempts.denied_since is not None
        if denied and not self.trading.shows_trades(self.expected):
            last = 0  # neither frames nor rows know of a candle that is awaited
        self.trading.end(max(self.expected, interval.shift(last, 1)))
        self.started = True

    def trade(self, time: int) -> None:
        """The symbol is traded, again or at last, and was at exchange time `time` (ms)
        at the latest."""
        pending = self.pending
        self.trading.resume()
        self._attempts.line_up()
        if pending and self.expected:
            began = min(time, self.trading.onboard or time)
            first = self.stream.interval.floor(began, self._anchor)
            self._first = self._subscribed_in = max(self.expected, first)
            self._expect(self._first)

    # Frames

    def accept(
        self, candle: Candle, now: Moment, *, echo: bool = False
    ) -> list[Output]:
        """Take in a frame of the stream; what comes out is in order.

        Args:
            candle: the frame's.
            now: when it came.
            echo: whether frames come over two lines, out of step with one another.
        """
        out: list[Output] = []
        interval = self.stream.interval
        if candle.open_time > now.exchange + (interval.length or 31 * DAY):
            return [self._bad(f"{candle.open_time} opens in the future")]
        if candle.closed and candle.event_time <= candle.close_time:
            return [self._bad(f"{candle.open_time} closed before its end")]
        if candle.event_time < candle.open_time:
            return [self._bad(f"{candle.open_time} pushed before it opens")]
        if self._amid(candle):
            return [self._bad(f"{candle.open_time} opens amid other candles")]
        if self._held and not echo:
            self._doubt_held(candle.event_time, out)
        if not self.expected:
            self._start(candle.open_time)
        self.hearing.frame(candle.open_time)
        if self.trading.state is not _TRADED and not self._heeds(candle, out):
            return [DropEvent(Drop.STALE, self.stream)]
        if candle.open_time >= self.expected == self._first:
            self._shown = min(self._shown, candle.open_time)
        if candle.open_time < self.expected:
            self._accept_past(candle, out)
        elif candle.closed:
            self._accept_closed(candle, out)
        else:
            self._accept_forming(candle, out)
        self._note_waiting(now)
        if self.hearing.mute:
            self.hearing.mute = False
            out.append(MuteEvent(self.stream, over=True))
        return out

    def _note_waiting(self, now: Moment) -> None:
        if self._waiting_since is not None or not self._waiting:
            return
        self._waiting_since = now.monotonic
        if self._attempts.denied_since is not None:
            # So far the exchange had nothing later either: it is asked at once.
            self._attempts.line_up()

    def _heeds(self, candle: Candle, out: list[Output]) -> bool:
        """Whether a frame counts though its symbol is not traded. One with new trades
        tells that it is; one without any is nothing but a sign of life."""
        if candle.open_time < self.expected:
            return True
        if not candle.count:
            return False
        new = self.trading.see(candle) and not candle.closed
        if self.pending or new or candle.open_time >= self.trading.until:
            self.trade(candle.open_time)
            out.append(TradedEvent(self.stream))
        return True

    def _amid(self, candle: Candle) -> bool:
        """Whether it opens while others of its stream run: 3d may open on any day, but
        only on each third."""
        anchor = self._anchor
        if anchor is None:
            return False
        return self.stream.interval.floor(candle.open_time, anchor) != candle.open_time

    def follow(self, candle: Candle) -> bool:
        """Take in what nearly every frame is, a newer forming candle of the one that
        is awaited and known; False for all else, which is `accept`'s to judge.

        `accept` would answer with just this candle.
        """
        last = self.forming
        if (
            last is None
            or candle.closed
            or not candle.open_time == last.open_time == self.expected
            or candle.event_time <= last.event_time
            or self._held
            or self.trading.state is not _TRADED
            or self.hearing.mute
        ):
            return False
        self.forming = candle
        self.hearing.unheard = 0
        return True

    def _doubt_held(self, event_time: int, out: list[Output]) -> None:
        """A stream's event times do not go back on a line: a close from later than
        what comes after it was made up, and is fetched instead."""
        for held in [c for c in self._held.values() if c.event_time > event_time]:
            del self._held[held.open_time]
            out.append(self._bad(f"{held.open_time} closed ahead of its time"))

    def _bad(self, what: str) -> DropEvent:
        return DropEvent(Drop.BAD, self.stream, f"{self.stream}: {what}")

    def _accept_past(self, candle: Candle, out: list[Output]) -> None:
        if candle.open_time < self._first:
            return
        if not candle.closed:
            out.append(DropEvent(Drop.STALE, self.stream))
            return
        time = candle.open_time
        index = self._place_of(time)
        delivered = None if index is None else self.closed[index]
        if (gap := self._gaps.covering(time)) is not None:
            # An answer that is on its way is about a gap as it was when it was asked.
            if self._in_flight is None or not self._in_flight.late:
                self._mend(gap, [candle], out)
        elif self._revises(candle, delivered):
            out.append(RevisionEvent(delivered, candle))
            if index is not None:
                self.closed[index] = candle
            if time in self._fingerprints:
                self._remember(candle)
        else:
            out.append(DropEvent(Drop.DUPLICATE, self.stream))

    def _revises(self, candle: Candle, delivered: Candle | None) -> bool:
        """Whether a close has other values than what was delivered, if that is kept or
        of the last day."""
        if delivered is not None:
            return not delivered.same_values(candle)
        recent = candle.open_time >= self.expected - DAY
        return recent and self._fingerprints.differ(candle)

    def _place_of(self, open_time: int) -> int | None:
        """Where in `closed` a candle is; from its end, near which most are."""
        for index in range(len(self.closed) - 1, -1, -1):
            if (time := self.closed[index].open_time) <= open_time:
                return index if time == open_time else None
        return None

    @property
    def _leaving(self) -> Candle | None:
        """The candle that leaves `closed` with the next one, if it will be of the last
        day still."""
        if len(self.closed) < self._keep:
            return None
        oldest = self.closed[0]
        return oldest if oldest.open_time > self.expected - DAY else None

    def _look_ahead(self) -> None:
        """Remember the values of the candle that leaves `closed` with the next one."""
        if (leaving := self._leaving) is not None:
            self._remember(leaving)
        self._looked_ahead = True

    def _remember(self, candle: Candle) -> None:
        """Remember the values of a delivered candle, if it is of the last day."""
        self._fingerprints.add(candle, self.expected - DAY)

    def _accept_closed(self, candle: Candle, out: list[Output]) -> None:
        if candle.open_time == self.expected:
            self._deliver(candle, out)
            self._release(out)
            return
        if candle.open_time in self._held:
            out.append(DropEvent(Drop.DUPLICATE, self.stream))
        self._keep_held(candle)

    def _keep_held(self, candle: Candle) -> None:
        self._held[candle.open_time] = candle
        if len(self._held) > self._most_held:
            del self._held[max(self._held)]

    def _accept_forming(self, candle: Candle, out: list[Output]) -> None:
        last = self.forming
        if candle.open_time in self._held or (
            last is not None
            and (candle.open_time, candle.event_time)
            <= (last.open_time, last.event_time)
        ):
            out.append(DropEvent(Drop.STALE, self.stream))
            return
        self.forming = candle
        due = candle.open_time == self.expected
        out.append(candle if due else PreviewEvent(candle))

    def _deliver(self, candle: Candle, out: list[Output]) -> None:
        out.append(candle)
        if not self._looked_ahead:
            self._look_ahead()
        self.closed.append(candle)
        self._looked_ahead = False
        self.trading.see_closed(candle, self.forming)
        self._finality.forget(candle.open_time)
        self._held.pop(candle.open_time, None)
        self._expect(candle.close_time + 1)
        self._attempts.delivered()

    def _expect(self, open_time: int) -> None:
        self.expected = open_time
        self._passed_at = None
        self._waiting_since = None
        self._listed = None
        self._attempts.moved_on()
        self._holes.forget(open_time)
        if self._told:
            self._told = frozenset(time for time in self._told if time >= open_time)
        self.grace = GRACE
        self.started = self.started or open_time >= self._subscribed_in

    def _release(self, out: list[Output]) -> None:
        """Deliver what was held behind the candle that just came."""
        while (candle := self._held.get(self.expected)) is not None:
            self._deliver(candle, out)
        if self.forming is not None:
            if self.forming.open_time == self.expected:
                out.append(self.forming)
            elif self.forming.open_time < self.expected:
                self.forming = None

    # What is missing

    def _back(self, current: int, lines: int) -> int:
        interval = self.stream.interval
        founded = interval.floor(FOUNDED, self._anchor)
        return interval.shift(
            current, -max(0, min(lines, interval.steps(founded, current)))
        )

    @property
    def lacking(self) -> bool:
        """Whether closed candles are known to be missing."""
        if self.trading.state is _TRADED:
            wanted = self._fetch_until
        elif self.finished or self.pending:
            return False
        else:
            wanted = self._wanted
        return bool(self._held) or wanted > self.expected or self._unknown

    @property
    def _wanted(self) -> int:
        """Open time up to which candles are to be fetched."""
        return min(self._fetch_until, self.trading.until)

    @property
    def asking(self) -> bool:
        """Whether a wish is on its way; its answer may set a deadline."""
        return self._in_flight is not None

    @property
    def _unknown(self) -> bool:
        """Whether the first candle's open time is still to be learned."""
        return self._begun is not None and not self.expected

    @property
    def _waiting(self) -> bool:
        """Whether something waits for what is missing: what came, or the end."""
        forming = self.forming
        ending = self.ended and not self.finished
        return (
            bool(self._held)
            or (forming is not None and forming.open_time > self.expected)
            or ending
        )

    def take_wish(self, now: Moment) -> Wish | None:
        """The range to fetch now, if any; it then counts as on its way."""
        if self._in_flight is not None:
            return None
        if self.lacking:
            if self._attempts.allowed(now):
                self._in_flight = self._missing()
        elif self._gaps and now.monotonic >= self._gaps.retry_at:
            gap = self._gaps.first
            self._in_flight = Wish(gap.start, gap.end, late=True)
        return self._in_flight

    def renew_wish(self) -> Wish | None:
        """The wish that is on its way, as of now: while it queued more may have been
        missed, or less be missing. None if nothing is; it is on its way no more."""
        if self._in_flight is not None and not self._in_flight.late:
            self._in_flight = self._missing() if self.lacking else None
        return self._in_flight

    def _missing(self) -> Wish:
        if not self.expected and self._begun is not None:
            return self._unanchored(self._begun)
        end = max(min(self._held, default=self._wanted), self._holes.end)
        return Wish(self.expected, min(end, self.trading.until) if self.ended else end)

    def _unanchored(self, begun: Moment) -> Wish:
        current = self.stream.interval.floor(begun.exchange)
        start = self._back(current, self._lines + 1)
        return Wish(start, self.stream.interval.shift(current, 1))

    def fill(self, rows: Sequence[Row], asked: Moment, now: Moment) -> list[Output]:
        """Take in the answer to the wish.

        Args:
            rows: by open time, each candle once, from the wish's start on; see
                `decode_rows`.
            asked: when the request was sent.
            now: when the answer was there.
        """
        out: list[Output] = []
        if not self.expected and not self._find_anchor(rows):
            self.fail("the exchange has no candles", now)
            return out
        sound, bad = self._sort_out(rows, now)
        wish, self._in_flight = self._in_flight or self._missing(), None
        if wish.late:
            self._fill_gap(wish, sound, asked, now, out)
            return out
        self._attempts.answered()
        self._answered = self._answered or bool(sound)
        before = self.expected
        places = self._tell_bad(bad, out)
        places |= {row.open_time: None for row in sound if row.open_time >= before}
        begins = self._skip_unlisted(places, asked, out)
        listing = begins > self.expected
        self._take_rows(sound, wish.end, asked, now, out)
        if not self.lacking:
            return out
        self._note_holes(max(begins, self.expected), wish.end, places, asked, now)
        if self.expected == before or self._holes.at(self.expected) is not None:
            self._retry(sound, asked, now, listing=listing)
        return out

    def unconfirmed(self, asked: Moment) -> UnconfirmedEvent | None:
        """That the awaited candle is to be confirmed, if this answer has shown it for
        the first time, or otherwise than before. Of what is not traded any more
        nothing is told: a flat row after the last trade is never delivered.

        Args:
            asked: when the request was sent, as given to `fill`.
        """
        time = self.expected
        if self.ended or not self.lacking or not self._finality.is_new(time, asked):
            return None
        close = self.stream.interval.close_time(time)
        until = self._finality.ask_from(time, close, asked) or 0
        return UnconfirmedEvent(self.stream, time, until)

    def _is_over(self, row: Candle) -> bool:
        """Whether the last trade was before this row: nothing flat follows the end."""
        flat = not row.count and not self.trading.shows_trades(row.open_time)
        if flat and row.close_time + 1 >= self.trading.until:
            self.trading.end(row.open_time)
        return row.open_time >= self.trading.until

    def _find_anchor(self, rows: Sequence[Row]) -> bool:
        """Begin with the days on which most of these candles of 3d open; whether there
        are any."""
        length = self.stream.interval.length or 1
        candles = [row.open_time for row in rows if isinstance(row, Candle)]
        phases = Counter(open_time % length for open_time in candles).most_common(2)
        if not phases or (len(phases) > 1 and phases[0][1] == phases[1][1]):
            return False
        self._start(phases[0][0])
        return True

    def _sort_out(
        self, rows: Sequence[Row], now: Moment
    ) -> tuple[list[Candle], list[BadRow]]:
        """The candles of an answer, and what cannot be one."""
        sound: list[Candle] = []
        bad: list[BadRow] = []
        interval = self.stream.interval
        latest = now.exchange + (interval.length or 31 * DAY)
        for row in rows:
            time = row.open_time
            if isinstance(row, BadRow):
                place = time if time is None or time <= latest else None
                bad.append(BadRow(place, row.reason, row.sample))
            elif row.open_time > latest:
                bad.append(BadRow(None, f"{time} opens in the future"))
            elif self._amid(row):
                place = interval.floor(row.open_time, self._anchor)
                bad.append(BadRow(place, f"{time} opens amid other candles"))
            else:
                sound.append(row)
        return sound, bad

    def _tell_bad(
        self, bad: Sequence[BadRow], out: list[Output]
    ) -> dict[int, str | None]:
        """Tell of rows that cannot be believed, of each candle once; returns what is
        wrong with those that stand for a candle, by open time."""
        places: dict[int, str | None] = {}
        for row in bad:
            time = self.expected if row.open_time is None else row.open_time
            if time < self.expected:
                continue
            if row.open_time is not None:
                places[time] = row.reason
            if time not in self._told:
                self._told |= {time}
                sample = f": {row.sample}" if row.sample else ""
                out.append(self._bad(f"a bad row: {row.reason}{sample}"))
        return places

    def _skip_unlisted(
        self, places: Mapping[int, str | None], asked: Moment, out: list[Output]
    ) -> int:
        """Begin where the exchange's own candles begin, once two answers agree: what
        was not listed or not traded yet is no gap.

        Returns:
            The open time (ms) from which on a row that is absent is missing; later
            than the awaited one as long as where to begin is in question.
        """
        if self.expected != self._first or not places:
            return self.expected
        bad = [time for time, why in places.items() if why is not None]
        self._shown = min([self._shown, *bad])
        begins = int(min([self._shown, *self._held, *places]))
        if begins <= self.expected:
            return self.expected
        if asked.confirmed < begins - 1 + SETTLED:
            # REST lags: what is so young may be there later.
            self._attempts.ask_from = begins - 1 + SETTLED
            return begins
        agreed, unknown = begins == self._listed, self._listed is None
        self._listed = begins
        if agreed:
            self._first = self._shown = begins
            self._expect(begins)
            self._release(out)
        # Answers that never agree keep nothing back for ever.
        return begins if unknown else self.expected

    def _take_rows(
        self,
        rows: Sequence[Candle],
        end: int,
        asked: Moment,
        now: Moment,
        out: list[Output],
    ) -> None:
        """Deliver what is final and in order; hold what lies behind a hole, as far as
        it was asked for."""
        for index, row in enumerate(rows):
            if row.open_time < self.expected or row.open_time in self._held:
                continue
            if not self._finality.is_final(row, index + 1 < len(rows), asked):
                continue
            if self.ended and self._is_over(row):
                break
            if row.open_time == self.expected:
                self.hearing.row(row, now)
                self._deliver(row, out)
                self._release(out)
            elif row.open_time < end:
                self.hearing.row(row, now)
                self._keep_held(row)

    def _note_holes(
        self,
        start: int,
        end: int,
        places: Mapping[int, str | None],
        asked: Moment,
        now: Moment,
    ) -> None:
        """Take note of candles that an answer lacks though they are old enough, if
        anything is behind them: if not, they may just be late.

        Args:
            start: open time (ms) of the first candle to look for.
            end: open time of the first one that was not asked for.
            places: the answer's rows, as `lacks` takes them.
            asked: when the request was sent.
            now: when the answer was there.
        """
        if max(places, default=0) <= start and not (self._waiting or self._alone):
            self._holes.clear()
            return
        interval = self.stream.interval
        reach = end
        if (last := max(places, default=end)) < end:  # the page ends there
            reach = interval.shift(last, 1)
        settled = interval.floor(asked.confirmed - SETTLED + 1, self._anchor)
        known = {**places, **dict.fromkeys(self._held)}
        found = lacks(start, min(reach, settled), known, interval)
        self._holes.note(found, reach, now.monotonic)

    def _retry(
        self, rows: Sequence[Candle], asked: Moment, now: Moment, *, listing: bool
    ) -> None:
        """The answer brought nothing, or not what comes next: normal for a young row,
        and for one of before the listing, which is still in question."""
        attempts = self._attempts
        attempts.retry_at = now.monotonic + NOTICE
        close = self.stream.interval.close_time(self.expected)
        ask_from = self._finality.ask_from(self.expected, close, asked)
        if ask_from is not None and any(r.open_time == self.expected for r in rows):
            attempts.young(ask_from)
        elif listing:
            return
        elif asked.confirmed - close >= SETTLED:
            later = any(row.open_time > self.expected for row in rows)
            hole = self._holes.at(self.expected)
            until = math.inf if hole is None else hole.since + self._hold
            attempts.lacking(now, later=later, until=until)
        else:
            attempts.ask_from = asked.exchange + ABSENT

    def fail(self, reason: str, now: Moment, wait: float = 0.0) -> None:
        """The wish could not be fetched.

        Args:
            reason: why, for the gap's announcement.
            now: when it failed.
            wait: real seconds that the exchange asks to wait at least.
        """
        wish, self._in_flight = self._in_flight, None
        if wish is not None and wish.late:
            self._attempts.denied_since = None
            self._gaps.put_off(now.monotonic + max(wait, RETRY[1]))
        else:
            self._attempts.failed(reason, now, wait)

    def _give_up(self, now: Moment, out: list[Output]) -> None:
        """Let what waits go out behind an announced gap, which is retried. No candle is
        part of it whose close may still be pushed in time."""
        forming, hole = self.forming, self._holes.at(self.expected)
        overdue = self.stream.interval.floor(now.confirmed - GRACE, self._anchor)
        ends = [overdue, *self._held]
        if forming is not None and forming.open_time > self.expected:
            ends.append(forming.open_time)
        if self.ended:
            if not self.trading.shows_trades(self.expected):
                self.trading.end(self.expected)
                return
            ends.append(self.trading.until)
        reason = self._attempts.reason
        if hole is not None and hole.agreed:
            ends.append(hole.end)
            reason = hole.reason
            self._attempts.line_up()
        gap = GapEvent(self.stream, self.expected, min(ends), reason)
        self._gaps.add(gap)
        out.append(gap)
        self._attempts.delivered()
        self._expect(gap.end)
        self._release(out)

    def _fill_gap(
        self,
        wish: Wish,
        rows: Sequence[Candle],
        asked: Moment,
        now: Moment,
        out: list[Output],
    ) -> None:
        found: list[Candle] = []
        start = wish.start
        if rows and not self._amid(rows[0]):
            # What there never was keeps back no other.
            start = max(start, rows[0].open_time)
        for index, row in enumerate(rows):
            expected = found[-1].close_time + 1 if found else start
            if row.open_time != expected or row.open_time >= wish.end:
                break
            if not self._finality.is_final(row, index + 1 < len(rows), asked):
                break
            found.append(row)
        if not found:
            self._gaps.put_off(now.monotonic + RETRY[1])
            return
        self._mend(self._gaps.first, found, out)

    def _mend(self, gap: GapEvent, found: Sequence[Candle], out: list[Output]) -> None:
        """Announce what of a gap came after all; the rest of it stays one."""
        for candle in found:
            self._finality.forget(candle.open_time)
        out.append(self._gaps.fill(gap, found))
        merged = sorted([*self.closed, *found], key=lambda candle: candle.open_time)
        for candle in merged[: -self._keep]:
            self._remember(candle)
        self._looked_ahead = False
        self.closed.clear()
        self.closed.extend(merged)
