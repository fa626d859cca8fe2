"""Rows of an answer: which can be candles, and what is told of the others."""

from __future__ import annotations

from klinetail.candle import DAY, MINUTE, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.answers import BadRows, sort_out
from klinetail.contract.grid import Grid
from klinetail.contract.output import Output, bad
from klinetail.protocol.klines import BadRow
from tests.contract.minutes import STREAM, T0, candle, row

NOW = Moment(T0, 1_000.0)


def test_rows_as_usual_are_sound() -> None:
    rows = [row(T0 - MINUTE, T0), row(T0, T0), row(T0 + MINUTE, T0 + MINUTE)]
    assert sort_out(rows, Grid(Interval.M1), NOW) == (rows, [])


def test_what_opens_in_the_future_stands_for_no_candle() -> None:
    future = T0 + MINUTE + 1
    got = sort_out([row(future, future)], Grid(Interval.M1), NOW)
    assert got == ([], [BadRow(None, f"{future} opens in the future")])


def test_a_bad_row_stands_for_its_candle_unless_that_is_in_the_future() -> None:
    rows = [
        BadRow(T0 + MINUTE, "crossed", "[1"),
        BadRow(T0 + MINUTE + 1, "crossed", "[2"),
        BadRow(None, "null", "[3"),
    ]
    assert sort_out(rows, Grid(Interval.M1), NOW)[1] == [
        BadRow(T0 + MINUTE, "crossed", "[1"),
        BadRow(None, "crossed", "[2"),
        BadRow(None, "null", "[3"),
    ]


def test_what_opens_amid_others_stands_for_the_candle_that_runs_then() -> None:
    grid = Grid(Interval.D3)
    grid.anchor = DAY
    opens = grid.floor(T0)
    stream = Stream("BTCUSDT", Interval.D3)
    amid = candle(opens + DAY, 2, source=Source.REST, stream=stream)
    what = f"{opens + DAY} opens amid other candles"
    assert sort_out([amid], grid, NOW) == ([], [BadRow(opens, what)])


def test_each_candle_is_told_of_once_and_earlier_ones_never() -> None:
    told = BadRows(STREAM)
    out: list[Output] = []
    rows = [
        BadRow(T0 - MINUTE, "old"),
        BadRow(T0, "crossed", "[1]"),
        BadRow(T0 + MINUTE, "negative"),
    ]
    places = {T0: "crossed", T0 + MINUTE: "negative"}
    assert told.tell(rows, T0, out) == places
    assert out == [
        bad(STREAM, "a bad row: crossed: [1]"),
        bad(STREAM, "a bad row: negative"),
    ]
    assert told.tell(rows, T0, out) == places
    assert len(out) == 2
    assert len(told) == 2


def test_a_row_of_nobody_knows_which_candle_is_told_once_and_stands_for_none() -> None:
    told = BadRows(STREAM)
    out: list[Output] = []
    assert told.tell([BadRow(None, "null"), BadRow(None, "short")], T0, out) == {}
    assert out == [bad(STREAM, "a bad row: null")]


def test_what_is_awaited_no_more_is_forgotten() -> None:
    told = BadRows(STREAM)
    told.tell([BadRow(T0, "a"), BadRow(T0 + MINUTE, "b")], T0, [])
    told.forget(T0 + MINUTE)
    assert len(told) == 1
    out: list[Output] = []
    told.tell([BadRow(T0 + MINUTE, "b")], T0 + MINUTE, out)
    assert out == []
    told.forget(T0 + 2 * MINUTE)
    assert not told
