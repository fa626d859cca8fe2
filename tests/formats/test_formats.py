"""The suffix of a file tells its format."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import UsageError
from klinetail.formats import FORMATS, by_suffix, csv, jsonl


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
