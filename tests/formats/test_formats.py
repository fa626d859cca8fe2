"""The suffix of a file tells its format, and so does its first line."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import UsageError
from klinetail.formats import by_suffix, csv, dump, jsonl, reader_of, recognised
from klinetail.formats.registry import FORMATS
from tests.strategies import candle


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("btc.csv", csv),
        ("btc.jsonl", jsonl),
        ("BTC.CSV", csv),
        ("/some.where/a.b.jsonl", jsonl),
        ("币安.csv", csv),
    ],
)
def test_names_end_in_it(path, expected):
    assert by_suffix(path) is expected


@pytest.mark.parametrize(
    "path",
    ["", "csv", "jsonl", ".csv", "a.json", "a.txt", "dir.csv/a", "a.csv.gz", "a.csv "],
)
def test_other_names_are_refused_with_those_there_are(path):
    with pytest.raises(UsageError, match=r"\.jsonl or \.csv"):
        by_suffix(path)


@given(st.text())
def test_any_path_has_a_format_or_is_a_usage_error(path):
    with contextlib.suppress(UsageError):
        assert by_suffix(path) in FORMATS.values()


DUMP = b",".join(csv.encode([candle()]).split(b",")[2:13]) + b",0\n"


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (csv.HEADER, "csv"),
        (csv.HEADER + b"anything\n", "csv"),
        (csv.encode([candle()]), "csv"),
        (jsonl.encode([candle(), candle()]), "jsonl"),
        (b"\n" + jsonl.encode([candle()]), "jsonl"),
        (dump.HEADER + b"\n", "dump"),
        (DUMP, "dump"),
        (b"", None),
        (b"\n\n", None),
        (b"klinetail: 3 candles, 0 gaps\n" + jsonl.encode([candle()]), None),
        (b'{"event":"started"}\n', None),
        (dump.HEADER + b",more\r\n", "dump"),
        (csv.HEADER[:-9], None),
        (csv.HEADER[:-1], "csv"),
        (csv.HEADER.replace(b"\n", b"\r\n"), None),
        (b"\xff\x00,,,,,,,,,,,,,,,\n", None),
    ],
)
def test_candles_are_recognised_by_the_first_line(beginning, name):
    assert recognised(beginning) == name


@given(st.binary(max_size=200))
def test_anything_is_recognised_as_something_or_nothing(data):
    assert recognised(data) in (None, "csv", "jsonl", "dump")


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (csv.HEADER.rstrip(), csv),
        (csv.HEADER.rstrip() + b",more", csv),
        (dump.HEADER, dump),
        (dump.HEADER + b",a,b,c,d", dump),
        (csv.encode([candle()]).rstrip(), csv),
        (jsonl.encode([candle()]).rstrip(), jsonl),
        (DUMP.rstrip(), dump),
        (b"{", jsonl),
        (b"{" + b"," * 14, jsonl),
        (b"1" + b"," * 14, dump),
        (b"," * 14, csv),
        (b"symbol,interval,close", None),
        (b"open_time,close", None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_what_a_first_line_looks_like(line, form):
    assert reader_of(line) is form
