"""DataCollector over real sockets against the embedded exchange."""

from __future__ import annotations

import asyncio
import faulthandler
import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from klinetail import DataCollector, EventBus
from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import (
    UnknownSymbol,
    Unreachable,
    UsageError,
)
from klinetail.events import (
    CandleEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.exchange.connection import Handlers
from klinetail.pipeline.mailbox import Mailbox
from klinetail.protocol.frames import Reply
from klinetail.protocol.rest import Listing, Row
from klinetail.protocol.venues import own_venue, sim_venue
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
        venue=sim_venue(server.port),
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


def test_cancelling_the_start_leaves_nothing() -> None:
    nowhere = own_venue("ws://127.0.0.1:9", "http://127.0.0.1:9")

    async def main() -> None:
        collector = DataCollector([BTC], venue=nowhere)
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
        venue=sim_venue(exchange.port),
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
        collector = DataCollector(["btcusd@1m"], venue=sim_venue(exchange.port))
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
            [f"{s}@1m" for s in [*listed, settling]], venue=sim_venue(exchange.port)
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

    collector = DataCollector([BTC], raising, lines=5, venue=sim_venue(exchange.port))
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

    def under_way(self) -> tuple[str, str]:
        return "", ""

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
