"""What the exchange lists against what is asked for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.collector.symbols import (
    check,
    encode,
    find,
    latest,
    oddity,
    resolve,
    suggestions,
    traded,
)
from klinetail.errors import Refused, UnknownSymbol, UsageError
from klinetail.events import Drop, DropEvent
from klinetail.pattern import Pattern
from klinetail.protocol.exchange_info import Listing, Listings
from klinetail.protocol.rest_errors import ILLEGAL_CHARACTERS, INVALID_SYMBOL
from tests.strategies import streams, symbols

M1, M5 = Interval.M1, Interval.M5


def listing(symbol, quote="USDT", status="TRADING", **more):
    base = symbol.removesuffix(quote)
    return Listing(symbol, status, "PERPETUAL", base, quote, **more)


MARKET = [
    listing("BTCUSDT", tick_size="0.10", step_size="0.001", onboard_time=1_569_398_400),
    listing("ETHUSDT"),
    listing("BTCUSDC", "USDC"),
    listing("ETHUSDC", "USDC"),
    listing("币安人生USDT"),
    listing("OMGUSDT", status="SETTLING"),
]

listings = st.lists(
    st.builds(
        listing,
        symbols,
        st.sampled_from(("USDT", "USDC")),
        st.sampled_from(("TRADING", "TRADING", "SETTLING", "PENDING_TRADING")),
    ),
    unique_by=lambda one: one.symbol,
)


def names(found):
    return [one.symbol for one in found]


class TestResolve:
    def test_a_glob_is_every_traded_symbol_in_every_interval(self):
        found = resolve([Pattern("*usdc", (M1, M5))], MARKET)
        assert list(map(str, found)) == [
            "btcusdc@1m",
            "btcusdc@5m",
            "ethusdc@1m",
            "ethusdc@5m",
        ]

    @given(listings, st.lists(streams))
    def test_everything_is_what_trades_in_the_exchange_s_order(self, market, named):
        trading = [one.symbol for one in market if one.status == "TRADING"]
        if not trading:
            with pytest.raises(UsageError, match="nothing that is traded"):
                resolve([Pattern("*", (M1,))], market)
            return
        found = resolve([*named, Pattern("*", (M1,))], market)
        assert len(set(found)) == len(found)
        assert found[: len(set(named))] == list(dict.fromkeys(named))
        assert set(found) == set(named) | {Stream(symbol, M1) for symbol in trading}
        rest = found[len(set(named)) :]
        assert [s.symbol for s in rest] == [
            symbol for symbol in trading if Stream(symbol, M1) not in named
        ]

    @given(listings, st.sampled_from(("USDT", "usdc")))
    def test_only_what_is_quoted_in_the_asset(self, market, quote):
        meant = [
            one.symbol
            for one in market
            if one.status == "TRADING" and one.quote == quote.upper()
        ]
        if meant:
            assert names(traded(Pattern("*", ()), market, quote)) == meant
        else:
            with pytest.raises(UsageError, match=quote):
                traded(Pattern("*", ()), market, quote)

    @pytest.mark.parametrize(
        ("glob", "words"),
        [
            ("*usdx", ["did you mean", "'*usdc'", "'*usdt'"]),
            ("bct*", ["'bct*' matches nothing", "'btc*'"]),
            ("OMG*", ["only OMGUSDT (SETTLING)"]),
            ("zzzz*", ["'zzzz*' matches nothing that is traded"]),
        ],
    )
    def test_a_glob_without_a_match_says_what_was_meant(self, glob, words):
        with pytest.raises(UsageError) as caught:
            resolve([Pattern(glob, (M1,))], MARKET)
        for word in words:
            assert word in str(caught.value)

    def test_an_unknown_quote_names_those_there_are(self):
        with pytest.raises(UsageError, match="quoted in eur; there are USDC, USDT"):
            resolve([Pattern("*", (M1,))], MARKET, "eur")

    @given(st.text("*?[]!-Bb币 ", max_size=20), listings)
    def test_any_glob_gives_streams_or_a_usage_error(self, glob, market):
        try:
            found = resolve([Pattern(glob, (M1,))], market)
        except UsageError:
            return
        assert found

    def test_a_listed_name_wins_over_an_interval_s_spelling(self):
        doubt = Pattern("4u", (M5,), "there is no interval '4u'")
        assert resolve([doubt], [*MARKET, listing("4U")]) == [Stream("4U", M5)]
        with pytest.raises(UsageError, match=r"^there is no interval '4u'$"):
            resolve([doubt], MARKET)
        with pytest.raises(UsageError, match=r"only 4U \(SETTLING\)"):
            resolve([doubt], [*MARKET, listing("4U", status="SETTLING")])


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("BTCUSD", "BTCUSDT"),
        ("BTC", "BTCUSDT"),
        ("ETH", "ETHUSDT"),
        ("BTC_USDT", "BTCUSDT"),
        ("BTCUSD_PERP", "BTCUSDT"),
        ("BTCUSDTPERP", "BTCUSDT"),
        ("PEPEUSDT", "1000PEPEUSDT"),
        ("PEPE", "1000PEPEUSDT"),
        ("BTCUSTD", "BTCUSDT"),
        ("币安人生", "币安人生USDT"),
        ("币安人声USDT", "币安人生USDT"),
    ],
)
def test_the_first_suggestion_is_what_was_meant(word, first):
    listed = ["BTCDOMUSDT", "BTCU", "BTCUSDC", "1000PEPEUSDT", *names(MARKET)]
    assert suggestions(word, listed)[0] == first


class Asked:
    """An exchange that refuses a symbol with a code, and lists the market."""

    def __init__(self, code):
        self.code = code

    def klines(self, stream, **_):
        raise Refused("refused", self.code)

    def listings(self):
        return MARKET


@pytest.mark.parametrize("code", [INVALID_SYMBOL, ILLEGAL_CHARACTERS])
def test_a_misspelt_symbol_is_unknown_whatever_the_exchange_calls_it(code):
    with pytest.raises(UnknownSymbol, match="did you mean 币安人生USDT"):
        latest(Asked(code), "币安人生USD")
    with pytest.raises(Refused):
        latest(Asked(code), "BTCUSDT")


def test_another_refusal_is_no_word_about_the_symbol():
    with pytest.raises(Refused):
        latest(Asked(-1003), "NOPEUSDT")


class TestFind:
    def test_a_symbol_is_itself(self):
        assert names(find("btcusdt", MARKET)) == ["BTCUSDT"]
        assert names(find("币安人生usdt", MARKET)) == ["币安人生USDT"]

    def test_what_it_finds_is_what_watch_would_follow(self):
        for word in ("*", "btc*", "eth[u]sd?"):
            followed = resolve([Pattern(word, (M1,))], MARKET)
            assert names(find(word, MARKET)) == [s.symbol for s in followed]

    def test_an_unknown_one_has_suggestions(self):
        with pytest.raises(UnknownSymbol, match="did you mean BTCUSDT or BTCUSDC"):
            find("btcusd", MARKET)

    def test_one_that_is_not_traded_says_so(self):
        with pytest.raises(
            UsageError, match="OMGUSDT is not traded: its status is SETTLING"
        ):
            find("omgusdt", MARKET)


@given(listings)
def test_whatever_everything_gives_passes_the_check(market):
    trading = [one for one in market if one.status == "TRADING"]
    if trading:
        check([s.symbol for s in resolve([Pattern("*", (M1,))], market)], market)


class TestOddity:
    @pytest.mark.parametrize(
        ("odd", "left_out", "words"),
        [
            (
                1,
                0,
                (
                    "1 of the 1,924 symbols that the exchange lists cannot be read"
                    " in full, among them X\x1b"
                ),
            ),
            (
                1000,
                3,
                (
                    "1,000 of the 1,924 symbols that the exchange lists cannot be"
                    " read in full, among them X\x1b; 3 left out"
                ),
            ),
        ],
    )
    def test_how_many_and_one_of_them(self, odd, left_out, words):
        listed = Listings(MARKET)
        listed.entries, listed.odd, listed.left_out = 1924, odd, left_out
        listed.sample = "X\x1b"
        assert oddity(listed) == [DropEvent(Drop.LISTING, None, words)]

    @pytest.mark.parametrize("listed", [MARKET, Listings(MARKET)])
    def test_of_a_usual_answer_nothing_is_said(self, listed):
        assert oddity(listed) == []


class TestEncode:
    def test_the_keys_are_always_there_and_the_digits_exact(self):
        lines = encode([MARKET[0], Listing("X", "TRADING")]).splitlines()
        assert lines[0] == (
            b'{"symbol":"BTCUSDT","status":"TRADING","contract_type":"PERPETUAL",'
            b'"base":"BTC","quote":"USDT","tick_size":0.10,"step_size":0.001,'
            b'"onboard_time":1569398400}'
        )
        assert json.loads(lines[1]) == {
            "symbol": "X",
            "status": "TRADING",
            "contract_type": None,
            "base": None,
            "quote": None,
            "tick_size": None,
            "step_size": None,
            "onboard_time": None,
        }

    @given(listings)
    def test_a_line_a_listing(self, market):
        lines = encode(market).splitlines(keepends=True)
        assert all(line.endswith(b"\n") for line in lines)
        assert [json.loads(line)["symbol"] for line in lines] == names(market)
