"""Other spellings of symbols and intervals than the exchange's. Pure text.

A spelling with a single meaning, a USDⓈ-M contract, is understood. A spelling used
elsewhere for a spot pair is understood and marked, so that a caller can report the
assumption. Any other spelling yields a suggestion at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_NAME: Final = r"[^\W_]+"
_QUOTE: Final = r"[^\W\d_]+"
_VENUE: Final = re.compile(r"(binance|binanceusdm):(?=.)", re.IGNORECASE).match
_PAIR: Final = re.compile(
    rf"(?P<base>{_NAME})/(?P<quote>{_QUOTE})"
    rf"(?::(?P<settle>{_NAME})(?:-(?P<delivery>[0-9]{{6}}))?)?"
).fullmatch
_DASHED: Final = re.compile(rf"(?P<base>{_NAME})-(?P<quote>{_QUOTE})").fullmatch
_PERPETUAL: Final = re.compile(rf"(?P<name>{_NAME})\.P", re.IGNORECASE).fullmatch
_KINDS: Final = ("P", "PERP", "PERPETUAL", "SWAP", "FUTURE", "FUTURES")
"""Words put behind a pair by other venues to mark a derivative."""


class Spelling(NamedTuple):
    """A symbol as written by a person."""

    symbol: str
    """The exchange's spelling; the word itself if no spelling is recognised."""
    assumed: bool
    """Whether the word means a spot pair elsewhere."""


def spelled(word: str) -> Spelling:
    """Return the symbol meant by a word, in the word's case.

    `BTC/USDT:USDT` (ccxt) and `BTCUSDT.P` (TradingView) are the perpetual BTCUSDT,
    `BTC/USDT:USDT-261225` is BTCUSDT_261225. `BTC/USDT`, `BTC-USDT` and
    `binance:btcusdt` are taken as the perpetual, and marked as `assumed`.
    """
    venue = _VENUE(word)
    name = word[venue.end() :] if venue else word
    spot = venue is not None and venue[1].lower() == "binance"
    if perpetual := _PERPETUAL(name):
        return Spelling(perpetual["name"], assumed=False)
    pair = _PAIR(name)
    if pair and pair["settle"] is not None:
        if pair["settle"].upper() != pair["quote"].upper():
            return Spelling(word, assumed=False)  # margined in the base asset: COIN-M
        delivery = f"_{pair['delivery']}" if pair["delivery"] else ""
        return Spelling(f"{pair['base']}{pair['quote']}{delivery}", assumed=False)
    pair = pair or _DASHED(name)
    if pair and pair["quote"].upper() not in _KINDS:
        return Spelling(f"{pair['base']}{pair['quote']}", assumed=spot or venue is None)
    if venue and re.fullmatch(rf"{_NAME}(?:_[0-9]+)?", name):
        return Spelling(name, assumed=spot and "_" not in name)
    return Spelling(word, assumed=False)


def plainer(word: str) -> str:
    """Return the exchange's spelling of the perpetual that a word may mean, in lower
    case.

    Venue, separators and contract kind are removed; the result is empty if nothing
    remains.
    """
    if (pair := _PAIR(word)) and pair["settle"]:
        return f"{pair['base']}usdt".lower()
    parts = re.findall(_NAME, word.rpartition(":")[2].upper())
    told = len(parts)
    while len(parts) > 1 and parts[-1] in _KINDS:
        parts.pop()
    name = "".join(parts)
    if len(name) > len("PERP"):
        name = name.removesuffix("PERP")
    if name.endswith("USD"):
        name += "T"
    elif len(parts) < told and not name.endswith(("USDT", "USDC")):
        name += "USDT"  # a kind of contract was named without a quote asset
    return name.lower()


_UNITS: Final = {
    word: unit
    for unit, words in {
        "s": "s sec secs second seconds",
        "m": "m min mins minute minutes",
        "h": "h hr hrs hour hours hourly",
        "d": "d day days daily",
        "w": "w wk wks week weeks weekly",
        "M": "mo mon month months monthly mn",
        "y": "y yr year years yearly",
    }.items()
    for word in words.split()
}
"""The unit, a key of `_SECONDS`, of each word for a unit of time."""
_SECONDS: Final = {
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "w": 604_800,
    "M": 2_629_800,  # the mean month, to compare lengths
    "y": 31_557_600,
}
"""The seconds of each unit."""
_NUMBER_FIRST: Final = re.compile(r"([0-9]{1,9})[ _-]?([A-Za-z]+)").fullmatch
_UNIT_FIRST: Final = re.compile(
    r"(m|h|d|w|mn|min)[ _-]?([0-9]{1,9})", re.IGNORECASE
).fullmatch
_OF_A_LETTER: Final = re.compile(r"\d+[A-Za-z]").fullmatch
_SHORT_WORD: Final = 3
"""A single unit word with fewer letters is more likely the name of a coin."""


def intervals_like(word: str, names: Iterable[str]) -> tuple[str, ...] | None:
    """Return the intervals that an unknown interval word may mean, best first; None if
    the word does not look like an interval.

    One minute and one month are told apart by more than case: `1mo` is the month, and
    `M1`, the minute in some programs, yields both.

    Args:
        word: the word as written by a person.
        names: the exchange's interval names, such as `5m`.
    """
    lengths = {name: int(name[:-1]) * _SECONDS[name[-1]] for name in names}
    text = word.strip().removeprefix("kline_")
    if text in lengths:
        return (text,)
    if text == "M1":
        return ("1m", "1M")
    amount = _amount(text)
    if amount is None:
        return () if _OF_A_LETTER(text) else None
    number, unit = amount
    if unit == "M" and number == 1:
        return ("1M",)
    seconds = number * _SECONDS[unit]
    same = [name for name, length in lengths.items() if length == seconds]
    if not same and text.isdigit():  # some programs count seconds
        same = [name for name, length in lengths.items() if length == number]
    if same:
        return tuple(same)
    shorter = [name for name, length in lengths.items() if length < seconds]
    longer = [name for name, length in lengths.items() if length > seconds]
    return (*shorter[-1:], *longer[:1])


def _amount(text: str) -> tuple[int, str] | None:
    """Return the duration named by a word, as a number and a unit of `_SECONDS`."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text), "m"
    if match := _NUMBER_FIRST(text):
        number, unit = match.groups()
    elif match := _UNIT_FIRST(text):
        unit, number = match.groups()
    elif len(text) >= _SHORT_WORD or text == "MN":
        number, unit = "1", text
    else:
        return None
    # Several months are no interval, so a number with M means minutes.
    known = _UNITS.get(unit.lower())
    return None if known is None else (int(number), known)
