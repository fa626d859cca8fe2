"""The words of what a check finds."""

from collections import Counter

import pytest

from klinetail.candle import Interval, Stream
from klinetail.recordings import findings
from klinetail.recordings.check import Range, Verdict
from klinetail.recordings.findings import (
    NOTES,
    PLURALS,
    Finding,
    Kind,
    Part,
    counted,
    joined_findings,
    of_verdict,
    shown,
    words,
)

STREAM = Stream("BTCUSDT", Interval.M1)
START = 1_672_531_200_000
MINUTE = 60_000


def finding(kind, candles, differing=None):
    last = START + (candles - 1) * MINUTE
    return Finding(kind, (0, 7), "", STREAM, START, last, candles, differing)


THREE = (
    "3 candles once more, 2023-01-01T00:00Z to 2023-01-01T00:02Z, 2 of them with other"
    " values"
)


@pytest.mark.parametrize(
    ("each", "said"),
    [
        (finding(Kind.HOLE, 1), "1 candle missing, 2023-01-01T00:00Z"),
        (
            finding(Kind.HOLE, 1203),
            "1,203 candles missing, 2023-01-01T00:00Z to 2023-01-01T20:02Z",
        ),
        (finding(Kind.DOUBLE, 1), "1 candle once more, 2023-01-01T00:00Z"),
        (
            finding(Kind.DOUBLE, 1, 0),
            "1 candle once more, 2023-01-01T00:00Z, with the same values",
        ),
        (
            finding(Kind.DOUBLE, 1, 1),
            "1 candle once more, 2023-01-01T00:00Z, with other values",
        ),
        (finding(Kind.DOUBLE, 3, 2), THREE),
        (finding(Kind.DISORDER, 1), "1 candle after a later one, 2023-01-01T00:00Z"),
    ],
)
def test_the_words_of_candles(each, said):
    assert words(each) == f"btcusdt@1m: {said}"


def test_the_words_of_a_line():
    assert words(Finding(Kind.NO_RECORD, (0, 1), "no record: x")) == "no record: x"
    assert words(Finding(Kind.TIME, (0, 1), "x", STREAM)) == "btcusdt@1m: x"


def test_every_kind_can_be_counted():
    assert set(PLURALS) == set(Kind)
    assert counted({Kind.HOLE: 2, Kind.TORN: 1}, [*Kind]) == "2 holes, 1 torn end"
    assert counted({}, [*Kind]) == ""


def test_a_time_out_of_range_has_a_word():
    assert shown(None) == shown(-1) == shown(10**18) == "?"


def test_faults_come_in_the_order_of_the_file():
    verdict = Verdict(STREAM, 9, 0)
    verdict.holes = [Range((0, 9), START, START + MINUTE)]
    verdict.doubles = [Range((0, 5), START, START + MINUTE)]
    assert [each.kind for each in of_verdict(verdict, 0)] == [Kind.DOUBLE, Kind.HOLE]
    verdict.broken = True
    assert of_verdict(verdict, 4)[-1].at == (4, 1)


def test_more_findings_than_are_listed_are_counted(monkeypatch):
    monkeypatch.setattr(findings, "LISTED", 3)
    parts = [Part(lines=10), Part(lines=10)]
    for line in range(1, 3):
        for part in parts:
            part.add(Kind.NO_RECORD, (0, line), "x", None)
            part.add(Kind.FLOAT, (0, line), "x", None)
    whole = joined_findings(parts, {0: 0, 1: 10})
    assert [(each.kind, each.at[1]) for each in whole.findings] == [
        (Kind.NO_RECORD, 1),
        (Kind.FLOAT, 1),
        (Kind.NO_RECORD, 2),
    ]
    assert whole.counts == Counter({Kind.NO_RECORD: 4, Kind.FLOAT: 4})
    assert Kind.NO_RECORD not in NOTES
