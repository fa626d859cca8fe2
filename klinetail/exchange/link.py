"""Link: one supervised connection. `supervision` decides, `Link` does."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from klinetail.errors import ExchangeError, Refused
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.actions import (
    Action,
    DropNext,
    GiveUp,
    Hangup,
    Open,
    OpenNext,
    Ping,
    Subscribe,
    SubscribeAll,
    SubscribeNext,
    Swap,
    Tell,
    TellQuiet,
    failed,
)
from klinetail.exchange.channel import Channel
from klinetail.exchange.connection import Connect, Handlers, Manager
from klinetail.exchange.deadline import Deadline
from klinetail.exchange.inputs import (
    Admit,
    Again,
    Broken,
    Distrust,
    Doubt,
    Due,
    Input,
    NextLater,
    Opened,
    Ponged,
    Served,
    Start,
    Stop,
    broken_by,
    of_second,
)
from klinetail.exchange.pacing import ConnectPacing, TokenBucket
from klinetail.exchange.slowness import Slowness
from klinetail.exchange.status import CONNECT_TIMEOUT, LIFETIME, Status
from klinetail.exchange.supervision import connects, transition
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import Limits
from klinetail.protocol.venues import LIVE
from klinetail.shortage import cause, safe_to_start, shortage

_log = logging.getLogger(__name__)

_ECHO: Final = 5.0
"""Seconds after a renewal in which the second connection repeats the first."""


class Link:
    """Keeps one connection up and subscribed, on a thread of its own.

    Args:
        name: for its events.
        streams: names on the wire, at most `limits.streams`.
        connect: opens a connection.
        on_message: called on the connection's thread with each message.
        on_messages: called in its place with several.
        on_event: called with each change of its state on the link's thread, and on
            another one while that is slow to connect.
        on_refused: called on the link's thread if it gave up before it ever was live.
        on_quiet: called on the link's thread when the connection was found to live
            although it says nothing.
        monotonic: seconds.
        random: uniform in [0, 1).
        lifetime: seconds after which a connection is renewed at the latest.
        pacing: shared by all links of a program; by default there is no other one.
        early: connect, but subscribe to nothing before `admit`.
        limits: what the venue allows a connection.
    """

    def __init__(
        self,
        name: str,
        streams: Sequence[str],
        connect: Connect,
        *,
        on_message: Callable[[Manager, bytes], None],
        on_event: Callable[[LinkEvent], None],
        on_refused: Callable[[Refused], None],
        on_quiet: Callable[[], None],
        monotonic: Callable[[], float],
        random: Callable[[], float],
        lifetime: float = LIFETIME,
        on_messages: Callable[[Manager, Sequence[bytes]], None] | None = None,
        pacing: ConnectPacing | None = None,
        early: bool = False,
        limits: Limits = LIVE.limits,
    ) -> None:
        if len(streams) > limits.streams:
            raise ValueError(f"{len(streams)} streams on one connection")
        self.name = name
        self._streams = streams
        self._connect = connect
        self._on_message = on_message
        self._on_messages = on_messages
        self._on_event = on_event
        self._on_refused = on_refused
        self._on_quiet = on_quiet
        self._lifetime = lifetime
        self._pacing = ConnectPacing() if pacing is None else pacing
        self._limits = limits
        self._mute: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Names to subscribe once more."""
        self._monotonic = monotonic
        self._random = random
        self._status = Status(early=early)
        self._inbox: queue.SimpleQueue[tuple[int, Input]] = queue.SimpleQueue()
        self._first: Channel | None = None
        self._second: Channel | None = None
        self._overlapped_at = float("-inf")
        self._admitted = not early
        self._number = 0
        self._opening: Deadline | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"klinetail-{name}", daemon=True
        )

    def start(self) -> None:
        """Begin to connect; returns at once.

        Raises:
            RuntimeError: there is no thread for it; it can be called again.
        """
        safe_to_start(self._thread).start()
        self._inbox.put((0, Start()))

    def admit(self) -> None:
        """Let it subscribe."""
        self._admitted = True
        self._inbox.put((0, Admit()))

    def served(self) -> None:
        """From now on no refusal ends it: another link of the run has become live."""
        self._inbox.put((0, Served()))

    def ask_to_stop(self) -> None:
        """Close the connection and end; returns at once, `join` waits."""
        self._stopping.set()
        self._inbox.put((0, Stop()))
        if (opening := self._opening) is not None:
            opening.abort()

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for its thread's end, at most `timeout` seconds."""
        self._thread.join(timeout)

    def doubt(self) -> None:
        """Make sure that the connection still lives: the process slept."""
        self._inbox.put((0, Doubt()))

    def distrust(self, reason: str, where: str = "") -> None:
        """Connect anew: the connection lives and does not bring what it should."""
        self._inbox.put((0, Distrust(reason, where)))

    @property
    def overlapping(self) -> bool:
        """Whether frames come twice, since the connection is being renewed."""
        recent = self._monotonic() - self._overlapped_at < _ECHO
        return recent or self._second is not None

    @property
    def candles(self) -> int:
        """Candles that came over the present connection so far."""
        channel = self._first
        return 0 if channel is None else channel.candles

    def subscribe_again(
        self, streams: Sequence[str], reason: str = "", where: str = ""
    ) -> None:
        """Ask once more for some of the streams, which say nothing; the reason is
        told, if there is one."""
        for stream in streams:
            self._mute.put(stream)
        self._inbox.put((0, Again((), reason, where)))

    def _run(self) -> None:
        while self._status.state is not LinkState.STOPPED:
            event = self._next()
            if connects(self._status, event):
                self._wait(self._pacing.attempt(self._monotonic()))
            self._status, actions = transition(
                self._status, event, self._monotonic(), self._random, self._lifetime
            )
            for action in actions:
                try:
                    self._perform(action)
                except Exception as error:  # noqa: BLE001 - reconnects never end
                    self._fail(action, error)

    def _fail(self, action: Action, error: Exception) -> None:
        """An action raised, for want of a thread for example: say it and go on. The
        connection that it was about is made anew, after a pause like any other."""
        name = type(action).__name__
        _log.error("%s: %s failed", self.name, name, exc_info=error)
        meant = failed(action, f"{self.name}: {name} failed: {cause(error)}")
        if meant is not None:
            self._inbox.put((0, meant))

    def _take_turn(self, rate: TokenBucket) -> None:
        self._wait(rate.book(self._monotonic()))

    def _wait(self, until: float) -> None:
        """Until a turn comes; stopping ends it."""
        if (seconds := until - self._monotonic()) > 0:
            self._stopping.wait(seconds)

    def _next(self) -> Input:
        while True:
            left = self._status.due - self._monotonic()
            try:
                timeout = None if left == float("inf") else max(0.0, left)
                number, event = self._inbox.get(timeout=timeout)
            except queue.Empty:
                return self._due()
            if isinstance(event, Again):
                event = event._replace(streams=self._muted())
            if number == 0 or (self._first and number == self._first.number):
                return event
            if self._second is None or number != self._second.number:
                continue  # the event is of a connection that was dropped before
            if (meant := of_second(event)) is not None:
                return meant

    def _muted(self) -> tuple[str, ...]:
        """All names to subscribe once more, so that they share requests."""
        names: dict[str, None] = {}
        with contextlib.suppress(queue.Empty):
            while True:
                names[self._mute.get_nowait()] = None
        return tuple(names)

    def _due(self) -> Due:
        second = self._second
        return Due(self.candles, 0 if second is None else second.candles)

    def _perform(self, action: Action) -> None:
        match action:
            case Tell():
                self._on_event(LinkEvent(self.name, *action))
            case TellQuiet():
                self._on_quiet()
            case Ping():
                self._ping()
            case SubscribeAll():
                self._subscribe(self._first, self._streams)
            case SubscribeNext():
                self._subscribe(self._second, self._streams)
            case Subscribe(streams):
                self._subscribe(self._first, streams)
            case GiveUp(error):
                self._on_refused(error)
            case _:
                self._connect_as(action)

    def _connect_as(self, action: Open | OpenNext | Swap | DropNext | Hangup) -> None:
        first, second = self._first, self._second
        match action:
            case Open():
                self._first = self._open()
            case OpenNext():
                now = self._monotonic()
                if (at := self._pacing.renewal(self.name, now)) > now:
                    self._inbox.put((0, NextLater(at)))
                else:
                    self._second = self._open()
            case Swap():
                self._overlapped_at = self._monotonic()
                self._first, self._second = second, None
                _drop(first)
            case DropNext():
                self._second = None
                _drop(second)
            case Hangup():
                self._first = self._second = None
                _drop(first)
                _drop(second)
            case _:
                assert_never(action)

    def _open(self) -> Channel:
        self._number += 1
        channel = Channel(self._number, self._take_turn, self._limits)
        handlers = Handlers(
            self._on_message,
            lambda reply: self._replied(channel, reply),
            lambda reason, code: self._ended(channel, reason, code),
            lambda payload: self._ponged(channel, payload),
            self._on_messages,
        )
        try:
            with (
                Deadline(CONNECT_TIMEOUT) as deadline,
                Slowness(lambda: self._tell_slow(deadline)),
            ):
                self._opening = deadline
                if self._stopping.is_set():
                    return channel
                channel.connection = self._connect(handlers, deadline)
        except ExchangeError as error:
            self._inbox.put((channel.number, broken_by(error)))
            return channel
        except Exception as error:  # noqa: BLE001 - reconnects never end
            reason = f"cannot connect: {shortage(error) or repr(error)}"
            self._inbox.put((channel.number, Broken(reason)))
            return channel
        finally:
            self._opening = None
        requests = range(1, -(-len(self._streams) // self._limits.names) + 1)
        self._inbox.put((channel.number, Opened(frozenset(requests))))
        return channel

    def _tell_slow(self, deadline: Deadline) -> None:
        """Say how far connecting is; of a renewal, or before it counts, nothing."""
        state, failures = self._status.state, self._status.failures
        if state is LinkState.CONNECTING and self._admitted:
            reason = f"still {deadline.doing}"
            event = LinkEvent(self.name, state, reason, failures, where=deadline.where)
            self._on_event(event)

    def _subscribe(self, channel: Channel | None, streams: Sequence[str]) -> None:
        if channel is None:
            return
        try:
            channel.subscribe(streams)
        except Exception as error:  # noqa: BLE001 - the socket's own kinds, and then some
            reason = f"the subscription could not be sent: {shortage(error) or error}"
            self._inbox.put((channel.number, Broken(reason)))

    def _ping(self) -> None:
        channel = self._first
        if channel is None:
            return
        try:
            channel.ping()
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"our ping could not be sent: {shortage(error) or error}"
            self._inbox.put((channel.number, Broken(reason)))

    # On the connection's thread

    def _replied(self, channel: Channel, reply: Reply | Rejection) -> None:
        if (meant := channel.meaning_of(reply)) is not None:
            self._inbox.put((channel.number, meant))

    def _ponged(self, channel: Channel, payload: bytes) -> None:
        if channel.asked_with(payload):
            self._inbox.put((channel.number, Ponged()))

    def _ended(self, channel: Channel, reason: str, code: int | None) -> None:
        broken = Broken(reason, channel.candles, code=code)
        self._inbox.put((channel.number, broken))


def _drop(channel: Channel | None) -> None:
    if channel is not None:
        channel.drop()
