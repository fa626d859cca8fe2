"""The table of what can be watched."""

import io

import pytest

from klinetail.protocol.exchange_info import Listing
from klinetail.view.listing import rendered

LISTED = [
    Listing(
        "BTCUSDT",
        "TRADING",
        "PERPETUAL",
        "BTC",
        "USDT",
        "0.10",
        "0.001",
        1_569_398_400_000,
    ),
    Listing("币安人生USDT", "TRADING"),
]


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_row_a_symbol_and_the_exact_digits(encoding):
    shown = rendered(
        LISTED, Terminal(encoding), {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "90"}
    )
    head, first, second = shown.decode(encoding).splitlines()
    assert "SYMBOL" in head
    assert first.split() == [
        "BTCUSDT",
        "PERPETUAL",
        "BTC",
        "USDT",
        "0.10",
        "0.001",
        "2019-09-25",
    ]
    assert ("币安人生USDT" if encoding == "utf-8" else "????????USDT") in second


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}, {}])
def test_a_dumb_terminal_gets_characters_alone(environ):
    shown = rendered(LISTED, Terminal("utf-8"), environ)
    assert b"BTCUSDT" in shown
    assert b"\x1b" not in shown
    assert b"\x1b[1m" in rendered(LISTED, Terminal("utf-8"), {"TERM": "xterm"})


def test_text_of_the_exchange_cannot_steer_the_terminal():
    evil = Listing("X", "TRADING", "\x1b[2J[red]", "\u202e", "\x9b")
    shown = rendered([evil], Terminal("utf-8"), {"TERM": "xterm"}).decode()
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert "\x9b" not in shown
    assert "[red]" in shown
