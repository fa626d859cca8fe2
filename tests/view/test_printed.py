"""What is printed once fits the terminal: its encoding, its colours, its width."""

import io

import pytest
from rich.text import Text

from klinetail.view.printed import printed


def terminal(encoding="utf-8"):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("environ", "escapes"),
    [
        ({"TERM": "xterm"}, b"\x1b[1;31m"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, b"\x1b[1m"),
        ({"TERM": "dumb"}, b""),
    ],
)
def test_colours_are_those_of_the_terminal(environ, escapes):
    out = printed(terminal(), environ, Text("word", style="bold red"))
    assert escapes in out
    assert (b"\x1b" in out) is bool(escapes)
    assert b"word" in out


def test_a_character_without_a_place_in_the_encoding_is_a_question_mark():
    assert printed(terminal("ascii"), {"TERM": "dumb"}, Text("\u5e01a")) == b"?a\n"


def test_a_long_line_is_not_broken():
    line = "word " * 100
    out = printed(terminal(), {"TERM": "dumb"}, Text(line), Text("next"))
    assert out == f"{line}\nnext\n".encode()
