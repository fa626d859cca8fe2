"""CSV: the record of the design, to the digit, out and in."""

import csv as foreign
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Candle, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump
from tests.cases import Case
from tests.strategies import candle, candles, runs

LINE = (
    b"BTCUSDT,1m,1700000040000,100.10,100.90,100.00,100.50,12.500,1700000099999,"
    b"1255.62500,42,6.250,627.81250,true,stream\n"
)

DUMP_LINE = (
    b"1700000040000,100.10,100.90,100.00,100.50,12.500,1700000099999,1255.62500,42,"
    b"6.250,627.81250,0\n"
)


def recorded(one):
    """`one` as a record can hold it: without its event time."""
    return Candle(*(getattr(one, name) for name in Candle.__struct_fields__[:-1]))


def refused(line):
    with pytest.raises(BadRecording) as caught:
        csv.decode(line)
    return caught.value


def candle_or_bad(line):
    """A candle that can be, which is written and read again, or BadRecording."""
    try:
        decoded = csv.decode(line)
    except BadRecording:
        return
    assert decoded.fault() is None
    assert csv.decode(csv.encode([decoded])) == decoded


def replaced(column, text):
    cells = LINE.decode().rstrip().split(",")
    cells[column] = text
    return ",".join(cells).encode("utf-8", "surrogatepass")


def test_the_header_is_the_records():
    assert csv.HEADER == (
        b"symbol,interval,open_time,open,high,low,close,volume,close_time,"
        b"quote_volume,count,taker_buy_volume,taker_buy_quote_volume,closed,source\n"
    )


def test_a_line():
    assert csv.encode([candle()]) == LINE
    assert csv.decode(LINE) == recorded(candle())
    assert csv.encode([]) == b""


@given(runs(min_size=1))
def test_another_csv_reader_reads_the_digits(run):
    file = io.StringIO((csv.HEADER + csv.encode(run)).decode(), newline="")
    for row, one in zip(foreign.DictReader(file), run, strict=True):
        assert None not in row
        for key, cell in row.items():
            value = getattr(one, f"{key}_text", None) or getattr(one, key)
            assert cell == str(value).replace("True", "true")


@given(candles())
def test_no_cell_can_be_taken_for_a_formula_or_needs_quotes(candle):
    line = csv.encode([candle]).decode()
    assert line.endswith("\n")
    cells = line[:-1].split(",")
    assert len(cells) == 15
    for cell in cells:
        assert cell
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert not set(cell) & set("\"',;\r\n\t ")


@given(runs())
def test_each_candle_is_one_whole_line(run):
    lines = csv.encode(run).split(b"\n")
    assert lines.pop() == b""
    assert [csv.decode(line) for line in lines] == run


@given(candles())
def test_what_is_written_is_read_again(candle):
    line = csv.encode([candle])
    assert csv.decode(line) == recorded(candle)
    assert csv.encode([csv.decode(line)]) == line


def test_what_other_programs_write_is_read_exactly():
    for word, closed in (("True", True), ("FALSE", False), ("false", False)):
        assert csv.decode(replaced(13, word)).closed is closed
    for column, text, name, plain in (
        (5, "9.98E+1", "low_text", "99.8"),
        (7, "0E-7", "volume_text", "0.0000000"),
        (7, "9.80E-7", "volume_text", "0.000000980"),
        (9, "1e-07", "quote_volume_text", "0.0000001"),
        (11, "1.5e3", "taker_buy_volume_text", "1500"),
        (12, "12e0", "taker_buy_quote_volume_text", "12"),
    ):
        with Case(text):
            assert getattr(csv.decode(replaced(column, text)), name) == plain


@pytest.mark.parametrize("column", [2, 8, 10])
def test_an_exponent_is_no_time_and_no_count(column):
    assert "not a whole number" in str(refused(replaced(column, "1e3")))


def test_times_in_microseconds_are_named():
    line = LINE.replace(b"40000,", b"40000000,").replace(b"99999,", b"99999999,")
    assert "the times are in microseconds" in str(refused(line))


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_line_ends_of_other_systems_are_read(ending):
    assert csv.decode(LINE.rstrip() + ending) == recorded(candle())


def test_recorded_days_survive(shared_data):
    for path in (shared_data / "rest_klines").glob("*.csv"):
        symbol, interval, *_ = path.name.split("-")
        stream = Stream.of(symbol, interval)
        header, *lines = path.read_bytes().splitlines(keepends=True)
        assert header.decode().rstrip().split(",") == list(dump.COLUMNS)
        for line in lines:
            one = dump.decode(line, stream)
            written = csv.encode([one])
            assert csv.decode(written) == one
            prefix, suffix = f"{symbol},1m,".encode(), b",true,rest\n"
            assert written == prefix + line.rstrip()[:-2] + suffix


@given(st.text(max_size=20).filter(lambda text: not set(text) & set("\r\n")))
def test_columns_that_came_later_are_ignored(text):
    line = LINE.rstrip() + b"," + text.encode() + b"\n"
    assert csv.decode(line) == recorded(candle())


@pytest.mark.parametrize("column", range(15))
def test_a_line_without_a_column_is_no_record(column):
    cells = LINE.rstrip().split(b",")
    assert "14 columns" in str(refused(b",".join(cells[:column] + cells[column + 1 :])))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "NaN",
        "Infinity",
        "-1",
        "+1",
        "=1",
        "1e99",
        "e5",
        "1_000",
        " 100.50",
        "100.50 ",
        "0100.50",
        "007",
        "1.",
        ".5",
        "0x1",
        "１",
        "²",
        "9" * 30,
        "9" * 5000,
        '"100.50"',
        "\x1b[2J",
        "\u202e",
        "../x",
        "\ud800",
        "\x00",
    ],
)
def test_a_cell_that_is_something_else_is_no_record(text):
    for column in range(1, 15):
        with Case(column):
            refused(replaced(column, text))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (0, ""),
        (0, "=1"),
        (0, "-1"),
        (0, "@SUM"),
        (0, '"BTCUSDT"'),
        (0, "../X"),
        (0, "\x1b[2J"),
        (0, "\u202eA"),
        (0, "\ud800"),
        (0, "btcusdt"),
        (0, "A" * 41),
        (1, "1s"),
        (1, "1M"),
        (2, "1700000040001"),
        (2, "01700000040000"),
        (4, "100.49"),
        (5, "100.11"),
        (8, "1700000100000"),
        (10, "42.0"),
        (10, "042"),
        (13, "yes"),
        (13, "tRUE"),
        (13, "1"),
        (14, "STREAM"),
        (14, "stream "),
    ],
)
def test_a_candle_that_cannot_be_is_no_record(column, text):
    refused(replaced(column, text))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\x00" * 300,
        b"," * 14,
        b"," * 100_000,
        csv.HEADER,
        b"\xef\xbb\xbf" + LINE,
        LINE.decode().encode("utf-16"),
        LINE.replace(b"BTCUSDT", b"BTC\xff"),
        LINE.replace(b"true", b"t\nrue"),
        DUMP_LINE,
    ],
)
def test_other_lines_are_no_records(line):
    refused(line)


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        (LINE.rstrip(), True),
        (LINE.rstrip() + b",more", True),
        (LINE.replace(b"1m", b"9x"), True),  # the decoder says what is wrong with it
        (b"symbol" + b"," * 14, False),  # another header
        (DUMP_LINE, False),
        (b"", False),
        (b"hello", False),
    ],
)
def test_what_looks_like_a_candle(line, looks):
    assert csv.recognises(line) is looks


def test_cut_anywhere_it_is_no_record():
    for end in range(len(LINE) - 1):
        refused(LINE[:end])


@pytest.mark.parametrize("column", [0, 1, 13, 14])
def test_what_is_said_about_it_stays_short(column):
    assert len(str(refused(replaced(column, "x" * 2**20)))) < 200


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_candle_or_no_record(line):
    candle_or_bad(line)


@given(st.integers(0, 14), st.text())
def test_any_cell_makes_a_candle_or_no_record(column, text):
    candle_or_bad(replaced(column, text))


@given(st.integers(0, len(LINE) - 1), st.integers(0, 255))
def test_a_flipped_byte_makes_a_candle_or_no_record(place, byte):
    line = bytearray(LINE)
    line[place] = byte
    candle_or_bad(bytes(line))
