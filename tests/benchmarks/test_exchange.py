"""The benchmark exchange, over real sockets, to a client that is not ours."""

import asyncio
import contextlib
import json
import ssl
import urllib.request
from array import array

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.certificate import issue
from benchmarks.exchange import (
    LISTED,
    Frames,
    Plan,
    built,
    flood_feed,
    paced_feed,
    serve,
)
from benchmarks.market import HOUR
from klinetail.protocol.frames import decode, stream_name

COUNT = 3_000
DEADLINE = 60


@contextlib.asynccontextmanager
async def serving(plan):
    """The port, and a future of the report that is there at the end."""
    stopped, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(plan, 0, stopped, port.set_result))
    try:
        async with asyncio.timeout(DEADLINE):
            yield await port, running
    finally:
        stopped.set()
        await running


async def received(uri, names=(), **options):
    """Every frame until the connection ends, and the code of its close."""
    found = []
    async with connect(uri, compression=None, **options) as client:
        if names:
            request = {"method": "SUBSCRIBE", "params": names, "id": 7}
            await client.send(json.dumps(request))
            assert json.loads(await client.recv()) == {"result": None, "id": 7}
        with contextlib.suppress(ConnectionClosed):
            while True:
                found.append(await client.recv())
    return found, client.close_code


@pytest.mark.parametrize("per_write", [1, 40])
def test_each_client_of_a_flood_gets_its_streams_in_order(per_write):
    feed = flood_feed(30)
    frames = built(feed, COUNT)
    names = [stream_name(stream) for stream in feed.streams]

    async def run():
        plan = Plan(feed, frames, per_write, close=True)
        async with serving(plan) as (port, running):
            base = f"ws://127.0.0.1:{port}/market"
            some = received(f"{base}/ws", names[::2])
            others = received(f"{base}/stream?streams={'/'.join(names[1::2])}")
            return await asyncio.gather(some, others), running

    ((some, code), (others, other_code)), running = asyncio.run(run())
    payloads = [frame[4:].decode() for frame in frames]
    assert some == payloads[::2]
    assert [json.loads(x)["stream"] for x in others] == names[1::2] * (COUNT // 30)
    assert [json.loads(x)["data"] for x in others] == [
        json.loads(x) for x in payloads[1::2]
    ]
    assert (code, other_code) == (1001, 1001)
    assert running.result().pushed == COUNT


def test_over_tls_it_is_the_same(tmp_path):
    feed = flood_feed(15)
    frames = built(feed, COUNT)
    tls = issue(tmp_path)
    trust = ssl.create_default_context(cafile=tls.env["SSL_CERT_FILE"])
    names = "/".join(stream_name(stream) for stream in feed.streams)

    async def run():
        async with serving(Plan(feed, frames, close=True, tls=tls.server)) as (port, _):
            return await received(
                f"wss://127.0.0.1:{port}/market/ws/{names}", ssl=trust
            )

    found, code = asyncio.run(run())
    assert found == [frame[4:].decode() for frame in frames]
    assert code == 1001


def test_a_paced_run_tells_when_each_frame_was_sent():
    rate = 2_000
    feed = paced_feed(15, rate)
    frames = built(feed, COUNT)
    names = "/".join(stream_name(stream) for stream in feed.streams)

    async def run():
        plan = Plan(feed, frames, 1, close=True).paced(1.0)
        async with serving(plan) as (port, running):
            return await received(f"ws://127.0.0.1:{port}/market/ws/{names}"), running

    (found, _), running = asyncio.run(run())
    report = running.result()
    sent = array("q")
    sent.frombytes(report.sent)
    assert len(found) == len(sent) == COUNT
    assert sorted(sent) == list(sent)
    for i, at in enumerate(sent):
        assert at >= report.began + (i / rate - 0.001) * 1e9


def test_requests_are_answered_and_agree_with_the_pushes():
    feed, count = flood_feed(15), 4 * COUNT
    frames = built(feed, count)
    names = "/".join(stream_name(stream) for stream in feed.streams)

    def get(port, path):
        address = f"http://127.0.0.1:{port}/fapi/v1/{path}"
        with urllib.request.urlopen(address, timeout=DEADLINE) as answer:
            return json.load(answer)

    async def run():
        async with serving(Plan(feed, frames)) as (port, _):
            info = await asyncio.to_thread(get, port, "exchangeInfo")
            before = await asyncio.to_thread(get, port, "time")
            uri = f"ws://127.0.0.1:{port}/market/ws/{names}"
            async with connect(uri, compression=None) as client:
                found = [await client.recv() for _ in range(count)]
                await (await client.ping())
                after = await asyncio.to_thread(get, port, "time")
                asked = f"klines?symbol=BTCUSDT&interval=1m&endTime={HOUR - 1}&limit=1"
                rows = await asyncio.to_thread(get, port, asked)
            return info, before, found, after, rows

    info, before, found, after, rows = asyncio.run(run())
    assert [s["status"] for s in info["symbols"]] == ["TRADING"] * LISTED
    last = decode(found[-1])
    assert before["serverTime"] < last.event_time == after["serverTime"]
    candles = map(decode, found)
    closed = next(c for c in candles if c.closed and str(c.stream) == "btcusdt@1m")
    assert rows[0][0] == closed.open_time
    assert rows[0][4] == closed.close_text


def test_frames_are_built_as_far_as_they_are_asked_for():
    frames = Frames(flood_feed(15), 100)
    few = frames.first(10)
    assert frames.first(40)[:10] == few
    assert frames.first(10) == few
    assert len(frames.first(1000)) == 100
