"""Look-ups: REST is asked about what says nothing. Is a stream mute, does a whole link
acknowledge and bring no candle?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.shards import Shard
from klinetail.collector.silence import ROWS, SAMPLE, Remedy, remedy_for
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.exchange.link import Link
from klinetail.exchange.rest import Rest
from klinetail.protocol.frames import stream_name
from klinetail.protocol.routes import LIVE


class Lookups:
    """Asks, and does what follows from the answer.

    Args:
        rest: who is asked.
        lock: the collector's.
        put: queues a request: its urgency, its weight, and what sends it.
        read_time: reads exchange time.
        ws_url: where candles should come from.
    """

    def __init__(
        self,
        rest: Rest,
        lock: threading.RLock,
        *,
        put: Callable[[Urgency, int, Callable[[], None]], None],
        read_time: Callable[[], object],
        ws_url: str,
    ) -> None:
        self._rest = rest
        self._lock = lock
        self._put = put
        self._read_time = read_time
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
                shown.append(self._rest.klines(stream, limit=ROWS))
        with self._lock:
            traded = [shard.quiet.show(rows) for rows in shown]
            remedy = shard.quiet.judge(link.candles, traded=any(traded))
        reason = f"{shard.name} is mute: REST shows trades of which no frame came"
        self._remedy(remedy, shard.streams, reason, link)
