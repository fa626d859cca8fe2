"""The words of a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Pattern, Stream
from klinetail.cli.words import expand, parse_streams, start_line
from klinetail.errors import UsageError
from tests.strategies import intervals, symbols

M1, M5 = Interval.M1, Interval.M5


@given(st.lists(symbols, min_size=1), st.lists(intervals))
def test_every_symbol_in_every_interval(named, spans):
    # A word like 5M is an interval, whatever else it could be.
    named = [symbol for symbol in named if not symbol[:-1].isdigit()]
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
        (2, {}, "following s0usdt@1m and s1usdt@1m, from the sim, until Ctrl-C"),
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
    ],
)
def test_what_is_said_at_a_start_that_nobody_sees(symbols, options, said):
    streams = [Stream(f"S{n}USDT", Interval.M1) for n in range(symbols)]
    options = {"lines": 10, "follow": True, "limit": None, **options}
    assert start_line(streams, "the sim", **options) == said
