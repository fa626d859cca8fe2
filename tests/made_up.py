"""Made-up data in the exchange's own spelling, laid out as recorded data is.

The recorded frames and answers are the exchange's and not ours to publish: they lie
beside the repository, and not everybody has them. Whoever has only the repository
tests the same promises by this data. No number here was ever a price; the shapes, the
keys, the spaces and the words of errors are the exchange's.
"""

import json
import random
from pathlib import Path

MINUTE = 60_000
COLUMNS = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
DAYS = {
    "ALGOUSDT-1m-2024-09-14_2024-09-14": (1_726_272_000_000, 4, 1, range(9, 1440, 38)),
    "BTCUSDT-1m-2023-11-14_2023-11-14": (1_699_920_000_000, 2, 3, range(700, 703)),
    "BTCUSDT-1m-2023-12-29_2023-12-31": (1_703_808_000_000, 2, 3, ()),
    "ETHUSDT-1m-2022-05-28_2022-05-28": (1_653_696_000_000, 2, 3, range(600, 635)),
    "ETHUSDT-1m-2023-12-29_2023-12-31": (1_703_808_000_000, 2, 3, ()),
}
"""The name of a dump: its start (ms), decimals of prices and of volumes, and which
minutes had no trade."""

COMBINED = '{"stream":"%s@kline_1m","data":%s}'
EVENT = '{"e":"kline","E":%d,"s":"%s","k":{%s}}'
KEYS = "tTsifLochlvnxqVQB"


def write(folder: Path) -> Path:
    """The folder, with all of it."""
    texts = {f"rest_klines/{name}.csv": dump(name) for name in DAYS}
    texts |= {f"ws_klines/{name}.jsonl": text for name, text in frames().items()}
    texts |= {f"rest_misc/{name}.json": text for name, text in answers().items()}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def dump(name: str) -> str:
    """A day of 1m candles as the exchange publishes it."""
    start, decimals, amounts, empty = DAYS[name]
    chance, price = random.Random(name), 2 * 10 ** (decimals + 3)
    lines = [COLUMNS]
    for minute in range(1440):
        opens, first = start + minute * MINUTE, price
        times = opens, opens + MINUTE - 1
        if minute in empty:  # numbers have no more decimals then than they need
            price -= price % 10**decimals
            flat = str(price // 10**decimals)
            zeros = (times[1], 0, 0, 0, 0, 0)
            lines.append(",".join(map(str, (times[0], *[flat] * 4, 0, *zeros))))
            continue
        path = [first, *(first + chance.randint(-90, 90) for _ in range(9))]
        price = path[-1]
        prices = [_price(p, decimals) for p in (first, max(path), min(path), price)]
        traded = chance.randint(1, 10**6)
        bought = chance.randint(0, traded)
        volumes = [_price(amount, amounts) for amount in (traded, bought)]
        quotes = [_price(n * price, amounts + decimals) for n in (traded, bought)]
        row = (times[0], *prices, volumes[0], times[1], quotes[0])
        rest = (chance.randint(1, 5000), volumes[1], quotes[1], 0)
        lines.append(",".join(map(str, (*row, *rest))))
    return "\n".join(lines) + "\n"


def _price(units: int, decimals: int) -> str:
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}}"


def kline(
    symbol: str,
    opens: int,
    after: int,
    *,
    closed: bool = True,
    volume: str = "12.500",
    decimals: int = 2,
    spaced: bool = False,
    combined: bool = True,
) -> str:
    """A frame that was sent `after` ms after its candle closed, or opened if it is
    forming."""
    first, low, high = (_price(n * 10**decimals, decimals) for n in (103, 101, 107))
    last, zero = _price(104 * 10**decimals, decimals), set(volume) <= set("0.")
    ids = (-1, -1) if zero else (opens // 1000, opens // 1000 + 41)
    prices = [first] * 4 if zero else [first, last, high, low]
    quote = volume if zero else volume + "0"
    texts = f'"{symbol}"', '"1m"'
    numbers = (opens, opens + MINUTE - 1, *texts, *ids)
    traded = (f'"{volume}"', 0 if zero else 42, str(closed).lower())
    more = (f'"{quote}"', f'"{volume}"', f'"{quote}"', '"0"')
    values = (*numbers, *(f'"{price}"' for price in prices), *traded, *more)
    pairs = [f'"{key}":{value}' for key, value in zip(KEYS, values, strict=True)]
    sent = opens + after + (MINUTE if closed else 0) - (1 if closed else 0)
    event = EVENT % (sent, symbol, (", " if spaced else ",").join(pairs))
    return COMBINED % (symbol.lower(), event) if combined else event


def frames() -> dict[str, str]:
    """Files of frames, each with what kind it is."""
    opens = 1_626_992_700_000
    delays = {"SUSHIUSDT": 204, "CTKUSDT": 792, "AKROUSDT": 2004, "KEEPUSDT": 2005}
    margined = [
        kline(symbol, opens + n * MINUTE, after, closed=False, volume="3917")
        for symbol, delay in delays.items()
        for n, after in ((0, 41_424), (0, 59_000), (1, delay + 400))
    ]
    margined += [kline(symbol, opens, delay) for symbol, delay in delays.items()]
    coins = [
        kline(symbol, opens, 25_054, closed=closed, volume="1893", decimals=1)
        for symbol in ("ETHUSD_210924", "ETCUSD_PERP", "BTCUSD_211231")
        for closed in (False, True)
    ]
    spot = [
        kline(symbol, opens, 39, closed=closed, volume=volume, decimals=8)
        for symbol, closed in (("LRCBTC", False), ("LTCBRL", True), ("NKNUSDT", True))
        for volume in ("58.00000000", "0.00000000")
    ]
    of_pair = kline("ILVUSDT", opens, 9, closed=False, combined=False)
    continuous = (
        of_pair.replace('"s":"ILVUSDT",', "")
        .replace('"e":"kline"', '"e":"continuous_kline"')
        .replace('"k":{', '"ps":"ILVUSDT","ct":"PERPETUAL","k":{')
    )
    second = kline("ETHUSDT", opens, 2, volume="0.00000000", decimals=8, combined=False)
    second = second.replace('"1m"', '"1s"').replace(',"B":"0"', "")
    second = second.replace(str(opens + MINUTE - 1), str(opens + 999))
    single = {
        "um_prod_combined_closed": kline("BTCUSDT", opens, 960, spaced=True),
        "um_prod_combined_open": kline("币安人生USDT", opens, 9, closed=False),
        "um_testnet_raw_closed": kline(
            "BTCUSDT", opens, 236, volume="0.3923", spaced=True, combined=False
        ),
        "um_testnet_combined_open": kline(
            "BTCUSDT", opens, 3_771, closed=False, spaced=True
        ),
        "um_prod_continuous_open": continuous,
        "spot_1s_closed_empty": second,
    }
    unknown = (
        "unknown variant `NOT_A_METHOD`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`,"
        " `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
    )
    control = {
        "ack": '{"result":null,"id":1}',
        "list": '{"result":["btcusdt@kline_1m","ethusdt@markPrice@1s"],"id":2}',
        "error_unknown_method": (
            '{"error":{"code":2,"msg":"Invalid request: %s"},"id":4}' % unknown  # noqa: UP031
        ),
        "error_bad_json_then_close": (
            '{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column'
            ' 1"}}'
        ),
        "error_1025th_stream_then_close_1008": (
            '{"error":{"code":4,"msg":"Too many subscriptions"}}'
        ),
    }
    return {
        "um_kline_1m_2021-07-22_cryptofeed": _notes(margined),
        "cm_kline_1m_2021-07-22_cryptofeed": _notes(coins),
        "spot_like_kline_1m_cryptofeed": _notes(spot),
        "single_frames": _notes(single.values(), single),
        "control_frames": _notes(control.values(), control),
    }


def _notes(texts, kinds=()):
    kinds = iter(kinds)
    notes = ({"kind": next(kinds, "made_up"), "raw": text} for text in texts)
    return "".join(json.dumps(note) + "\n" for note in notes)


def listing(symbol: str, base: str, tick: str, step: str, **more: object):
    """A symbol as `exchangeInfo` describes it."""
    digits = [len(text.partition(".")[2]) for text in (tick, step)]
    usual = {
        "symbol": symbol,
        "pair": symbol.partition("_")[0],
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_567_965_300_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": digits[0],
        "quantityPrecision": digits[1],
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "filters": [
            {"maxPrice": "9", "tickSize": tick, "filterType": "PRICE_FILTER"},
            {"stepSize": step, "minQty": step, "filterType": "LOT_SIZE"},
            {"notional": "5", "filterType": "MIN_NOTIONAL"},
        ],
    }
    return usual | more


def answers() -> dict[str, str]:
    """Answers to REST requests."""
    some = [
        listing("BTCUSDT", "BTC", "0.10", "0.001"),
        listing("XAUUSDT", "XAU", "0.01", "0.001", contractType="TRADIFI_PERPETUAL"),
        listing("币安人生USDT", "币安人生", "0.0001000", "1"),
        listing("OMGUSDT", "OMG", "0.0001", "0.1", status="SETTLING", deliveryDate=9),
        listing(
            "BTCUSDT_261225", "BTC", "0.1", "0.001", contractType="CURRENT_QUARTER"
        ),
    ]
    many = [listing(f"S{n}USDT", f"S{n}", "0.01", "0.1") for n in range(121)]
    many[60]["status"] = "PENDING_TRADING"
    rows = json.dumps(
        [
            [opens, "103.10", "107.00", "101.20", "104.00", "12.500", opens + 59_999,
             "1255.62500", 42, "6.250", "627.81250", "0"]
            for opens in (1_700_000_040_000, 1_700_000_100_000)
        ]
    )  # fmt: skip
    limit = "current limit of IP(192.0.2.1) is 2400 requests per minute"
    words = [
        (400, -1121, "Invalid symbol."),
        (400, -1120, "Invalid interval."),
        (400, -1130, "Data sent for parameter 'limit' is not valid."),
        (429, -1003, f"Too many requests; {limit}. Please use the websocket."),
        (
            418,
            -1003,
            "Way too many requests; IP(192.0.2.1) banned until 1783855317204.",
        ),
        (451, 0, "Service unavailable from a restricted location."),
        (503, -1016, "Service is under maintenance."),
    ]
    errors: list[dict[str, object]] = [
        {"http": status, "body": {"code": code, "msg": text}}
        for status, code, text in words
    ]
    challenge = {"x-amzn-waf-action": "challenge"}
    errors.append({"http": 202, "body_text": "", "headers": challenge})
    info = {"timezone": "UTC", "serverTime": 1_700_000_000_000, "rateLimits": []}
    return {
        "fapi_exchangeInfo_2026-10-07_subset": json.dumps(
            info | {"symbols": some}, ensure_ascii=False
        ),
        "fapi_exchangeInfo_2021-07-22_full": json.dumps(info | {"symbols": many}),
        "fapi_klines_BTCUSDT_1m_limit2_2026-10-07": rows,
        "testnet_fapi_klines_BTCUSDT_1m_limit2_2026-09-11": rows,
        "rest_error_bodies": json.dumps(errors),
    }
