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
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

from klinetail.candle import Candle, Stream, streams_of
from klinetail.clock import ExchangeClock
from klinetail.collector.backfill import Backfill
from klinetail.collector.budget import SHARE, Budget
from klinetail.collector.buffer import Buffer
from klinetail.collector.delivery import Delivery
from klinetail.collector.fetching import Fetching
from klinetail.collector.intake import Intake
from klinetail.collector.iteration import iterate
from klinetail.collector.lifecycle import Lifecycle, reached
from klinetail.collector.links import Links
from klinetail.collector.lookups import Lookups
from klinetail.collector.options import real, seconds, whole
from klinetail.collector.shards import shards
from klinetail.collector.sleep import slept
from klinetail.collector.state import CollectorState
from klinetail.collector.throttled import ThrottledRest
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.collector.upkeep import Upkeep
from klinetail.contract.series import HELD, Series
from klinetail.errors import UsageError
from klinetail.events import Event
from klinetail.exchange.client import Connect, Manager, connector
from klinetail.exchange.link import Link
from klinetail.exchange.proxy import proxy_for
from klinetail.exchange.rest import BinanceRest, Rest
from klinetail.exchange.supervision import LIFETIME
from klinetail.protocol.rest import Listing
from klinetail.protocol.routes import Route, chosen
from klinetail.shortage import safe_to_start

STOP_TIMEOUT: Final = 2.0
"""Seconds within which everything has ended."""

ALL_KEPT: Final = 200_000
"""Closed candles kept in all, whatever is asked for a stream; and as many held."""

_GLANCE: Final = 0.05
"""Seconds for which `exchange_time` waits for a collector that is busy."""


class DataCollector:
    """Follows streams: every closed candle once and in order, or an announced gap.

    Args:
        streams: what to follow, as `Stream`s or names such as `btcusdt@1m`.
        on_candle_callback: called with every accepted candle, forming ones too, in
            order, on a thread of the collector's and never twice at once. While it
            runs nothing else is delivered. What it raises is logged and counted.
        on_candles: the same, called with all candles that come at once: for whoever
            can do more with many together.
        on_event: the same for all other events. Without it the logger `klinetail` has
            a warning for each gap, each symbol that is not traded any more or not yet,
            and each time that the exchange cannot be reached.
        lines: closed candles to deliver from before the start.
        hold: real seconds that candles wait for an earlier one whose fetch fails.
        share: the part of the exchange's REST weight to take at most, above 0 and up
            to 1.
        follow: whether to go on after the history.
        patience: with `follow=False`, seconds without an answer, or with answers that
            have no candle at all, before giving up.
        keep: closed candles to keep a stream in `buffer`; 200,000 in all at most.
        listed: what the exchange lists, if it was asked a moment ago.
        env: which exchange: `live`, which is what it is by default, or `testnet`.
        ws_url: another exchange's WebSocket, with `rest_url` and without `env`.
        rest_url: another exchange's REST.
        route: the same two as one, without any of these three.
        proxy: the address of the proxy to it, instead of what HTTPS_PROXY, HTTP_PROXY,
            ALL_PROXY and NO_PROXY say.
        rest: the REST side, instead of the route's.
        connect: the maker of connections, instead of the route's.
        monotonic: local seconds.
        slept: real seconds that this machine was suspended so far.
        random: uniform in [0, 1), for the pauses between attempts.
        lifetime: seconds after which a connection is renewed at the latest.

    Raises:
        UsageError: a stream that cannot be, or none; a number, an exchange or a proxy
            that cannot be.
        TypeError: no list of streams, no number, or no plain function as a callback.

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
        hold: float = 30.0,
        share: float = SHARE,
        follow: bool = True,
        patience: float = math.inf,
        keep: int = 500,
        listed: Sequence[Listing] | None = None,
        env: str | None = None,
        ws_url: str | None = None,
        rest_url: str | None = None,
        route: Route | None = None,
        proxy: str | None = None,
        rest: Rest | None = None,
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
        """Done when the collector has ended; with the error that ended it, if any."""
        delivery = Delivery(on_candle_callback, on_candles, on_event, monotonic)
        self.ended.add_done_callback(lambda _: delivery.close())
        lines, keep = whole("lines", lines, 0), whole("keep", keep, 1)
        hold, lifetime = seconds("hold", hold), seconds("lifetime", lifetime)
        patience = seconds("patience", patience)
        if route is None:
            route = chosen(env, ws_url, rest_url)
        elif (env, ws_url, rest_url) != (None, None, None):
            raise UsageError("route and env or ws_url name two exchanges; give one")
        if rest is None:
            through = proxy_for(route.rest_url, proxy, os.environ)
            rest = BinanceRest(route.rest_url, proxy=through)
        if connect is None:
            through = proxy_for(route.ws_url, proxy, os.environ)
            connect = connector(route.ws_url, through)
        backfill = Backfill(Budget(real("share", share)), monotonic)
        most = max(1, ALL_KEPT // len(self.streams))
        keep, held = min(keep, most), min(HELD, most)
        self._state = CollectorState(
            {
                stream: Series(
                    stream, lines=lines, hold=hold, keep=keep, held=held, follow=follow
                )
                for stream in self.streams
            },
            shards(self.streams) if follow else [],
            route=route,
            clock=ExchangeClock(),
            rest=ThrottledRest(rest, monotonic, backfill.sent, backfill.observe),
            backfill=backfill,
            delivery=delivery,
            lifecycle=lifecycle,
            monotonic=monotonic,
            patience=math.inf if follow else patience,
        )
        """What the parts below share."""
        self.buffer = Buffer(self._state.series, self._state.lock)
        """`buffer[stream]`: its latest closed candles, then at most one forming."""
        times = TimeKeeper(self._state)
        lookups = Lookups(self._state, times)
        fetching = Fetching(self._state, times, lookups)
        self._intake = Intake(self._state, fetching, times)
        """Takes in the frames that come over the links."""
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
        """Starts the run, then keeps the deadlines and the clock."""
        self._known_time: int | None = None
        """Exchange time when it was looked at last, ms."""

    def start(self) -> None:
        """Begin; returns at once. `ended` and the events tell what becomes of it.

        Raises:
            RuntimeError: it began before, or the system has too few threads left.
        """
        if self._keeping.ident is not None:
            raise RuntimeError("a collector runs once; make another one")
        try:
            self._state.backfill.start()
            self._keeping.start()
        except BaseException:
            self._state.backfill.stop()
            raise

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """End within `timeout` seconds; no callback is called afterwards."""
        until = time.monotonic() + timeout
        state = self._state
        state.lifecycle.stopping.set()
        state.delivery.ended = True
        state.rest.close()
        if state.lock.acquire(timeout=timeout / 4):
            state.changed.notify_all()
            state.lock.release()
        self._links.ask_to_stop()
        threads: list[Link | threading.Thread] = [
            *self._links.all,
            self._keeping,
            *state.backfill.stop(),
        ]
        for thread in threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        state.lifecycle.close()

    def exchange_time(self) -> int | None:
        """Exchange time now, ms; None until it was read. It never waits for long: of
        a collector that is busy it is what was last known."""
        state = self._state
        if state.lock.acquire(timeout=_GLANCE):
            try:
                if state.begun:
                    self._known_time = state.moment().exchange
            finally:
                state.lock.release()
        return self._known_time

    def awaited(self) -> int:
        """Streams of which closed candles are known to be missing now."""
        return sum(series.lacking for series in self._state.series.values())

    async def start_streaming(self) -> None:
        """Connect and subscribe. Returns when every stream is subscribed, or, with
        `follow=False`, when the exchange has answered.

        An exchange that cannot be reached is tried for ever; cancel to give up.

        Raises:
            UsageError: the exchange does not list a symbol.
            Refused: the exchange refuses for good.
            RuntimeError: it began before.
        """
        self.start()
        try:
            await reached(self._state.lifecycle.subscribed)
        except BaseException:
            await self.stop_streaming()
            raise

    async def history(self) -> None:
        """Wait until the candles from before the start were delivered, or announced
        as missing; errors as `start_streaming`."""
        await reached(self._state.lifecycle.history)

    async def stop_streaming(self) -> None:
        """End within 2 s; no thread and no socket is left."""
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
        """`start_streaming`; `async with` gives the collector."""
        await self.start_streaming()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """`stop_streaming`. A block that raises nothing itself raises what `ended` has
        failed with, if it has."""
        await self.stop_streaming()
        if kind is None:
            self.ended.result()

    def __aiter__(self) -> AsyncIterator[Candle]:
        """Every accepted candle from the first `anext` on, until the collector ends.

        Raises:
            SlowConsumer: the loop took the candles so slowly that closed ones are lost
                to it; all that came before those was yielded.
            KlinetailError: what `ended` has failed with, if it has.
        """
        return iterate(self._state, updates=True)

    def closed_candles(self) -> AsyncIterator[Candle]:
        """Every closed candle: at the first `anext` those in `buffer`, in the order of
        their closes, then each as it is delivered; errors as of `async for` over the
        collector itself."""
        return iterate(self._state, updates=False)

    @property
    def failures(self) -> int:
        """Times that a callback raised."""
        return self._state.delivery.failures

    def _handle_kline_message(self, manager: Manager, message: str | bytes) -> None:
        """Take in one frame: the connector's `on_message` handler.

        Nothing is raised, since the connector swallows what a handler raises.
        """
        self._intake.take(manager, message)

    def _handle_kline_messages(
        self, manager: Manager, messages: Sequence[bytes]
    ) -> None:
        """Take in frames that came together; otherwise as `_handle_kline_message`."""
        self._intake.take_all(manager, messages)
