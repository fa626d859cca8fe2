"""A second market is one value: served by the embedded exchange, and followed."""

from __future__ import annotations

import threading

import requests
from websockets.sync.client import connect

from klinetail import DataCollector
from klinetail.candle import Candle, Stream
from klinetail.events import Event, GapEvent
from klinetail.exchange.rest_client import BinanceRest
from klinetail.protocol.limits import Limits
from klinetail.protocol.statuses import TRADING
from klinetail.protocol.venues import LIVE, Paths, Unit, Venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import DEADLINE

COIN = Venue(
    name="coins for a test",
    ws_url="wss://coins.example",
    rest_url="https://coins.example",
    official_ws_url="wss://coins.example",  # not routed
    paths=Paths(
        ping="/dapi/v1/ping",
        time="/dapi/v1/time",
        klines="/dapi/v1/klines",
        exchange_info="/dapi/v1/exchangeInfo",
        archive="/data/futures/cm",
    ),
    status_key="contractStatus",
    limits=Limits(
        streams=2,
        names=1,
        messages_per_second=20,
        rows=10,
        page=8,
        rows_by_default=4,
        weight_per_minute=9000,
        time_weight=2,
        listings_weight=3,
        klines_weights=((5, 3), (10, 7)),
        klines_weight_by_default=4,
    ),
    busiest_symbol="ETHUSDT",
    volume_unit=Unit.CONTRACTS,
    quote_volume_unit=Unit.BASE,
    real=True,
)
STREAMS = [Stream.of(name, "1m") for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
LINES = 20
CLOSED = LINES + 3
START = 1_760_000_000_000


def served() -> Server:
    return Server(Synthetic(seed=7, start=START), speed=60, venue=COIN)


def test_a_venue_of_other_paths_and_limits_is_followed_like_any_other() -> None:
    closed: dict[Stream, list[Candle]] = {stream: [] for stream in STREAMS}
    gaps: list[Event] = []
    enough = threading.Event()

    def keep(candle: Candle) -> None:
        if candle.closed:
            closed[candle.stream].append(candle)
        if all(len(some) >= CLOSED for some in closed.values()):
            enough.set()

    def note(event: Event) -> None:
        if isinstance(event, GapEvent):
            gaps.append(event)

    with served() as server:
        collector = DataCollector(
            STREAMS, keep, on_event=note, lines=LINES, venue=server.venue
        )
        collector.start()
        try:
            assert enough.wait(DEADLINE)
            assert server.connections == 2, "of two streams each at most"
        finally:
            collector.stop()
        for stream, candles in closed.items():
            first, last = candles[0].open_time, candles[-1].close_time
            count = len(candles)
            true = server.market.klines(stream, first, None, count, now=last + 1)
            assert all(a.same_values(b) for a, b in zip(candles, true, strict=True))
        assert gaps == []
        pages = len(STREAMS) * -(-LINES // (COIN.limits.page - 1))
        assert server.requests(COIN.paths.klines) >= pages
        assert server.requests(COIN.paths.time) > 0
        for path in (LIVE.paths.time, LIVE.paths.klines, LIVE.paths.exchange_info):
            assert server.requests(path) == 0


def test_its_list_of_symbols_is_read() -> None:
    with served() as server:
        rest = BinanceRest(server.venue)
        try:
            listings = rest.listings()
            assert rest.used_weight == COIN.limits.listings_weight
        finally:
            rest.close()
    assert {stream.symbol for stream in STREAMS} <= {one.symbol for one in listings}
    assert listings.odd == 0
    assert TRADING in {one.status for one in listings}


def test_the_embedded_exchange_keeps_its_paths_and_limits() -> None:
    with served() as server:
        venue = server.venue
        assert venue.ws_url == f"ws://127.0.0.1:{server.port}"
        assert not venue.real
        assert venue.limits == COIN.limits

        def ask(path: str, **parameters: object) -> requests.Response:
            url = f"{venue.rest_url}{path}"
            return requests.get(url, params=parameters, timeout=DEADLINE)

        of = {"symbol": "BTCUSDT", "interval": "1m"}
        assert ask(LIVE.paths.klines, **of).status_code == 404
        assert ask(COIN.paths.ping).json() == {}
        assert len(ask(COIN.paths.klines, **of).json()) == COIN.limits.rows_by_default
        assert len(ask(COIN.paths.klines, **of, limit=10).json()) == 10
        refused = ask(COIN.paths.klines, **of, limit=11)
        assert refused.json()["code"] == -1130
        assert refused.headers["X-MBX-USED-WEIGHT-1M"] == "19"  # 1 + 4 + 7 + 7
        info = ask(COIN.paths.exchange_info).json()
        assert info["rateLimits"][0]["limit"] == COIN.limits.weight_per_minute
        assert info["futuresType"] == "COIN_MARGINED"
        names = "/".join(f"btcusdt@kline_{n}m" for n in (1, 3, 5))
        with connect(f"{venue.ws_url}/ws/{names}") as crowded:
            assert "Too many subscriptions" in str(crowded.recv(DEADLINE))
        with connect(f"{venue.ws_url}/ws/btcusdt@kline_1m") as one:
            assert '"e":"kline"' in str(one.recv(DEADLINE))
