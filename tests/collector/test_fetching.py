"""What a collector makes of REST rows, and of their absence."""

from __future__ import annotations

from collections.abc import Iterator

from klinetail import DataCollector
from klinetail.candle import Candle, Source, Stream
from klinetail.contract.holes import NO_ROW, bad_row
from klinetail.errors import (
    ExchangeError,
    Forbidden,
    Unavailable,
)
from klinetail.events import (
    Drop,
    DropEvent,
    GapEvent,
    LinkEvent,
    LinkState,
)
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.klines import BadRow
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    START,
    THIN,
    FakeRest,
    Seen,
    collect,
    never,
    whole,
)
from tests.strategies import candle as made_up


def test_an_answer_that_cannot_be_handled_is_asked_for_again() -> None:
    """The end of the thread that fetches would be silent, and the candles lost."""

    class Failing(list[Candle]):
        left = 1

        def __iter__(self) -> Iterator[Candle]:
            if Failing.left:
                Failing.left -= 1
                raise MemoryError
            return super().__iter__()

    class FailingRest(FakeRest):
        def klines(self, *args: object, **options: object) -> list:
            rows = super().klines(*args, **options)  # type: ignore[arg-type]
            return rows if options.get("start") is None else Failing(rows)

    seen, rest = Seen(), FailingRest()
    minute = START - START % 60_000
    rest.rows = [made_up(minute - n * 60_000, source=Source.REST) for n in (3, 2, 1, 0)]
    rest.time = minute + 40_000
    collector = DataCollector(
        [BTC], seen.candle, on_event=seen.event, rest=rest, connect=never, lines=3
    )
    collector.start()
    try:
        seen.wait(lambda: len(seen.closed(BTC)) == 3)
    finally:
        collector.stop()
    assert Failing.left == 0
    assert not [e for e in seen.events if isinstance(e, GapEvent)]


def test_a_later_refusal_of_rest_is_not_for_good() -> None:
    seen, rest = Seen(), FakeRest()
    minute = START - START % 60_000
    rest.rows = [made_up(minute - n * 60_000, source=Source.REST) for n in (3, 2, 1, 0)]
    rest.time = minute + 40_000
    fetch, failures = rest.klines, [Forbidden("refused (HTTP 403)")]

    def klines(stream: Stream, *, start: int | None = None, limit: int) -> list:
        if start is not None and failures:
            raise failures.pop()
        return fetch(stream, start=start, limit=limit)

    rest.klines = klines  # type: ignore[method-assign]
    collector = DataCollector(
        [BTC], seen.candle, on_event=seen.event, rest=rest, connect=never, lines=3
    )
    collector.start()
    try:
        seen.wait(lambda: len(seen.closed(BTC)) == 3)
        assert failures == []
    finally:
        collector.stop()


MINUTE = START - START % 60_000


def history_alone(rest: FakeRest, seen: Seen, **options: object) -> DataCollector:
    """A collector of five candles from before a time late in a minute."""
    rest.time = MINUTE + 40_000
    return DataCollector(
        [BTC],
        seen.candle,
        on_event=seen.event,
        lines=5,
        rest=rest,
        connect=never,
        follow=False,
        listed=[Listing(BTC.symbol, "TRADING")],
        **options,
    )


def test_history_alone_is_whole_but_for_the_rows_that_are_bad() -> None:
    """REST is not down meanwhile, and what cannot be is a bad message, once."""
    seen, rest = Seen(), FakeRest()
    rows = [made_up(MINUTE - n * 60_000, source=Source.REST) for n in range(5, -1, -1)]
    rest.rows = [*rows[:1], *rows[2:3], BadRow(rows[3].open_time, "-1"), *rows[4:]]
    collector = history_alone(rest, seen, hold=0.0)
    collector.start()
    try:
        assert collector.ended.exception(PATIENCE) is None
    finally:
        collector.stop()
    assert seen.closed(BTC) == [rows[0], rows[2], rows[4]]
    assert seen.events == [
        DropEvent(Drop.BAD, BTC, "btcusdt@1m: a bad row: -1"),
        GapEvent(BTC, rows[1].open_time, rows[2].open_time, NO_ROW),
        GapEvent(BTC, rows[3].open_time, rows[4].open_time, bad_row("-1")),
    ]


class Rotten(Synthetic):
    """A market that lacks a row of BTCUSDT for good."""

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        rows = super().klines(stream, start, end, limit, now=now)
        absent = MINUTE - 5 * 60_000 if stream == BTC else 0
        return [row for row in rows if row.open_time != absent]


def test_a_hole_of_one_stream_disturbs_no_other() -> None:
    seen = Seen()
    with Server(Rotten(seed=7, start=MINUTE + 40_000), speed=300) as exchange:
        collector = collect(exchange, [BTC, THIN], seen, lines=30, hold=1.0)
        collector.start()
        try:
            seen.wait(
                lambda: sum(c.closed and c.stream == BTC for c in seen.candles) > 29
            )
            known = len(seen.closed(THIN))
            seen.wait(
                lambda: (
                    sum(c.closed and c.stream == THIN for c in seen.candles) > known + 3
                )
            )
        finally:
            collector.stop()
        gaps = [e for e in seen.events if isinstance(e, GapEvent)]
        assert gaps == [GapEvent(BTC, MINUTE - 300_000, MINUTE - 240_000, NO_ROW)]
        assert not [e for e in seen.events if getattr(e, "link", "") == "rest"]
        times = [c.open_time for c in seen.closed(BTC)]
        # On a busy machine the exchange is some minutes further when it begins.
        hole, first = MINUTE - 300_000, times[0]
        assert MINUTE - 30 * 60_000 <= first < hole
        whole_but_one = [first + n * 60_000 for n in range(40)]
        whole_but_one.remove(hole)
        assert times[:29] == whole_but_one[:29]
        seen.events.clear()
        whole(exchange, seen, THIN)


def test_history_alone_gives_up_an_exchange_that_has_no_candle_at_all() -> None:
    """It answers, so nothing fails, and nothing would ever come."""
    seen, rest = Seen(), FakeRest()
    collector = history_alone(rest, seen, hold=0.0, patience=0.1)
    collector.start()
    error = collector.ended.exception(PATIENCE)
    collector.stop()
    assert isinstance(error, ExchangeError)
    missing = MINUTE - 5 * 60_000
    assert str(error) == (
        f"btcusdt@1m: the exchange has no candle that opens at {missing}"
    )
    assert not seen.candles
    assert not seen.events


def test_of_a_stream_that_alone_goes_on_failing_no_more_is_said() -> None:
    seen = Seen()
    collector = DataCollector(
        [BTC, THIN], on_event=seen.event, rest=FakeRest(), connect=never
    )
    for _ in range(5):
        collector._intake._fetching._tell_of_rest(Unavailable("HTTP 400"), BTC)
        collector._intake._fetching._tell_of_rest(None, THIN)
    states = [LinkState.WAITING, LinkState.IDLE]
    assert [e.state for e in seen.events if isinstance(e, LinkEvent)] == states
    for failed in (Unavailable("HTTP 503"), None):
        for stream in (THIN, BTC):
            collector._intake._fetching._tell_of_rest(failed, stream)
    assert [e.state for e in seen.events if isinstance(e, LinkEvent)] == states * 2
