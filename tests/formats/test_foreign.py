"""CSV of other programs, by a person's word about its columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats.foreign import Columns, Foreign, parse
from tests.cases import Case

MAP = parse("open_time=ts,open=o,high=h,low=l,close=c,volume=v")
BTC = Columns(MAP, "BTCUSDT", Interval.M1)
HEADER = b"ts,o,h,l,c,v"
START = 1_672_531_200_000


def test_what_is_missing_is_nothing():
    found = Foreign(HEADER, BTC).decode(b"1672531200000,1,2.50,0.5,2,7")
    assert found.stream == Stream("BTCUSDT", Interval.M1)
    assert found.texts == ("1", "2.50", "0.5", "2", "7", "0", "0", "0")
    assert (found.open_time, found.close_time) == (START, START + 59_999)
    assert (found.count, found.closed) == (0, True)


def test_every_spelling_of_a_time():
    form = Foreign(HEADER, BTC)
    for time in (
        *("1672531200", "1672531200000", "1672531200000000", "1672531200.0"),
        *("2023-01-01", "2023-01-01 00:00:00", "2023-01-01T00:00:00Z"),
        *("2023-01-01T01:00:00+01:00", '"2023-01-01 00:00:00+00:00"'),
    ):
        with Case(time):
            line = f"{time},1,2,1,2,7".encode()
            assert form.decode(line).open_time == START
    with pytest.raises(BadRecording, match="'yesterday' is no time"):
        form.decode(b"yesterday,1,2,1,2,7")


def test_columns_can_be_told_by_number_without_a_header():
    form = Foreign(
        b"1672531200,9,8,7,6",
        Columns(
            parse("open_time=1,open=3,high=2,low=5,close=4"), "BTCUSDT", Interval.M1
        ),
    )
    assert form.HEADER == b""
    assert form.decode(b"1672531200,9,8,7,6").texts[:4] == ("8", "9", "6", "7")
    assert Foreign(HEADER, BTC).HEADER == HEADER


def test_a_column_of_the_key_s_name_needs_no_word():
    line = b"pair,open_time,open,high,low,close,tf"
    form = Foreign(line, Columns({"symbol": "pair", "interval": "tf"}, None, None))
    found = form.decode(b"ethusdt,1672531200,1,1,1,1,1h")
    assert str(found.stream) == "ethusdt@1h"
    with pytest.raises(BadRecording, match="no record: there is no interval"):
        form.decode(b"ethusdt,1672531200,1,1,1,1,7x")


@pytest.mark.parametrize(
    ("line", "columns", "said"),
    [
        (HEADER, BTC._replace(symbol=None), "nothing tells the symbol; --symbol"),
        (HEADER, BTC._replace(interval=None), "nothing tells the interval"),
        (b"ts,o,h,l", BTC, "--columns close=c: there is no such column among ts, o"),
        (
            HEADER,
            BTC._replace(columns={"open_time": "ts"}),
            "no column is known for op",
        ),
        (b"\xff", BTC, "no record: 'utf-8'"),
    ],
)
def test_what_cannot_be_read_is_said(line, columns, said):
    with pytest.raises(BadRecording, match=said):
        Foreign(line, columns)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ts", "'ts' is no KEY=COLUMN"),
        ("time=ts", "there is no key 'time'; there are symbol, interval, open_time"),
        ("open=o,open=p", "open is there twice"),
    ],
)
def test_a_wrong_mapping_is_refused(word, said):
    with pytest.raises(UsageError, match=said):
        parse(word)


CELLS = st.one_of(
    st.sampled_from(
        ["", "1", "2.5", "-1", "1e5", "nan", "1672531200", "1672531200000", '"3"', "x"]
    ),
    st.text("0123456789.eE-+ ;", max_size=6),
)


@given(
    st.sampled_from([b",", b";"]),
    st.lists(st.tuples(st.integers(0, 5), CELLS), max_size=2),
    st.sampled_from(["1672531200", "1672531260000", "1672531200000000"]),
)
def test_the_fast_way_accepts_only_what_lines_accept(separator, changes, time):
    form = Foreign(HEADER.replace(b",", separator), BTC)
    cells = [time, "1", "2.5", "1", "2", "7"]
    for at, cell in changes:
        cells[at] = cell
    line = separator.decode().join(cells).encode()
    rows = form.rows_decoder("x")(line)
    if rows is None:
        return
    found = form.decode(line)
    assert [*rows.opened] == [found.open_time]
    assert [*rows.closing] == [found.close_time]


def test_usual_lines_go_the_fast_way():
    for separator in (b",", b";", b"\t"):
        with Case(separator):
            form = Foreign(HEADER.replace(b",", separator), BTC)
            line = b"1672531200,1,2.5,1,2,7".replace(b",", separator)
            assert form.rows_decoder("x")(line) is not None
