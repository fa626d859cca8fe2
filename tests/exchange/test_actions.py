import pytest

from klinetail.exchange.actions import (
    DropNext,
    Hangup,
    Open,
    OpenNext,
    Ping,
    SubscribeAll,
    SubscribeNext,
    Swap,
    TellQuiet,
    failed,
)
from klinetail.exchange.inputs import Broken, NextBroken


@pytest.mark.parametrize("action", [Open(), Hangup(), Ping(), SubscribeAll()])
def test_an_action_that_fails_breaks_the_connection_that_it_is_about(action):
    assert failed(action, "why") == Broken("why")


@pytest.mark.parametrize("action", [OpenNext(), SubscribeNext(), DropNext(), Swap()])
def test_or_the_second_one(action):
    assert failed(action, "why") == NextBroken()


def test_or_none():
    assert failed(TellQuiet(), "why") is None
