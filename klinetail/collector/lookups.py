"""Look-ups: REST is asked about what says nothing. Is a stream mute, does a whole link
acknowledge and bring no candle?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.shards import Shard
from klinetail.collector.silence import ROWS, SAMPLE, Remedy, remedy_for
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import MuteEvent
from klinetail.exchange.link import Link
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.frames import stream_name
from klinetail.protocol.routes import LIVE


class Lookups:
    """Asks, and does what follows from the answer.

    Args:
        series: all there are.
        rest: who is asked.
        lock: the collector's.
        put: queues a request: its urgency, its weight, and what sends it.
        read_time: reads exchange time.
        on_mute: called with the lock held when a stream is found to be mute.
        ws_url: where candles should come from.
    """

    def __init__(
        self,
        series: Mapping[Stream, Series],
        rest: Rest,
        lock: threading.RLock,
        *,
        put: Callable[[Urgency, int, Callable[[], None]], None],
        read_time: Callable[[], object],
        on_mute: Callable[[MuteEvent], None],
        ws_url: str,
    ) -> None:
        self._series = series
        self._rest = rest
        self._lock = lock
        self._put = put
        self._read_time = read_time
        self._on_mute = on_mute
        self._ws_url = ws_url
        self._acted: dict[Series, tuple[float, int]] = {}

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
            self._tell_mute(series)
        reason = f"{series.stream} is mute: REST shows trades of which no frame came"
        told = not link.candles
        self._remedy(remedy, [series.stream], reason, link, told=told)

    def _tell_mute(self, series: Series) -> None:
        if not series.hearing.mute:
            series.hearing.mute = True
            self._on_mute(MuteEvent(series.stream))

    def _remedy(
        self,
        remedy: Remedy,
        streams: Sequence[Stream],
        reason: str,
        link: Link,
        *,
        told: bool,
    ) -> None:
        where = ""
        if not link.candles:
            where = f"this one is {self._ws_url}"
            reason = (
                "no candle comes, though subscriptions are acked and REST shows trades;"
                f" the exchange's own address is {LIVE.ws_url}"
            )
        if remedy is Remedy.SUBSCRIBE:
            names = [stream_name(stream) for stream in streams]
            link.subscribe_again(names, reason if told else "", where)
        elif remedy is Remedy.RECONNECT:
            link.distrust(reason, where)

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
            if remedy is not Remedy.NONE:
                for rows, trades in zip(shown, traded, strict=True):
                    if trades:
                        self._tell_mute(self._series[rows[-1].stream])
        reason = f"{shard.name} is mute: REST shows trades of which no frame came"
        self._remedy(remedy, shard.streams, reason, link, told=True)
