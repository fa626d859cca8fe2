"""Look-ups: REST is asked about silence. Is a stream mute? Does a whole link
acknowledge subscriptions and bring no candle?"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.shards import Shard
from klinetail.collector.silence import ROWS, SAMPLE, Remedy, remedy_for
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import MuteEvent
from klinetail.exchange.link import Link
from klinetail.protocol.frames import stream_name


class Lookups:
    """Asks REST about silent streams and links, and acts on the answer.

    Args:
        state: the state of the collector.
        times: reads exchange time.
    """

    def __init__(self, state: CollectorState, times: TimeKeeper) -> None:
        self._state = state
        """The state of the collector."""
        self._times = times
        """Reads exchange time."""
        self._acted: dict[Series, tuple[float, int]] = {}
        """For each mute series: since when the series was mute at the last remedy, and
        the number of candles with trades and without a frame at the last remedy."""

    def mute_stream(self, series: Series, link: Link, now: Moment) -> None:
        """Heal a stream of which REST has shown trades and no frame came; the lock is
        held.

        Args:
            series: the series of the stream.
            link: the link of the stream.
            now: when REST showed the trades.
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
        """Tell once that a stream is mute."""
        if not series.hearing.mute:
            series.hearing.mute = True
            self._state.tell(MuteEvent(series.stream))

    def _remedy(
        self,
        remedy: Remedy,
        streams: Sequence[Stream],
        reason: str,
        link: Link,
        *,
        told: bool,
    ) -> None:
        """Apply a remedy to a link.

        Args:
            remedy: what to do.
            streams: the streams that are silent.
            reason: why, for a person.
            link: the link of the streams.
            told: whether a new subscription is worth a message.
        """
        where = ""
        if not link.candles:
            where = f"this one is {self._state.venue.ws_url}"
            reason = (
                "no candle comes, though subscriptions are acked and REST shows trades;"
                f" the exchange's own address is {self._state.venue.official_ws_url}"
            )
        if remedy is Remedy.SUBSCRIBE:
            names = [stream_name(stream) for stream in streams]
            link.subscribe_again(names, reason if told else "", where)
        elif remedy is Remedy.RECONNECT:
            link.distrust(reason, where)

    def silent_link(self, shard: Shard, link: Link) -> None:
        """Ask whether anything is traded on a link that lives and brings nothing."""
        self._state.backfill.put(
            Urgency.TIME, SAMPLE + 1, lambda: self._look_into(shard, link)
        )

    def _look_into(self, shard: Shard, link: Link) -> None:
        """Ask REST about a few streams of a silent link, and act on the answers."""
        self._times.read()
        shown: list[list[Candle]] = []
        with self._state.lock:
            shard.silence.look(link.candles)
        for stream in shard.streams[:SAMPLE]:
            with contextlib.suppress(ExchangeError, BadMessage):
                rows = self._state.rest.klines(stream, limit=ROWS)
                shown.append([row for row in rows if isinstance(row, Candle)])
        with self._state.lock:
            traded = [shard.silence.show(rows) for rows in shown]
            remedy = shard.silence.judge(link.candles, traded=any(traded))
            if remedy is not Remedy.NONE:
                for rows, trades in zip(shown, traded, strict=True):
                    if trades:
                        self._tell_mute(self._state.series[rows[-1].stream])
        reason = f"{shard.name} is mute: REST shows trades of which no frame came"
        self._remedy(remedy, shard.streams, reason, link, told=True)
