"""DataCollector: streams in, candles out, in the contract's order.

Who runs: a keeper thread (the start, then deadlines), a thread a link, the
connector's thread a connection, a few backfill threads. All are daemons. One lock:
whoever has news for a series takes it and holds it until the callbacks returned.
"""

from __future__ import annotations

import contextlib
import logging
import math
import operator
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
from klinetail.collector.beginning import begin
from klinetail.collector.budget import SHARE, Budget
from klinetail.collector.buffer import Buffer
from klinetail.collector.delivery import Delivery
from klinetail.collector.endings import Endings
from klinetail.collector.keeper import SHORT, Keeper
from klinetail.collector.lookups import Lookups
from klinetail.collector.parking import Parking
from klinetail.collector.polite import PoliteRest
from klinetail.collector.shards import Shard, shards
from klinetail.collector.sleep import PULSE, SleepWatch, slept
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.attempts import RETRY
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.held import HELD
from klinetail.contract.output import Output
from klinetail.contract.series import Series
from klinetail.contract.start import check_start
from klinetail.errors import (
    BadMessage,
    ExchangeError,
    KlinetailError,
    RateLimited,
    UsageError,
)
from klinetail.events import (
    REST,
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    LinkEvent,
    LinkState,
    PendingEvent,
    TradedEvent,
)
from klinetail.exchange.client import Connect, Manager, connector
from klinetail.exchange.link import Link
from klinetail.exchange.proxy import proxy_for
from klinetail.exchange.rest import BinanceRest, Rest
from klinetail.exchange.supervision import LIFETIME
from klinetail.exchange.turns import Turns
from klinetail.mailbox import Mailbox, as_it_is
from klinetail.protocol.batches import decode_klines
from klinetail.protocol.frames import decode, stream_name
from klinetail.protocol.limits import klines_weight
from klinetail.protocol.rest import Listing, Row
from klinetail.protocol.routes import LIVE, Route
from klinetail.protocol.statuses import PENDING
from klinetail.shortage import cause, safe_to_start, shortage

_log = logging.getLogger(__name__)

_EVENT_TIME: Final = operator.attrgetter("event_time")

STOP_TIMEOUT: Final = 2.0
"""Seconds within which everything has ended."""

ALL_KEPT: Final = 200_000
"""Closed candles kept in all, whatever is asked for a stream; and as many held."""

_FEW: Final = 99
_GLANCE: Final = 0.05
_RECENT: Final = 0.5
"""Seconds for which one reading of a fast exchange's time serves everybody."""


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
        starts: for some of the streams the open time (ms since the epoch) of the first
            closed candle to deliver, in place of `lines`; such as the one after the
            last candle that a recording has. All from there on is fetched, and is
            delivered in order before the live candles; what the exchange lacks of it
            is a gap.
        hold: real seconds that candles wait for an earlier one whose fetch fails.
        share: the part of the exchange's REST weight to take at most, above 0 and up
            to 1.
        follow: whether to go on after the history.
        patience: with `follow=False`, seconds without an answer, or with answers that
            have no candle at all, before giving up.
        keep: closed candles to keep a stream in `buffer`; 200,000 in all at most.
        listed: what the exchange lists, if it was asked a moment ago.
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
        UsageError: a stream that cannot be, or none; a share or a proxy that cannot be;
            a start of another stream, or at which no candle opens. One in the future
            is known as such by exchange time alone: `start_streaming` raises it.
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
        starts: Mapping[Stream, int] | Mapping[str, int] | None = None,
        hold: float = 30.0,
        share: float = SHARE,
        follow: bool = True,
        patience: float = math.inf,
        keep: int = 500,
        listed: Sequence[Listing] | None = None,
        route: Route = LIVE,
        proxy: str | None = None,
        rest: Rest | None = None,
        connect: Connect | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        slept: Callable[[], float] = slept,
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
        self._starts = _checked(starts or {}, self.streams)
        self.ended: Future[None] = Future()
        """Done when the collector has ended; with its error if it had to."""
        self._delivery = Delivery(on_candle_callback, on_candles, on_event, monotonic)
        self.ended.add_done_callback(lambda _: self._delivery.close())
        self._follow = follow
        self._patience = math.inf if follow else patience
        self._listed = listed
        if rest is None:
            through = proxy_for(route.rest_url, proxy, os.environ)
            rest = BinanceRest(route.rest_url, proxy=through)
        if connect is None:
            through = proxy_for(route.ws_url, proxy, os.environ)
            connect = connector(route.ws_url, through)
        self._backfill = Backfill(Budget(share), monotonic)
        self._rest = PoliteRest(
            rest, monotonic, self._backfill.sent, self._backfill.observe
        )
        self._connect = connect
        self._monotonic = monotonic
        self._slept = slept
        self._random = random
        self._lifetime = lifetime
        most = max(1, ALL_KEPT // len(self.streams))
        keep, held = max(1, min(keep, most)), min(HELD, most)
        self._series: Mapping[Stream, Series] = {
            stream: Series(
                stream, lines=lines, hold=hold, keep=keep, held=held, follow=follow
            )
            for stream in self.streams
        }
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self.buffer = Buffer(self._series, self._lock)
        """`buffer[stream]`: its latest closed candles, then at most one forming."""
        self._clock = ExchangeClock()
        self._begun = False
        self._parking = Parking(self._clock)
        self._failing = False
        self._unfetched: set[Stream] = set()
        """Streams whose last fetch failed."""
        self._known_time: int | None = None
        self._answered_at = monotonic()
        self._stopping = threading.Event()
        self._subscribed: Future[None] = Future()
        self._history: Future[None] = Future()
        self._without_history = set(self.streams)
        self._woken = False
        """Whether this machine slept and the time is in doubt since."""
        self._times = TimeKeeper(
            self._clock,
            self._rest,
            self._lock,
            now=self._now,
            streams=self.streams,
            stopping=self._stopping,
            tell=self._tell,
        )
        self._lookups = Lookups(
            self._series,
            self._rest,
            self._lock,
            put=self._backfill.put,
            read_time=self._times.read,
            on_mute=self._tell,
            ws_url=route.ws_url,
        )
        self._endings = Endings(
            self._series.values(),
            self._rest,
            self._lock,
            moment=self._moment,
            put=self._backfill.put,
            read_time=self._times.read,
            on_ended=self._end,
            on_traded=self._trade,
            tell=self._tell,
        )
        self._shards = shards(self.streams) if follow else []
        self._link_of: dict[Stream, Link] = {}
        turns = Turns()
        self._links = [self._link(shard, turns) for shard in self._shards]
        self._sleep = SleepWatch(monotonic(), slept())
        self._keeper = Keeper(
            [[self._series[s] for s in shard.streams] for shard in self._shards]
            or [list(self._series.values())],
            self._changed,
            self._moment,
            self._see_to,
            self._pulse,
        )
        self._keeping = threading.Thread(
            target=self._keep, name="klinetail-keeper", daemon=True
        )

    def _link(self, shard: Shard, turns: Turns) -> Link:
        link = Link(
            shard.name,
            [stream_name(stream) for stream in shard.streams],
            self._connect,
            on_message=self._handle_kline_message,
            on_messages=self._handle_kline_messages,
            on_event=lambda event: self._on_link(event, shard),
            on_refused=self._fail,
            on_quiet=lambda: self._lookups.quiet(shard, link),
            monotonic=self._monotonic,
            random=self._random,
            lifetime=self._lifetime,
            turns=turns,
            early=True,
        )
        self._link_of.update(dict.fromkeys(shard.streams, link))
        return link

    # For programs

    def start(self) -> None:
        """Begin; returns at once. `ended` and the events tell what becomes of it.

        Raises:
            RuntimeError: it began before, or the system has too few threads left.
        """
        if self._keeping.ident is not None:
            raise RuntimeError("a collector runs once; make another one")
        try:
            self._backfill.start()
            self._keeping.start()
        except BaseException:
            self._backfill.stop()
            raise

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
            self._keeping,
            *self._backfill.stop(),
        ]
        for thread in threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        stopped = UsageError("the collector was stopped")
        _settle(self._subscribed, stopped)
        _settle(self._history, stopped)
        _settle(self.ended)

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
            UsageError: the exchange does not list a symbol, or a start is in the
                future.
            Refused: the exchange refuses for good.
            RuntimeError: it began before.
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
        thread = threading.Thread(target=stop, name="klinetail-stop", daemon=True)
        try:
            safe_to_start(thread).start()
        except RuntimeError:  # no thread left: the loop has to wait
            stop()
        await _result(stopped)

    async def __aiter__(self) -> AsyncIterator[Candle]:
        """Every accepted candle from the first `anext` on, until the collector ends.

        Raises:
            SlowConsumer: the loop took the candles so slowly that closed ones are lost
                to it; all that came before those was yielded.
            KlinetailError: what `ended` has failed with, if it has.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def wake() -> None:
            # A loop that was closed reads no more, which is no concern of others.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(news.set)

        mailbox = Mailbox[Candle, Candle](as_it_is, notify=wake)
        with self._lock:
            self._delivery.mailboxes.append(mailbox)
        if self.ended.done():
            mailbox.close()
        try:
            while True:
                news.clear()
                for candle in mailbox.take():
                    yield candle
                if mailbox.done:
                    self.ended.result()
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
        candles: Sequence[Candle] | None = None
        with contextlib.suppress(MemoryError):  # one by one they need less of it
            candles = decode_klines(messages)
        if not candles:
            for message in messages:
                self._handle_kline_message(manager, message)
            return
        manager.candles += len(candles)
        try:
            with self._lock:
                self._accept_all(candles)
        except Exception as error:  # noqa: BLE001 - as in `_guarded`
            self._say_bug(error)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """One bad message is one counter and one sample, and costs no other."""
        try:
            yield
        except BadMessage as error:
            self._drop(f"{error}: {error.sample}" if error.sample else str(error))
        except Exception as error:  # noqa: BLE001 - nobody else would say it
            self._say_bug(error)

    def _say_bug(self, error: Exception) -> None:
        _log.exception("a message could not be handled")
        self._drop(cause(error))

    def _drop(self, detail: str) -> None:
        self._tell(DropEvent(Drop.BAD, None, detail))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._delivery.deliver([event])

    def _accept_all(self, candles: Sequence[Candle]) -> None:
        """Take in candles as `_accept` does; what comes of them is delivered at once,
        however many of them are closed: at an hour's end all of them may be."""
        monotonic = self._now()
        newest = max(map(_EVENT_TIME, candles))
        if not (self._begun and self._parking.admits_all(newest, monotonic)):
            for candle in candles:
                with self._guarded():
                    self._accept(candle)
            return
        self._clock.see(newest, monotonic)
        now = self._clock.moment(monotonic)
        output: list[Output] = []
        touched: dict[Series, None] = {}
        for candle in candles:
            series = self._series.get(candle.stream)
            if series is not None and series.follow(candle):
                output.append(candle)
            elif series is None or series.lacking:
                self._finish(output, touched, now)
                output, touched = [], {}
                with self._guarded():
                    self._accept(candle)
            else:
                touched[series] = None
                with self._guarded():
                    output += self._without_echo(series, series.accept(candle, now))
        self._finish(output, touched, now)

    def _finish(
        self, output: Sequence[Output], touched: Iterable[Series], now: Moment
    ) -> None:
        """Deliver what came of frames, and see to the series that they touched."""
        self._delivery.deliver(output)
        for series in touched:
            self._after(series, now)
        if now.exchange >= self._exchange_due:
            self._changed.notify_all()

    def _accept(self, candle: Candle) -> None:
        series = self._series.get(candle.stream)
        if series is None:
            raise BadMessage(f"a candle of {candle.stream}, which was not asked for")
        monotonic = self._now()
        if not self._begun:
            # The time is not known yet, and event times help to know it; of a close
            # that is not used now REST tells later.
            self._clock.see(candle.event_time, monotonic)
            return
        if not self._parking.admits(candle, monotonic):
            if self._parking.asks(monotonic):
                self._backfill.put(Urgency.TIME, 1, self._resync)
            return
        self._use(series, candle, monotonic)

    def _use(self, series: Series, candle: Candle, monotonic: float) -> None:
        now = self._clock.moment(monotonic)
        link = self._link_of.get(candle.stream)
        echo = series.lacking and link is not None and link.overlapping
        output = self._without_echo(series, series.accept(candle, now, echo=echo))
        self._finish(output, [series], now)

    def _without_echo(
        self, series: Series, output: Sequence[Output]
    ) -> Sequence[Output]:
        """While a connection is renewed everything comes twice, by our own doing."""
        if not output or not isinstance(output[0], DropEvent):
            return output
        link = self._link_of.get(series.stream)
        if link is None or not link.overlapping:
            return output
        return [
            item
            for item in output
            if not isinstance(item, DropEvent) or item.why is Drop.BAD
        ]

    def _resync(self) -> None:
        """Ask the exchange whether it really is as late as a frame says."""
        told = self._times.read()
        with self._lock:
            now = self._now()
            settled = self._parking.settle(now, told=told)
            for candle in settled.believed:
                self._clock.see(candle.event_time, now)
                self._use(self._series[candle.stream], candle, now)
            for candle in settled.dropped:
                self._drop(f"{candle.stream}: an event time in the future")

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
        if series.finished and all(one.finished for one in self._series.values()):
            _settle(self.ended)
        if series.lacking:
            self._seek(series, now)
        self._keeper.heed(series, now)

    @property
    def _exchange_due(self) -> float:
        return self._keeper.exchange_due

    def _seek(self, series: Series, now: Moment) -> None:
        if (wish := series.take_wish(now)) is None:
            return
        limit = _limit(series, wish)
        if wish.late:
            urgency = Urgency.LATE
        elif series.started and limit <= _FEW:
            urgency = Urgency.LIVE
        else:
            urgency = Urgency.HISTORY
        self._backfill.put(
            urgency, klines_weight(limit), lambda: self._try_to_fetch(series)
        )

    def _try_to_fetch(self, series: Series) -> None:
        """Fetch what a series wants; whatever happens, it may ask again."""
        try:
            self._fetch(series)
        except Exception as error:  # noqa: BLE001 - else it would never ask again
            _log.exception("a fetch failed")
            with self._lock:
                now = self._moment()
                series.fail(cause(error), now)
                self._after(series, now)

    def _confirm_time(self) -> None:
        """Read the time if event times are ahead of it: then the exchange's clock runs
        faster than ours. One in doubt is read again when that is due."""
        with self._lock:
            now = self._moment()
            recent = now.monotonic < self._clock.counted_at + _RECENT
            if now.ahead <= GRACE or recent or self._clock.doubted:
                return
        self._times.read()

    def _fetch(self, series: Series) -> None:
        self._confirm_time()
        with self._lock:
            asked = self._moment()
            self._delivery.deliver(series.tick(asked))
            if (wish := series.renew_wish()) is None:
                self._after(series, asked)
                return
            limit = _limit(series, wish)
        failed: KlinetailError | None = None
        wait = 0.0
        rows: Sequence[Row] = []
        try:
            rows = self._rest.klines(series.stream, start=wish.start, limit=limit)
        except RateLimited as error:
            failed, wait = error, error.retry_after
        except (ExchangeError, BadMessage) as error:
            failed = error
        with self._changed:
            now = self._moment()
            self._tell_of_rest(failed, series.stream)
            if failed is not None:
                series.fail(str(failed), now, wait)
                self._lose_patience(now, failed)
            else:
                self._answered_at = now.monotonic
                unheard = series.hearing.unheard
                self._delivery.deliver(series.fill(rows, asked, now))
                if (waits := series.unconfirmed(asked)) is not None:
                    self._delivery.deliver([waits])
                if series.hearing.unheard > unheard:
                    link = self._link_of[series.stream]
                    self._lookups.mute(series, link, now)
                if series.denied(now) > self._patience:
                    words = f"{series.stream}: the exchange has no candle that opens at"
                    self._fail(ExchangeError(f"{words} {series.expected}"))
            self._endings.look_at(series, now)
            self._after(series, now)

    def _tell_of_rest(self, failed: KlinetailError | None, stream: Stream) -> None:
        """Say once that fetches fail, and once that they work again; of a stream that
        alone goes on failing nothing more."""
        if failed is None:
            self._unfetched.discard(stream)
        elif stream in self._unfetched:
            return
        else:
            self._unfetched.add(stream)
        if (failed is not None) is self._failing:
            return
        self._failing = failed is not None
        event = LinkEvent(REST, LinkState.IDLE)
        if failed is not None:
            where = f"{failed.where or 'fetching'} for {stream}"
            event = LinkEvent(REST, LinkState.WAITING, failed.cause, 1, RETRY[0], where)
        self._delivery.deliver([event])

    def _lose_patience(self, now: Moment, failed: KlinetailError) -> None:
        if not self._follow and now.monotonic - self._answered_at >= self._patience:
            self._fail(ExchangeError(str(failed)))

    # Links

    def _on_link(self, event: LinkEvent, shard: Shard) -> None:
        with self._lock:
            self._delivery.deliver([event])
            if event.state is LinkState.WAITING:
                shard.live = False
                for stream in shard.streams:
                    self._series[stream].lose()
            if event.state is not LinkState.LIVE or event.attempt:
                return
            shard.quiet.heard()
            shard.live = True
            if shard.was_live:
                self._backfill.put(Urgency.TIME, 1, lambda: self._come_back(shard))
                return
            if not any(other.was_live for other in self._shards):
                for link in self._links:
                    link.served()
            shard.was_live = True
            if self._begun:
                self._resume(shard)
            self._settle_subscribed()

    def _settle_subscribed(self) -> None:
        """Let `start_streaming` return if every stream is subscribed, and no start
        point can turn out to be in the future any more; the lock is held."""
        checked = self._begun or not self._starts
        if checked and all(shard.was_live for shard in self._shards):
            _settle(self._subscribed)

    def _come_back(self, shard: Shard) -> None:
        self._times.read()
        with self._lock:
            if shard.live:  # meanwhile it may have broken again
                self._resume(shard)

    def _resume(self, shard: Shard) -> None:
        now = self._moment()
        for stream in shard.streams:
            series = self._series[stream]
            series.resume(now)
            self._keeper.heed(series, now)

    def _end(self, ended: Mapping[Series, str], now: Moment) -> None:
        for series, status in ended.items():
            series.end()
            self._delivery.deliver([EndedEvent(series.stream, status)])
            self._after(series, now)

    def _trade(self, pending: Sequence[Series], now: Moment) -> None:
        for series in pending:
            series.trade(now.confirmed)
            self._delivery.deliver([TradedEvent(series.stream)])
            self._after(series, now)

    # The keeper's thread

    def _keep(self) -> None:
        try:
            for link in self._links:
                self._start_link(link)
            if self._begin():
                self._admit()
                self._keeper.run(self._stopping)
            else:
                for link in self._links:
                    link.ask_to_stop()
        except Exception as error:  # noqa: BLE001 - a silent end would look like silence
            _log.exception("the keeper's thread failed")
            self._fail(KlinetailError(cause(error)))

    def _start_link(self, link: Link) -> None:
        """Start a link, as soon as there is a thread for it."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                link.start()
                return
            except Exception as error:
                if not (reason := shortage(error)):
                    raise
            attempt += 1
            self._tell(LinkEvent(link.name, LinkState.WAITING, reason, attempt, SHORT))
            self._stopping.wait(SHORT)

    def _begin(self) -> bool:
        """Have the exchange's time, then fix what is expected first."""
        try:
            began = begin(
                self._rest,
                self.streams,
                ask=self._backfill.ask,
                listed=self._listed,
                now=self._now,
                random=self._random,
                patience=self._patience,
                stopping=self._stopping,
                tell=self._tell,
            )
            if began is None or not self._times.begin(
                began.statement, patience=self._patience, on_doubt=self._admit
            ):
                return False
        except (ExchangeError, UsageError, BadMessage) as error:
            self._fail(error)
            return False
        with self._lock:
            self._answered_at = self._now()
            now = self._moment()
            try:
                for stream, start in self._starts.items():
                    check_start(stream, start, now)
            except UsageError as error:
                self._fail(error)
                return False
            self._begun = True
            pending = {
                listing.symbol: listing.onboard_time
                for listing in began.listed
                if listing.status == PENDING
            }
            for series in self._series.values():
                onboard = pending.get(series.stream.symbol)
                series.begin(now, onboard, self._starts.get(series.stream))
                if onboard is not None:
                    event = PendingEvent(series.stream, onboard)
                    self._delivery.deliver([event])
                self._after(series, now)
            if began.listed:
                self._endings.learn(began.listed, now)
            self._resume_all()
            if self._starts:
                self._settle_subscribed()
        return True

    def _admit(self) -> None:
        """Let the links subscribe."""
        for link in self._links:
            link.admit()

    def _see_to(self, series: Series, now: Moment) -> None:
        self._endings.look_at(series, now)
        self._delivery.deliver(series.tick(now))
        self._seek(series, now)
        self._after(series, now)

    def _pulse(self) -> float:
        """Look after the clock; the lock is held. Seconds until the next look."""
        if self._sleep.woke(self._now(), self._slept()):
            for link in self._links:
                link.doubt()
            self._woken = True
            self._backfill.put(Urgency.TIME, 1, self._look_at_the_clock)
        elif self._times.heed():
            self._backfill.put(Urgency.TIME, 1, self._look_at_the_clock)
        return max(0.0, min(PULSE, self._times.left()))

    def _look_at_the_clock(self) -> None:
        sure = self._times.read()
        with self._lock:
            if self._woken:
                self._woken = not sure
                self._resume_all()

    def _resume_all(self) -> None:
        for shard in self._shards:
            if shard.live:
                self._resume(shard)

    def _fail(self, error: KlinetailError) -> None:
        """End: there is no use in going on."""
        _settle(self._subscribed, error)
        _settle(self._history, error)
        _settle(self.ended, error)
        self._stopping.set()


def _checked(
    starts: Mapping[Stream, int] | Mapping[str, int], streams: Sequence[Stream]
) -> Mapping[Stream, int]:
    """The start points by stream.

    Raises:
        UsageError: a stream that is not followed, or cannot start there.
    """
    checked: dict[Stream, int] = {}
    followed = frozenset(streams)
    for name, start in starts.items():
        stream = name if isinstance(name, Stream) else Stream.parse(name)
        if stream not in followed:
            raise UsageError(f"{stream} has a start and is not followed")
        check_start(stream, start)
        checked[stream] = start
    return checked


def _limit(series: Series, wish: Wish) -> int:
    """Rows to ask for: one more than is missing, which proves the last one final."""
    return min(series.stream.interval.steps(wish.start, wish.end) + 1, PAGE)


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
