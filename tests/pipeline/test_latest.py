"""The newest events of each stream are kept, and a put never waits."""

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.pipeline.latest import Latest
from tests.strategies import BTCUSDT_1M, candle

STREAMS = [Stream(symbol, Interval.M1) for symbol in ("AUSDT", "BUSDT", "CUSDT")]
LINK = LinkEvent("link-0", LinkState.LIVE)


def item(number=0, *, closed=True, stream=BTCUSDT_1M):
    """A candle's event; the number of trades tells one from another."""
    return CandleEvent(candle(stream=stream, count=number, closed=closed))


def numbers(events):
    return [event.candle.count for event in events]


def test_keeps_the_newest_forming_and_the_last_closed_candles():
    latest = Latest(3)
    latest.put([item(n, closed=False) for n in range(9)])
    latest.put([item(n) for n in range(10, 20)])
    latest.put([item(n, closed=False) for n in range(20, 30)])
    assert numbers(latest.take()) == [17, 18, 19, 29]
    assert latest.take() == []


def test_a_close_ends_its_forming_candle():
    latest = Latest(3)
    latest.put([item(1, closed=False), item(2)])
    assert numbers(latest.take()) == [2]


def test_streams_do_not_touch_and_other_events_come_first():
    latest = Latest(2)
    ended = EndedEvent(BTCUSDT_1M, "CLOSE")
    latest.put([item(n, stream=stream) for n in range(3) for stream in STREAMS])
    latest.put([ended])
    taken = latest.take()
    assert taken[0] is ended
    assert numbers(taken[1:]) == [1, 2] * 3


def test_no_flood_of_other_events_pushes_out_that_a_stream_ended():
    latest = Latest(2)
    ends = [EndedEvent(stream, "SETTLING") for stream in STREAMS]
    latest.put(ends)
    latest.put([DropEvent(Drop.STALE, stream) for stream in STREAMS] * 5)
    latest.put([LINK] * 5)
    latest.put([GapEvent(BTCUSDT_1M, n, n + 1, "why") for n in range(5)])
    latest.put([RevisionEvent(candle(), candle(count=n)) for n in range(9)])
    taken = latest.take()
    assert taken[:3] == ends
    assert [gap.start for gap in taken[3:8]] == [0, 1, 2, 3, 4], "all are kept"
    assert taken[8:10] == [LINK, LINK]
    assert [event.revised.count for event in taken[10:]] == [7, 8]
    assert latest.take() == []


def test_wakes_the_reader_once_until_it_takes():
    woken = []
    latest = Latest(1, notify=lambda: woken.append(1))
    for times in (1, 2, 3):
        for number in range(5):
            latest.put([item(number)])
        assert len(woken) == times
        latest.take()


def test_forming_candles_that_nobody_sees_wait():
    unseen, seen, _ = STREAMS
    latest = Latest(5)
    for number, stream in enumerate([unseen, seen, seen, unseen]):
        latest.put([item(number, closed=False, stream=stream)])
    latest.put([item(4, stream=unseen), item(5, closed=False, stream=unseen)])
    assert numbers(latest.take([seen])) == [4, 2]
    latest.put([item(6, closed=False, stream=unseen)])
    assert numbers(latest.take([seen])) == []
    assert numbers(latest.take()) == [6]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from([*STREAMS, None]), st.booleans())),
)
def test_is_bounded_and_in_order(rows, what):
    latest = Latest(rows)
    last = {}
    for number, (stream, closed) in enumerate(what):
        event = LINK if stream is None else item(number, closed=closed, stream=stream)
        latest.put([event])
        last[stream] = event
    taken = latest.take()
    assert len(taken) <= rows + len(STREAMS) * (rows + 1)
    for stream, event in last.items():
        mine = [
            e
            for e in taken
            if (e.candle.stream if isinstance(e, CandleEvent) else None) == stream
        ]
        assert mine[-1] == event
        if stream is not None:
            assert numbers(mine) == sorted(numbers(mine))
            assert all(e.candle.closed for e in mine[:-1])
