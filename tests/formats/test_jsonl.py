"""JSON lines: the record of the design, to the digit, out and in."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import Candle, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump, jsonl
from klinetail.protocol import frames
from tests.cases import Case
from tests.strategies import candle, candles, json_values, runs

KEYS = [column.decode() for column in csv.HEADER.rstrip().split(b",")]

LINE = (
    b'{"symbol":"BTCUSDT","interval":"1m","open_time":1700000040000,"open":100.10,'
    b'"high":100.90,"low":100.00,"close":100.50,"volume":12.500,'
    b'"close_time":1700000099999,"quote_volume":1255.62500,"count":42,'
    b'"taker_buy_volume":6.250,"taker_buy_quote_volume":627.81250,"closed":true,'
    b'"source":"stream"}\n'
)

NUMBERS = [key for key in KEYS if key not in ("symbol", "interval", "closed", "source")]


def recorded(one):
    """`one` as a record can hold it: without its event time."""
    return Candle(*(getattr(one, name) for name in Candle.__struct_fields__[:-1]))


def refused(line):
    with pytest.raises(BadRecording) as caught:
        jsonl.decode(line)
    return caught.value


def candle_or_bad(line):
    """A candle that can be, which is written and read again, or BadRecording."""
    try:
        decoded = jsonl.decode(line)
    except BadRecording:
        return
    assert decoded.fault() is None
    assert jsonl.decode(jsonl.encode([decoded])) == decoded


def replaced(key, literal):
    record = json.loads(LINE)
    record[key] = "@@"
    return json.dumps(record).replace('"@@"', literal).encode()


def test_a_line():
    assert jsonl.encode([candle()]) == LINE
    assert jsonl.decode(LINE) == recorded(candle())


def test_files_begin_with_the_first_candle():
    assert jsonl.HEADER == b""
    assert jsonl.encode([]) == b""


@given(candles())
def test_a_line_is_json_with_the_records_keys_and_the_digits_as_numbers(candle):
    line = jsonl.encode([candle])
    pairs = json.loads(
        line, parse_float=str, parse_int=str, object_pairs_hook=lambda pairs: pairs
    )
    assert [key for key, _ in pairs] == KEYS

    record = dict(pairs)
    for key in ("open", "high", "low", "close", "volume", "quote_volume"):
        assert record[key] == getattr(candle, f"{key}_text")
    for key in ("taker_buy_volume", "taker_buy_quote_volume"):
        assert record[key] == getattr(candle, f"{key}_text")
    for key in ("open_time", "close_time", "count"):
        assert record[key] == str(getattr(candle, key))
    assert (record["symbol"], record["interval"]) == (candle.symbol, candle.interval)
    assert record["closed"] is candle.closed
    assert record["source"] in ("stream", "rest")
    assert record["source"] == candle.source


@given(runs())
def test_each_candle_is_one_whole_line(run):
    lines = jsonl.encode(run).splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    assert [jsonl.decode(line) for line in lines] == run
    assert b"".join(jsonl.encode([one]) for one in run) == jsonl.encode(run)


@given(candles())
def test_what_is_written_is_read_again(candle):
    line = jsonl.encode([candle])
    assert jsonl.decode(line) == recorded(candle)
    assert jsonl.decode(line.rstrip()) == recorded(candle)
    assert jsonl.encode([jsonl.decode(line)]) == line


def test_recorded_days_and_frames_survive(shared_data):
    for file in (shared_data / "rest_klines").glob("*.csv"):
        symbol, interval, *_ = file.name.split("-")
        stream = Stream.of(symbol, interval)
        lines = file.read_bytes().splitlines()[1:]
        day = [dump.decode(line, stream) for line in lines]
        written = jsonl.encode(day)
        assert [jsonl.decode(line) for line in written.splitlines()] == day

    path = shared_data / "ws_klines" / "um_kline_1m_2021-07-22_cryptofeed.jsonl"
    for note in map(json.loads, path.read_text().splitlines()):
        one = frames.decode(note["raw"])
        assert jsonl.decode(jsonl.encode([one])) == recorded(one)


@given(json_values)
@example([])
def test_keys_that_came_later_are_ignored(value):
    record = json.loads(LINE, parse_float=str)
    line = json.dumps(record | {"new": value, "st": value})
    for key in NUMBERS:
        line = line.replace(f'"{key}": "{record[key]}"', f'"{key}": {record[key]}')
    assert jsonl.decode(line.encode()) == recorded(candle())


def test_spaces_and_the_order_of_keys_do_not_matter():
    record = dict(reversed(json.loads(LINE, parse_float=str).items()))
    line = json.dumps(record, indent=2)
    for key in NUMBERS:
        line = line.replace(f'"{key}": "{record[key]}"', f'"{key}" : {record[key]} ')
    assert jsonl.decode(line.encode()) == recorded(candle())


@pytest.mark.parametrize("key", KEYS)
def test_a_line_without_a_key_is_no_record(key):
    record = json.loads(LINE)
    del record[key]
    assert key in str(refused(json.dumps(record).encode()))


def test_what_jq_and_pandas_write_is_read_exactly():
    for key, literal, digits in (
        ("volume", "0E-7", "0.0000000"),  # jq 1.7
        ("low", "9.80E-7", "0.000000980"),
        ("low", "9.8e-07", "0.00000098"),  # jq 1.6, pandas
        ("quote_volume", "1.5e+3", "1500"),
    ):
        with Case(literal):
            assert (
                getattr(jsonl.decode(replaced(key, literal)), f"{key}_text") == digits
            )


@pytest.mark.parametrize(
    "literal",
    [
        "null",
        "[]",
        "{}",
        '""',
        '"x"',
        "-1",
        "1e99",
        "1e999",
        "NaN",
        "Infinity",
        "+1",
        "007",
        "1.",
        ".5",
        "0x1",
        "1_000",
        "１",
        "9" * 30,
        "9" * 5000,
        '"100.50"',
        '"\\ud800"',
        '"\\u001b[2J"',
        '"../x"',
        "[" * 100_000,
        "",
    ],
)
def test_a_value_that_is_something_else_is_no_record(literal):
    for key in KEYS:
        with Case(key):
            refused(replaced(key, literal))


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        ("open_time", "1700000040000.0"),
        ("open_time", "1700000040001"),
        ("close_time", "1700000100000"),
        ("count", "1.5"),
        ("count", "true"),
        ("closed", "1"),
        ("closed", '"true"'),
        ("source", '"STREAM"'),
        ("symbol", '"btcusdt"'),
        ("interval", '"1M"'),
        ("interval", '"1s"'),
        ("low", "100.11"),
        ("high", "100.49"),
    ],
)
def test_a_candle_that_cannot_be_is_no_record(key, literal):
    refused(replaced(key, literal))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"1",
        b"\x00" * 300,
        b"\xef\xbb\xbf" + LINE,
        LINE.decode().encode("utf-16"),
        LINE + LINE,
        LINE.replace(b"BTCUSDT", b"BTC\xff"),
        LINE.replace(b"BTCUSDT", b"BTC\xed\xa0\x80"),
        LINE.replace(b'"BTCUSDT"', b'"\\ud800"'),
        b"[" * 2**20,
        b'{"a":' * 100_000,
        csv.HEADER,
    ],
)
def test_other_lines_are_no_records(line):
    refused(line)


def test_cut_anywhere_it_is_no_record():
    for end in range(len(LINE) - 1):
        refused(LINE[:end])


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_candle_or_no_record(line):
    candle_or_bad(line)


@given(json_values)
def test_any_json_is_a_candle_or_no_record(value):
    candle_or_bad(json.dumps(value).encode())


@given(st.sampled_from(KEYS), json_values)
def test_any_value_makes_a_candle_or_no_record(key, value):
    candle_or_bad(replaced(key, json.dumps(value)))


@given(st.integers(0, len(LINE) - 1), st.integers(0, 255))
def test_a_flipped_byte_makes_a_candle_or_no_record(place, byte):
    line = bytearray(LINE)
    line[place] = byte
    candle_or_bad(bytes(line))
