"""Look-ups: REST is asked about what says nothing. Is a symbol still traded, is a
stream mute, does a whole link acknowledge and bring no candle?"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.shards import Shard
from klinetail.collector.silence import ROWS, SAMPLE, Remedy, remedy_for
from klinetail.collector.symbols import TRADING
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.exchange.link import Link
from klinetail.exchange.rest import Rest
from klinetail.protocol.frames import stream_name
from klinetail.protocol.routes import LIVE

_PAUSE: Final = 60.0
"""Seconds between two questions for what is traded."""


class Lookups:
    """Asks, and does what follows from the answer.

    Args:
        series: all there are.
        rest: who is asked.
        lock: the collector's.
        moment: the time on both clocks; called with the lock held.
        put: queues a request: its urgency, its weight, and what sends it.
        read_time: reads exchange time.
        on_ended: called with the lock held with the series whose symbol is not traded
            any more, and the symbol's status.
        ws_url: where candles should come from.
    """

    def __init__(
        self,
        series: Mapping[Stream, Series],
        rest: Rest,
        lock: threading.RLock,
        *,
        moment: Callable[[], Moment],
        put: Callable[[Urgency, int, Callable[[], None]], None],
        read_time: Callable[[], object],
        on_ended: Callable[[Mapping[Series, str], Moment], None],
        ws_url: str,
    ) -> None:
        self._series = series
        self._rest = rest
        self._lock = lock
        self._moment = moment
        self._put = put
        self._read_time = read_time
        self._on_ended = on_ended
        self._ws_url = ws_url
        self._pause_until = -math.inf
        self._acted: dict[Series, tuple[float, int]] = {}

    def ended(self, series: Series, now: Moment) -> None:
        """Of a series nothing new was fetched: if nothing comes any more, ask whether
        its symbol is still traded; the lock is held."""
        if now.monotonic >= self._pause_until and series.absent(now):
            self._pause_until = now.monotonic + _PAUSE
            self._put(Urgency.HISTORY, 1, self._ask_what_is_traded)

    def _ask_what_is_traded(self) -> None:
        try:
            listed = {item.symbol: item.status for item in self._rest.listings()}
        except (ExchangeError, BadMessage):
            return
        with self._lock:
            now = self._moment()
            ended = {}
            for series in self._series.values():
                status = listed.get(series.stream.symbol, "not listed any more")
                if status != TRADING and series.absent(now):
                    ended[series] = status
            self._on_ended(ended, now)

    def mute(self, series: Series, link: Link, now: Moment) -> None:
        """REST has shown trades of a stream of which no frame came.

        Args:
            series: whose.
            link: the stream's.
            now: when REST did.
        """
        since = series.hearing.unheard_since
        silence, before = self._acted.get(series, (since, 0))
        if silence != since:
            before = 0
        remedy = remedy_for(before, series.hearing.unheard, now.monotonic - since)
        if remedy is not Remedy.NONE:
            self._acted[series] = since, series.hearing.unheard
        reason = f"{series.stream} is mute: REST shows trades of which no frame came"
        self._remedy(remedy, [series.stream], reason, link)

    def _remedy(
        self, remedy: Remedy, streams: Sequence[Stream], reason: str, link: Link
    ) -> None:
        named = not link.candles
        if named:
            reason = (
                f"{self._ws_url} acks and sends no candle, though REST shows trades: is"
                f" it the right address? The exchange's own is {LIVE.ws_url}"
            )
        if remedy is Remedy.SUBSCRIBE:
            names = [stream_name(stream) for stream in streams]
            link.subscribe_again(names, reason if named else "")
        elif remedy is Remedy.RECONNECT:
            link.distrust(reason)

    def quiet(self, shard: Shard, link: Link) -> None:
        """A link lives and brings nothing: ask whether nothing is traded."""
        self._put(Urgency.TIME, SAMPLE + 1, lambda: self._look_into(shard, link))

    def _look_into(self, shard: Shard, link: Link) -> None:
        self._read_time()
        shown: list[list[Candle]] = []
        with self._lock:
            shard.quiet.look(link.candles)
        for stream in shard.streams[:SAMPLE]:
            with contextlib.suppress(ExchangeError, BadMessage):
                rows = self._rest.klines(stream, limit=ROWS)
                shown.append([row for row in rows if isinstance(row, Candle)])
        with self._lock:
            traded = [shard.quiet.show(rows) for rows in shown]
            remedy = shard.quiet.judge(link.candles, traded=any(traded))
        reason = f"{shard.name} is mute: REST shows trades of which no frame came"
        self._remedy(remedy, shard.streams, reason, link)
