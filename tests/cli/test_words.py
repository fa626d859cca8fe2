"""The words of a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.cli.words import expand, parse_streams, start_line, taken_line
from klinetail.errors import UsageError
from klinetail.pattern import Pattern
from klinetail.spelling import intervals_like
from tests.strategies import intervals, symbols

M1, M5 = Interval.M1, Interval.M5


@given(st.lists(symbols, min_size=1), st.lists(intervals))
def test_every_symbol_in_every_interval(named, spans):
    # A word like 5M is a misspelt interval, unless the exchange lists it.
    named = [s for s in named if intervals_like(s.lower(), Interval) is None]
    if not named:
        return
    assert parse_streams([*spans, *map(str.lower, named)]) == list(
        dict.fromkeys(Stream(s, i) for s in named for i in spans or [M1])
    )


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["*usdc", "5m"], [Pattern("*usdc", (M5,))]),
        (["*usdc@5m"], [Pattern("*usdc", (M5,))]),
        (["*usdc"], [Pattern("*usdc", (M1,))]),
        (["b?c[ua]*", "1m,5m,1m"], [Pattern("b?c[ua]*", (M1, M5))]),
        (
            ["btcusdt", "eth*", "5m"],
            [Stream("BTCUSDT", M5), Pattern("eth*", (M5,))],
        ),
        (
            ["btcusdt@1m", "eth*", "5m"],
            [Stream("BTCUSDT", M1), Pattern("eth*", (M5,))],
        ),
    ],
)
def test_globs_are_patterns(words, wanted):
    assert parse_streams(words) == wanted


def test_everything_is_one_more_pattern():
    assert parse_streams([], everything=True) == [Pattern("*", (M1,))]
    assert parse_streams(["5m"], everything=True) == [Pattern("*", (M5,))]
    assert parse_streams(["btcusdt@1m"], everything=True) == [
        Stream("BTCUSDT", M1),
        Pattern("*", (M1,)),
    ]


@pytest.mark.parametrize("words", [[], ["5m"], ["5m", "btcusdt@1m"], ["b tc"]])
def test_what_names_no_symbol_is_refused(words):
    with pytest.raises(UsageError):
        parse_streams(words)


@pytest.mark.parametrize(
    "word",
    [
        *("BTCUSDT", "BTC/USDT:USDT", "btc/usdt:usdt", "BTCUSDT.P", "btcusdt.p"),
        *("BTC/USDT", "BTC-USDT", "binance:btcusdt", "BINANCE:BTCUSDT.P"),
    ],
)
def test_other_spellings_change_nothing_else_in_the_meaning(word):
    assert parse_streams([word, "5m"]) == parse_streams(["btcusdt", "5m"])
    assert parse_streams([f"{word}@1h"]) == parse_streams(["btcusdt@1h"])
    both = parse_streams([f"ethusdt,{word}", "1m", "5m"])
    assert both == parse_streams(["ethusdt,btcusdt", "1m", "5m"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["btcusdt", "BTC/USDT:USDT", "BTCUSDT.P", "5m", "*usdc", "btc/*"], None),
        (["BTC/USDT", "5m"], "BTC/USDT: taken as the USDⓈ-M perpetual BTCUSDT"),
        (["btc-usdt@5m"], "btc-usdt: taken as the USDⓈ-M perpetual BTCUSDT"),
        (
            ["binance:btcusdt", "ETH/USDC,sol-usdt", "x/usdt"],
            (
                "binance:btcusdt, ETH/USDC, sol-usdt and 1 more: taken as the USDⓈ-M"
                " perpetuals BTCUSDT, ETHUSDC, SOLUSDT and 1 more"
            ),
        ),
    ],
)
def test_what_is_spot_elsewhere_is_said_in_one_line(words, line):
    assert taken_line(words) == line


@pytest.mark.parametrize("word", ["60m", "daily", "1H", "m1", "60", "4U"])
def test_what_looks_like_an_interval_waits_for_the_exchange_s_word(word):
    stream, doubt = parse_streams([word, "btcusdt", "5m"])[::-1]
    assert stream == Stream("BTCUSDT", M5)
    assert (doubt.glob, doubt.intervals) == (word, (M5,))
    assert f"there is no interval '{word}'" in doubt.otherwise
    assert doubt.matches(word.upper())


FILES = {
    "list": "btcusdt ethusdt # the big two\n\n#5m\n5m\n  \t*usdc@1h,x\r\n",
    "-": "solusdt",
    "nested": "btcusdt\n@list\n",
}


class TestExpand:
    def test_one_word_or_several_a_line(self):
        words = expand(["a", "@list", "@-", "b"], FILES.get)
        assert words == ["a", "btcusdt", "ethusdt", "5m", "*usdc@1h,x", "solusdt", "b"]

    def test_a_file_in_a_file_is_refused(self):
        with pytest.raises(UsageError, match="nested: @list"):
            expand(["@nested"], FILES.get)

    @given(st.lists(st.text(min_size=1).filter(lambda word: word[0] != "@")))
    def test_other_words_stay_as_they_are(self, words):
        assert expand(words, FILES.get) == words

    @given(st.lists(symbols))
    def test_a_file_is_as_good_as_words(self, words):
        text = "\n".join(words)
        assert expand(["@x"], lambda _: text) == words


@pytest.mark.parametrize(
    ("symbols", "options", "said"),
    [
        (1, {}, "following s0usdt@1m, from the sim, until Ctrl-C"),
        (2, {}, "following s0usdt@1m, s1usdt@1m, from the sim, until Ctrl-C"),
        (
            1003,
            {"limit": 2000},
            (
                "following s0usdt@1m, s1usdt@1m, s2usdt@1m and 1,000 more,"
                " from the sim, until 2,000 closed candles came"
            ),
        ),
        (
            1,
            {"follow": False},
            "fetching the last 10 closed candles of s0usdt@1m, from the sim",
        ),
        (
            1,
            {"follow": False, "lines": 0},
            "fetching no closed candle for stdout, of s0usdt@1m, from the sim",
        ),
        (
            1,
            {"zone": "UTC"},
            (
                "following s0usdt@1m, from the sim, until Ctrl-C;"
                " one line for each closed candle, times UTC"
            ),
        ),
        (
            2,
            {"zone": "CET (local)", "updates": True, "limit": 1},
            (
                "following s0usdt@1m, s1usdt@1m, from the sim, until 1 closed candle"
                " came; one line for each update, times CET (local)"
            ),
        ),
    ],
)
def test_a_start_without_a_table_is_said(symbols, options, said):
    streams = [Stream(f"S{n}USDT", Interval.M1) for n in range(symbols)]
    usual = {"lines": 10, "follow": True, "limit": None, "updates": False, "zone": None}
    assert start_line(streams, "the sim", **usual | options) == said
