"""Notes say what happened to which candles."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, MINUTE, Interval, Stream
from klinetail.events import EndedEvent, GapEvent, PendingEvent, RevisionEvent
from klinetail.view.notes import (
    Gaps,
    ended_note,
    gap_note,
    pending_note,
    revision_note,
)
from klinetail.view.theme import ASCII, UNICODE
from tests.strategies import BTCUSDT_1M, candle

START = 1_700_000_040_000


def test_a_gap_names_its_first_and_last_candle():
    gap = GapEvent(BTCUSDT_1M, START, START + 4 * MINUTE, "418 banned")
    note = gap_note(gap, tz=UTC, glyphs=UNICODE)
    assert note.text == "22:14 → 22:17  4 missing: 418 banned"
    assert note.line(80, UNICODE).plain == f"  GAP  {note.text}"
    assert note.line(14, UNICODE).plain == "  GAP  22:14 …"


def test_a_gap_of_one_month():
    month = Stream("BTCUSDT", Interval.MO1)
    gap = GapEvent(month, 31 * DAY, (31 + 28) * DAY, "\x1b]0;x\x07")
    note = gap_note(gap, tz=UTC, glyphs=ASCII)
    assert note.text == "1970-02-01  1 missing: \\x1b]0;x\\x07"


def gap_of(first, end, *, filled=False):
    start, stop = START + first * MINUTE, START + end * MINUTE
    candles = tuple(candle(start + n * MINUTE) for n in range(end - first))
    return GapEvent(BTCUSDT_1M, start, stop, "418", candles if filled else ())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8))
def test_of_gaps_that_are_filled_piece_by_piece_the_rest_is_open(pieces):
    gaps = Gaps()
    missing, shown = set(), []
    for first, end in ((0, 4), (5, 9), (12, 18)):
        gone, new = gaps.heed(gap_of(first, end))
        assert (gone, new) == ([], [gap_of(first, end)])
        shown += new
        missing |= set(range(first, end))
    for first, length in pieces:
        gone, new = gaps.heed(gap_of(first, first + length, filled=True))
        missing -= set(range(first, first + length))
        shown = [gap for gap in shown if gap not in gone] + new
        minutes = [
            minute
            for gap in shown
            for minute in range(gap.start - START, gap.end - START, MINUTE)
        ]
        assert sorted(minutes) == [n * MINUTE for n in sorted(missing)]


def test_another_streams_gap_stays():
    gaps = Gaps()
    gaps.heed(gap_of(0, 4))
    other = GapEvent(Stream("ETHUSDT", Interval.M1), START, START + 4 * MINUTE, "418")
    gaps.heed(other)
    assert gaps.heed(gap_of(0, 4, filled=True)) == ([gap_of(0, 4)], [])


def test_a_revision_says_what_changed():
    other = candle(START, prices=("100.10", "101.00", "100.00", "100.40"), count=43)
    note = revision_note(RevisionEvent(candle(START), other), tz=UTC, glyphs=ASCII)
    assert note.text == (
        "22:14  close 100.50 -> 100.40, high 100.90 -> 101.00, trades 42 -> 43"
    )


def test_a_revision_of_what_is_not_shown_is_named():
    other = candle(START, volumes=("12.500", "1255.62500", "6.251", "627.81250"))
    note = revision_note(RevisionEvent(candle(START), other), tz=UTC, glyphs=ASCII)
    assert note.text == "22:14  taker buy volume 6.250 -> 6.251"


def test_a_revision_of_what_is_not_kept_says_what_counts_now():
    event = RevisionEvent(None, candle(START))
    text = revision_note(event, tz=UTC, glyphs=UNICODE).text
    assert text.startswith("22:14  now close 100.50, high 100.90, low 100.00, open ")
    assert text.endswith("taker buy volume 6.250, taker buy quote volume 627.81250")


@pytest.mark.parametrize(
    ("time", "words"),
    [(0, "not traded yet"), (START, "not traded yet, from 11-14 22:14")],
)
def test_what_is_pending_says_from_when_on_it_is_traded(time, words):
    note = pending_note(PendingEvent(BTCUSDT_1M, time), tz=UTC, glyphs=UNICODE)
    assert note.line(80, UNICODE).plain == f"  PENDING  {words}"


def test_an_end_says_its_status():
    note = ended_note(EndedEvent(BTCUSDT_1M, "SETTLING"), glyphs=UNICODE)
    assert note.line(80, UNICODE, of="btcusdt@1m").plain == (
        "  ENDED  btcusdt@1m not traded any more: SETTLING"
    )
