"""Faults of open connections: cuts, stalls, bad frames and silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Final

from klinetail.sim.faults import junk
from klinetail.sim.faults.chaos import Chaos, Strike
from klinetail.sim.wire import Connection

DEAD: Final = 300.0
"""Real seconds until a silently dead connection is reset."""

PING_PAUSE: Final = 0.5
"""Real seconds between two pings of a connection that sends pings alone."""
FLOOD: Final = 2_000
"""The pings of one flood."""

_STALL: Final = (2.0, 8.0)
"""The real seconds of a stall: least and most."""
_TRICKLE: Final = 3.0
"""The real seconds of sending byte by byte."""
_CLOSING: Final = 0.5
"""The real seconds between a CLOSE frame and the end of the connection."""
_HALF_A_FRAME: Final = junk.frame(junk.TEXT, b'{"e":"kline","E":17', length=420)
"""A frame cut short."""


class Line:
    """Carries out the strikes of faults with a period.

    Args:
        chaos: counts the injected faults.
    """

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        """Counts the injected faults."""
        self._tasks: set[asyncio.Task[None]] = set()
        """The faults under way."""
        self._ways: Mapping[str, Callable[[Connection, Random], None]] = {
            "cut": self._cut,
            "close": self._close,
            "badframe": self._bad_frame,
            "stall": self._stall,
            "trickle": self._trickle,
            "ping": self._ping,
            "flood": self._flood,
            "silence": self._silence,
            "pings": self._pings,
        }
        """The method carrying out each fault."""

    def strike(self, strike: Strike, connections: Sequence[Connection]) -> None:
        """Inject a fault into an undisturbed connection, if any.

        Args:
            strike: the fault.
            connections: the open connections.
        """
        healthy = [c for c in connections if c.wire.flowing and not c.gone.is_set()]
        if not healthy:
            return
        healthy.sort(key=lambda connection: connection.number)
        self._ways[strike.name](strike.random.choice(healthy), strike.random)
        self._chaos.note(strike.name)

    def _cut(self, connection: Connection, random: Random) -> None:
        """End the connection, possibly in the middle of a frame."""
        if random.random() < 0.5:
            connection.wire.inject(_HALF_A_FRAME)
        if random.random() < 0.5:
            connection.wire.hang_up()
        else:
            connection.wire.reset()

    def _close(self, connection: Connection, random: Random) -> None:
        """Close the connection with a CLOSE frame, without waiting for the client's."""
        code, reason = random.choice(junk.CLOSES)
        connection.wire.inject(junk.close_frame(code, reason))
        connection.wire.lose()
        self._spawn(_hang_up_after(connection, _CLOSING))

    def _bad_frame(self, connection: Connection, random: Random) -> None:
        """Send an invalid frame."""
        connection.wire.inject(random.choice([*junk.BAD_FRAMES.values()])())

    def _stall(self, connection: Connection, random: Random) -> None:
        """Hold back frames for some seconds, then send all at once."""
        connection.wire.hold()
        self._spawn(_release_after(connection, random.uniform(*_STALL)))

    def _trickle(self, connection: Connection, _: Random) -> None:
        """Send byte by byte for some seconds."""
        connection.wire.hold()
        self._spawn(_squeeze(connection))

    def _ping(self, connection: Connection, random: Random) -> None:
        """Send an unusual ping or pong."""
        odd = [(junk.PING, b""), (junk.PING, bytes(125)), (junk.PONG, b"unasked")]
        connection.wire.inject(junk.frame(*random.choice(odd)))

    def _flood(self, connection: Connection, _: Random) -> None:
        """Send many pings at once."""
        pings = (junk.frame(junk.PING, b"%d" % n) for n in range(FLOOD))
        connection.wire.inject(b"".join(pings))

    def _silence(self, connection: Connection, _: Random) -> None:
        """Neither send nor receive, and reset the connection at last."""
        connection.wire.lose()
        connection.wire.deaf = True
        self._spawn(_reset_after(connection, DEAD))

    def _pings(self, connection: Connection, _: Random) -> None:
        """Send pings alone, and reset the connection at last."""
        connection.wire.lose()
        connection.wire.deaf = True
        self._spawn(_only_pings(connection))

    def _spawn(self, doing: Coroutine[None, None, None]) -> None:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _hang_up_after(connection: Connection, seconds: float) -> None:
    """Close an open connection with FIN after some real seconds."""
    if await connection.stays(seconds):
        connection.wire.hang_up()


async def _reset_after(connection: Connection, seconds: float) -> None:
    """Reset an open connection after some real seconds."""
    if await connection.stays(seconds):
        connection.wire.reset()


async def _release_after(connection: Connection, seconds: float) -> None:
    """Send the held bytes after some real seconds."""
    await connection.stays(seconds)
    connection.wire.release()


async def _squeeze(connection: Connection) -> None:
    """Send the held bytes singly for a while, then send the rest at once."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _TRICKLE
    while loop.time() < until and not connection.gone.is_set():
        connection.wire.squeeze(1)
        await asyncio.sleep(0.001)
    connection.wire.release()


async def _only_pings(connection: Connection) -> None:
    """Send pings for `DEAD` seconds, then reset the connection."""
    for number in range(int(DEAD / PING_PAUSE)):
        connection.wire.inject(junk.frame(junk.PING, b"%d" % number))
        if not await connection.stays(PING_PAUSE):
            return
    connection.wire.reset()
