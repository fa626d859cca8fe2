"""Downloads of public dumps from the embedded exchange, whole or in part."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import re
from collections import Counter
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from klinetail.formats.dump_names import CHECKSUM, Dump, checksum_line, parse
from klinetail.protocol.venues import Venue
from klinetail.sim.clock import Clock
from klinetail.sim.dumps import published, zipping
from klinetail.sim.faults import archive
from klinetail.sim.faults.archive import Manner
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.market import Market
from klinetail.sim.wire import Connection

_KEPT: Final = 32 << 20
"""Bytes of finished dumps kept at most."""

_PIECE: Final = 64 << 10
"""Bytes sent at once."""

_MOMENT: Final = 0.005
"""Real seconds between two looks whether a client has taken the bytes."""

_ON_THE_WAY: Final = 0.05
"""Real seconds granted to sent bytes for their way before a reset."""

_SLOW_PIECES: Final = 20
"""The pieces of an answer that is sent slowly."""

_LINGER: Final = 30.0
"""Real seconds that a client may take for the last bytes."""

_NOT_FOUND: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>"
)
"""The body for a dump that is not published."""


class Downloads:
    """Answers requests for the public dumps of a market.

    Dumps are made when first asked for, in short steps between which the server does
    its other work.

    Args:
        market: the market.
        clock: exchange time.
        chaos: the faults to inject.
        venue: the exchange whose paths are served.
    """

    def __init__(
        self, market: Market, clock: Clock, chaos: Chaos, venue: Venue
    ) -> None:
        self._market = market
        """The market."""
        self._clock = clock
        """Exchange time."""
        self._chaos = chaos
        """The faults to inject."""
        self._asked: Counter[str] = Counter()
        """The number of earlier requests by path, to decide about faults."""
        self._folder = f"{venue.paths.archive}/"
        """The path of all dumps."""
        self._made: dict[Dump, bytes] = {}
        """The dumps used last, the last one at the end."""
        self._making: dict[Dump, asyncio.Task[bytes | None]] = {}
        """The dumps that are being made."""

    def serves(self, target: str) -> bool:
        """Return whether a request's target is among the dumps."""
        return unquote(target.partition("?")[0]).startswith(self._folder)

    async def respond(self, connection: Connection, request: Request) -> Response:
        """Return the answer to a request for a dump or its checksum.

        A dump itself is sent on the connection before the answer is returned, as slowly
        as the client reads.
        """
        now = self._clock.now()
        method = getattr(request, "method", "GET")  # websockets 15 knows no other
        if method not in ("GET", "HEAD"):
            return _answer(405, b"", {"Allow": "GET, HEAD"})
        path = unquote(request.path.partition("?")[0]).removeprefix(self._folder)
        dump = parse(path.removesuffix(CHECKSUM))
        data = None if dump is None else await self._published(dump, now)
        if dump is None or data is None:
            body = b"" if method == "HEAD" else _NOT_FOUND
            return _answer(404, body, {"Content-Type": "application/xml"})
        number, self._asked[path] = self._asked[path], self._asked[path] + 1
        kind, manner = "text/plain", Manner()
        if path.endswith(CHECKSUM):
            data = self._checksum(dump, data, number)
        else:
            kind, manner = "application/zip", archive.manner(self._chaos, dump, number)
            for fault in (*archive.spoilt(self._chaos, dump).faults, manner.fault):
                if fault:
                    self._chaos.note(fault)
        headers = {
            "Content-Type": kind,
            "ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
            "Last-Modified": email.utils.formatdate(
                published(dump) / 1000, usegmt=True
            ),
            "Accept-Ranges": "bytes",
            "Date": email.utils.formatdate(now / 1000, usegmt=True),
        }
        status, first, last = part_of(request.headers, headers, len(data))
        if status == 416:
            headers["Content-Range"] = f"bytes */{len(data)}"
        elif status == 206:
            headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(data)}"
        headers["Content-Length"] = str(last - first)
        body = b"" if method == "HEAD" else data[first:last]
        response = _answer(status, body, headers)
        # A part is as slow as the whole.
        manner = manner._replace(seconds=manner.seconds * len(body) / len(data))
        await _send(connection, response, manner)
        return response

    async def _published(self, dump: Dump, now: int) -> bytes | None:
        """Return a dump, or None for a dump that is not published, or not yet."""
        late = now - published(dump)
        if late < 0:
            return None
        data = await self._bytes(dump)
        fault = archive.absent(self._chaos, dump, late)
        if data is None or fault is None:
            return data
        self._chaos.note(fault)
        return None

    def _checksum(self, dump: Dump, data: bytes, number: int) -> bytes:
        """Return the answer to a request for the checksum of a dump."""
        digest = hashlib.sha256(data)
        if archive.wrong_checksum(self._chaos, dump, number):
            self._chaos.note("badsum")
            digest.update(b"of another version")
        return checksum_line(digest.hexdigest(), dump)

    async def _bytes(self, dump: Dump) -> bytes | None:
        """Return a dump, from the kept ones if possible; None without candles."""
        if dump in self._made:
            self._made[dump] = data = self._made.pop(dump)
            return data
        task = self._making.get(dump)
        if task is None:
            task = asyncio.create_task(self._make(dump))
            self._making[dump] = task
            task.add_done_callback(lambda _: self._making.pop(dump))
        # A client that gives up leaves the dump to the next one.
        return await asyncio.shield(task)

    async def _make(self, dump: Dump) -> bytes | None:
        """Make a dump and keep the dump; forget the dumps used the longest ago."""
        steps = zipping(self._market, dump, archive.spoilt(self._chaos, dump))
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                data: bytes | None = finished.value
                break
            await asyncio.sleep(0)
        if data is not None:
            self._made[dump] = data
        size = sum(map(len, self._made.values()))
        while size > _KEPT and len(self._made) > 1:
            size -= len(self._made.pop(next(iter(self._made))))
        return data


def part_of(
    asked: Headers, known: dict[str, str], size: int
) -> tuple[HTTPStatus, int, int]:
    """Return the status of an answer, and the first and the end of its bytes.

    Args:
        asked: the headers of the request. A `Range` of one part counts, unless an
            `If-Range` names another version; any other range means the whole.
        known: the headers `ETag` and `Last-Modified` of the file.
        size: the bytes of the file.

    Source: RFC 9110, sections 13.1.5 and 14.2.
    """
    whole = (HTTPStatus.OK, 0, size)
    match = re.fullmatch(
        r"bytes=([0-9]{0,15})-([0-9]{0,15})", asked.get("Range", "").strip()
    )
    version = asked.get("If-Range")
    if match is None or version not in (None, known["ETag"], known["Last-Modified"]):
        return whole
    if not match[1]:
        if not match[2]:
            return whole
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first, last = int(match[1]), int(match[2] or size - 1)
        if match[2] and last < first:
            return whole
    if first >= size:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0
    return HTTPStatus.PARTIAL_CONTENT, first, min(last + 1, size)


def _answer(status: int, body: bytes, headers: dict[str, str]) -> Response:
    """Return an answer; the connection ends with the answer."""
    usual = {"Content-Length": str(len(body)), "Connection": "close"}
    return Response(
        status, HTTPStatus(status).phrase, Headers({**usual, **headers}), body
    )


async def _send(connection: Connection, response: Response, manner: Manner) -> None:
    """Send an answer in some manner, and end the connection.

    The WebSocket server would give a slow client only half a second.
    """
    wire = connection.wire
    wire.lose()  # what the WebSocket server sends behind
    body = bytes(response.body or b"")
    wire.inject(response.serialize()[: -len(body) or None])
    body = body[: max(1, int(len(body) * manner.share))]
    size = _PIECE if not manner.seconds else -(-len(body) // _SLOW_PIECES) or 1
    pause = manner.seconds / _SLOW_PIECES
    for at in range(0, len(body), size):
        wire.inject(body[at : at + size])
        if pause and not await connection.stays(pause):
            return
        while wire.get_write_buffer_size() > _PIECE:
            if not await connection.stays(_MOMENT):
                return
    if manner.reset:
        await connection.stays(_ON_THE_WAY)
        wire.reset()
        return
    wire.hang_up()
    await connection.stays(_LINGER)
