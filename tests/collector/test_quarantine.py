"""Frames from too far ahead, and what becomes of them."""

from __future__ import annotations

from msgspec.structs import replace

from klinetail.candle import Stream
from klinetail.clock import AHEAD, ExchangeClock
from klinetail.collector.quarantine import FRESH, PAUSE, SKEW, Quarantine
from tests.clocks import known, tell
from tests.contract.minutes import STREAM, T0, candle

OTHER = Stream("ETHUSDT", STREAM.interval)
FAR = T0 + AHEAD + 1


def quarantine() -> tuple[ExchangeClock, Quarantine]:
    clock = known(T0)
    return clock, Quarantine(clock)


def frame(event_time: int, stream: Stream = STREAM):
    return replace(candle(T0, 1, event_time=event_time), stream=stream)


def test_frames_of_now_are_used_at_once() -> None:
    _, room = quarantine()
    assert room.admits(frame(T0 + AHEAD), 0.0)


def test_a_frame_from_ahead_is_believed_when_the_exchange_agrees() -> None:
    clock, room = quarantine()
    assert not room.admits(frame(FAR), 0.0)
    assert room.asks(0.0)
    assert not room.asks(0.0), "it is asked for already"
    tell(clock, FAR - SKEW, 0.3)
    assert room.settle(0.3, told=True) == ([frame(FAR)], [])
    assert not room.asks(0.3)
    assert room.asks(0.3 + PAUSE[0])


def test_all_of_a_stream_waits_behind_it_and_no_other_stream() -> None:
    clock, room = quarantine()
    frames = [frame(FAR), frame(T0 + 1), frame(FAR + 1)]
    assert [room.admits(one, 0.0) for one in frames] == [False] * 3
    assert room.admits(frame(T0 + 1, OTHER), 0.0)
    tell(clock, FAR, 0.3)
    assert room.settle(0.3, told=True).believed == frames
    assert room.admits(frame(FAR + 2), 0.3)


def test_one_that_came_while_the_answer_was_on_its_way_waits_for_the_next() -> None:
    clock, room = quarantine()
    late = frame(FAR + 10 * SKEW)
    room.admits(frame(FAR), 0.0)
    room.admits(late, 0.2)
    tell(clock, FAR, 0.3)
    assert room.settle(0.3, told=True) == ([frame(FAR)], [])
    tell(clock, late.event_time, 0.6)
    assert room.settle(0.6, told=True) == ([late], [])


def test_frames_that_waited_out_a_long_doubt_are_judged_by_when_they_came() -> None:
    clock, room = quarantine()
    for stream in (STREAM, OTHER):
        assert not room.admits(frame(FAR + 8_000, stream), 0.0)
    right, wrong = frame(FAR + 60_000), frame(FAR + 2 * 60_000, OTHER)
    room.admits(right, 52.0)
    room.admits(wrong, 52.0)
    room.settle(52.0, told=False)
    tell(clock, FAR + 68_000, 60.0)
    believed, dropped = room.settle(60.0, told=True)
    assert believed == [frame(FAR + 8_000), frame(FAR + 8_000, OTHER), right]
    assert dropped == [wrong]


def test_one_broken_frame_costs_none_of_those_behind_it() -> None:
    clock, room = quarantine()
    broken, good = frame(FAR + 10**9), frame(T0 + 1)
    room.admits(broken, 0.0)
    room.admits(good, 0.1)
    tell(clock, T0, 0.2)
    assert room.settle(0.2, told=True) == ([], [])
    tell(clock, T0 + 9_000, 9.0)
    assert room.settle(9.0, told=True) == ([good], [broken])


def test_what_is_not_confirmed_in_time_is_dropped_and_asked_for_rarely() -> None:
    clock, room = quarantine()
    now, pauses = 0.0, []
    for _ in range(12):
        room.admits(frame(FAR + 10**9), now)
        assert room.asks(now)
        tell(clock, T0, now + FRESH)
        assert len(room.settle(now + FRESH, told=True).dropped) == 1
        then = now = now + FRESH
        while not room.asks(now):
            now += 0.1
        room.settle(now, told=False)
        now += FRESH
        pauses.append(round(now - then))
    assert pauses == sorted(pauses)
    assert PAUSE[1] <= pauses[-1] <= PAUSE[1] + FRESH


def test_an_exchange_that_does_not_answer_is_asked_again_later() -> None:
    _, room = quarantine()
    room.admits(frame(FAR), 0.0)
    assert room.asks(0.0)
    assert room.settle(0.5, told=False) == ([], [])
    assert not room.asks(0.6)
    assert room.asks(0.5 + FRESH)
