"""The benchmark exchange: a loopback server that pushes prebuilt frames.

It speaks the exchange's protocol as the embedded one does, but only pushes, on one core
and at several hundred thousand frames a second. Two manners:

    flood   once every stream is subscribed to: all frames, as fast as they are read
    paced   from a fixed moment on, at the rate of the feed; exchange time is real time

By hand: `python -m benchmarks.exchange flood --count 500000`; it prints its address and
serves one client after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import os
import ssl
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.market import (
    BEGIN,
    HOUR,
    Feed,
    RestMarket,
    combined,
    frames,
    streams,
    symbols,
)
from klinetail.candle import Stream
from klinetail.sim.rest import answer
from klinetail.sim.session import Session, open_session

HOST = "127.0.0.1"
BUFFERED = 256 * 1024
"""Bytes that may wait for a client before it is waited for."""

SETTLE = 0.2
"""Seconds from the last subscription to the first frame of a flood."""

FLOOD_RATE = 40_000
"""Frames a second of exchange time in a flood, whatever it takes in real time."""

FLOOD_FIRST = HOUR - 400
INTO = 4_000
LISTED = 790


class Plan(NamedTuple):
    """What is pushed, and how."""

    feed: Feed
    frames: Sequence[bytes]
    per_write: int = 40
    """Frames that leave in one write."""
    after: float | None = None
    """Paced: seconds from the start of the exchange to frame 0. None: a flood."""
    close: bool = False
    """Whether connections are closed behind the last frame."""
    tls: ssl.SSLContext | None = None
    begin: int = BEGIN
    """Exchange time at the start, ms."""

    def paced(self, after: float) -> Plan:
        """The same at the pace of real time, so many seconds after the start."""
        begin = self.feed.first - round(after * 1000)
        return self._replace(after=after, begin=begin)


class Report(NamedTuple):
    """What was pushed, and when. Monotonic nanoseconds."""

    pushed: int
    began: int
    ended: int
    sent: bytes
    """Paced: an `array("q")` with the moment of each frame; empty of a flood."""
    cpu: float
    """Seconds of CPU that the exchange took."""


def flood_feed(count: int) -> Feed:
    """A feed of so many streams for a flood: all frames lie within a minute, and an
    hour ends soon after the first."""
    rate = min(FLOOD_RATE, 1000 * count)
    return Feed(streams(count), FLOOD_FIRST, rate)


def paced_feed(count: int, rate: float) -> Feed:
    """A feed at the pace of real time, in which an hour ends after `INTO` ms."""
    return Feed(streams(count), HOUR - INTO, rate)


class Exchange:
    """All connections, on one event loop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._feed = plan.feed
        self._market = RestMarket(symbols(LISTED), plan.feed)
        self._number = {s: n for n, s in enumerate(plan.feed.streams)}
        self._wrapped: Sequence[bytes] | None = None
        self.clients: set[Client] = set()
        self._began_at = time.monotonic()
        self._changed = asyncio.Event()
        self._listeners: list[list[Client]] = [[] for _ in plan.feed.streams]
        self._complete = False
        self._whole: set[Client] = set()
        self._last: Report | None = None
        self._reset()

    def _reset(self) -> None:
        self.pushed = 0
        self.began = self.ended = 0
        self.sent = array("q")

    def now(self) -> int:
        """Exchange time, ms: what was pushed last, or real time since the start."""
        if self._plan.after is None and self.pushed:
            return self._feed.event_time(self.pushed - 1)
        return self._plan.begin + int((time.monotonic() - self._began_at) * 1000)

    def rest(self, target: str) -> tuple[int, bytes]:
        """Status and body of the answer to GET `target`."""
        status, body, _ = answer(self._market, target, self.now())
        return status, body

    # Who hears what

    def changed(self) -> None:
        """Somebody came, went, or subscribed."""
        self._listeners = [[] for _ in self._feed.streams]
        for client in self.clients:
            for stream in client.hears:
                if (n := self._number.get(stream)) is not None:
                    self._listeners[n].append(client)
        self._complete = all(self._listeners)
        every = self._number.keys()
        self._whole = {client for client in self.clients if every <= client.hears}
        self._changed.set()

    def _frames_for(self, client: Client) -> Sequence[bytes]:
        if not client.wraps:
            return self._plan.frames
        if self._wrapped is None:
            number = len(self._feed.streams)
            self._wrapped = [
                combined(frame, self._feed.streams[i % number])
                for i, frame in enumerate(self._plan.frames)
            ]
        return self._wrapped

    # Pushing

    async def push(self) -> None:
        """Push for ever: floods one after the other, or one paced run."""
        if self._plan.after is not None:
            await self._paced(self._began_at + self._plan.after)
            return
        while True:
            await self._subscribed()
            await self._flood()
            while self.clients:
                self._changed.clear()
                await self._changed.wait()
            self._last = self.report()
            self._reset()
            self._began_at = time.monotonic()

    async def _subscribed(self) -> None:
        while True:
            self._changed.clear()
            if not self._complete:
                await self._changed.wait()
                continue
            try:
                async with asyncio.timeout(SETTLE):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _flood(self) -> None:
        for client in self.clients:
            self._frames_for(client)
        count, per_write = len(self._plan.frames), self._plan.per_write
        self.began = time.monotonic_ns()
        writes = 0
        while self.pushed < count and self._complete:
            clients = [*self.clients]
            step = per_write * len(clients)
            upto = min(count, self.pushed + step)
            self._send(range(self.pushed, upto), clients)
            self.pushed = upto
            for client in clients:
                await client.room.wait()
            writes += 1
            if writes % 64 == 0:
                await asyncio.sleep(0)
        self.ended = time.monotonic_ns()
        self._finish()

    async def _paced(self, first: float) -> None:
        count = len(self._plan.frames)
        rate, per_write = self._feed.rate, self._plan.per_write
        self.sent = array("q", bytes(8 * count))
        await asyncio.sleep(max(0.0, first - time.monotonic()))
        self.began = round(first * 1e9)
        while self.pushed < count:
            clients = [*self.clients]
            due = min(count, int((time.monotonic() - first) * rate) + 1)
            step = per_write * max(1, len(clients))
            if due < count:
                due -= (due - self.pushed) % step
            if due > self.pushed:
                self._send(range(self.pushed, due), clients)
                self.pushed = due
            wait = first + (self.pushed + step - 1) / rate - time.monotonic()
            await asyncio.sleep(max(0.0, wait))
        self.ended = time.monotonic_ns()
        self._finish()

    def _send(self, span: range, clients: list[Client]) -> None:
        """Send frames to whoever hears them, `per_write` in a write."""
        timed = len(self.sent) > 0
        per_write = self._plan.per_write
        if len(clients) == 1 and clients[0] in self._whole:
            frames = self._frames_for(clients[0])
            for a in range(span.start, span.stop, per_write):
                b = min(a + per_write, span.stop)
                if timed:
                    self.sent[a:b] = array("q", [time.monotonic_ns()]) * (b - a)
                clients[0].write_frames(frames[a:b])
            return
        number = len(self._listeners)
        waiting: dict[Client, list[int]] = {client: [] for client in clients}
        for i in span:
            for client in self._listeners[i % number]:
                waiting[client].append(i)
        longest = max(map(len, waiting.values()), default=0)
        for a in range(0, longest, per_write):
            for client, mine in waiting.items():
                if part := mine[a : a + per_write]:
                    if timed:
                        now = time.monotonic_ns()
                        for i in part:
                            self.sent[i] = now
                    frames = self._frames_for(client)
                    client.write_frames([frames[i] for i in part])

    def _finish(self) -> None:
        if self._plan.close:
            for client in [*self.clients]:
                client.close()

    def report(self) -> Report:
        """What was pushed so far, or last if nothing was since."""
        if self._last is not None and not self.pushed:
            return self._last
        usage = os.times()
        return Report(
            self.pushed,
            self.began,
            self.ended,
            self.sent.tobytes(),
            usage.user + usage.system,
        )


class Client(asyncio.Protocol):
    """One TCP connection: HTTP requests, then perhaps a WebSocket."""

    def __init__(self, exchange: Exchange, tls: ssl.SSLContext | None) -> None:
        self._exchange = exchange
        self._transport: asyncio.Transport | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls and tls.wrap_bio(
            self._incoming, self._outgoing, server_side=True
        )
        self._shaken = tls is None
        self._head = b""
        self._ws: ServerProtocol | None = None
        self._session: Session | None = None
        self.room = asyncio.Event()
        self.room.set()

    @property
    def hears(self) -> frozenset[Stream]:
        """The streams it is subscribed to."""
        return frozenset() if self._session is None else self._session.streams

    @property
    def wraps(self) -> bool:
        """Whether its frames are wrapped, as below `/stream`."""
        return self._session is not None and self._session.combined

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=BUFFERED)
        self._transport = transport

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self.room.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.room.set()
        if self in self._exchange.clients:
            self._exchange.clients.discard(self)
            self._exchange.changed()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._tls is None:
            self._receive(data)
            return
        self._incoming.write(data)
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while plain := self._tls.read(65_536):
                self._receive(plain)
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLZeroReturnError:
            pass
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # Out

    def write(self, data: bytes) -> None:
        """Send bytes, over TLS in one record."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.write(data)
            self._flush()

    def write_frames(self, frames: Sequence[bytes]) -> None:
        """Send frames in one write, over TLS in a record each."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._tls is None:
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
            return
        for frame in frames:
            self._tls.write(frame)
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def close(self) -> None:
        """Send CLOSE 1001, as the exchange does at the end."""
        if self._ws is not None:
            self._ws.send_close(1001, "")
            self._send_what_is_due()

    def abort(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    # In

    def _receive(self, data: bytes) -> None:
        if self._ws is not None:
            self._ws.receive_data(data)
            self._handle_events(self._ws)
            return
        self._head += data
        while self._ws is None and b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            if b"\r\nupgrade:" in head.lower():
                self._upgrade(head + b"\r\n\r\n" + self._head)
            else:
                self._respond(head)

    def _respond(self, head: bytes) -> None:
        target = head.split(b" ", 2)[1].decode()
        status, body = self._exchange.rest(target)
        self.write(
            f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def _upgrade(self, data: bytes) -> None:
        self._ws = ServerProtocol(max_size=1 << 20)
        self._ws.receive_data(data)
        self._handle_events(self._ws)

    def _handle_events(self, ws: ServerProtocol) -> None:
        for event in ws.events_received():
            if isinstance(event, Request):
                self._accept(ws, event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._request(ws, bytes(event.data))
        self._send_what_is_due()

    def _accept(self, ws: ServerProtocol, request: Request) -> None:
        self._session = open_session(request.path)
        if self._session is None:
            ws.send_response(ws.reject(404, ""))
            return
        ws.send_response(ws.accept(request))
        self._send_what_is_due()
        self._exchange.clients.add(self)
        self._exchange.changed()

    def _request(self, ws: ServerProtocol, message: bytes) -> None:
        if self._session is None:
            return
        outcome = self._session.receive(message)
        if outcome.reply is not None:
            ws.send_text(outcome.reply.encode())
        if outcome.close:
            ws.send_close(1008, "Invalid request")
        self._send_what_is_due()
        self._exchange.changed()

    def _send_what_is_due(self) -> None:
        if self._ws is None or self._transport is None:
            return
        for data in self._ws.data_to_send():
            if data:
                self.write(data)
            else:
                self._transport.close()
                return


async def serve(
    plan: Plan, port: int, stopped: asyncio.Event, ready: Callable[[int], None]
) -> Report:
    """Serve until `stopped`; `ready` is told the port."""
    exchange = Exchange(plan)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(exchange, plan.tls), HOST, port)
    ready(server.sockets[0].getsockname()[1])
    pushing = asyncio.create_task(exchange.push())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([pushing, stopping], return_when=asyncio.FIRST_COMPLETED)
    if pushing.done():
        pushing.result()
    await stopping
    pushing.cancel()
    server.close()
    report = exchange.report()
    for client in [*exchange.clients]:
        if client._transport is not None:
            client._transport.abort()
    return report


class Frames:
    """The frames of a feed, built as far as they are asked for.

    Args:
        feed: whose frames.
        most: frames at most.
    """

    def __init__(self, feed: Feed, most: int) -> None:
        self._candles = feed.candles(most)
        self._built: list[bytes] = []

    def first(self, count: int) -> list[bytes]:
        """The first so many."""
        more = count - len(self._built)
        self._built += frames(itertools.islice(self._candles, max(0, more)))
        return self._built[:count]


def built(feed: Feed, count: int) -> list[bytes]:
    """The first so many frames of a feed."""
    return Frames(feed, count).first(count)


def main() -> None:
    """Serve by hand."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manner", choices=["flood", "paced"])
    parser.add_argument("--streams", type=int, default=195)
    parser.add_argument("--count", type=int, default=500_000, help="frames in all")
    parser.add_argument("--rate", type=float, default=2400, help="paced: frames/s")
    parser.add_argument("--after", type=float, default=8, help="paced: s to frame 0")
    parser.add_argument("--per-write", type=int, default=40)
    parser.add_argument("--close", action="store_true", help="behind the last frame")
    parser.add_argument("--port", type=int, default=8777)
    asked = parser.parse_args()
    after = None if asked.manner == "flood" else asked.after
    if after is None:
        feed = flood_feed(asked.streams)
    else:
        feed = paced_feed(asked.streams, asked.rate)
    plan = Plan(feed, built(feed, asked.count), asked.per_write, close=asked.close)
    if after is not None:
        plan = plan.paced(after)

    def ready(port: int) -> None:
        names = " ".join(map(str, feed.streams[:15]))
        print(
            f"--ws-url ws://{HOST}:{port}/market --rest-url http://{HOST}:{port}"
            f" with {names}{' ...' if len(feed.streams) > 15 else ''}",
            file=sys.stderr,
            flush=True,
        )

    async def run() -> None:
        await serve(plan, asked.port, asyncio.Event(), ready)

    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


if __name__ == "__main__":
    main()
