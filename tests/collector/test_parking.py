"""Frames from too far ahead, and what becomes of them."""

from __future__ import annotations

from msgspec.structs import replace

from klinetail.candle import Stream
from klinetail.clock import AHEAD, ExchangeClock
from klinetail.collector.parking import FRESH, PAUSE, SKEW, Parking
from tests.clocks import known, tell
from tests.contract.minutes import STREAM, T0, candle

OTHER = Stream("ETHUSDT", STREAM.interval)
FAR = T0 + AHEAD + 1


def parking() -> tuple[ExchangeClock, Parking]:
    clock = known(T0)
    return clock, Parking(clock)


def frame(event_time: int, stream: Stream = STREAM):
    return replace(candle(T0, 1, event_time=event_time), stream=stream)


def test_frames_of_now_are_used_at_once() -> None:
    _, park = parking()
    assert park.admits(frame(T0 + AHEAD), 0.0)


def test_a_frame_from_ahead_is_believed_when_the_exchange_agrees() -> None:
    clock, park = parking()
    assert not park.admits(frame(FAR), 0.0)
    assert park.asks(0.0)
    assert not park.asks(0.0), "it is asked for already"
    tell(clock, FAR - SKEW, 0.3)
    assert park.settle(0.3, told=True) == ([frame(FAR)], [])
    assert not park.asks(0.3)
    assert park.asks(0.3 + PAUSE[0])


def test_all_of_a_stream_waits_behind_it_and_no_other_stream() -> None:
    clock, park = parking()
    frames = [frame(FAR), frame(T0 + 1), frame(FAR + 1)]
    assert [park.admits(one, 0.0) for one in frames] == [False] * 3
    assert park.admits(frame(T0 + 1, OTHER), 0.0)
    tell(clock, FAR, 0.3)
    assert park.settle(0.3, told=True).believed == frames
    assert park.admits(frame(FAR + 2), 0.3)


def test_one_that_came_while_the_answer_was_on_its_way_waits_for_the_next() -> None:
    clock, park = parking()
    late = frame(FAR + 10 * SKEW)
    park.admits(frame(FAR), 0.0)
    park.admits(late, 0.2)
    tell(clock, FAR, 0.3)
    assert park.settle(0.3, told=True) == ([frame(FAR)], [])
    tell(clock, late.event_time, 0.6)
    assert park.settle(0.6, told=True) == ([late], [])


def test_frames_that_waited_out_a_long_doubt_are_judged_by_when_they_came() -> None:
    clock, park = parking()
    for stream in (STREAM, OTHER):
        assert not park.admits(frame(FAR + 8_000, stream), 0.0)
    right, wrong = frame(FAR + 60_000), frame(FAR + 2 * 60_000, OTHER)
    park.admits(right, 52.0)
    park.admits(wrong, 52.0)
    park.settle(52.0, told=False)
    tell(clock, FAR + 68_000, 60.0)
    believed, dropped = park.settle(60.0, told=True)
    assert believed == [frame(FAR + 8_000), frame(FAR + 8_000, OTHER), right]
    assert dropped == [wrong]


def test_one_broken_frame_costs_none_of_those_behind_it() -> None:
    clock, park = parking()
    broken, good = frame(FAR + 10**9), frame(T0 + 1)
    park.admits(broken, 0.0)
    park.admits(good, 0.1)
    tell(clock, T0, 0.2)
    assert park.settle(0.2, told=True) == ([], [])
    tell(clock, T0 + 9_000, 9.0)
    assert park.settle(9.0, told=True) == ([good], [broken])


def test_what_is_not_confirmed_in_time_is_dropped_and_asked_for_rarely() -> None:
    clock, park = parking()
    now, pauses = 0.0, []
    for _ in range(12):
        park.admits(frame(FAR + 10**9), now)
        assert park.asks(now)
        tell(clock, T0, now + FRESH)
        assert len(park.settle(now + FRESH, told=True).dropped) == 1
        then = now = now + FRESH
        while not park.asks(now):
            now += 0.1
        park.settle(now, told=False)
        now += FRESH
        pauses.append(round(now - then))
    assert pauses == sorted(pauses)
    assert PAUSE[1] <= pauses[-1] <= PAUSE[1] + FRESH


def test_an_exchange_that_does_not_answer_is_asked_again_later() -> None:
    _, park = parking()
    park.admits(frame(FAR), 0.0)
    assert park.asks(0.0)
    assert park.settle(0.5, told=False) == ([], [])
    assert not park.asks(0.6)
    assert park.asks(0.5 + FRESH)
