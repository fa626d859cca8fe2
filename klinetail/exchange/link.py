"""Link: one supervised connection. `supervision` decides, `Link` does."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from klinetail.errors import ExchangeError, RateLimited, Refused
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.client import Connect, Connection, Handlers, Manager
from klinetail.exchange.slowness import Slowness
from klinetail.exchange.supervision import (
    CONNECT_TIMEOUT,
    LIFETIME,
    Acked,
    Action,
    Admit,
    Again,
    Broken,
    Distrust,
    Doubt,
    DropNext,
    Due,
    GiveUp,
    Hangup,
    Input,
    NextAcked,
    NextBroken,
    NextLater,
    NextOpened,
    Open,
    Opened,
    OpenNext,
    Ping,
    Ponged,
    Served,
    Start,
    Status,
    Stop,
    Subscribe,
    SubscribeAll,
    SubscribeNext,
    Swap,
    Tell,
    TellQuiet,
    connects,
    transition,
)
from klinetail.exchange.transport import Deadline
from klinetail.exchange.turns import Turns, message_rate
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
        turns: shared by all links of a program; by default there is no other one.
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
        turns: Turns | None = None,
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
        self._turns = Turns() if turns is None else turns
        self._limits = limits
        self._mute: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Names to subscribe once more."""
        self._monotonic = monotonic
        self._random = random
        self._status = Status(early=early)
        self._inbox: queue.SimpleQueue[tuple[int, Input]] = queue.SimpleQueue()
        self._line: _Line | None = None
        self._spare: _Line | None = None
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
        return recent or self._spare is not None

    @property
    def candles(self) -> int:
        """Candles that came over the present connection so far."""
        line = self._line
        return 0 if line is None or line.connection is None else line.connection.candles

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
                self._wait(self._turns.attempt(self._monotonic()))
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
        match action:
            case TellQuiet():
                pass  # whoever looks into the silence is called again while it lasts
            case OpenNext() | SubscribeNext() | DropNext() | Swap():
                self._inbox.put((0, NextBroken()))
            case _:
                reason = f"{self.name}: {name} failed: {cause(error)}"
                self._inbox.put((0, Broken(reason)))

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
            if number == 0 or (self._line and number == self._line.number):
                return event
            of_spare = self._spare is not None and number == self._spare.number
            if of_spare and (spare := _of_spare(event)) is not None:
                return spare
            # Otherwise it is of a connection that was dropped before.

    def _muted(self) -> tuple[str, ...]:
        """All names to subscribe once more, so that they share requests."""
        names: dict[str, None] = {}
        with contextlib.suppress(queue.Empty):
            while True:
                names[self._mute.get_nowait()] = None
        return tuple(names)

    def _due(self) -> Due:
        spare = None if self._spare is None else self._spare.connection
        return Due(self.candles, 0 if spare is None else spare.candles)

    def _perform(self, action: Action) -> None:
        match action:
            case Tell():
                self._on_event(LinkEvent(self.name, *action))
            case TellQuiet():
                self._on_quiet()
            case Ping():
                self._ping()
            case SubscribeAll():
                self._send(self._line, self._streams)
            case SubscribeNext():
                self._send(self._spare, self._streams)
            case Subscribe(streams):
                self._send(self._line, streams)
            case GiveUp(error):
                self._on_refused(error)
            case _:
                self._connect_as(action)

    def _connect_as(self, action: Open | OpenNext | Swap | DropNext | Hangup) -> None:
        line, spare = self._line, self._spare
        match action:
            case Open():
                self._line = self._open()
            case OpenNext():
                now = self._monotonic()
                if (at := self._turns.renewal(self.name, now)) > now:
                    self._inbox.put((0, NextLater(at)))
                else:
                    self._spare = self._open()
            case Swap():
                self._overlapped_at = self._monotonic()
                self._line, self._spare = spare, None
                _drop(line)
            case DropNext():
                self._spare = None
                _drop(spare)
            case Hangup():
                self._line = self._spare = None
                _drop(line)
                _drop(spare)
            case _:
                assert_never(action)

    def _open(self) -> _Line:
        self._number += 1
        line = _Line(self._number, self._limits.messages_per_second)
        handlers = Handlers(
            self._on_message,
            lambda reply: self._replied(line, reply),
            lambda reason, code: self._ended(line, reason, code),
            lambda payload: self._ponged(line, payload),
            self._on_messages,
        )
        try:
            with (
                Deadline(CONNECT_TIMEOUT) as deadline,
                Slowness(lambda: self._tell_slow(deadline)),
            ):
                self._opening = deadline
                if self._stopping.is_set():
                    return line
                line.connection = self._connect(handlers, deadline)
        except ExchangeError as error:
            self._inbox.put((line.number, _broken(error)))
            return line
        except Exception as error:  # noqa: BLE001 - reconnects never end
            reason = f"cannot connect: {shortage(error) or repr(error)}"
            self._inbox.put((line.number, Broken(reason)))
            return line
        finally:
            self._opening = None
        requests = range(1, -(-len(self._streams) // self._limits.names) + 1)
        self._inbox.put((line.number, Opened(frozenset(requests))))
        return line

    def _tell_slow(self, deadline: Deadline) -> None:
        """Say how far connecting is; of a renewal, or before it counts, nothing."""
        state, failures = self._status.state, self._status.failures
        if state is LinkState.CONNECTING and self._admitted:
            reason = f"still {deadline.doing}"
            event = LinkEvent(self.name, state, reason, failures, where=deadline.where)
            self._on_event(event)

    def _send(self, line: _Line | None, streams: Sequence[str]) -> None:
        if line is None or line.connection is None:
            return
        try:
            for first in range(0, len(streams), self._limits.names):
                chunk = list(streams[first : first + self._limits.names])
                self._wait(line.rate.book(self._monotonic()))
                line.requests += 1
                line.connection.subscribe(chunk, id=line.requests)
        except Exception as error:  # noqa: BLE001 - the socket's own kinds, and then some
            reason = f"the subscription could not be sent: {shortage(error) or error}"
            self._inbox.put((line.number, Broken(reason)))

    def _ping(self) -> None:
        line = self._line
        if line is None or line.connection is None:
            return
        line.pings += 1
        self._wait(line.rate.book(self._monotonic()))
        try:
            line.connection.ping(_payload(line))
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"our ping could not be sent: {shortage(error) or error}"
            self._inbox.put((line.number, Broken(reason)))

    # On the connection's thread

    def _replied(self, line: _Line, reply: Reply | Rejection) -> None:
        if isinstance(reply.id, int) and not 0 < reply.id <= line.requests:
            return  # to nothing that we asked
        if isinstance(reply, Rejection):
            reason = f"the exchange refuses: {reply.message} (code {reply.code})"
            self._inbox.put((line.number, Broken(reason)))
        elif isinstance(reply.id, int):
            self._inbox.put((line.number, Acked(reply.id)))

    def _ponged(self, line: _Line, payload: bytes) -> None:
        if payload == _payload(line):
            self._inbox.put((line.number, Ponged()))

    def _ended(self, line: _Line, reason: str, code: int | None) -> None:
        candles = 0 if line.connection is None else line.connection.candles
        self._inbox.put((line.number, Broken(reason, candles, code=code)))


class _Line:
    """A connection, perhaps still to come, and what was sent over it."""

    def __init__(self, number: int, messages_per_second: int) -> None:
        self.number = number
        self.connection: Connection | None = None
        self.requests = 0
        self.pings = 0
        self.rate = message_rate(messages_per_second)


def _payload(line: _Line) -> bytes:
    return f"klinetail {line.number} {line.pings}".encode()


def _drop(line: _Line | None) -> None:
    if line is not None and line.connection is not None:
        line.connection.stop(1.0)


def _of_spare(event: Input) -> Input | None:
    """What an event of the second connection means to the link."""
    match event:
        case Opened(requests):
            return NextOpened(requests)
        case Acked(request):
            return NextAcked(request)
        case Broken():
            return NextBroken()
        case _:
            return None


def _broken(error: ExchangeError) -> Broken:
    if isinstance(error, RateLimited):
        return Broken(error.cause, wait=error.retry_after, where=error.where)
    refused = error if isinstance(error, Refused) else None
    return Broken(error.cause, error=refused, where=error.where)
