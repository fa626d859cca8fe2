"""A channel: one connection with what was asked over it."""

import pytest

from klinetail.exchange.channel import Channel
from klinetail.exchange.inputs import Acked, Broken, Ponged
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import MAX_NAMES


class FakeConnection:
    def __init__(self):
        self.candles = 7
        self.sent = []

    def subscribe(self, stream, id):  # noqa: A002
        self.sent.append((id, stream))

    def ping(self, payload):
        self.sent.append(payload)

    def stop(self, timeout):
        self.sent.append("stop")


@pytest.fixture
def turns():
    return []


@pytest.fixture
def channel(turns):
    channel = Channel(3, turns.append)
    channel.connection = FakeConnection()
    return channel


def test_names_are_sent_in_numbered_requests_each_in_its_turn(channel, turns):
    names = [f"s{n}@kline_1m" for n in range(MAX_NAMES + 1)]
    channel.subscribe(names)
    channel.subscribe(names[:1])
    assert channel.connection.sent == [
        (1, names[:MAX_NAMES]),
        (2, names[MAX_NAMES:]),
        (3, names[:1]),
    ]
    assert len(turns) == 3


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (Reply(1, None), Acked(1)),
        (Reply(0, None), None),
        (Reply(2, None), None),
        (Reply(None, None), None),
        (Rejection(2, "no", 1), Broken("the exchange refuses: no (code 2)")),
        (Rejection(2, "no", None), Broken("the exchange refuses: no (code 2)")),
        (Rejection(2, "no", 9), None),
    ],
)
def test_only_answers_to_what_was_asked_count(channel, reply, meaning):
    channel.subscribe(["btcusdt@kline_1m"])
    assert channel.meaning_of(reply) == meaning


def test_only_the_last_ping_is_answered(channel, turns):
    channel.ping()
    channel.ping()
    first, second = channel.connection.sent
    assert channel.meaning_of_pong(first) is None
    assert channel.meaning_of_pong(second) == Ponged()
    assert Channel(4, turns.append).meaning_of_pong(second) is None
    assert len(turns) == 2


def test_one_that_never_opened_does_nothing(turns):
    channel = Channel(1, turns.append)
    channel.subscribe(["btcusdt@kline_1m"])
    channel.ping()
    channel.drop()
    assert (channel.candles, turns) == (0, [])


def test_the_connection_s_candles_and_its_end(channel):
    assert channel.candles == 7
    channel.drop()
    assert channel.connection.sent == ["stop"]
