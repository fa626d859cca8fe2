"""Link: one supervised connection. `supervision` decides, and `Link` acts."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import assert_never

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
from klinetail.exchange.channel import Channel, Channels
from klinetail.exchange.connection import Connect, Handlers, Manager
from klinetail.exchange.deadline import Deadline
from klinetail.exchange.inputs import (
    Admit,
    Again,
    Broken,
    Distrust,
    Doubt,
    Input,
    NextLater,
    Opened,
    Served,
    Start,
    Stop,
    broken_by,
)
from klinetail.exchange.pacing import ConnectPacing, TokenBucket
from klinetail.exchange.slowness import Slowness
from klinetail.exchange.status import CONNECT_TIMEOUT, LIFETIME, Status
from klinetail.exchange.supervision import connects, transition
from klinetail.protocol.limits import Limits
from klinetail.protocol.venues import LIVE
from klinetail.shortage import cause, safe_to_start, shortage

_log = logging.getLogger(__name__)


class Link:
    """Keeps one connection up and subscribed, on a thread of its own.

    Args:
        name: the name of the link in events.
        streams: names on the wire, at most `limits.streams`.
        connect: opens a connection.
        on_message: called on the connection's thread with each message.
        on_messages: called in place of `on_message`, if set, with several messages.
        on_event: called with each change of state on the link's thread; while
            connecting is slow, on another thread.
        on_refused: called on the link's thread if the link gives up before the first
            success.
        on_quiet: called on the link's thread when a connection without candles has
            answered a ping.
        monotonic: seconds.
        random: uniform in [0, 1).
        lifetime: seconds after which a connection is renewed at the latest.
        pacing: shared by all links of a program; by default the link's own.
        early: connect, but subscribe to nothing before `admit`.
        limits: the venue's limits of a connection.
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
        """The name of the link in events."""
        self._streams = streams
        """The names of the streams on the wire."""
        self._connect = connect
        """Opens a connection."""
        self._on_message = on_message
        """Called with each message."""
        self._on_messages = on_messages
        """Called with several messages, if set."""
        self._on_event = on_event
        """Called with each change of state."""
        self._on_refused = on_refused
        """Called if the link gives up."""
        self._on_quiet = on_quiet
        """Called when a connection without candles has answered a ping."""
        self._lifetime = lifetime
        """Seconds after which a connection is renewed at the latest."""
        self._pacing = ConnectPacing() if pacing is None else pacing
        """Says when the link may connect."""
        self._mute: queue.SimpleQueue[str] = queue.SimpleQueue()
        """The names of streams to subscribe to once more."""
        self._monotonic = monotonic
        """Returns monotonic seconds."""
        self._random = random
        """Returns a number in [0, 1)."""
        self._status = Status(early=early)
        """The state of the link; the link's thread alone changes the state."""
        self._inbox: queue.SimpleQueue[tuple[int, Input]] = queue.SimpleQueue()
        """Inputs to handle, each with the number of a channel, or 0 for the link."""
        self._channels = Channels(self._take_turn, limits)
        """The connections of the link."""
        self._admitted = not early
        """Whether the link may subscribe."""
        self._opening: Deadline | None = None
        """The deadline of the present attempt to connect."""
        self._stopping = threading.Event()
        """Set when the link has to end; ends every wait."""
        self._thread = threading.Thread(
            target=self._run, name=f"klinetail-{name}", daemon=True
        )
        """The link's thread: handles inputs and carries out actions."""

    def start(self) -> None:
        """Begin to connect; return at once.

        Raises:
            RuntimeError: the system gives no thread; the link can be started again.
        """
        safe_to_start(self._thread).start()
        self._inbox.put((0, Start()))

    def admit(self) -> None:
        """Let the link subscribe."""
        self._admitted = True
        self._inbox.put((0, Admit()))

    def served(self) -> None:
        """Let no refusal end the link from now on: another link of the run is live."""
        self._inbox.put((0, Served()))

    def ask_to_stop(self) -> None:
        """Let the link close the connection and end; return at once. `join` waits."""
        self._stopping.set()
        self._inbox.put((0, Stop()))
        if (opening := self._opening) is not None:
            opening.abort()

    def is_alive(self) -> bool:
        """Return whether the link's thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for the end of the link's thread, at most `timeout` seconds."""
        self._thread.join(timeout)

    def doubt(self) -> None:
        """Test with a ping whether the connection still lives: the process slept."""
        self._inbox.put((0, Doubt()))

    def distrust(self, reason: str, where: str = "") -> None:
        """Connect anew: the connection lives, but candles are missing."""
        self._inbox.put((0, Distrust(reason, where)))

    @property
    def overlapping(self) -> bool:
        """Whether frames come twice because of a renewal."""
        return self._channels.overlapping(self._monotonic())

    @property
    def candles(self) -> int:
        """The number of candles that the present connection brought."""
        return self._channels.candles

    def subscribe_again(
        self, streams: Sequence[str], reason: str = "", where: str = ""
    ) -> None:
        """Subscribe once more to streams that bring nothing.

        Args:
            streams: the names of the streams on the wire.
            reason: the reason to report, in words; empty to report nothing.
            where: the operation, with the address.
        """
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
        """Log the error of an action and go on; `failed` says what the error means.

        The system may have no thread left, for example.
        """
        name = type(action).__name__
        _log.error("%s: %s failed", self.name, name, exc_info=error)
        meant = failed(action, f"{self.name}: {name} failed: {cause(error)}")
        if meant is not None:
            self._inbox.put((0, meant))

    def _take_turn(self, bucket: TokenBucket) -> None:
        """Wait until a token bucket lets the next message pass."""
        self._wait(bucket.book(self._monotonic()))

    def _wait(self, until: float) -> None:
        """Wait until a time, monotonic seconds; stopping ends the wait."""
        if (seconds := until - self._monotonic()) > 0:
            self._stopping.wait(seconds)

    def _next(self) -> Input:
        """Return the next input; wait for an input until `Status.due`."""
        while True:
            left = self._status.due - self._monotonic()
            try:
                timeout = None if left == float("inf") else max(0.0, left)
                number, event = self._inbox.get(timeout=timeout)
            except queue.Empty:
                return self._channels.due()
            if isinstance(event, Again):
                event = event._replace(streams=self._muted())
            if (meant := self._channels.meaning_of(number, event)) is not None:
                return meant

    def _muted(self) -> tuple[str, ...]:
        """Return all names to subscribe to once more: the names share requests."""
        names: dict[str, None] = {}
        with contextlib.suppress(queue.Empty):
            while True:
                names[self._mute.get_nowait()] = None
        return tuple(names)

    def _perform(self, action: Action) -> None:
        match action:
            case Tell():
                self._on_event(LinkEvent(self.name, *action))
            case TellQuiet():
                self._on_quiet()
            case Ping():
                self._send(self._channels.first, "our ping", Channel.ping)
            case SubscribeAll():
                self._subscribe(self._channels.first, self._streams)
            case SubscribeNext():
                self._subscribe(self._channels.second, self._streams)
            case Subscribe(streams):
                self._subscribe(self._channels.first, streams)
            case GiveUp(error):
                self._on_refused(error)
            case _:
                self._connect_as(action)

    def _connect_as(self, action: Open | OpenNext | Swap | DropNext | Hangup) -> None:
        match action:
            case Open():
                self._channels.first = self._open()
            case OpenNext():
                now = self._monotonic()
                if (at := self._pacing.renewal(self.name, now)) > now:
                    self._inbox.put((0, NextLater(at)))
                else:
                    self._channels.second = self._open()
            case Swap():
                self._channels.swap(self._monotonic())
            case DropNext():
                self._channels.drop_second()
            case Hangup():
                self._channels.drop()
            case _:
                assert_never(action)

    def _open(self) -> Channel:
        """Return a new channel; an input reports whether the connection is open."""
        channel = self._channels.new()
        handlers = Handlers(
            self._on_message,
            lambda reply: self._put(channel, channel.meaning_of(reply)),
            lambda reason, code: self._put(
                channel, Broken(reason, channel.candles, code=code)
            ),
            lambda payload: self._put(channel, channel.meaning_of_pong(payload)),
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
            self._put(channel, broken_by(error))
            return channel
        except Exception as error:  # noqa: BLE001 - reconnects never end
            reason = f"cannot connect: {shortage(error) or repr(error)}"
            self._put(channel, Broken(reason))
            return channel
        finally:
            self._opening = None
        self._put(channel, Opened(channel.requests(len(self._streams))))
        return channel

    def _tell_slow(self, deadline: Deadline) -> None:
        """Report the progress of a slow attempt to connect.

        Renewals, and attempts of a link that may not subscribe yet, are not reported.
        """
        state, failures = self._status.state, self._status.failures
        if state is LinkState.CONNECTING and self._admitted:
            reason = f"still {deadline.doing}"
            event = LinkEvent(self.name, state, reason, failures, where=deadline.where)
            self._on_event(event)

    def _subscribe(self, channel: Channel | None, streams: Sequence[str]) -> None:
        self._send(
            channel, "the subscription", lambda channel: channel.subscribe(streams)
        )

    def _send(
        self, channel: Channel | None, what: str, send: Callable[[Channel], None]
    ) -> None:
        """Send over a channel; the connection counts as broken if sending fails."""
        if channel is None:
            return
        try:
            send(channel)
        except Exception as error:  # noqa: BLE001 - the socket's own kinds, and then some
            reason = f"{what} could not be sent: {shortage(error) or error}"
            self._put(channel, Broken(reason))

    def _put(self, channel: Channel, meaning: Input | None) -> None:
        """Add an input from a channel, on any thread."""
        if meaning is not None:
            self._inbox.put((channel.number, meaning))
