"""A collector and what it delivered, to be waited for; a REST side and connections that
say what they are told to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from klinetail import DataCollector
from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import Unreachable
from klinetail.events import (
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.exchange.connection import Handlers
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.frames import Reply
from klinetail.protocol.klines import Row
from klinetail.protocol.venues import sim_venue
from klinetail.sim.server import Server
from tests.strategies import candle as made_up

START = 1_760_000_000_000
BTC = Stream("BTCUSDT", Interval.M1)
THIN = Stream("ALGOUSDT", Interval.M1)
PATIENCE = 60.0


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


class FakeManager:
    """Stands for the connection that a message came over."""

    candles = 0

    def __init__(self) -> None:
        self.replies: list[object] = []

    def on_reply(self, reply: object) -> None:
        self.replies.append(reply)


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
