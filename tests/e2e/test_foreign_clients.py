"""A client that is not ours takes the sim for the exchange, its addresses changed."""

import asyncio
import contextlib

import pytest

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.protocol.venues import sim_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic

pytest.importorskip("ccxt", reason="the extra `ccxt` is not installed")

START = 1_767_250_855_000
SYMBOL = "BTC/USDT:USDT"
BTC = Stream("BTCUSDT", Interval.M1)
DEADLINE = 60


@pytest.fixture
def server():
    with Server(Synthetic(7, START), speed=60) as running:
        yield running


def pointed(client, server):
    """The client, talking to the sim."""
    venue = sim_venue(server.port)
    api = client.urls["api"]
    api["fapiPublic"] = f"{venue.rest_url}/fapi/v1"
    if "ws" in api:
        # It puts /market in before /ws itself.
        api["ws"]["linear"] = f"ws://127.0.0.1:{server.port}/ws"
    return client


def floats(row):
    """A candle as ccxt has it."""
    return [row.open_time, *map(float, (*row.texts[:4], row.volume_text))]


def test_ccxt_reads_markets_and_candles(server):
    import ccxt

    client = pointed(ccxt.binanceusdm(), server)
    try:
        markets = client.load_markets()
        rows = client.fetch_ohlcv(SYMBOL, "5m", since=START - 90 * MINUTE, limit=12)
        latest = client.fetch_ohlcv(SYMBOL, "1d", limit=3)
        with pytest.raises(ccxt.BadSymbol):
            client.fapiPublicGetKlines({"symbol": "NOPEUSDT", "interval": "1m"})
    finally:
        client.session.close()
    assert markets[SYMBOL]["active"]
    assert markets[SYMBOL]["precision"]["price"] == 0.1
    assert not markets["OMG/USDT:USDT"]["active"]
    stream = Stream("BTCUSDT", Interval.M5)
    truth = server.market.klines(stream, START - 90 * MINUTE, None, 12, now=START)
    assert rows == [floats(row) for row in truth]
    assert len(latest) == 3


async def watched(client, count):
    """Candles as ccxt keeps them, until it has `count` of them."""
    async with asyncio.timeout(DEADLINE):
        while True:
            await client.watch_ohlcv(SYMBOL, "1m")
            kept = client.ohlcvs[SYMBOL]["1m"]
            if len(kept) >= count:
                return [list(row) for row in kept]


def test_ccxt_watches_candles_to_their_close(server):
    import ccxt.pro

    async def watch():
        async with contextlib.AsyncExitStack() as stack:
            client = pointed(ccxt.pro.binanceusdm(), server)
            stack.push_async_callback(client.close)
            return await watched(client, 4)

    *closed, forming = asyncio.run(watch())
    truth = server.market.klines(BTC, closed[0][0], None, 3, now=server.now())
    assert closed == [floats(row) for row in truth]
    assert forming[0] == closed[-1][0] + MINUTE
