"""The table of checked recordings."""

import io

import pytest

from klinetail.view.checked import Row, rendered

ROWS = [
    Row("m.csv", "btcusdt@1m", "2023-01-01T00:00Z", "2023-01-02T00:00Z", 1440, "bad"),
    Row("\x1b[31mx", "币安人生usdt@1m", "", "", 0, "whole"),
]


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding)


def test_the_name_of_a_single_file_stands_above():
    environ = {"TERM": "xterm", "NO_COLOR": "1"}
    shown = rendered(ROWS[:1], [], Terminal("utf-8"), environ).decode()
    name, head, row = shown.splitlines()
    assert name == "m.csv"
    assert "FILE" not in head
    assert row.split() == [*ROWS[0][1:4], "1,440", "bad"]


@pytest.mark.parametrize(("encoding", "none"), [("utf-8", "–"), ("ascii", "-")])
def test_a_row_for_each_stream_and_the_lines_below(encoding, none):
    environ = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "130"}
    shown = rendered(ROWS, ["m.csv:5: a hole"], Terminal(encoding), environ)
    head, first, second, line = shown.decode(encoding).splitlines()
    for name in ("FILE", "STREAM", "FIRST", "LAST", "CANDLES", "STATE"):
        assert name in head
    assert first.split() == [*ROWS[0][:4], "1,440", "bad"]
    assert second.split()[-4:] == [none, none, "0", "whole"]
    assert "\x1b[31m" not in second
    assert r"\x1b[31mx " in second
    assert line == "m.csv:5: a hole"
