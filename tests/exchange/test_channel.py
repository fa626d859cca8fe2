"""Channels: the connections of a link, and the requests sent over each."""

import pytest

from klinetail.exchange.channel import Channel, Channels
from klinetail.exchange.inputs import Acked, Broken, Due, NextBroken, Ponged, Start
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.venues import LIVE


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
    channel = Channel(3, turns.append, LIVE.limits)
    channel.connection = FakeConnection()
    return channel


def test_names_are_sent_in_numbered_requests_each_in_its_turn(channel, turns):
    names = [f"s{n}@kline_1m" for n in range(LIVE.limits.names + 1)]
    channel.subscribe(names)
    channel.subscribe(names[:1])
    assert channel.connection.sent == [
        (1, names[: LIVE.limits.names]),
        (2, names[LIVE.limits.names :]),
        (3, names[:1]),
    ]
    assert len(turns) == 3


def test_the_first_requests_are_as_many_as_the_streams_need(channel):
    names = LIVE.limits.names
    assert channel.requests(names) == {1}
    assert channel.requests(2 * names + 1) == {1, 2, 3}


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
    assert Channel(4, turns.append, LIVE.limits).meaning_of_pong(second) is None
    assert len(turns) == 2


def test_one_that_never_opened_does_nothing(turns):
    channel = Channel(1, turns.append, LIVE.limits)
    channel.subscribe(["btcusdt@kline_1m"])
    channel.ping()
    channel.drop()
    assert (channel.candles, turns) == (0, [])


def test_the_connection_s_candles_and_its_end(channel):
    assert channel.candles == 7
    channel.drop()
    assert channel.connection.sent == ["stop"]


@pytest.fixture
def channels(turns):
    """A link's channels during a renewal, each channel with a connection."""
    channels = Channels(turns.append, LIVE.limits)
    channels.first, channels.second = channels.new(), channels.new()
    for channel in (channels.first, channels.second):
        channel.connection = FakeConnection()
    return channels


def test_a_renewal_s_second_channel_becomes_the_first(channels):
    former, newer = channels.first, channels.second
    newer.connection.candles = 9
    assert channels.due() == Due(7, 9)
    channels.swap(100.0)
    assert (channels.first, channels.second) == (newer, None)
    assert (former.connection.sent, newer.connection.sent) == (["stop"], [])
    assert (channels.candles, channels.due()) == (9, Due(9, 0))


def test_frames_come_twice_during_a_renewal_and_five_seconds_after(channels):
    assert channels.overlapping(100.0)
    channels.swap(100.0)
    assert channels.overlapping(104.9)
    assert not channels.overlapping(105.0)


def test_inputs_count_by_the_channel_they_are_from(channels):
    dropped, second = channels.first, channels.second
    broken = Broken("gone")
    assert channels.meaning_of(0, Start()) == Start()
    assert channels.meaning_of(dropped.number, broken) == broken
    assert channels.meaning_of(second.number, broken) == NextBroken()
    assert channels.meaning_of(second.number, Ponged()) is None
    channels.swap(100.0)
    assert channels.meaning_of(dropped.number, broken) is None
    assert channels.meaning_of(second.number, broken) == broken


def test_dropping_closes_both_though_one_fails(channels):
    first, second = channels.first, channels.second

    def fail(timeout):
        raise OSError("closed")

    first.connection.stop = fail
    with pytest.raises(OSError, match="closed"):
        channels.drop()
    assert second.connection.sent == ["stop"]
    assert (channels.first, channels.second) == (None, None)
    assert (channels.candles, channels.due()) == (0, Due(0, 0))
    channels.drop()


def test_each_new_channel_has_a_number_of_its_own(channels):
    assert channels.new().number == 3
    assert channels.new().number == 4
