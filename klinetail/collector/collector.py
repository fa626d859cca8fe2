"""DataCollector: streams in, candles out, in the contract's order.

The collector runs a keeper's thread (the start, then deadlines), a thread for each
link, the connector's thread of each connection, and a few backfill threads, all of them
daemons. `CollectorState` is what the threads share.
"""

from __future__ import annotations

import math
import os
import random as _random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

from klinetail.candle import Candle, Stream, streams_of
from klinetail.clock import ExchangeClock
from klinetail.collector.budget import SHARE, Budget
from klinetail.collector.buffer import Buffer
from klinetail.collector.delivery import Delivery
from klinetail.collector.fetching import Fetching
from klinetail.collector.intake import Intake
from klinetail.collector.iteration import iterate
from klinetail.collector.lifecycle import Lifecycle, reached
from klinetail.collector.links import Links
from klinetail.collector.lookups import Lookups
from klinetail.collector.options import real, seconds, starts_of, whole
from klinetail.collector.requests import Requests
from klinetail.collector.shards import shards
from klinetail.collector.sleep import slept
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.collector.upkeep import Upkeep
from klinetail.contract.held import HELD
from klinetail.contract.series import Series
from klinetail.errors import UsageError
from klinetail.events import Event
from klinetail.exchange.client import connector
from klinetail.exchange.connection import Connect, Manager
from klinetail.exchange.link import Link
from klinetail.exchange.proxy import proxy_for
from klinetail.exchange.rest_client import BinanceRest, Rest
from klinetail.exchange.status import LIFETIME
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.venues import Venue, chosen
from klinetail.shortage import safe_to_start

STOP_TIMEOUT: Final = 2.0
"""Seconds within which everything has ended."""

ALL_KEPT: Final = 200_000
"""Closed candles that are kept, and candles that are held, over all streams
together."""

_GLANCE: Final = 0.05
"""Seconds for which `exchange_time` waits for the lock of a busy collector."""


class DataCollector:
    """Follows streams: every closed candle once and in order, or an announced gap.

    Args:
        streams: the streams to follow, as `Stream`s or names, for example `btcusdt@1m`.
        on_candle_callback: called with every accepted candle, forming candles too, in
            order, on a thread of the collector and never twice at once. Nothing else is
            delivered during a call. An exception is logged and counted.
        on_candles: as `on_candle_callback`, but called with all candles that arrive
            together, which costs less for each candle.
        on_event: called as `on_candle_callback` with every other event. Without
            `on_event` the logger `klinetail` gets a warning for each gap, for each
            symbol that is not traded any more or not yet, and for each time that the
            exchange cannot be reached.
        lines: number of closed candles to deliver from before the start.
        starts: for some of the streams the open time (ms since the epoch) of the first
            closed candle to deliver, instead of `lines`: for example the open time
            after the last candle of a recording. All candles from there on are fetched
            and delivered in order before the live candles; a candle that the exchange
            lacks is a gap.
        hold: real seconds for which candles wait for an earlier candle whose fetch
            fails.
        share: the part of the exchange's REST weight to take at most, above 0 and up to
            1.
        follow: whether to go on after the history.
        patience: with `follow=False`, seconds without an answer, or with answers
            without a candle, before giving up.
        keep: number of closed candles to keep of each stream in `buffer`; 200,000 in
            all at most.
        listed: what the exchange lists, if the list was asked for a moment ago.
        env: the exchange: `live`, the default, or `testnet`.
        ws_url: the WebSocket address of another exchange, with `rest_url` and without
            `env`.
        rest_url: the REST address of another exchange.
        venue: all that klinetail has to know about an exchange, as one value, instead
            of `env`, `ws_url` and `rest_url`.
        proxy: the address of a proxy, instead of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and
            NO_PROXY.
        rest: the REST side, instead of a REST side for the venue.
        requests: the REST side with its queue and budget, shared with other collectors,
            instead of `rest` and `share`. The owner starts and stops the requests.
        connect: the maker of connections, instead of a maker for the venue.
        monotonic: local seconds.
        slept: real seconds for which this machine was suspended up to now.
        random: uniform in [0, 1), for the pauses between attempts.
        lifetime: seconds after which a connection is renewed at the latest.

    Raises:
        UsageError: there is no stream, or a stream, a number, an exchange or a proxy is
            impossible; or a start is of another stream, or no candle opens then.
            `start_streaming` raises the error for a start in the future.
        TypeError: `streams` is no list of streams, a number is no number, or a callback
            is no plain function.

    Example::

        async def main():
            async with DataCollector(["btcusdt@1m"], lines=10) as collector:
                async for candle in collector.closed_candles():
                    print(candle.stream, candle.close)
    """

    def __init__(
        self,
        streams: Iterable[Stream | str],
        on_candle_callback: Callable[[Candle], object] | None = None,
        *,
        on_candles: Callable[[Sequence[Candle]], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        lines: int = 0,
        starts: Mapping[Stream, int] | Mapping[str, int] | None = None,
        hold: float = 30.0,
        share: float = SHARE,
        follow: bool = True,
        patience: float = math.inf,
        keep: int = 500,
        listed: Sequence[Listing] | None = None,
        env: str | None = None,
        ws_url: str | None = None,
        rest_url: str | None = None,
        venue: Venue | None = None,
        proxy: str | None = None,
        rest: Rest | None = None,
        requests: Requests | None = None,
        connect: Connect | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        slept: Callable[[], float] = slept,
        random: Callable[[], float] = _random.random,
        lifetime: float = LIFETIME,
    ) -> None:
        self.streams: Sequence[Stream] = streams_of(streams)
        """The streams that are followed, each once."""
        if not self.streams:
            raise UsageError("no stream to follow")
        lifecycle = Lifecycle()
        self.ended: Future[None] = lifecycle.ended
        """Done when the collector has ended; with the error that ended the run, if
        any."""
        delivery = Delivery(on_candle_callback, on_candles, on_event, monotonic)
        self.ended.add_done_callback(lambda _: delivery.close())
        lines, keep = whole("lines", lines, 0), whole("keep", keep, 1)
        hold, lifetime = seconds("hold", hold), seconds("lifetime", lifetime)
        patience = seconds("patience", patience)
        if venue is None:
            venue = chosen(env, ws_url, rest_url)
        elif (env, ws_url, rest_url) != (None, None, None):
            raise UsageError("venue and env or ws_url name two exchanges; give one")
        if connect is None:
            through = proxy_for(venue.ws_url, proxy, os.environ)
            connect = connector(venue.ws_url, through)
        limits = venue.limits
        budget = Budget(real("share", share), limits.weight_per_minute)
        if requests is None:
            if rest is None:
                through = proxy_for(venue.rest_url, proxy, os.environ)
                rest = BinanceRest(venue, proxy=through)
            requests = Requests(rest, limits, budget, monotonic)
        self._requests = requests
        """The REST side with its queue and budget."""
        most = max(1, ALL_KEPT // len(self.streams))
        keep, held = min(keep, most), min(HELD, most)
        self._state = CollectorState(
            {
                stream: Series(
                    stream, lines=lines, hold=hold, keep=keep, held=held, follow=follow
                )
                for stream in self.streams
            },
            shards(self.streams, limits.streams) if follow else [],
            venue=venue,
            clock=ExchangeClock(),
            rest=requests.rest,
            backfill=requests.queue,
            delivery=delivery,
            lifecycle=lifecycle,
            monotonic=monotonic,
            patience=math.inf if follow else patience,
            starts=starts_of(starts or {}, self.streams),
        )
        """The state that the parts below share."""
        self.buffer = Buffer(self._state.series, self._state.lock)
        """`buffer[stream]`: the latest closed candles of a stream, then at most one
        forming candle."""
        times = TimeKeeper(self._state)
        lookups = Lookups(self._state, times)
        fetching = Fetching(self._state, times, lookups)
        self._intake = Intake(self._state, fetching, times)
        """Takes in the frames of every link."""
        self._links = Links(
            self._state,
            times,
            lookups,
            connect=connect,
            on_message=self._handle_kline_message,
            on_messages=self._handle_kline_messages,
            random=random,
            lifetime=lifetime,
        )
        """The connections."""
        upkeep = Upkeep(
            self._state,
            times,
            fetching,
            self._links,
            listed=listed,
            random=random,
            slept=slept,
        )
        self._keeping = threading.Thread(
            target=upkeep.run, name="klinetail-keeper", daemon=True
        )
        """The thread that starts the run and keeps the deadlines and the clock."""
        self._known_time: int | None = None
        """Exchange time at the last look, ms."""

    def start(self) -> None:
        """Begin, and return at once; `ended` and the events tell the rest.

        Raises:
            RuntimeError: the collector began before, or the system has too few threads
                left.
        """
        if self._keeping.ident is not None:
            raise RuntimeError("a collector runs once; make another one")
        try:
            self._requests.start()
            self._keeping.start()
        except BaseException:
            self._requests.stop()
            raise

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """End within `timeout` seconds; no callback is called afterwards."""
        until = time.monotonic() + timeout
        state = self._state
        state.lifecycle.stopping.set()
        state.delivery.end()
        left = self._requests.stop()
        if state.lock.acquire(timeout=timeout / 4):
            state.changed.notify_all()
            state.lock.release()
        self._links.ask_to_stop()
        threads: list[Link | threading.Thread] = [
            *self._links.all,
            self._keeping,
            *left,
        ]
        for thread in threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        state.lifecycle.close()

    def exchange_time(self) -> int | None:
        """Return exchange time, ms; None before the time was read. The call never waits
        for long: a busy collector returns the last known time."""
        state = self._state
        if state.lock.acquire(timeout=_GLANCE):
            try:
                if state.begun:
                    self._known_time = state.moment().exchange
            finally:
                state.lock.release()
        return self._known_time

    def awaited(self) -> int:
        """Return the number of streams that are known to lack closed candles now."""
        return sum(series.lacking for series in self._state.series.values())

    async def start_streaming(self) -> None:
        """Connect and subscribe. Returns when every stream is subscribed, or, with
        `follow=False`, when the exchange has answered.

        An exchange that cannot be reached is tried for ever; cancel to give up.

        Raises:
            UsageError: the exchange does not list a symbol.
            Refused: the exchange refuses for good.
            RuntimeError: the collector began before.
        """
        self.start()
        try:
            await reached(self._state.lifecycle.subscribed)
        except BaseException:
            await self.stop_streaming()
            raise

    async def history(self) -> None:
        """Wait until the candles from before the start were delivered, or announced as
        missing; errors as `start_streaming`."""
        await reached(self._state.lifecycle.history)

    async def stop_streaming(self) -> None:
        """End within 2 s, with no thread and no socket left."""
        stopped: Future[None] = Future()

        def stop() -> None:
            self.stop()
            stopped.set_result(None)

        # Not asyncio.to_thread: the interpreter waits for its threads at exit.
        thread = threading.Thread(target=stop, name="klinetail-stop", daemon=True)
        try:
            safe_to_start(thread).start()
        except RuntimeError:  # no thread left: the loop has to wait
            stop()
        await reached(stopped)

    async def __aenter__(self) -> Self:
        """Call `start_streaming`, and return the collector."""
        await self.start_streaming()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Call `stop_streaming`. After a block without an exception, raise the error
        that ended the collector, if any."""
        await self.stop_streaming()
        if kind is None:
            self.ended.result()

    def __aiter__(self) -> AsyncIterator[Candle]:
        """Iterate over every accepted candle from the first `anext` on, until the
        collector ends.

        Raises:
            SlowConsumer: the loop took the candles so slowly that closed candles are
                lost to the loop. Every candle before the lost candles was yielded.
            KlinetailError: the error that ended the collector, if any.
        """
        return iterate(self._state, updates=True)

    def closed_candles(self) -> AsyncIterator[Candle]:
        """Iterate over every closed candle: at the first `anext` over the candles in
        `buffer`, in the order of their closes, then over each candle at its delivery;
        errors as for `async for` over the collector itself."""
        return iterate(self._state, updates=False)

    @property
    def failures(self) -> int:
        """Number of exceptions that callbacks raised."""
        return self._state.delivery.failures.count

    def _handle_kline_message(self, manager: Manager, message: str | bytes) -> None:
        """Take in one frame: the connector's `on_message` handler.

        The method raises nothing, since the connector swallows the exceptions of a
        handler.
        """
        self._intake.take(manager, message)

    def _handle_kline_messages(
        self, manager: Manager, messages: Sequence[bytes]
    ) -> None:
        """Take in frames that came together; see `_handle_kline_message`."""
        self._intake.take_all(manager, messages)
