"""The inbox of a recorder: bounded, and it knows what it forgot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.events import GapEvent
from klinetail.sinks.inbox import (
    Ended,
    Fetched,
    Forgotten,
    Inbox,
    Live,
    LookAgain,
    Trouble,
    joined,
)
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M, candle

STREAMS = [Stream(f"A{n}USDT", Interval.M1) for n in range(3)]


def live(*some):
    return Live([(one, one) for one in some])


def taken(inbox):
    return inbox.take(0.0, lambda: False)


def test_messages_come_in_order_and_once():
    inbox = Inbox(10)
    some = [live(*candles(2)), LookAgain(), Fetched(1, candles(1)), Ended(1, None)]
    assert [inbox.post(one) for one in some] == [False] * 4
    assert taken(inbox) == some
    assert taken(inbox) == []


@pytest.mark.parametrize("abandoned", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_the_end_comes_after_the_last_message(abandoned, settled):
    inbox = Inbox(10)
    inbox.post(live(*candles(1)))
    inbox.close(abandoned=abandoned)
    assert len(inbox.take(0.0, lambda: settled)) == 1
    end = inbox.take(0.0, lambda: settled)
    assert end == (None if abandoned or settled else [])


def test_nothing_fetched_is_taken_after_an_urgent_end():
    inbox = Inbox(10)
    inbox.close(abandoned=True)
    inbox.post(Fetched(1, candles(1)))
    inbox.post(live(*candles(1)))
    assert taken(inbox) == [live(*candles(1))]


def test_nothing_is_taken_after_the_end():
    inbox = Inbox(10)
    inbox.post(live(*candles(1)))
    inbox.end()
    assert not inbox.post(live(*candles(50)))
    assert inbox.take(0.0, lambda: True) is None


def test_past_the_limit_the_first_candle_and_the_reach_of_each_stream_stay():
    inbox = Inbox(10)
    gap = GapEvent(BTCUSDT_1M, 0, 1, "why")
    posts = [live(*candles(6)), Trouble(2, "why"), live(gap), Fetched(2, candles(2))]
    assert [inbox.post(one) for one in posts] == [False, False, False, False]
    assert inbox.post(live(*candles(2, 6)))
    assert not inbox.post(live(*candles(2, 8)))
    assert taken(inbox) == [
        Trouble(2, "why"),
        Fetched(2, candles(2)),
        live(*candles(1)),
        Forgotten({BTCUSDT_1M: candles(8)[-1].close_time + 1}, set()),
        live(*candles(2, 8)),
    ]


def test_fetches_whose_records_do_not_fit_are_cut_there():
    inbox = Inbox(10)
    for message in (Fetched(1, candles(6)), Fetched(2, candles(6)), Ended(2, None)):
        assert not inbox.post(message)
    assert inbox.wait(0.0) == [2]
    assert inbox.wait(0.0) == []
    assert not inbox.post(Trouble(2, "why"))
    assert taken(inbox) == [Fetched(1, candles(6)), Forgotten({}, {2})]


def test_fetched_records_take_half_of_the_room_at_most():
    inbox = Inbox(10)
    for number in (1, 2, 1):
        inbox.post(Fetched(number, candles(3)))
    inbox.post(Ended(2, None))
    assert inbox.post(live(*candles(2)))
    assert taken(inbox) == [
        Fetched(1, candles(3)),
        live(*candles(1)),
        Forgotten({BTCUSDT_1M: candles(2)[-1].close_time + 1}, {1, 2}),
    ]


def test_it_has_caught_up_once_nothing_is_missing():
    inbox = Inbox(3)
    assert not inbox.caught_up(lambda: True)
    assert inbox.post(live(*candles(9)))
    assert not inbox.caught_up(lambda: True)
    taken(inbox)
    assert not inbox.caught_up(lambda: False)
    assert inbox.caught_up(lambda: True)
    assert not inbox.caught_up(lambda: True)
    assert inbox.post(live(*candles(9)))


def test_forming_candles_go_first_but_for_the_newest():
    inbox = Inbox(8)
    forming = [candle(closed=False, count=n) for n in range(9)]
    assert not inbox.post(live(*forming, *candles(1), *forming))
    assert taken(inbox) == [live(*candles(1), forming[-1])]


def test_consecutive_live_candles_are_joined():
    some = [live(*candles(1)), live(*candles(1, 1)), LookAgain(), live(*candles(1, 2))]
    assert joined(some) == [live(*candles(2)), LookAgain(), live(*candles(1, 2))]


@given(
    st.lists(
        st.tuples(st.sampled_from(STREAMS), st.integers(1, 9), st.booleans()),
        max_size=30,
    ),
    st.integers(3, 20),
)
def test_the_queue_is_bounded_and_every_candle_is_there_or_known(posts, most):
    inbox, sent, got, ends = Inbox(most), dict.fromkeys(STREAMS, 0), {}, {}

    def take():
        for message in taken(inbox):
            if isinstance(message, Forgotten):
                for stream, end in message.ends.items():
                    ends[stream] = max(end, ends.get(stream, 0))
            else:
                for one, _ in message.entries:
                    got.setdefault(one.stream, []).append(one.open_time)

    for stream, count, takes in posts:
        start = sent[stream]
        sent[stream] += count
        some = [candle(c.open_time, stream=stream) for c in candles(count, start)]
        inbox.post(live(*some))
        assert inbox._count <= max(most, len(STREAMS))
        if takes:
            take()
    take()
    for stream, count in sent.items():
        times = [one.open_time for one in candles(count)]
        assert got.get(stream, []) == sorted(got.get(stream, []))
        if times:
            assert got[stream][0] == times[0]
            lost = set(times) - set(got[stream])
            assert not lost or max(lost) < ends[stream]
