"""The exchange's list of symbols (exchange information) for a market."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

import msgspec

from klinetail.protocol.venues import LIVE, StatusKey, Unit, Venue
from klinetail.sim.history import Instrument

_QUOTES: Final = ("USDT", "USDC", "BTC", "USD")
"""The quote assets by which a symbol is split."""
_NEVER: Final = 4_133_404_800_000  # the exchange's delivery date for perpetuals


def exchange_info(
    instruments: Collection[Instrument], now: int, venue: Venue = LIVE
) -> bytes:
    """Return the answer, as JSON.

    Args:
        instruments: the listed instruments.
        now: exchange time, ms.
        venue: the exchange whose list is made.

    Source: "Exchange Information" of the USDⓈ-M futures documentation.
    """
    symbols = [_symbol(one, now, venue.status_key) for one in instruments]
    coin = venue.volume_unit is Unit.CONTRACTS
    assets = sorted({str(symbol["quoteAsset"]) for symbol in symbols})
    return msgspec.json.encode(
        {
            "timezone": "UTC",
            "serverTime": now,
            "futuresType": "COIN_MARGINED" if coin else "U_MARGINED",
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": venue.limits.weight_per_minute,
                }
            ],
            "exchangeFilters": [],
            "assets": [
                {"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"}
                for asset in assets
            ],
            "symbols": symbols,
        }
    )


def _symbol(
    instrument: Instrument, now: int, status_key: StatusKey
) -> dict[str, object]:
    """Return the entry of an instrument at exchange time `now` (ms)."""
    symbol = instrument.symbol
    found = (q for q in _QUOTES if symbol.endswith(q) and symbol != q)
    quote = next(found, "USDT")
    price, volume, _ = instrument.steps
    announced = now >= instrument.announced
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": instrument.end if instrument.end and announced else _NEVER,
        "onboardDate": instrument.first,
        status_key: instrument.status(now),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.removesuffix(quote),
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": _decimals(price),
        "quantityPrecision": _decimals(volume),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.015000",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": format(price, "f"),
                "maxPrice": format(price * 10_000_000, "f"),
                "tickSize": format(price, "f"),
            },
            *(
                {
                    "filterType": kind,
                    "minQty": format(volume, "f"),
                    "maxQty": format(volume * 10_000_000, "f"),
                    "stepSize": format(volume, "f"),
                }
                for kind in ("LOT_SIZE", "MARKET_LOT_SIZE")
            ),
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK"],
    }


def _decimals(step: Decimal) -> int:
    """Return the number of decimals of a step."""
    exponent = step.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
