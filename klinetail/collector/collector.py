"""DataCollector: streams in, candles out, in the contract's order.

Who runs: a keeper thread (the start, then deadlines), a thread a link, the
connector's thread a connection, a few backfill threads. All are daemons. One lock:
whoever has news for a series takes it and holds it until the callbacks returned.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random as _random
import threading
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future, InvalidStateError
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.clock import ExchangeClock, Moment
from klinetail.collector.backfill import PAGE, Backfill, Urgency
from klinetail.collector.budget import SHARE, Budget
from klinetail.collector.buffer import Buffer
from klinetail.collector.delivery import Delivery
from klinetail.collector.parking import Parking
from klinetail.collector.polite import PoliteRest
from klinetail.collector.questions import inquire
from klinetail.collector.shards import Shard, shards
from klinetail.collector.silence import SAMPLE, Remedy, remedy_for
from klinetail.collector.symbols import TRADING
from klinetail.errors import (
    BadMessage,
    ExchangeError,
    KlinetailError,
    RateLimited,
    Refused,
    UsageError,
)
from klinetail.events import (
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    LinkEvent,
    LinkState,
)
from klinetail.exchange.client import Connect, Manager, connector
from klinetail.exchange.link import Link
from klinetail.exchange.proxy import proxy_for
from klinetail.exchange.rest import BinanceRest, Rest
from klinetail.exchange.supervision import LIFETIME, backoff
from klinetail.mailbox import Mailbox
from klinetail.protocol.batches import decode_klines
from klinetail.protocol.frames import decode, stream_name
from klinetail.protocol.limits import klines_weight
from klinetail.protocol.routes import LIVE, Route
from klinetail.series import GRACE, RETRY, SETTLED, Output, Series, Wish

_log = logging.getLogger(__name__)

STOP_TIMEOUT: Final = 2.0
"""Seconds within which everything has ended."""

ALL_KEPT: Final = 200_000
"""Closed candles kept in all, whatever is asked for a stream."""

_FEW: Final = 99
_GLANCE: Final = 0.05
_HERD: Final = 4
_LOOK_UP: Final = 60.0
_PULSE: Final = 5.0


def _slept() -> float:
    """Seconds that this machine was suspended, where the system tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


class DataCollector:
    """Follows streams: every closed candle once and in order, or an announced gap.

    Args:
        streams: what to follow, as `Stream`s or names such as `btcusdt@1m`.
        on_candle_callback: called with every accepted candle, forming ones too, in
            order, on a thread of the collector's and never twice at once. While it
            runs nothing else is delivered. What it raises is logged and counted.
        on_candles: the same, called with all candles that come at once: for whoever
            can do more with many together.
        on_event: the same for all other events.
        lines: closed candles to deliver from before the start.
        hold: real seconds that candles wait for an earlier one whose fetch fails.
        share: the part of the exchange's REST weight to take at most, up to 1.
        follow: whether to go on after the history.
        patience: with `follow=False`, seconds without an answer before giving up.
        keep: closed candles to keep a stream in `buffer`; 200,000 in all at most.
        route: which exchange.
        proxy: the address of the proxy to it, instead of what HTTPS_PROXY, HTTP_PROXY,
            ALL_PROXY and NO_PROXY say.
        rest: the REST side, instead of the route's.
        connect: the maker of connections, instead of the route's.
        monotonic: local seconds.
        slept: real seconds that this machine was suspended so far.
        random: uniform in [0, 1), for the pauses between attempts.
        lifetime: seconds after which a connection is renewed at the latest.

    Raises:
        UsageError: a stream that cannot be, or none; a proxy that cannot be.
        TypeError: a coroutine function as a callback.

    Example::

        async def main():
            collector = DataCollector(["btcusdt@1m"], print, lines=10)
            await collector.start_streaming()
            await asyncio.sleep(120)
            await collector.stop_streaming()
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
        route: Route = LIVE,
        proxy: str | None = None,
        rest: Rest | None = None,
        connect: Connect | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        slept: Callable[[], float] = _slept,
        random: Callable[[], float] = _random.random,
        lifetime: float = LIFETIME,
    ) -> None:
        self.streams: Sequence[Stream] = tuple(
            dict.fromkeys(
                stream if isinstance(stream, Stream) else Stream.parse(stream)
                for stream in streams
            )
        )
        if not self.streams:
            raise UsageError("no stream to follow")
        self.ended: Future[None] = Future()
        """Done when the collector has ended; with its error if it had to."""
        self._delivery = Delivery(on_candle_callback, on_candles, on_event, monotonic)
        self._follow = follow
        self._patience = patience
        if rest is None:
            through = proxy_for(route.rest_url, proxy, os.environ)
            rest = BinanceRest(route.rest_url, proxy=through)
        if connect is None:
            through = proxy_for(route.ws_url, proxy, os.environ)
            connect = connector(route.ws_url, through)
        self._rest = PoliteRest(
            rest, monotonic, lambda used: self._backfill.observe(used)
        )
        self._connect = connect
        self._monotonic = monotonic
        self._slept = slept
        self._random = random
        self._lifetime = lifetime
        self._ws_url = route.ws_url
        keep = max(1, min(keep, ALL_KEPT // len(self.streams)))
        self._series: Mapping[Stream, Series] = {
            stream: Series(stream, lines=lines, hold=hold, keep=keep)
            for stream in self.streams
        }
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self.buffer = Buffer(self._series, self._lock)
        """`buffer[stream]`: its latest closed candles, then at most one forming."""
        self._clock = ExchangeClock()
        self._begun = False
        self._exchange_due = math.inf
        self._parking = Parking(self._clock)
        self._failing = False
        self._known_time: int | None = None
        self._answered_at = monotonic()
        self._stopping = threading.Event()
        self._subscribed: Future[None] = Future()
        self._history: Future[None] = Future()
        self._without_history = set(self.streams)
        self._backfill = Backfill(Budget(share), monotonic)
        self._keeper = threading.Thread(
            target=self._keep, name="klinetail-keeper", daemon=True
        )
        self._shards = shards(self.streams) if follow else []
        self._link_of: dict[Stream, Link] = {}
        self._links = [self._link(shard) for shard in self._shards]
        self._look_up_at = -math.inf
        self._awake = (monotonic(), slept())

    def _link(self, shard: Shard) -> Link:
        link = Link(
            shard.name,
            [stream_name(stream) for stream in shard.streams],
            self._connect,
            on_message=self._handle_kline_message,
            on_messages=self._handle_kline_messages,
            on_event=lambda event: self._on_link(event, shard),
            on_refused=self._fail,
            on_quiet=lambda: self._backfill.put(
                Urgency.TIME, SAMPLE + 1, lambda: self._look_into(shard, link)
            ),
            monotonic=self._monotonic,
            random=self._random,
            lifetime=self._lifetime,
            early=True,
        )
        self._link_of.update(dict.fromkeys(shard.streams, link))
        return link

    # For programs

    def start(self) -> None:
        """Begin; returns at once. `ended` and the events tell what becomes of it."""
        self._backfill.start()
        self._keeper.start()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """End within `timeout` seconds; no callback is called afterwards."""
        until = time.monotonic() + timeout
        self._stopping.set()
        self._delivery.ended = True
        self._rest.close()
        if self._lock.acquire(timeout=timeout / 4):
            self._changed.notify_all()
            self._lock.release()
        for link in self._links:
            link.ask_to_stop()
        threads: list[Link | threading.Thread] = [
            *self._links,
            self._keeper,
            *self._backfill.stop(),
        ]
        for thread in threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        stopped = UsageError("the collector was stopped")
        _settle(self._subscribed, stopped)
        _settle(self._history, stopped)
        _settle(self.ended)
        for mailbox in self._delivery.mailboxes:
            mailbox.close()

    def exchange_time(self) -> int | None:
        """Exchange time now, ms; None until it was read. It never waits for long: of
        a collector that is busy it is what was last known."""
        if self._lock.acquire(timeout=_GLANCE):
            try:
                if self._begun:
                    self._known_time = self._moment().exchange
            finally:
                self._lock.release()
        return self._known_time

    def awaited(self) -> int:
        """Streams of which closed candles are known to be missing now."""
        return sum(series.lacking for series in self._series.values())

    async def start_streaming(self) -> None:
        """Connect and subscribe. Returns when every stream is subscribed.

        An exchange that cannot be reached is tried for ever; cancel to give up.

        Raises:
            UsageError: the exchange does not list a symbol.
            Refused: the exchange refuses for good.
        """
        self.start()
        try:
            await _result(self._subscribed)
        except BaseException:
            await self.stop_streaming()
            raise

    async def history(self) -> None:
        """Wait until the candles from before the start were delivered, or announced
        as missing; errors as `start_streaming`."""
        await _result(self._history)

    async def stop_streaming(self) -> None:
        """End within 2 s; no thread and no socket is left."""
        stopped: Future[None] = Future()

        def stop() -> None:
            self.stop()
            stopped.set_result(None)

        # Not asyncio.to_thread: the interpreter waits for its threads at exit.
        threading.Thread(target=stop, name="klinetail-stop", daemon=True).start()
        await _result(stopped)

    async def __aiter__(self) -> AsyncIterator[Candle]:
        """Every accepted candle from now on, until the collector ends."""
        import asyncio

        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        mailbox = Mailbox[Candle](notify=lambda: loop.call_soon_threadsafe(news.set))
        with self._lock:
            self._delivery.mailboxes.append(mailbox)
        try:
            while True:
                news.clear()
                for candle in mailbox.take():
                    yield candle
                if mailbox.done:
                    return
                await news.wait()
        finally:
            with self._lock:
                self._delivery.mailboxes.remove(mailbox)

    @property
    def failures(self) -> int:
        """Times that a callback raised."""
        return self._delivery.failures

    # Frames, on the connector's threads

    def _handle_kline_message(self, manager: Manager, message: str | bytes) -> None:
        """Take in one frame: parse it, keep it, deliver what it makes deliverable.

        The connector swallows what a handler raises, so nothing may leave here.
        """
        with self._guarded():
            decoded = decode(message)
            if not isinstance(decoded, Candle):
                manager.on_reply(decoded)
                return
            manager.candles += 1
            with self._lock:
                self._accept(decoded)

    def _handle_kline_messages(
        self, manager: Manager, messages: Sequence[bytes]
    ) -> None:
        """The same for frames that came together: at once if all are as usual."""
        candles = decode_klines(messages)
        if candles is None:
            for message in messages:
                self._handle_kline_message(manager, message)
            return
        manager.candles += len(candles)
        with self._guarded(), self._lock:
            self._accept_all(candles)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """One bad message is one counter and one sample, and costs no other."""
        try:
            yield
        except BadMessage as error:
            self._drop(f"{error}: {error.sample}" if error.sample else str(error))
        except Exception as error:  # noqa: BLE001 - nobody else would say it
            _log.exception("a message could not be handled")
            self._drop(f"a bug: {error!r}")

    def _drop(self, detail: str) -> None:
        self._tell(DropEvent(Drop.BAD, None, detail))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._delivery.deliver([event])

    def _accept_all(self, candles: Sequence[Candle]) -> None:
        """As `_accept`, one after another; runs of the usual are delivered at once."""
        monotonic = self._now()
        usual = self._begun and self._parking.admits_all(candles, monotonic)
        run: list[Candle] = []
        for candle in candles:
            series = self._series.get(candle.stream)
            if usual and series is not None and series.follow(candle):
                run.append(candle)
                continue
            self._deliver_run(run, monotonic)
            run = []
            with self._guarded():
                self._accept(candle)
        self._deliver_run(run, monotonic)

    def _deliver_run(self, run: Sequence[Candle], monotonic: float) -> None:
        if not run:
            return
        self._clock.see(max(candle.event_time for candle in run), monotonic)
        self._delivery.deliver_candles(run)
        if self._clock.now(monotonic) >= self._exchange_due:
            self._changed.notify_all()

    def _accept(self, candle: Candle) -> None:
        series = self._series.get(candle.stream)
        if series is None or not self._begun:
            raise BadMessage(f"a candle of {candle.stream}, which was not asked for")
        monotonic = self._now()
        if not self._parking.admits(candle, monotonic):
            if self._parking.asks(monotonic):
                self._backfill.put(Urgency.TIME, 1, self._resync)
            return
        self._use(series, candle, monotonic)

    def _use(self, series: Series, candle: Candle, monotonic: float) -> None:
        now = self._clock.moment(monotonic)
        link = self._link_of.get(candle.stream)
        echo = series.lacking and link is not None and link.overlapping
        output: Sequence[Output] = series.accept(candle, now, echo=echo)
        if output and isinstance(output[0], DropEvent):
            output = self._without_echo(candle.stream, output)
        self._delivery.deliver(output)
        self._after(series, now)
        if now.exchange >= self._exchange_due:
            self._changed.notify_all()

    def _without_echo(
        self, stream: Stream, output: Sequence[Output]
    ) -> Sequence[Output]:
        """While a connection is renewed everything comes twice, by our own doing."""
        link = self._link_of.get(stream)
        if link is None or not link.overlapping:
            return output
        return [
            item
            for item in output
            if not isinstance(item, DropEvent) or item.why is Drop.BAD
        ]

    def _resync(self) -> None:
        """Ask the exchange whether it really is as late as a frame says."""
        told = self._read_time()
        with self._lock:
            now = self._now()
            settled = self._parking.settle(now, told=told)
            for candle in settled.believed:
                self._clock.see(candle.event_time, now)
                self._use(self._series[candle.stream], candle, now)
            for candle in settled.dropped:
                self._drop(f"{candle.stream}: an event time in the future")

    def _read_time(self) -> bool:
        try:
            server_time = self._rest.server_time()
        except (ExchangeError, BadMessage):
            return False
        with self._lock:
            self._clock.sync(server_time, self._now())
        return True

    def _now(self) -> float:
        """Monotonic seconds, less those that consumers kept us waiting: meanwhile
        frames lay unread, and no deadline may pass for want of reading them."""
        return self._monotonic() - self._delivery.waited

    def _moment(self) -> Moment:
        return self._clock.moment(self._now())

    # Backfill

    def _after(self, series: Series, now: Moment) -> None:
        """See to what a series needs next, after anything happened to it."""
        if series.started and series.stream in self._without_history:
            self._without_history.discard(series.stream)
            if not self._without_history:
                _settle(self._history)
                if not self._follow:
                    _settle(self.ended)
        if series.lacking:
            self._seek(series, now)

    def _seek(self, series: Series, now: Moment) -> None:
        if (wish := series.take_wish(now)) is None:
            return
        rows = series.stream.interval.steps(wish.start, wish.end) + 1
        limit = min(rows, PAGE)
        if wish.late:
            urgency = Urgency.LATE
        elif series.started and rows <= _FEW:
            urgency = Urgency.LIVE
        else:
            urgency = Urgency.HISTORY
        self._backfill.put(
            urgency, klines_weight(limit), lambda: self._fetch(series, wish, limit)
        )

    def _fetch(self, series: Series, wish: Wish, limit: int) -> None:
        with self._lock:
            doubtful = self._moment().ahead > GRACE
        if doubtful:  # of the sim's clock, which can run faster than ours
            self._read_time()
        with self._lock:
            asked = self._moment()
        reason, wait = "", 0.0
        rows: list[Candle] = []
        try:
            rows = self._rest.klines(series.stream, start=wish.start, limit=limit)
        except RateLimited as error:
            reason, wait = str(error), error.retry_after
        except (ExchangeError, BadMessage) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a lost fetch would never be retried
            _log.exception("a fetch failed")
            reason = f"a bug: {error!r}"
        with self._changed:
            now = self._moment()
            self._tell_of_rest(reason, series.stream)
            if reason:
                series.fail(reason, now, wait)
                self._lose_patience(now, reason)
            else:
                self._answered_at = now.monotonic
                unheard = series.unheard
                self._delivery.deliver(series.fill(rows, asked, now))
                if series.unheard > unheard:
                    self._heed_silence(series, unheard)
            self._look_up(now)
            self._after(series, now)
            self._changed.notify_all()

    def _tell_of_rest(self, reason: str, stream: Stream) -> None:
        """Say once that fetches fail, and once that they work again."""
        if bool(reason) is self._failing:
            return
        self._failing = bool(reason)
        state = LinkState.WAITING if reason else LinkState.IDLE
        words = f"{stream} cannot be fetched: {reason}" if reason else ""
        self._delivery.deliver([LinkEvent("rest", state, words, 1, RETRY[0])])

    def _lose_patience(self, now: Moment, reason: str) -> None:
        if not self._follow and now.monotonic - self._answered_at >= self._patience:
            self._fail(ExchangeError(reason))

    # Links

    def _on_link(self, event: LinkEvent, shard: Shard) -> None:
        with self._lock:
            self._delivery.deliver([event])
            if event.state is LinkState.WAITING:
                for stream in shard.streams:
                    self._series[stream].lose()
            if event.state is not LinkState.LIVE:
                return
            shard.quiet.heard()
            if shard.was_live:
                self._backfill.put(Urgency.TIME, 1, lambda: self._come_back(shard))
                return
            shard.was_live = True
            self._resume(shard)
            if all(other.was_live for other in self._shards):
                _settle(self._subscribed)

    def _come_back(self, shard: Shard) -> None:
        self._read_time()
        with self._lock:
            self._resume(shard)

    def _resume(self, shard: Shard) -> None:
        now = self._moment()
        for stream in shard.streams:
            self._series[stream].resume(now)
        self._changed.notify_all()

    def _heed_silence(self, series: Series, before: int) -> None:
        stream = series.stream
        remedy = remedy_for(before, series.unheard)
        if remedy is Remedy.SUBSCRIBE:
            self._link_of[stream].subscribe_again([stream_name(stream)])
        elif remedy is Remedy.RECONNECT:
            reason = f"{stream} is mute: REST shows trades of which no frame came"
            self._link_of[stream].distrust(reason)

    def _look_into(self, shard: Shard, link: Link) -> None:
        """A link lives and brings nothing: is nothing traded, or is it mute?"""
        self._read_time()
        heard = [self._series[stream].heard for stream in shard.streams]
        mute = False
        for stream in shard.streams[:SAMPLE]:
            try:
                rows = self._rest.klines(stream, limit=1)
            except (ExchangeError, BadMessage):
                continue
            mute = (bool(rows) and shard.quiet.show(rows[-1])) or mute
        with self._lock:
            if heard != [self._series[stream].heard for stream in shard.streams]:
                shard.quiet.heard()
            elif mute and shard.quiet.strike() is Remedy.SUBSCRIBE:
                link.subscribe_again([stream_name(s) for s in shard.streams])
            elif mute:
                link.distrust(
                    f"{self._ws_url} acks and sends no candle, though REST shows"
                    f" trades: is it the right address? The exchange's own is"
                    f" {LIVE.ws_url}"
                )

    def _look_up(self, now: Moment) -> None:
        """Streams of which nothing comes any more: is their symbol still traded?"""
        if now.monotonic < self._look_up_at:
            return
        if any(series.absent(now) for series in self._series.values()):
            self._look_up_at = now.monotonic + _LOOK_UP
            self._backfill.put(Urgency.HISTORY, 1, self._end_the_ended)

    def _end_the_ended(self) -> None:
        try:
            listed = {item.symbol: item.status for item in self._rest.listings()}
        except (ExchangeError, BadMessage):
            return
        with self._lock:
            now = self._moment()
            for series in self._series.values():
                status = listed.get(series.stream.symbol, "not listed any more")
                if status != TRADING and series.absent(now):
                    series.end()
                    self._delivery.deliver([EndedEvent(series.stream, status)])
                    self._after(series, now)
            if all(series.ended for series in self._series.values()):
                _settle(self.ended)

    # The keeper's thread

    def _keep(self) -> None:
        try:
            for link in self._links:
                link.start()
            if self._begin():
                for link in self._links:
                    link.admit()
                while not self._stopping.is_set():
                    self._keep_deadlines()
            else:
                for link in self._links:
                    link.ask_to_stop()
        except Exception as error:  # noqa: BLE001 - a silent end would look like silence
            _log.exception("the keeper's thread failed")
            self._fail(KlinetailError(f"a bug: {error!r}"))

    def _begin(self) -> bool:
        """Read the time, verify the symbols, fix what is expected first."""
        began = self._now()
        attempt = 0
        while not self._stopping.is_set():
            try:
                server_time, read_at = inquire(
                    self._rest, self.streams, self._now, self._backfill.ask
                )
                break
            except (Refused, UsageError) as error:
                self._fail(error)
                return False
            except (ExchangeError, BadMessage) as error:
                if self._now() - began >= self._patience:
                    self._fail(error)
                    return False
                attempt += 1
                delay = max(
                    backoff(attempt, self._random), getattr(error, "retry_after", 0.0)
                )
                waiting = LinkEvent(
                    "rest", LinkState.WAITING, str(error), attempt, delay
                )
                with self._lock:
                    self._delivery.deliver([waiting])
                self._stopping.wait(delay)
        else:
            return False
        if attempt:
            self._tell(LinkEvent("rest", LinkState.IDLE))
        with self._lock:
            self._answered_at = self._now()
            self._clock.sync(server_time, read_at)
            self._begun = True
            now = self._moment()
            for series in self._series.values():
                series.begin(now)
                self._after(series, now)
        return True

    def _keep_deadlines(self) -> None:
        with self._changed:
            now = self._moment()
            due, exchange_due = math.inf, math.inf
            self._mind_the_herd(now)
            for series in self._series.values():
                self._delivery.deliver(series.tick(now))
                self._seek(series, now)
                self._after(series, now)
                due = min(due, series.due(now))
                exchange_due = min(exchange_due, series.exchange_due(now))
            self._exchange_due = exchange_due
            while not self._stopping.is_set() and due > self._now():
                if self._changed.wait(min(due - self._now(), _PULSE)):
                    break
                self._notice_sleep()

    def _notice_sleep(self) -> None:
        """After a suspended laptop or a stopped process nothing is as it was: the
        lines may be dead, closes were missed, and the clock stood still."""
        now, slept = self._now(), self._slept()
        before, slept_before = self._awake
        self._awake = now, slept
        if now - before < 2 * _PULSE and slept - slept_before < _PULSE:
            return
        for link in self._links:
            link.doubt()
        self._backfill.put(Urgency.TIME, 1, self._wake)

    def _wake(self) -> None:
        self._read_time()
        with self._lock:
            for shard in self._shards:
                if shard.was_live:
                    self._resume(shard)

    def _mind_the_herd(self, now: Moment) -> None:
        """If many closes are overdue together, it is the exchange that is late: at
        midnight, for one. Then wait longer; the budget spreads what is left."""
        overdue = [series for series in self._series.values() if series.overdue(now)]
        if len(overdue) > max(_HERD, len(self._series) // 4):
            for series in overdue:
                series.grace = SETTLED

    def _fail(self, error: KlinetailError) -> None:
        """End: there is no use in going on."""
        _settle(self._subscribed, error)
        _settle(self._history, error)
        _settle(self.ended, error)
        self._stopping.set()


async def _result(future: Future[None]) -> None:
    """Wait for it; being cancelled does not cancel it."""
    import asyncio  # for programs that have a loop; a command has none

    inner = asyncio.wrap_future(future)
    # Heard, so that asyncio does not complain if nobody waits any more.
    inner.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(inner)


def _settle(future: Future[None], error: BaseException | None = None) -> None:
    with contextlib.suppress(InvalidStateError):  # what came first stands
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
