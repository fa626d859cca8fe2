"""Candles in, faults out: right recordings are whole, known damage is named, and no
other."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.errors import BadRecording
from klinetail.formats.rows import Rows
from klinetail.recordings import check as check_module
from klinetail.recordings.check import Check, Track, joined, judged, moved

STREAMS = [
    Stream("BTCUSDT", Interval.M1),
    Stream("ETHUSDT", Interval.H1),
    Stream("BTCUSDT", Interval.MO1),
    Stream("BTCUSDT", Interval.W1),
]
START = 1_672_531_200_000  # 2023-01-01


def times(stream, places):
    """Open times of a stream by place in its order."""
    first = stream.interval.floor(START)
    return [stream.interval.shift(first, place) for place in places]


def taken(found, *, file=0, start=1, **options):
    """The tracks of rows (stream, place or None, closed), a line each."""
    check = Check(file, **options)
    for line, (stream, place, closed) in enumerate(found, start):
        if place is None:
            check.unplaced(stream)
            continue
        (opened,) = times(stream, [place])
        closing = stream.interval.close_time(opened)
        name = stream.symbol, str(stream.interval)
        check.rows(Rows([name], [opened], [closing], [closed]), line)
    return check.tracks()


def verdict_of(stream, places, **options):
    found = [(stream, place, True) for place in places]
    return judged(stream, taken(found, **options)[stream])


def ranges(stream, found):
    """Places and lines of what was found: (line, first place, candles)."""
    first = stream.interval.floor(START)
    steps = stream.interval.steps
    return [
        (each.at[1], steps(first, each.first), steps(each.first, each.end))
        for each in found
    ]


lengths = st.integers(3, 30)
streams = st.sampled_from(STREAMS)


@given(streams, lengths)
def test_a_right_recording_is_whole(stream, length):
    verdict = verdict_of(stream, range(length))
    assert (verdict.holes, verdict.doubles, verdict.disorder) == ([], [], [])
    assert (verdict.rows, verdict.forming) == (length, 0)
    assert [verdict.first, verdict.last] == times(stream, [0, length - 1])


@given(streams, lengths, st.data())
def test_removed_candles_are_a_hole(stream, length, data):
    first = data.draw(st.integers(1, length - 2))
    size = data.draw(st.integers(1, length - 1 - first))
    places = [*range(first), *range(first + size, length)]
    verdict = verdict_of(stream, places)
    assert ranges(stream, verdict.holes) == [(first + 1, first, size)]
    assert (verdict.doubles, verdict.disorder) == ([], [])


@given(streams, lengths, st.data())
def test_repeated_candles_are_doubles(stream, length, data):
    first = data.draw(st.integers(0, length - 1))
    size = data.draw(st.integers(1, length - first))
    after = data.draw(st.integers(first + size, length))
    again = range(first, first + size)
    places = [*range(after), *again, *range(after, length)]
    verdict = verdict_of(stream, places)
    assert ranges(stream, verdict.doubles) == [(after + 1, first, size)]
    assert (verdict.holes, verdict.disorder) == ([], [])


@given(streams, lengths, st.data())
def test_two_swapped_candles_are_one_disorder(stream, length, data):
    first = data.draw(st.integers(0, length - 2))
    places = [*range(length)]
    places[first], places[first + 1] = first + 1, first
    verdict = verdict_of(stream, places)
    assert ranges(stream, verdict.disorder) == [(first + 2, first, 1)]
    assert (verdict.holes, verdict.doubles) == ([], [])
    assert [verdict.first, verdict.last] == times(stream, [0, length - 1])


@given(streams, lengths, st.data())
def test_a_candle_of_wrong_times_is_no_hole(stream, length, data):
    wrong = data.draw(st.integers(0, length - 1))
    found = [(stream, None if n == wrong else n, True) for n in range(length)]
    verdict = judged(stream, taken(found)[stream])
    assert (verdict.holes, verdict.doubles, verdict.disorder) == ([], [], [])
    assert verdict.rows == length


@given(streams, lengths, st.data())
def test_forming_candles_double_nothing(stream, length, data):
    forming = data.draw(st.lists(st.integers(0, length - 1), max_size=5))
    found = [(stream, place, True) for place in range(length)]
    for place in sorted(forming, reverse=True):
        found.insert(place, (stream, place, False))
    verdict = judged(stream, taken(found)[stream])
    assert (verdict.holes, verdict.doubles, verdict.disorder) == ([], [], [])
    assert (verdict.rows, verdict.forming) == (length + len(forming), len(forming))


anything = st.lists(
    st.tuples(
        st.sampled_from(STREAMS[:2]),
        st.one_of(st.none(), st.integers(0, 8), st.integers(0, 30)),
        st.booleans() | st.just(True),
    ),
    max_size=40,
)


@given(anything)
def test_any_order_agrees_with_a_simple_model(found):
    tracks = taken(found)
    for stream in STREAMS[:2]:
        mine = [row for row in found if row[0] == stream]
        if not mine:
            assert stream not in tracks
            continue
        verdict = judged(stream, tracks[stream])
        places = [place for _, place, closed in mine if place is not None and closed]
        seen, doubles, late = set(), Counter(), set()
        for place in places:
            if place in seen:
                doubles[place] += 1
            elif seen and place < max(seen):
                late.add(place)
            seen.add(place)
        flat = Counter()
        for _, first, size in ranges(stream, verdict.doubles):
            flat.update(range(first, first + size))
        assert flat == doubles
        disorder = [
            place
            for _, first, size in ranges(stream, verdict.disorder)
            for place in range(first, first + size)
        ]
        assert sorted(disorder) == sorted(late)
        assert verdict.rows == len(mine)
        if not any(place is None for _, place, _ in mine):
            lacking = set(range(min(seen), max(seen))) - seen if seen else set()
            holes = [
                place
                for _, first, size in ranges(stream, verdict.holes)
                for place in range(first, first + size)
            ]
            assert holes == sorted(lacking)


@given(anything, st.lists(st.integers(0, 40), max_size=4))
def test_parts_are_judged_like_the_whole(found, cuts):
    bounds = [0, *sorted(min(cut, len(found)) for cut in cuts), len(found)]
    parts = []
    for start, end in pairwise(bounds):
        parts.append(moved(taken(found[start:end]), start))
    assert joined(parts) == joined([taken(found)]) == taken(found)


@given(anything, st.integers(0, 30), st.integers(0, 30))
def test_only_the_asked_range_counts(found, since, until):
    stream = STREAMS[0]
    rows = [row for row in found if row[0] == stream and row[1] is not None]
    bounds = dict(zip(("since", "until"), times(stream, [since, until]), strict=True))
    inside = [row for row in rows if since <= row[1] < until]
    wanted = taken(inside).get(stream, Track())
    got = taken(rows, **bounds).get(stream, Track())
    assert [run[1:] for run in got.runs] == [run[1:] for run in wanted.runs]
    assert got.forming == wanted.forming


def test_a_shuffled_recording_is_given_up_and_counted(monkeypatch):
    monkeypatch.setattr(check_module, "RUNS", 5)
    stream = STREAMS[0]
    places = [*range(0, 30, 2), *range(1, 30, 2)]
    found = [(stream, place, True) for place in places]
    whole = taken(found)
    assert whole == joined([taken(found[:3]), moved(taken(found[3:]), 3)])
    verdict = judged(stream, whole[stream])
    assert verdict.broken
    assert (verdict.rows, verdict.holes, verdict.first) == (30, [], None)


def test_a_recording_has_not_any_number_of_streams(monkeypatch):
    monkeypatch.setattr(check_module, "STREAMS", 2)
    with pytest.raises(BadRecording, match="more than 2 streams"):
        taken([(stream, 0, True) for stream in STREAMS])
