"""REST answers are the exchange's, errors and weights included."""

import json
from urllib.parse import quote

import pytest

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.protocol.exchange_info import decode_listings
from klinetail.protocol.klines import decode_rows
from klinetail.protocol.server_time import decode_time
from klinetail.protocol.venues import LIVE
from klinetail.sim.rest import answer
from klinetail.sim.synthetic import Synthetic

KLINES = "/fapi/v1/klines"
PATHS = LIVE.paths


def test_ping_and_time(market, start):
    assert answer(market, PATHS.ping, start) == (200, b"{}", 1)
    status, body, weight = answer(market, PATHS.time, start)
    assert (status, decode_time(body), weight) == (200, start, 1)


def test_klines_are_the_markets_rows(market, start):
    stream = Stream("BTCUSDT", Interval.M5)
    low = start - 7_200_000
    target = f"{KLINES}?symbol=btcusdt&interval=5m&startTime={low}&limit=7"
    status, body, weight = answer(market, target, start)
    rows = decode_rows(body, stream)
    assert (status, weight, len(rows)) == (200, 1, 7)
    for row, truth in zip(
        rows, market.klines(stream, low, None, 7, now=start), strict=True
    ):
        assert row.same_values(truth)


def test_the_default_is_500_rows_and_a_weight_of_5(market, start):
    status, body, weight = answer(market, f"{KLINES}?symbol=BTCUSDT&interval=1m", start)
    assert (status, len(json.loads(body)), weight) == (200, 500, 5)


def test_symbols_of_any_script(market, start):
    symbol = quote("币安人生usdt")
    target = f"{KLINES}?symbol={symbol}&interval=1h&limit=3"
    assert answer(market, target, start).status == 200


@pytest.mark.parametrize(
    ("query", "code", "weight"),
    [
        ("symbol=NOPEUSDT&interval=1m", -1121, 5),
        (f"symbol={quote('币安人生usd')}&interval=1m", -1100, 5),
        ("symbol=BTCUSDT&interval=1s", -1120, 5),
        ("symbol=BTCUSDT&interval=1m&limit=1501", -1130, 10),
        ("symbol=BTCUSDT&interval=1m&limit=0", -1130, 1),
        ("symbol=BTCUSDT&interval=1m&limit=ten", -1102, 5),
        ("symbol=BTCUSDT&interval=1m&limit=-1", -1102, 5),
        ("symbol=BTCUSDT&interval=1m&startTime=", -1102, 5),
        ("symbol=BTCUSDT&interval=1m&startTime=2&endTime=1&limit=9", -1023, 1),
        ("symbol=BTCUSDT", -1102, 5),
        ("interval=1m", -1102, 5),
        ("", -1102, 5),
    ],
)
def test_refusals(market, start, query, code, weight):
    status, body, cost = answer(market, f"{KLINES}?{query}", start)
    assert (status, json.loads(body)["code"], cost) == (400, code, weight)


def test_refusals_have_the_exchanges_words(market, start, shared_data):
    recorded = json.loads(
        (shared_data / "rest_misc/rest_error_bodies.json").read_text()
    )
    bodies = {r["body"]["code"]: r["body"] for r in recorded if "body" in r}
    for query in (
        "symbol=NOPEUSDT&interval=1m",
        "symbol=BTCUSDT&interval=1s",
        "symbol=BTCUSDT&interval=1m&limit=1501",
    ):
        body = json.loads(answer(market, f"{KLINES}?{query}", start).body)
        assert body == bodies[body["code"]]


def test_unknown_paths(market, start):
    for path in ("/", "/fapi/v1/klinesx", "/fapi/v2/klines", "/market"):
        assert answer(market, path, start).status == 404


def test_what_is_listed(market, start):
    body = answer(market, PATHS.exchange_info, start).body
    listings = {x.symbol: x.status for x in decode_listings(body)}
    assert listings.pop("OMGUSDT") == "SETTLING"
    assert set(listings.values()) == {"TRADING"}
    assert "币安人生USDT" in listings


def test_when_a_symbol_ends_is_said_from_when_on_it_is_announced(start):
    changes = {"end": start + HOUR, "announced": start + MINUTE}
    market = Synthetic(7, start, {"ETHUSDT": changes})
    for now, says in ((start + MINUTE - 1, False), (start + MINUTE, True)):
        body = answer(market, PATHS.exchange_info, now).body
        dates = {x.symbol: x.delivery_time for x in decode_listings(body)}
        assert (dates["ETHUSDT"] == start + HOUR) is says
        assert dates["BTCUSDT"] == 4_133_404_800_000


def test_symbols_are_described_as_at_the_exchange(market, start, shared_data):
    recorded = shared_data / "rest_misc/fapi_exchangeInfo_2026-10-07_subset.json"
    theirs = {s["symbol"]: s for s in json.loads(recorded.read_bytes())["symbols"]}
    body = json.loads(answer(market, PATHS.exchange_info, start).body)
    ours = {s["symbol"]: s for s in body["symbols"]}
    for symbol in ("BTCUSDT", "币安人生USDT", "OMGUSDT"):
        assert theirs[symbol].keys() <= ours[symbol].keys()
        for key in ("baseAsset", "pricePrecision", "quantityPrecision", "contractType"):
            assert ours[symbol][key] == theirs[symbol][key]
        ticks = [
            f["tickSize"]
            for s in (ours, theirs)
            for f in s[symbol]["filters"]
            if f["filterType"] == "PRICE_FILTER"
        ]
        assert ticks[0] == ticks[1]
