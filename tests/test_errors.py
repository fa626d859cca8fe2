"""The tree of errors is the one in its module's docstring."""

import inspect
import re

import pytest

from klinetail import errors
from klinetail.errors import (
    BadMessage,
    ExitCode,
    KlinetailError,
    OutputError,
    RateLimited,
    Refused,
    SlowConsumer,
    UnknownSymbol,
    UsageError,
)


def documented_tree():
    """Each class in the docstring's drawing: its name, its parent's, its exit code."""
    parents: list[str] = []
    for line in errors.__doc__.splitlines():
        if drawn := re.match(r"    ([│├└─ ]*)([A-Z]\w+) +(\d)", line):
            depth = len(drawn[1]) // 4
            parents[depth:] = [drawn[2]]
            yield drawn[2], parents[depth - 1] if depth else None, int(drawn[3])


def test_the_docstring_draws_the_tree():
    classes = {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, Exception)
    }
    real = {
        (name, cls.__base__.__name__ if name != "KlinetailError" else None)
        for name, cls in classes.items()
    }
    drawn = list(documented_tree())

    assert {(name, parent) for name, parent, _ in drawn} == real
    assert len(drawn) == len(classes)
    assert {name: code for name, _, code in drawn} == {
        name: cls.exit_code for name, cls in classes.items()
    }
    assert KlinetailError.__base__ is Exception


def test_the_exit_codes_are_the_command_lines():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "BUG": 1,
        "USAGE": 2,
        "EXCHANGE": 3,
        "NOT_WHOLE": 4,
        "OUTPUT": 5,
        "HANGUP": 129,
        "INTERRUPTED_TWICE": 130,
        "READER_GONE": 141,
    }


def test_a_bad_message_keeps_its_beginning():
    bad = BadMessage("too long", "x" * 1000)
    assert str(bad) == "too long"
    assert bad.sample == "x" * 200
    assert BadMessage("empty").sample == ""


def test_a_bad_messages_reason_has_an_end():
    assert str(BadMessage("x" * 10**6)) == "x" * 300


@pytest.mark.parametrize(
    ("suggestions", "hint"),
    [
        ((), ""),
        (("BTCUSDT",), "; did you mean BTCUSDT?"),
        (("BTCUSDT", "BTCUSDC"), "; did you mean BTCUSDT or BTCUSDC?"),
    ],
)
def test_an_unknown_symbol_suggests_others(suggestions, hint):
    error = UnknownSymbol("BTCUSTD", suggestions)
    assert str(error) == f"the exchange does not list BTCUSTD{hint}"
    assert (error.symbol, error.suggestions) == ("BTCUSTD", suggestions)
    assert isinstance(error, UsageError)


def test_limits_and_refusals_say_what_to_do_next():
    assert RateLimited("slow down", 12.5).retry_after == 12.5
    assert Refused("no", -1121).code == -1121
    assert Refused("no").code is None
    assert str(OutputError("disk full")) == "disk full"


def test_a_slow_consumer_is_told_how_many_are_lost_of_what_limit_and_what_to_do():
    error = SlowConsumer(1_234, 65_536)
    assert (error.lost, error.limit) == (1_234, 65_536)
    assert str(error).startswith("1,234 closed candles or events are lost")
    assert "65,536 earlier candles" in str(error)
    assert "another thread" in str(error)
    assert isinstance(error, KlinetailError)
    assert error.exit_code is ExitCode.OUTPUT
