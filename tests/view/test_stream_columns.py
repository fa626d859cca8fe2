"""The cells of a stream, and the state that they are made from."""

import pytest

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.view import figures
from klinetail.view.notes import mute_note
from klinetail.view.stream_columns import COLUMNS, StreamRow
from klinetail.view.theme import QUIET, TITLE, UNICODE, UP
from tests.strategies import BTCUSDT_1M, candle
from tests.view.tables import ETHUSDT_1M, START, forming


def row_of(*candles):
    row = StreamRow(BTCUSDT_1M, UNICODE)
    for made in candles:
        row.put(made)
    if row.candle is not None:
        row.change = figures.change(row.candle, UNICODE)
    return row


def cells(row):
    return {column.name: column.cell(row) for column in COLUMNS}


def by_name(name):
    (found,) = (column for column in COLUMNS if column.name == name)
    return found


def test_before_its_first_candle_a_stream_has_a_name_and_no_price():
    shown = {name: cell for name, cell in cells(row_of()).items() if cell[0]}
    assert shown == {
        "symbol": ("BTCUSDT", TITLE),
        "interval": ("1m", QUIET),
        "close": (UNICODE.none, QUIET),
    }


def test_every_cell_of_a_stream():
    row = row_of(candle(START), forming(START + MINUTE))
    row.exchange_time = START + MINUTE + 15_000
    assert cells(row) == {
        "mark": ("", ""),
        "symbol": ("BTCUSDT", TITLE),
        "interval": ("1m", QUIET),
        "close": ("100.50", UP),
        "change": ("▲ +0.40%", UP),
        "last closes": ("▄▄", QUIET),
        "high": ("100.90", ""),
        "low": ("100.00", ""),
        "volume": ("12.500", ""),
        "closes in": ("0:45", QUIET),
    }


@pytest.mark.parametrize(
    ("time", "text"),
    [(None, "forming"), (START, "1:00"), (START + MINUTE, "closing")],
)
def test_the_countdown_of_a_forming_candle(time, text):
    row = row_of(forming(START))
    row.exchange_time = time
    assert by_name("closes in").cell(row)[0] == text


def test_a_stream_that_stands_still_has_no_countdown():
    row = row_of(forming(START))
    row.mute = True
    assert by_name("closes in").cell(row)[0] == "mute"
    row.ended = True
    assert by_name("closes in").cell(row)[0] == "ended"
    assert by_name("closes in").cell(row_of(candle(START)))[0] == "closed"


def test_a_note_is_a_heavier_mark_than_a_candle_to_be_confirmed():
    row = row_of()
    row.unconfirmed = START
    assert by_name("mark").cell(row) == (UNICODE.closing, QUIET)
    row.note = mute_note(UNICODE)
    assert by_name("mark").cell(row) == (row.note.mark, row.note.style)


def test_the_interval_is_a_column_if_streams_differ_in_it():
    column = by_name("interval")
    hour = Stream("BTCUSDT", Interval.H1)
    assert not column.needed([BTCUSDT_1M, ETHUSDT_1M])
    assert column.needed([BTCUSDT_1M, hour])
    assert column.width([BTCUSDT_1M, Stream("BTCUSDT", Interval.M15)], UNICODE) == 3


def test_the_symbol_column_is_as_wide_as_the_widest_symbol():
    streams = [BTCUSDT_1M, Stream("币安人生USDT", Interval.M1)]
    assert by_name("symbol").width(streams, UNICODE) == 12


def test_the_sparkline_is_halved_before_it_goes():
    wide = by_name("last closes")
    row = row_of(*(candle(START + k * MINUTE) for k in range(40)))
    assert len(wide.cell(row)[0]) == wide.width == 24
    assert len(wide.instead.cell(row)[0]) == wide.instead.width == 12


def test_an_older_candle_does_not_replace_a_newer_one():
    newest, older = forming(START + MINUTE, at=20_000), forming(START + MINUTE, at=5)
    row = row_of(newest)
    row.put(older)
    row.put(candle(START))
    assert row.candle is newest
    assert row.last_closed.open_time == START


def test_every_state_that_a_cell_shows_is_among_the_facts():
    row = row_of(candle(START))
    for change in (
        lambda: row.put(forming(START + MINUTE)),
        lambda: setattr(row, "unconfirmed", START + MINUTE),
        lambda: setattr(row, "note", mute_note(UNICODE)),
        lambda: setattr(row, "mute", True),
        lambda: setattr(row, "ended", True),
    ):
        before = row.facts
        change()
        assert row.facts != before
