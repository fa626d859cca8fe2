"""DataCollector over real sockets against the embedded exchange."""

from __future__ import annotations

import asyncio
import faulthandler
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail import DataCollector, EventBus, SlowConsumer
from klinetail.candle import HOUR, Candle, Interval, Source, Stream
from klinetail.contract.holes import NO_ROW, bad_row
from klinetail.errors import (
    ExchangeError,
    Forbidden,
    Refused,
    Unavailable,
    UnknownSymbol,
    Unreachable,
    UsageError,
)
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.exchange.client import Handlers
from klinetail.mailbox import MOST, Mailbox
from klinetail.protocol.frames import Reply, encode_kline
from klinetail.protocol.limits import MAX_STREAMS
from klinetail.protocol.rest import BadRow, Listing, Row
from klinetail.protocol.routes import Route, sim_route
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.strategies import candle as made_up
from tests.venue import eventually

START = 1_760_000_000_000
BTC = Stream("BTCUSDT", Interval.M1)
THIN = Stream("ALGOUSDT", Interval.M1)
PATIENCE = 60.0


@pytest.fixture
def exchange() -> Iterator[Server]:
    """A synthetic market, 600 times faster than real time."""
    with Server(Synthetic(seed=7, start=START), speed=600) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of ours outlives a test."""
    yield
    until = time.monotonic() + 5
    while time.monotonic() < until:
        left = [t.name for t in threading.enumerate() if t.name.startswith("klinetail")]
        if not left:
            return
        time.sleep(0.01)
    faulthandler.dump_traceback()
    pytest.fail(f"threads left: {left}")


class Seen:
    """What a collector delivered, to be waited for."""

    def __init__(self) -> None:
        self.candles: list[Candle] = []
        self.events: list[Event] = []
        self._news = threading.Condition()

    def candle(self, candle: Candle) -> None:
        with self._news:
            self.candles.append(candle)
            self._news.notify_all()

    def event(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def closed(self, stream: Stream) -> list[Candle]:
        with self._news:
            return [c for c in self.candles if c.stream == stream and c.closed]

    def wait(self, enough: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(enough, PATIENCE), (
                len(self.candles),
                self.events[-5:],
            )

    def wait_live(self, times: int = 1) -> None:
        self.wait(
            lambda: (
                sum(
                    isinstance(e, LinkEvent) and e.state is LinkState.LIVE
                    for e in self.events
                )
                >= times
            )
        )


def collect(
    server: Server, streams: list[Stream], seen: Seen, **options: object
) -> DataCollector:
    return DataCollector(
        streams,
        seen.candle,
        on_event=seen.event,
        route=sim_route(server.port),
        **options,
    )


def whole(server: Server, seen: Seen, stream: Stream) -> list[Candle]:
    """The stream's closed candles, after making sure that they are the exchange's."""
    closed = seen.closed(stream)
    truth = server.market.klines(
        stream, closed[0].open_time, None, len(closed), now=server.now()
    )
    assert [c.open_time for c in closed] == [c.open_time for c in truth]
    assert [c.texts for c in closed] == [c.texts for c in truth]
    assert [c.count for c in closed] == [c.count for c in truth]
    gaps = [e for e in seen.events if isinstance(e, GapEvent | RevisionEvent)]
    assert gaps == []
    return closed


def test_history_and_stream_join_without_hole_or_double(exchange: Server) -> None:
    seen = Seen()
    streams = [BTC, THIN, Stream("BTCUSDT", Interval.M5)]
    collector = collect(exchange, streams, seen, lines=20)
    collector.start()
    try:
        seen.wait(
            lambda: all(
                sum(c.stream == s and c.closed for c in seen.candles) >= 20 + more
                for s, more in zip(streams, (40, 20, 8), strict=True)
            )
        )
    finally:
        collector.stop()
    for stream in streams:
        closed = whole(exchange, seen, stream)
        assert {c.source for c in closed[:15]} == {Source.REST}
    assert Source.STREAM in {c.source for c in seen.closed(BTC)}
    assert any(not c.closed for c in seen.candles)


def test_it_goes_on_from_given_candles_page_by_page(exchange: Server) -> None:
    """More than two pages of one stream; of another one so many lines."""
    seen = Seen()
    now = exchange.now()
    current = now - now % HOUR
    five = Stream("BTCUSDT", Interval.M5)
    starts = {"btcusdt@1m": current - 20 * HOUR, "btcusdt@5m": current - HOUR}
    collector = collect(exchange, [BTC, THIN, five], seen, lines=3, starts=starts)
    collector.start()
    try:
        seen.wait(lambda: any(c.source is Source.STREAM for c in seen.closed(BTC)))
        seen.wait(lambda: len(seen.closed(five)) > 14 and len(seen.closed(THIN)) > 5)
    finally:
        collector.stop()
    assert whole(exchange, seen, BTC)[0].open_time == starts["btcusdt@1m"]
    assert whole(exchange, seen, five)[0].open_time == starts["btcusdt@5m"]
    assert whole(exchange, seen, THIN)[0].open_time >= current - 3 * 60_000
    live = [c.closed for c in seen.candles if c.stream == BTC].index(False)
    assert live >= 20 * 60, "the history comes first"


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        ({"btcusdt@1m": START + 1}, "no candle opens then"),
        ({Stream("ETHUSDT", Interval.M1): START}, "has a start and is not followed"),
        ({"btcusdt": START // 1000}, "no open time in milliseconds"),
    ],
)
def test_a_start_that_cannot_be_is_refused_at_once(starts: dict, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        DataCollector([BTC], starts=starts)


def test_a_start_in_the_future_is_refused_by_exchange_time(exchange: Server) -> None:
    seen = Seen()
    future = START - START % HOUR + 1000 * HOUR

    async def main() -> None:
        collector = collect(exchange, [THIN, BTC], seen, starts={BTC: future})
        with pytest.raises(UsageError, match=r"btcusdt@1m cannot start at .*: for the"):
            await asyncio.wait_for(collector.start_streaming(), PATIENCE)

    asyncio.run(main())
    assert seen.candles == []


def test_ten_lost_connections_lose_and_double_nothing(exchange: Server) -> None:
    seen = Seen()
    streams = [BTC, THIN, Stream("ETHUSDT", Interval.M3)]
    collector = collect(exchange, streams, seen, lines=5, random=lambda: 0.01)
    collector.start()
    try:
        for number in range(10):
            seen.wait_live(number + 1)
            known = len(seen.candles)
            seen.wait(lambda known=known: len(seen.candles) > known + 20)
            exchange.disconnect_all((None, 1001, 1012)[number % 3])
        seen.wait_live(11)
        known = len(seen.closed(BTC))
        seen.wait(
            lambda: sum(c.closed and c.stream == BTC for c in seen.candles) > known + 20
        )
    finally:
        collector.stop()
    for stream in streams:
        whole(exchange, seen, stream)


def test_start_streaming_history_and_stop_as_a_program_uses_them(
    exchange: Server,
) -> None:
    seen = Seen()

    async def main() -> None:
        collector = collect(exchange, [BTC], seen, lines=3)
        await asyncio.wait_for(collector.start_streaming(), PATIENCE)
        await asyncio.wait_for(collector.history(), PATIENCE)
        assert len(seen.closed(BTC)) >= 3
        kept = collector.buffer[BTC]
        assert [c.closed for c in kept[:3]] == [True] * 3
        assert list(collector.buffer) == [BTC]
        with pytest.raises(RuntimeError, match="runs once"):
            collector.start()
        await collector.stop_streaming()
        known = len(seen.candles)
        await asyncio.sleep(0.1)
        assert len(seen.candles) == known

    asyncio.run(main())


def test_a_collector_is_an_async_iterator(exchange: Server) -> None:
    async def main() -> list[Candle]:
        got: list[Candle] = []
        collector = DataCollector(
            ["btcusdt@1m"], lines=5, route=sim_route(exchange.port)
        )
        start = asyncio.create_task(collector.start_streaming())
        async for candle in collector:
            if candle.closed:
                got.append(candle)
            if len(got) == 8:
                break
        await start
        await collector.stop_streaming()
        return got

    got = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert [c.open_time for c in got] == [
        got[0].open_time + n * 60_000 for n in range(8)
    ]


def test_the_iteration_ends_with_the_collector(exchange: Server) -> None:
    async def main() -> None:
        collector = DataCollector([BTC], route=sim_route(exchange.port))
        await collector.start_streaming()

        async def read() -> int:
            return sum([1 async for _ in collector])

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        await collector.stop_streaming()
        await reader

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_iteration_over_a_collector_that_was_stopped_ends_at_once() -> None:
    async def main() -> list[Candle]:
        collector = DataCollector([BTC], rest=FakeRest(), connect=never)
        collector.start()
        await collector.stop_streaming()
        return [candle async for candle in collector]

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == []


def test_the_iteration_ends_with_what_ended_the_collector() -> None:
    rest = FakeRest()

    async def main() -> None:
        collector = DataCollector([BTC], rest=rest, connect=never)
        reader = asyncio.ensure_future(anext(aiter(collector)))
        await asyncio.sleep(0)
        rest.failure = Refused("not from here")
        collector.start()
        try:
            with pytest.raises(Refused):
                await reader
        finally:
            await collector.stop_streaming()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_iteration_whose_loop_is_closed_costs_nobody_a_candle(
    exchange: Server,
) -> None:
    seen = Seen()
    collector = collect(exchange, [BTC, THIN], seen, lines=3)
    loop = asyncio.new_event_loop()
    candles = aiter(collector)
    collector.start()
    try:
        loop.run_until_complete(asyncio.wait_for(anext(candles), PATIENCE))
        loop.close()
        known = len(seen.closed(THIN))
        seen.wait(
            lambda: (
                sum(c.closed and c.stream == THIN for c in seen.candles) > known + 20
            )
        )
    finally:
        collector.stop()
    whole(exchange, seen, BTC)
    whole(exchange, seen, THIN)
    assert not [e for e in seen.events if isinstance(e, DropEvent)]


def test_who_reads_too_slowly_gets_what_was_queued_and_then_the_number_lost() -> None:
    """An event loop that is blocked, and a mailbox of the bus that nobody reads."""
    delivered: list[Candle] = []
    got: list[Candle] = []
    bus = EventBus()
    mailbox = bus.subscribe(types=[CandleEvent])

    def on_candles(candles: Sequence[Candle]) -> None:
        delivered.extend(candles)
        for candle in candles:
            bus.publish_candle(candle)

    async def read(collector: DataCollector) -> None:
        async for candle in collector:
            if not got:  # a blocking call in a coroutine, which should not be there
                assert collector.ended.exception(PATIENCE) is None
            got.append(candle)

    async def main(collector: DataCollector) -> SlowConsumer:
        reader = asyncio.create_task(read(collector))
        await asyncio.sleep(0)
        collector.start()
        with pytest.raises(SlowConsumer) as caught:
            await reader
        return caught.value

    late_in_a_minute = START - START % 60_000 + 40_000
    with Server(Synthetic(seed=7, start=late_in_a_minute)) as exchange:
        collector = DataCollector(
            [f"{name}usdt@1m" for name in ("btc", "eth", "sol", "xrp")],
            on_candles=on_candles,
            lines=18_000,
            share=1.0,
            follow=False,
            route=sim_route(exchange.port),
        )
        try:
            error = asyncio.run(main(collector))
        finally:
            collector.stop()
    assert len(delivered) == 4 * 18_000
    assert MOST <= len(got) < len(delivered)
    assert got == delivered[: len(got)]
    assert (error.lost, error.limit) == (len(delivered) - len(got), MOST)
    assert not collector._delivery.mailboxes

    events: list[Event] = []
    with pytest.raises(SlowConsumer) as caught:
        events.extend(mailbox)
    assert events == [CandleEvent(candle) for candle in delivered[:MOST]]
    assert caught.value.lost == len(delivered) - MOST


def test_cancelling_the_start_leaves_nothing() -> None:
    route = Route("ws://127.0.0.1:9", "http://127.0.0.1:9")

    async def main() -> None:
        collector = DataCollector([BTC], route=route)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collector.start_streaming(), 0.3)
        assert collector.ended.done()

    asyncio.run(main())


def test_the_bus_gets_typed_events_through_the_bridge(exchange: Server) -> None:
    bus = EventBus()
    mailbox = bus.subscribe(types=[CandleEvent], streams=[BTC])
    links = bus.subscribe(types=[LinkEvent])
    collector = DataCollector(
        [BTC, THIN],
        bus.publish_candle,
        on_event=bus.publish,
        lines=2,
        route=sim_route(exchange.port),
    )
    collector.start()
    try:
        assert isinstance(mailbox, Mailbox)
        events = []
        while len(events) < 5:
            events += mailbox.take(PATIENCE)
        assert all(event.candle.stream == BTC for event in events)
        states = []
        while LinkState.LIVE not in states:
            states += [event.state for event in links.take(PATIENCE)]
        assert states[:3] == [
            LinkState.CONNECTING,
            LinkState.SUBSCRIBING,
            LinkState.LIVE,
        ]
    finally:
        collector.stop()


def test_an_unknown_symbol_is_refused_before_anything_is_subscribed(
    exchange: Server,
) -> None:
    async def main() -> None:
        collector = DataCollector(["btcusd@1m"], route=sim_route(exchange.port))
        with pytest.raises(UnknownSymbol) as caught:
            await collector.start_streaming()
        assert "BTCUSDT" in caught.value.suggestions

    asyncio.run(main())
    eventually(lambda: exchange.connections == 0)


def test_a_symbol_among_many_that_is_not_traded_is_named(exchange: Server) -> None:
    listed = [
        s.symbol
        for s in exchange.market.instruments
        if s.status(exchange.now()) == "TRADING"
    ]
    settling = next(
        s.symbol
        for s in exchange.market.instruments
        if s.status(exchange.now()) != "TRADING"
    )

    async def main() -> None:
        collector = DataCollector(
            [f"{s}@1m" for s in [*listed, settling]], route=sim_route(exchange.port)
        )
        with pytest.raises(UsageError, match=f"{settling} is not traded"):
            await collector.start_streaming()

    asyncio.run(main())


@pytest.mark.parametrize("bug", [ValueError("a user's bug"), SystemExit(3)])
def test_a_callback_that_raises_costs_no_candle(
    exchange: Server, bug: BaseException
) -> None:
    seen = Seen()

    def raising(candle: Candle) -> None:
        seen.candle(candle)
        raise bug

    collector = DataCollector([BTC], raising, lines=5, route=sim_route(exchange.port))
    collector.start()
    try:
        seen.wait(lambda: sum(c.closed for c in seen.candles) >= 10)
    finally:
        collector.stop()
    assert collector.failures >= 10
    whole(exchange, seen, BTC)


def test_a_coroutine_function_is_no_callback() -> None:
    async def callback(candle: Candle) -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        DataCollector([BTC], callback)


def test_no_streams_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        DataCollector([])


class FakeManager:
    """Stands for the connection that a message came over."""

    candles = 0

    def __init__(self) -> None:
        self.replies: list[object] = []

    def on_reply(self, reply: object) -> None:
        self.replies.append(reply)


class FakeRest:
    """A REST side that says what it is told to; the seam of the design."""

    def __init__(self) -> None:
        self.time = START
        self.rows: list[Row] = []
        self.failure: Exception | None = None
        self.closed = False
        self.used_weight: int | None = None

    def server_time(self) -> int:
        if self.failure is not None:
            raise self.failure
        return self.time

    def klines(self, stream: Stream, *, start: int | None = None, limit: int) -> list:
        if self.failure is not None:
            raise self.failure
        if start is None and limit == 1:  # what bears witness to the time
            opens = self.time - self.time % 60_000
            return [made_up(opens, stream=stream, source=Source.REST)]
        return [r for r in self.rows if start is None or r.open_time >= start][:limit]

    def listings(self) -> list[Listing]:
        return [Listing(BTC.symbol, "TRADING")]

    def close(self) -> None:
        self.closed = True


def never(handlers: object, deadline: object) -> object:
    """A line that cannot be had."""
    raise Unreachable("no line")


class Lines:
    """Makes lines that never say anything, and notes what is asked of them."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.stopped = threading.Event()
        self.subscribed: queue.Queue[list[str]] = queue.Queue()
        self.candles = 0

    def __call__(self, handlers: object, deadline: object) -> Lines:
        self.opened.set()
        return self

    def ping(self, payload: bytes) -> None: ...

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        self.subscribed.put(stream)

    def stop(self, timeout: float) -> None:
        self.stopped.set()


class Answering(Lines):
    """Makes a line that acks all that is asked of it."""

    taken = False

    def __call__(self, handlers: Handlers, deadline: object) -> Lines:
        self.taken = True
        self.handlers = handlers
        return self

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        self.handlers.on_reply(Reply(id, None))


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


def test_messages_of_any_kind_never_leave_the_handler() -> None:
    seen = Seen()
    rest = FakeRest()
    collector = DataCollector(
        [BTC], seen.candle, on_event=seen.event, rest=rest, connect=never
    )
    collector.start()
    try:
        seen.wait(lambda: bool(seen.events))
        manager = FakeManager()
        for message in (b"", b"\xce", "null", '{"result":null,"id":1}', b"[" * 10_000):
            collector._handle_kline_message(manager, message)
        assert len(manager.replies) == 1
        bad = [e for e in seen.events if isinstance(e, DropEvent) and e.why is Drop.BAD]
        assert len(bad) == 4
    finally:
        collector.stop()
    assert rest.closed


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


def test_frames_for_which_there_is_no_memory_together_are_taken_one_by_one() -> None:
    class Many(list[bytes]):
        together = True

        def __iter__(self) -> Iterator[bytes]:
            if Many.together:
                Many.together = False
                raise MemoryError
            return super().__iter__()

    seen, rest = Seen(), FakeRest()
    collector = DataCollector([BTC], seen.candle, rest=rest, connect=never)
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        some = made_up(START - START % 60_000, closed=False)
        frames = Many()
        for n in range(3):
            pushed = msgspec.structs.replace(some, event_time=START + n)
            frame = encode_kline(pushed, first_trade=1, last_trade=2, combined=False)
            frames.append(frame.encode())
        collector._handle_kline_messages(FakeManager(), frames)
        assert [c.event_time for c in seen.candles] == [START, START + 1, START + 2]
    finally:
        collector.stop()


def test_what_can_never_work_ends_the_start_and_says_why() -> None:
    rest = FakeRest()
    rest.failure = Refused("refused (HTTP 451)")
    collector = DataCollector([BTC], rest=rest, connect=never)
    collector.start()
    error = collector.ended.exception(PATIENCE)
    collector.stop()
    assert isinstance(error, Refused)


def test_no_refusal_ends_a_run_of_which_another_line_is_live() -> None:
    """Of several lines one may be refused, whatever would end the first of all."""
    streams = [Stream(f"N{n}USDT", Interval.M1) for n in range(MAX_STREAMS + 1)]
    seen, first, refused = Seen(), Answering(), threading.Event()

    def connect(handlers: Handlers, deadline: object) -> object:
        if not first.taken:
            return first(handlers, deadline)
        seen.wait_live()
        refused.set()
        raise Refused("refused (HTTP 451)")

    collector = DataCollector(
        streams,
        on_event=seen.event,
        rest=FakeRest(),
        connect=connect,
        listed=[Listing(stream.symbol, "TRADING") for stream in streams],
    )
    collector.start()
    try:
        seen.wait(lambda: any("451" in getattr(e, "reason", "") for e in seen.events))
        assert refused.is_set()
        assert not collector.ended.done()
    finally:
        collector.stop()


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


def test_history_alone_needs_no_connection() -> None:
    seen = Seen()
    late_in_a_minute = START - START % 60_000 + 40_000
    with Server(Synthetic(seed=7, start=late_in_a_minute)) as exchange:
        collector = collect(exchange, [BTC, THIN], seen, lines=30, follow=False)
        collector.start()
        assert collector.ended.exception(PATIENCE) is None
        collector.stop()
        assert exchange.connections == 0
        for stream in (BTC, THIN):
            assert len(whole(exchange, seen, stream)) == 30


BTC_5M = Stream("BTCUSDT", Interval.M5)
KINDS = ("forming", "forming", "forming", "closed", "garbage", "reply", "foreign")


@st.composite
def lines(draw: st.DrawFn) -> list[list[bytes]]:
    """Frames of two streams as they come over a bad line, as the reads bring them."""
    made: list[bytes] = []
    for _ in range(draw(st.integers(0, 40))):
        kind = draw(st.sampled_from(KINDS))
        if kind == "garbage":
            made.append(
                draw(st.sampled_from([b"", b"\xce", b"null", b'{"e":"kline"}']))
            )
            continue
        if kind == "reply":
            made.append(b'{"result":null,"id":1}')
            continue
        stream = draw(st.sampled_from([BTC, BTC, BTC_5M]))
        length = stream.interval.length or 0
        open_time = START - START % length + draw(st.integers(-1, 3)) * length
        age = draw(st.sampled_from([0, 1, 5, 900, length - 1, length + 200, 90_000]))
        if kind == "foreign":
            stream = Stream("ETHUSDT", stream.interval)
        some = made_up(
            open_time, stream=stream, closed=kind == "closed", count=len(made)
        )
        some = msgspec.structs.replace(some, event_time=open_time + age)
        frame = encode_kline(some, first_trade=1, last_trade=2, combined=False)
        made.append(frame.encode())
    reads, at = [], 0
    while at < len(made):
        size = draw(st.integers(1, 12))
        reads.append(made[at : at + size])
        at += size
    return reads


class Two(FakeRest):
    """Knows no row but the newest, so that nothing comes but by the line."""

    def klines(self, stream: Stream, *, start: int | None = None, limit: int) -> list:
        if start is not None:
            raise Unreachable("nothing there")
        return super().klines(stream, limit=limit)

    def listings(self) -> list[Listing]:
        return [Listing("BTCUSDT", "TRADING")]


def delivered(reads: list[list[bytes]], *, together: bool) -> list[object]:
    """All that a collector makes of frames, but what it says of REST and its links."""
    out: list[object] = []
    collector = DataCollector(
        [BTC, BTC_5M],
        on_candles=out.extend,
        on_event=out.append,
        hold=math.inf,
        rest=Two(),
        connect=never,
        monotonic=lambda: 1000.0,
        listed=[Listing("BTCUSDT", "TRADING")],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        manager = FakeManager()
        for messages in reads:
            if together:
                collector._handle_kline_messages(manager, messages)
                continue
            for message in messages:
                collector._handle_kline_message(manager, message)
        out.append((manager.candles, len(manager.replies)))
    finally:
        collector.stop()
    return [one for one in out if not isinstance(one, LinkEvent)]


@settings(max_examples=60)
@given(lines())
def test_what_comes_together_is_taken_as_one_by_one(reads: list[list[bytes]]) -> None:
    assert delivered(reads, together=True) == delivered(reads, together=False)


def test_closes_that_come_together_are_delivered_together() -> None:
    """At an hour's end a callback for each would cost more than all else."""
    streams = [Stream(f"N{n}USDT", Interval.M1) for n in range(8)]
    batches: list[list[tuple[str, bool]]] = []
    collector = DataCollector(
        streams,
        on_candles=lambda some: batches.append(
            [(c.stream.symbol, c.closed) for c in some]
        ),
        rest=Two(),
        connect=never,
        monotonic=lambda: 1000.0,
        listed=[Listing(stream.symbol, "TRADING") for stream in streams],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        opens = START - START % 60_000
        for closed in (False, True):
            frames = []
            for stream in streams:
                some = made_up(opens, stream=stream, closed=closed, count=3)
                after = opens + (60_500 if closed else 30_000)
                some = msgspec.structs.replace(some, event_time=after)
                frames.append(
                    encode_kline(
                        some, first_trade=1, last_trade=2, combined=False
                    ).encode()
                )
            collector._handle_kline_messages(FakeManager(), frames)
    finally:
        collector.stop()
    assert batches == [
        [(s.symbol, closed) for s in streams] for closed in (False, True)
    ]


def test_a_revision_of_what_left_the_buffer_is_told_once() -> None:
    out: list[object] = []
    now = [1000.0]
    collector = DataCollector(
        [BTC],
        on_event=out.append,
        keep=1,
        rest=Two(),
        connect=never,
        monotonic=lambda: now[0],
        listed=[Listing(BTC.symbol, "TRADING")],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        opens = START - START % 60_000
        now[0] += 100.0
        event_time = opens + 120_500
        for minute, count in ((0, 3), (1, 3), (0, 3), (0, 4), (0, 4)):
            some = made_up(opens + minute * 60_000, stream=BTC, count=count)
            some = msgspec.structs.replace(some, event_time=event_time)
            frame = encode_kline(some, first_trade=1, last_trade=2, combined=False)
            collector._handle_kline_message(FakeManager(), frame.encode())
        assert [one.count for one in collector.buffer[BTC]] == [3]
    finally:
        collector.stop()
    revised = made_up(opens, stream=BTC, count=4, delay=event_time - opens - 59_999)
    duplicate = DropEvent(Drop.DUPLICATE, BTC)
    assert [one for one in out if not isinstance(one, LinkEvent)] == [
        duplicate,
        RevisionEvent(None, revised),
        duplicate,
    ]


def test_of_a_stream_that_alone_goes_on_failing_no_more_is_said() -> None:
    seen = Seen()
    collector = DataCollector(
        [BTC, THIN], on_event=seen.event, rest=FakeRest(), connect=never
    )
    for _ in range(5):
        collector._tell_of_rest(Unavailable("HTTP 400"), BTC)
        collector._tell_of_rest(None, THIN)
    states = [LinkState.WAITING, LinkState.IDLE]
    assert [e.state for e in seen.events if isinstance(e, LinkEvent)] == states
    for failed in (Unavailable("HTTP 503"), None):
        for stream in (THIN, BTC):
            collector._tell_of_rest(failed, stream)
    assert [e.state for e in seen.events if isinstance(e, LinkEvent)] == states * 2
