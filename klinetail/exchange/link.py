"""Link: one supervised connection. `transition` decides, `Link` does.

Reconnects never end. The pause between attempts grows with the failures in a row,
with full jitter; it starts afresh only after candles have flowed for a while, since
a server that accepts and hangs up would otherwise be stormed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, assert_never

from klinetail.errors import ExchangeError, RateLimited, Refused
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.client import Connect, Connection, Handlers, Manager
from klinetail.exchange.transport import Deadline
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import MAX_NAMES, MAX_STREAMS

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, connection, TLS and handshake together."""

ACK_TIMEOUT: Final = 10.0
"""Seconds for the acks of all subscriptions."""

BACKOFF: Final = (0.5, 30.0)
"""Seconds: the bound of the first pause, and of the longest."""

STEADY: Final = 10.0
"""Seconds that candles must have flowed for the pauses to start afresh."""


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row, with full jitter."""
    base, most = BACKOFF
    return random() * min(most, base * float(2 ** min(failures, 16)))


class Status(NamedTuple):
    """All that a link knows about itself."""

    state: LinkState = LinkState.IDLE
    failures: int = 0
    """In a row."""
    succeeded: bool = False
    """Whether it was ever live."""
    unacked: frozenset[int] = frozenset()
    live_since: float = 0.0
    due: float = float("inf")
    """Monotonic seconds at which `Due` is to come."""


class Start(NamedTuple):
    """Begin."""


class Opened(NamedTuple):
    """Connected; these requests will be sent."""

    requests: frozenset[int]


class Acked(NamedTuple):
    """A request was acked."""

    request: int


class Broken(NamedTuple):
    """An attempt failed or a connection ended."""

    reason: str
    candles: int = 0
    wait: float = 0.0
    """Seconds that the exchange asks to wait at least."""
    error: Refused | None = None
    """Set where trying again as such makes no sense."""


class Due(NamedTuple):
    """The time `Status.due` has come."""


class Stop(NamedTuple):
    """End."""


Input = Start | Opened | Acked | Broken | Due | Stop


class Open(NamedTuple):
    """To do: connect and subscribe."""


class Hangup(NamedTuple):
    """To do: drop the connection, if there is one."""


class Tell(NamedTuple):
    """To do: report."""

    state: LinkState
    reason: str = ""
    failures: int = 0
    delay: float = 0.0


class GiveUp(NamedTuple):
    """To do: report that there is no use in going on."""

    error: Refused


Action = Open | Hangup | Tell | GiveUp


def transition(
    status: Status, event: Input, now: float, random: Callable[[], float]
) -> tuple[Status, tuple[Action, ...]]:
    """What a link becomes, and what is to be done, when something happens.

    Args:
        status: what it is.
        event: what happened.
        now: monotonic seconds.
        random: uniform in [0, 1).
    """
    state = status.state
    if state is LinkState.STOPPED:
        return status, ()
    match event:
        case Stop():
            stopped = Status(LinkState.STOPPED, succeeded=status.succeeded)
            return stopped, (Hangup(), Tell(LinkState.STOPPED))
        case Start() if state is LinkState.IDLE:
            return _connecting(status, now)
        case Due() if state is LinkState.WAITING:
            return _connecting(status, now)
        case Due() if state is LinkState.CONNECTING:
            return _waiting(status, Broken("no connection in time"), now, random)
        case Due() if state is LinkState.SUBSCRIBING:
            reason = f"a subscription was not acked in {ACK_TIMEOUT:g} s"
            return _waiting(status, Broken(reason), now, random)
        case Opened(requests) if state is LinkState.CONNECTING:
            subscribing = status._replace(
                state=LinkState.SUBSCRIBING, unacked=requests, due=now + ACK_TIMEOUT
            )
            return subscribing, (Tell(LinkState.SUBSCRIBING),)
        case Acked(request) if state is LinkState.SUBSCRIBING:
            left = status.unacked - {request}
            if left:
                return status._replace(unacked=left), ()
            live = Status(LinkState.LIVE, status.failures, True, live_since=now)
            return live, (Tell(LinkState.LIVE),)
        case Broken() if state not in (LinkState.IDLE, LinkState.WAITING):
            return _waiting(status, event, now, random)
        case Start() | Opened() | Acked() | Broken() | Due():
            return status, ()
        case _:
            assert_never(event)


def _connecting(status: Status, now: float) -> tuple[Status, tuple[Action, ...]]:
    connecting = status._replace(
        state=LinkState.CONNECTING, due=now + 2 * CONNECT_TIMEOUT
    )
    return connecting, (Tell(LinkState.CONNECTING, failures=status.failures), Open())


def _waiting(
    status: Status, broken: Broken, now: float, random: Callable[[], float]
) -> tuple[Status, tuple[Action, ...]]:
    if broken.error is not None and not status.succeeded:
        return Status(LinkState.STOPPED), (Hangup(), GiveUp(broken.error))
    steady = (
        status.state is LinkState.LIVE
        and broken.candles > 0
        and now - status.live_since >= STEADY
    )
    failures = 0 if steady else status.failures
    pause = backoff(failures, random) if broken.error is None else BACKOFF[1]
    delay = max(broken.wait, pause)
    waiting = Status(LinkState.WAITING, failures + 1, status.succeeded, due=now + delay)
    tell = Tell(LinkState.WAITING, broken.reason, failures + 1, delay)
    return waiting, (Hangup(), tell)


class Link:
    """Keeps one connection up and subscribed, on a thread of its own.

    Args:
        name: for its events.
        streams: names on the wire, at most 1024.
        connect: opens a connection.
        on_message: called on the connection's thread with each message.
        on_event: called on the link's thread with each change of its state.
        on_refused: called on the link's thread if it gave up before it ever was live.
        monotonic: seconds.
        random: uniform in [0, 1).
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
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        if len(streams) > MAX_STREAMS:
            raise ValueError(f"{len(streams)} streams on one connection")
        self.name = name
        self._streams = streams
        self._connect = connect
        self._on_message = on_message
        self._on_event = on_event
        self._on_refused = on_refused
        self._monotonic = monotonic
        self._random = random
        self._status = Status()
        self._inbox: queue.SimpleQueue[tuple[int, Input]] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._number = 0
        self._opening: Deadline | None = None
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, name=f"klinetail-{name}", daemon=True
        )

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._inbox.put((0, Start()))
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Close the connection and end; returns at once, `join` waits."""
        self._stopping = True
        self._inbox.put((0, Stop()))
        if (opening := self._opening) is not None:
            opening.abort()

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for its thread's end, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._status.state is not LinkState.STOPPED:
            event = self._next()
            now = self._monotonic()
            self._status, actions = transition(self._status, event, now, self._random)
            for action in actions:
                self._perform(action)

    def _next(self) -> Input:
        while True:
            left = self._status.due - self._monotonic()
            try:
                timeout = None if left == float("inf") else max(0.0, left)
                number, event = self._inbox.get(timeout=timeout)
            except queue.Empty:
                return Due()
            if number in (0, self._number):  # not of a connection dropped before
                return event

    def _perform(self, action: Action) -> None:
        match action:
            case Tell(state, reason, failures, delay):
                self._on_event(LinkEvent(self.name, state, reason, failures, delay))
            case Hangup():
                self._hang_up()
            case Open():
                self._open()
            case GiveUp(error):
                self._on_refused(error)
            case _:
                assert_never(action)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        self._number += 1
        if connection is not None:
            connection.stop(1.0)

    def _open(self) -> None:
        self._number += 1
        number = self._number
        handlers = Handlers(
            self._on_message,
            lambda reply: self._replied(number, reply),
            lambda reason: self._inbox.put((number, Broken(reason, self._candles()))),
        )
        try:
            with Deadline(CONNECT_TIMEOUT) as deadline:
                self._opening = deadline
                if self._stopping:
                    return
                self._connection = self._connect(handlers, deadline)
        except ExchangeError as error:
            self._inbox.put((number, _broken(error)))
            return
        except Exception as error:  # noqa: BLE001 - reconnects never end
            self._inbox.put((number, Broken(f"cannot connect: {error!r}")))
            return
        finally:
            self._opening = None
        self._subscribe(self._connection, number)

    def _subscribe(self, connection: Connection, number: int) -> None:
        chunks = [
            self._streams[first : first + MAX_NAMES]
            for first in range(0, len(self._streams), MAX_NAMES)
        ]
        requests = frozenset(range(1, len(chunks) + 1))
        # Told before they are sent: the acks come on another thread.
        self._inbox.put((number, Opened(requests)))
        try:
            for request, chunk in enumerate(chunks, 1):
                connection.subscribe(list(chunk), id=request)
        except Exception as error:  # noqa: BLE001 - the socket's own kinds, and then some
            reason = f"the subscription could not be sent: {error}"
            self._inbox.put((number, Broken(reason)))

    def _replied(self, number: int, reply: Reply | Rejection) -> None:
        if isinstance(reply, Rejection):
            reason = f"the exchange refuses: {reply.message} (code {reply.code})"
            self._inbox.put((number, Broken(reason)))
        elif reply.id is not None:
            self._inbox.put((number, Acked(reply.id)))

    def _candles(self) -> int:
        connection = self._connection
        return 0 if connection is None else connection.candles


def _broken(error: ExchangeError) -> Broken:
    if isinstance(error, RateLimited):
        return Broken(str(error), wait=error.retry_after)
    return Broken(str(error), error=error if isinstance(error, Refused) else None)
