"""Links: the supervised connections of a collector, and the effects of their state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from klinetail.collector.backfill import Urgency
from klinetail.collector.keeper import SHORT
from klinetail.collector.lifecycle import settle
from klinetail.collector.lookups import Lookups
from klinetail.collector.shards import Shard
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.connection import Connect, Manager
from klinetail.exchange.link import Link
from klinetail.exchange.pacing import ConnectPacing
from klinetail.protocol.frames import stream_name
from klinetail.shortage import shortage


class Links:
    """One link for each group of streams; `CollectorState.link_of` is filled in.

    Args:
        state: the state of the collector.
        times: reads exchange time after a link came back.
        lookups: looks into links that live and send no candle.
        connect: makes a connection.
        on_message: takes in one frame.
        on_messages: takes in frames that came together.
        random: uniform in [0, 1), for the pauses between attempts.
        lifetime: seconds after which a connection is renewed at the latest.
    """

    def __init__(
        self,
        state: CollectorState,
        times: TimeKeeper,
        lookups: Lookups,
        *,
        connect: Connect,
        on_message: Callable[[Manager, bytes], None],
        on_messages: Callable[[Manager, Sequence[bytes]], None],
        random: Callable[[], float],
        lifetime: float,
    ) -> None:
        self._state = state
        """The state of the collector."""
        self._times = times
        """Reads exchange time."""
        pacing = ConnectPacing()

        def link_for(shard: Shard) -> Link:
            link = Link(
                shard.name,
                [stream_name(stream) for stream in shard.streams],
                connect,
                on_message=on_message,
                on_messages=on_messages,
                on_event=lambda event: self.on_event(event, shard),
                on_refused=state.lifecycle.fail,
                on_quiet=lambda: lookups.silent_link(shard, link),
                monotonic=state.monotonic,
                random=random,
                lifetime=lifetime,
                pacing=pacing,
                early=True,
                limits=state.venue.limits,
            )
            state.link_of.update(dict.fromkeys(shard.streams, link))
            return link

        self.all: Sequence[Link] = [link_for(shard) for shard in state.shards]
        """Every link, in the order of `CollectorState.shards`."""

    def start(self) -> None:
        """Start every link as soon as the system has a thread for the link."""
        for link in self.all:
            self._start(link)

    def _start(self, link: Link) -> None:
        """Start one link; a shortage of threads is told and waited out."""
        attempt = 0
        stopping = self._state.lifecycle.stopping
        while not stopping.is_set():
            try:
                link.start()
                return
            except Exception as error:
                if not (reason := shortage(error)):
                    raise
            attempt += 1
            event = LinkEvent(link.name, LinkState.WAITING, reason, attempt, SHORT)
            self._state.tell(event)
            stopping.wait(SHORT)

    def admit(self) -> None:
        """Let every link subscribe."""
        for link in self.all:
            link.admit()

    def doubt(self) -> None:
        """Make every link check its connection."""
        for link in self.all:
            link.doubt()

    def ask_to_stop(self) -> None:
        """Tell every link to end, without waiting for the end."""
        for link in self.all:
            link.ask_to_stop()

    def on_event(self, event: LinkEvent, shard: Shard) -> None:
        """Deliver a change of a link's state, and do what follows for its streams."""
        state = self._state
        with state.lock:
            state.delivery.deliver([event])
            if event.state is LinkState.WAITING:
                shard.live = False
                for stream in shard.streams:
                    state.series[stream].lose()
            if event.state is not LinkState.LIVE or event.attempt:
                return
            shard.silence.heard()
            shard.live = True
            if shard.was_live:
                state.backfill.put(Urgency.TIME, 1, lambda: self._come_back(shard))
                return
            if not any(other.was_live for other in state.shards):
                for link in self.all:
                    link.served()
            shard.was_live = True
            self._resume(shard)
            self.settle_subscribed()

    def settle_subscribed(self) -> None:
        """Let `start_streaming` return once every stream is subscribed and no start
        point can turn out to be in the future any more; the lock is held."""
        state = self._state
        checked = state.begun or not state.starts
        if checked and all(shard.was_live for shard in state.shards):
            settle(state.lifecycle.subscribed)

    def _come_back(self, shard: Shard) -> None:
        """Read the time after a reconnect, then go on with the streams of the link."""
        self._times.read()
        with self._state.lock:
            if shard.live:  # meanwhile the connection may have broken again
                self._resume(shard)

    def resume(self) -> None:
        """Go on with the streams of every live connection; the lock is held."""
        for shard in self._state.shards:
            if shard.live:
                self._resume(shard)

    def _resume(self, shard: Shard) -> None:
        """Go on with the streams of a live connection. Before exchange time is known no
        stream can go on; later all streams go on together."""
        state = self._state
        if not state.begun:
            return
        now = state.moment()
        for stream in shard.streams:
            series = state.series[stream]
            series.resume(now)
            state.keeper.heed(series, now)
