"""The ranges to fetch for one stream, and the use of the answers. Pure.

One range at a time is asked for. The rows of an answer are sorted out, final rows are
delivered in order, and candles missing in answers are noted as holes. Announced gaps
are fetched when nothing else is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Candle
from klinetail.clock import Moment
from klinetail.contract.answers import BadRows, sort_out
from klinetail.contract.attempts import RETRY, Attempts
from klinetail.contract.finality import NOTICE, SETTLED, Finality
from klinetail.contract.gaps import OpenGaps
from klinetail.contract.grid import common_open_time
from klinetail.contract.holes import Holes, lacks
from klinetail.contract.listing import Listed
from klinetail.contract.order import Order
from klinetail.contract.output import Output
from klinetail.events import GapEvent, UnconfirmedEvent
from klinetail.protocol.klines import Row

ABSENT: Final = 5_000
"""The time (ms of exchange time) after which a missing row is asked for again."""


class Wish(NamedTuple):
    """A range to fetch: the candles that open in [start, end), both open times."""

    start: int
    end: int
    late: bool = False
    """The range was announced as a gap already; nothing waits for it."""


class Fetching:
    """The fetching of one stream's missing candles.

    Args:
        order: the stream's delivered and awaited candles.
        hold: real seconds for which later candles wait for a missing candle.
        follow: whether candles are awaited after the history.
    """

    __slots__ = (
        "_bad_rows",
        "_follow",
        "_hold",
        "_order",
        "answered",
        "attempts",
        "finality",
        "gaps",
        "holes",
        "in_flight",
        "listed",
        "stirred",
    )

    def __init__(self, order: Order, *, hold: float, follow: bool) -> None:
        self._order = order
        self._hold = hold
        self._follow = follow
        self.in_flight: Wish | None = None
        """The range that is on its way."""
        self.attempts = Attempts()
        """When to ask, and what failed."""
        self.answered = False
        """Whether any answer had a candle, whichever."""
        self.listed = Listed()
        """Where the exchange's candles begin."""
        self.stirred = False
        """Whether an answer or a failure left anything to be forgotten: mostly, no
        answer is needed at all."""
        self.finality = Finality()
        """The rows that may still change."""
        self.holes = Holes()
        """What answers lack."""
        self.gaps = OpenGaps()
        """The gaps announced as missing and still fetched."""
        self._bad_rows = BadRows(order.stream)
        """The bad rows that were announced."""

    @property
    def alone(self) -> bool:
        """Whether nothing is to come but answers, and some had candles."""
        return not self._follow and self.answered

    # Ranges to fetch

    def take_wish(self, now: Moment) -> Wish | None:
        """The range to fetch now, if any; it then counts as on its way."""
        if self.in_flight is not None:
            return None
        if self._order.lacking:
            if self.attempts.allowed(now):
                self.in_flight = self._missing()
        elif self.gaps and now.monotonic >= self.gaps.retry_at:
            gap = self.gaps.first
            self.in_flight = Wish(gap.start, gap.end, late=True)
        return self.in_flight

    def renew_wish(self) -> Wish | None:
        """The range that is on its way, as of now: while the request queued, more may
        have been missed, or less be missing. None if nothing is, and then nothing is on
        its way any more."""
        if self.in_flight is not None and not self.in_flight.late:
            self.in_flight = self._missing() if self._order.lacking else None
        return self.in_flight

    def _missing(self) -> Wish:
        order = self._order
        if order.unknown:
            return Wish(*order.first_range())
        end = max(min(order.held, default=order.wanted), self.holes.end)
        return Wish(order.expected, min(end, order.trading.until))

    def fail(self, reason: str, now: Moment, wait: float = 0.0) -> None:
        """The range could not be fetched; arguments as `Series.fail`."""
        wish, self.in_flight = self.in_flight, None
        self.stirred = True
        if wish is not None and wish.late:
            self.attempts.denied_since = None
            self.gaps.put_off(now.monotonic + max(wait, RETRY[1]))
        else:
            self.attempts.failed(reason, now, wait)

    # Candles delivered meanwhile

    def delivered(self, since: int) -> None:
        """The candles from `since` (open time, ms) up to the awaited one were
        delivered."""
        if self.stirred:
            self.finality.forget_range(since, self._order.expected)
            self.attempts.delivered()
            self.moved_on()

    def moved_on(self) -> None:
        """Another candle is awaited now."""
        expected = self._order.expected
        self.listed.moved_on()
        self.attempts.moved_on()
        self.holes.forget(expected)
        self._bad_rows.forget(expected)
        left = self.finality.seen or self.holes or self._bad_rows
        self.stirred = bool(left) or self.attempts.failing

    def release(self, out: list[Output]) -> None:
        """Let out the candles held behind candles that are not awaited any more."""
        before = self._order.expected
        self._order.release(out)
        if self._order.expected != before:
            self.delivered(before)

    def give_up(self, gap: GapEvent) -> None:
        """A gap was announced, and the candle behind it is awaited now. The candles in
        the gap are fetched when nothing else is missing."""
        self.gaps.add(gap)
        self.attempts.delivered()
        self.moved_on()

    # Answers

    def fill(self, rows: Sequence[Row], asked: Moment, now: Moment) -> list[Output]:
        """Take in the answer; arguments as `Series.fill`."""
        out: list[Output] = []
        order = self._order
        self.stirred = True
        if not order.expected:
            anchor = common_open_time(rows, order.grid.longest)
            if anchor is None:
                self.fail("the exchange has no candles", now)
                return out
            order.start(anchor)
        sound, unsound = sort_out(rows, order.grid, now)
        wish, self.in_flight = self.in_flight or self._missing(), None
        if wish.late:
            self._fill_gap(wish, sound, asked, now, out)
            return out
        self.attempts.answered()
        self.answered = self.answered or bool(sound)
        before = order.expected
        places = self._bad_rows.tell(unsound, before, out)
        places |= {row.open_time: None for row in sound}
        begins = self._skip_unlisted(places, asked, out)
        listing = begins > order.expected
        self._take_rows(sound, wish.end, asked, now, out)
        if not order.lacking:
            return out
        self.stirred = True
        self._note_holes(max(begins, order.expected), wish.end, places, asked, now)
        if order.expected == before or self.holes.at(order.expected) is not None:
            self._retry(sound, asked, now, listing=listing)
        return out

    def _skip_unlisted(
        self, places: Mapping[int, str | None], asked: Moment, out: list[Output]
    ) -> int:
        """Begin where the exchange's own candles begin, once two answers agree: what
        was not listed or not traded yet is no gap.

        Returns:
            The open time (ms) from which on a row that is absent is missing; later
            than the awaited one as long as where to begin is in question.
        """
        order, listed = self._order, self.listed
        if order.expected != order.first or not places:
            return order.expected
        if order.start_point is not None:  # the preceding candle exists
            return order.expected
        for time, why in places.items():
            # A bad row, or one no later than the awaited candle: it was listed by then.
            if why is not None or time <= order.expected:
                listed.show(time)
        begins = int(min([listed.shown, *order.held, *places]))
        if begins <= order.expected:
            return order.expected
        if listed.is_young(begins, asked):
            self.attempts.ask_from = begins - 1 + SETTLED
            return begins
        agreed = listed.settle(begins)
        if agreed:
            order.first = begins
            listed.show(begins)
            order.expect(begins)
            self.moved_on()
            self.release(out)
        return begins if agreed is None else order.expected

    def _take_rows(
        self,
        rows: Sequence[Candle],
        end: int,
        asked: Moment,
        now: Moment,
        out: list[Output],
    ) -> None:
        """Deliver the final candles in order; hold the candles behind a hole, as far as
        the candles were asked for."""
        order = self._order
        before = order.expected
        for index, row in enumerate(rows):
            if (
                row.open_time < order.expected
                or row.open_time in order.held
                or not self.finality.is_final(row, index + 1 < len(rows), asked)
                or self._is_over(row)
            ):
                continue
            if row.open_time == order.expected:
                order.hearing.row(row, now)
                order.deliver(row, out)
                order.release(out)
            elif row.open_time < end:
                order.hearing.row(row, now)
                order.held.hold(row)
        if order.expected != before:
            self.delivered(before)

    def _is_over(self, row: Candle) -> bool:
        """Whether the last trade was before this row: nothing flat follows the end."""
        trading = self._order.trading
        flat = not row.count and not trading.shows_trades(row.open_time)
        if flat and self._order.grid.end_of(row.open_time) >= trading.until:
            trading.end(row.open_time)
        return row.open_time >= trading.until

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
        order = self._order
        if max(places, default=start) <= start and not (order.waiting or self.alone):
            self.holes.clear()
            return
        reach = end
        if (last := max(places, default=end)) < end:  # the last row of the page
            reach = order.grid.end_of(last)
        settled = order.grid.floor(asked.confirmed - SETTLED + 1)
        known = {**places, **dict.fromkeys(order.held)}
        found = lacks(start, min(reach, settled), known, order.stream.interval)
        self.holes.note(found, reach, now.monotonic)

    def _retry(
        self, rows: Sequence[Candle], asked: Moment, now: Moment, *, listing: bool
    ) -> None:
        """Take note of an answer without the next candle: normal for a young row, and
        for a row of before the listing, while the listing is in question."""
        attempts, expected = self.attempts, self._order.expected
        attempts.retry_at = now.monotonic + NOTICE
        if listing:
            return
        close = self._order.grid.end_of(expected) - 1
        ask_from = self.finality.ask_from(expected, close, asked)
        if ask_from is not None and any(r.open_time == expected for r in rows):
            attempts.young(ask_from)
        elif asked.confirmed - close >= SETTLED:
            later = any(row.open_time > expected for row in rows)
            hole = self.holes.at(expected)
            until = math.inf if hole is None else hole.since + self._hold
            attempts.lacking(now, later=later, until=until)
        else:
            attempts.ask_from = asked.exchange + ABSENT

    def unconfirmed(self, asked: Moment) -> UnconfirmedEvent | None:
        """Return the event of a candle to be confirmed; as `Series.unconfirmed`."""
        order, time = self._order, self._order.expected
        if order.ended or not order.lacking or not self.finality.is_new(time, asked):
            return None
        close = order.grid.end_of(time) - 1
        until = self.finality.ask_from(time, close, asked) or 0
        return UnconfirmedEvent(order.stream, time, until)

    # Announced gaps

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
        if rows:
            # Candles from before the listing never existed and keep no candle back.
            start = max(start, rows[0].open_time)
        for index, row in enumerate(rows):
            expected = found[-1].close_time + 1 if found else start
            if (
                row.open_time != expected
                or row.open_time >= wish.end
                or not self.finality.is_final(row, index + 1 < len(rows), asked)
            ):
                break
            found.append(row)
        if not found:
            self.gaps.put_off(now.monotonic + RETRY[1])
            return
        self._mend(self.gaps.first, found, out)

    def take_late(self, candle: Candle, out: list[Output]) -> bool:
        """Take in a close; return whether the close was given up before.

        Args:
            candle: a frame's, earlier than the awaited one.
            out: the announcement that the candle came after all is added here.
        """
        if (gap := self.gaps.covering(candle.open_time)) is None:
            return False
        # An answer under way is about the gap as of the time of the request.
        if self.in_flight is None or not self.in_flight.late:
            self._mend(gap, [candle], out)
        return True

    def _mend(self, gap: GapEvent, found: Sequence[Candle], out: list[Output]) -> None:
        """Announce the late candles of a gap; the rest of the range stays a gap."""
        for candle in found:
            self.finality.forget(candle.open_time)
        out.append(self.gaps.fill(gap, found))
        self._order.delivered.insert(found, self._order.expected)
