"""Patterns: a glob matches symbols in any case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.pattern import Pattern, is_glob
from tests.strategies import symbols


@given(symbols, st.data())
def test_any_case_and_any_part_replaced_by_a_star_matches(symbol, data):
    start = data.draw(st.integers(0, len(symbol)))
    end = data.draw(st.integers(start, len(symbol)))
    glob = f"{symbol[:start]}*{symbol[end:]}"
    assert Pattern(glob, ()).matches(symbol)
    assert Pattern(glob.lower(), ()).matches(symbol)
    assert Pattern(symbol.lower(), ()).matches(symbol)
    assert is_glob(glob)
    assert not is_glob(symbol)


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("*usdc", ["BTCUSDC", "USDC"], ["BTCUSDT", "USDCUSDT"]),
        ("btcusd?", ["BTCUSDT", "BTCUSDC"], ["BTCUSD", "BTCUSDTX"]),
        ("[be]*usdt", ["BTCUSDT", "ETHUSDT"], ["XRPUSDT"]),
        ("币安*", ["币安人生USDT"], ["BTCUSDT"]),
    ],
)
def test_the_wildcards(glob, matching, others):
    pattern = Pattern(glob, ())
    assert is_glob(glob)
    assert all(map(pattern.matches, matching))
    assert not any(map(pattern.matches, others))
