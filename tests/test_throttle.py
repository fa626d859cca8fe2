"""How many lines a person is told: counted against a model that looks at every span."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.events import EndedEvent, GapEvent
from klinetail.kinds import ANNOUNCED, Kind
from klinetail.throttle import BURST, FEW, RATE, WINDOW, Throttle
from tests.strategies import candle

START = 1_700_000_040_000
GRID = 64
"""Times are multiples of 1/64 s, so that sums of floats are exact."""

pauses = st.integers(0, 3) | st.integers(0, 100)
"""In 1/64 s: lines that come together, and up to a second and a half apart."""

COUNTED = [Kind.REVISED, Kind.DROPPED, Kind.LINK, Kind.BUG]


def gap(number=0, reason="418"):
    start = START + number * MINUTE
    stream = Stream(f"S{number}USDT", Interval.M1)
    return GapEvent(stream, start, start + MINUTE, reason)


def filled(number=0):
    made = gap(number)
    return GapEvent(made.stream, made.start, made.end, "418", (candle(made.start),))


def ended(number=0):
    return EndedEvent(gap(number).stream, "SETTLING")


MADE = {Kind.GAP: gap, Kind.FILLED: filled, Kind.ENDED: ended}


class Listener:
    """Someone who hears lines when they go out, by a clock of ours."""

    def __init__(self):
        self.throttle = Throttle()
        self.now = 1000.0
        self.heard = []
        """Seconds, kind and line."""

    def hear(self, lines):
        self.heard += [(self.now, kind, line) for kind, line in lines]

    def pause(self, seconds):
        """Let time pass, and take what is due when it is due."""
        until = self.now + seconds
        while self.throttle.due <= until:
            self.now = self.throttle.due
            self.hear(self.throttle.take(self.now))
        self.now = until

    def put(self, line, kind, event=None):
        self.hear(self.throttle.put(line, kind, event, self.now))

    def end(self):
        self.hear(self.throttle.rest())
        assert self.throttle.due == math.inf
        assert self.throttle.rest() == []

    def lines(self, kind):
        return [line for _, of, line in self.heard if of is kind]


def more(line):
    """The number of lines that a line stands for besides itself; None if for none."""
    found = re.match(r"(?:[a-z ]+: )?([0-9,]+) more (?:lines? about|within)", line)
    return found and int(found[1].replace(",", ""))


@given(
    st.lists(st.tuples(pauses, st.sampled_from(COUNTED[:2])), max_size=150),
    st.integers(1, 80),
)
def test_lines_that_may_be_left_out_are_counted_against_every_span(steps, at_once):
    listener, passed = Listener(), {kind: [] for kind in COUNTED}
    put = dict.fromkeys(COUNTED, 0)
    for pause, kind in [(0, COUNTED[0])] * at_once + steps:
        listener.pause(pause / GRID)
        now, before = listener.now, passed[kind]
        # In no span of so many seconds more than a burst and so many times the rate.
        may = all(
            len(before) - n + 1 <= BURST + RATE * (now - at)
            for n, at in enumerate(before)
        )
        put[kind] += 1
        listener.put(f"{kind} {put[kind]}", kind)
        said = (now, kind, f"{kind} {put[kind]}") in listener.heard
        assert said is may
        if said:
            before.append(now)
    listener.end()
    for kind in COUNTED[:2]:
        left_out = [more(line) for line in listener.lines(kind)]
        assert sum(filter(None, left_out)) + len(passed[kind]) == put[kind]
        counts = [at for at, of, line in listener.heard if of is kind and more(line)]
        pairs = itertools.pairwise(counts[:-1])  # the last one came at the end
        assert all(later - earlier >= WINDOW for earlier, later in pairs)


@given(
    st.lists(
        st.tuples(pauses, st.integers(1, 30), st.sampled_from(ANNOUNCED)), max_size=40
    )
)
def test_no_gap_and_no_end_is_left_out_or_late(steps):
    listener, put = Listener(), []
    for pause, number, kind in steps:
        listener.pause(pause / GRID)
        for _ in range(number):
            put.append((listener.now, kind))
            listener.put(f"line {len(put)}", kind, MADE[kind](len(put)))
    listener.pause(2 * WINDOW)
    assert listener.throttle.due == math.inf
    for kind in ANNOUNCED:
        times = [at for at, of in put if of is kind]
        numbers = [n for n, (_, of) in enumerate(put, 1) if of is kind]
        heard = [(at, line) for at, of, line in listener.heard if of is kind]
        at = 0
        for said_at, line in heard:
            # In order, each by itself or in the number of one that stands for many.
            count = more(line) or 1
            if more(line):
                assert count > FEW
            else:
                assert line == f"line {numbers[at]}"
            assert said_at - times[at] <= WINDOW
            at += count
        assert at == len(times)
        # A second that begins within one of the throttle's own sees a few of it, a few
        # at its end, and the first few of the next.
        for first, _ in heard:
            within = [at for at, _ in heard if first <= at < first + WINDOW]
            assert len(within) <= 3 * FEW


def test_a_burst_then_ten_a_second_and_one_that_counts():
    listener = Listener()
    for n in range(5 * GRID):
        for k in range(270):
            listener.put(f"revised: {n} {k}", Kind.REVISED)
        listener.pause(1 / GRID)
    listener.end()
    lines = listener.lines(Kind.REVISED)
    assert lines[:BURST] == [f"revised: 0 {k}" for k in range(BURST)]
    counts = [line for line in lines if more(line)]
    assert len(lines) - len(counts) in (BURST + 5 * RATE - 1, BURST + 5 * RATE)
    assert 5 <= len(counts) <= 6
    assert sum(map(more, counts)) + len(lines) - len(counts) == 5 * GRID * 270
    assert counts[0].endswith(" more lines about revisions left out")


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, "1 more line about revisions left out"),
        (12_345, "12,345 more lines about revisions left out"),
    ],
)
def test_what_is_left_out_is_counted(number, line):
    listener = Listener()
    for n in range(BURST + number):
        listener.put(f"revised {n}", Kind.REVISED)
    listener.pause(WINDOW)
    assert listener.lines(Kind.REVISED)[BURST:] == [line]


def test_a_flood_of_one_kind_silences_no_other():
    listener = Listener()
    for n in range(1000):
        listener.put(f"revised {n}", Kind.REVISED)
    for kind in (*COUNTED[1:], *ANNOUNCED):
        listener.put("news", kind, MADE.get(kind, gap)())
        assert listener.lines(kind) == ["news"]


def test_what_klinetail_says_of_itself_is_never_left_out():
    listener = Listener()
    for n in range(1000):
        listener.put(f"own {n}", Kind.OWN)
    assert listener.lines(Kind.OWN) == [f"own {n}" for n in range(1000)]


def test_many_gaps_within_a_second_are_a_few_lines_and_one():
    listener = Listener()
    for n in range(500):
        listener.put(f"gap {n}", Kind.GAP, gap(n))
    assert listener.lines(Kind.GAP) == [f"gap {n}" for n in range(FEW)]
    listener.pause(WINDOW)
    (line,) = listener.lines(Kind.GAP)[FEW:]
    assert line.startswith(
        "gap: 495 more within a second, 2023-11-14 22:19Z to before 2023-11-15 06:34Z:"
        " 495 candles of 495 streams (s5usdt@1m, s6usdt@1m, "
    )
    assert line.endswith(", s12usdt@1m and 487 more) are missing: 418")


def test_a_few_gaps_more_are_lines_of_their_own():
    listener = Listener()
    for n in range(2 * FEW):
        listener.put(f"gap {n}", Kind.GAP, gap(n))
    listener.pause(WINDOW)
    assert listener.lines(Kind.GAP) == [f"gap {n}" for n in range(2 * FEW)]


@pytest.mark.parametrize("kind", [Kind.GAP, Kind.REVISED])
def test_figures_come_after_all_that_was_held_back(kind):
    listener = Listener()
    for n in range(1000):
        listener.put(f"line {n}", kind, gap(n))
    listener.put("1,000 of them", Kind.RECEIPT)
    *_, before, (_, last, line) = listener.heard
    assert more(before[2])
    assert (last, line) == (Kind.RECEIPT, "1,000 of them")
    # And the run goes on as before.
    listener.pause(10 * WINDOW)
    listener.put("later", kind, gap())
    assert listener.lines(kind)[-1] == "later"
