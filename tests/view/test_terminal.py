"""The terminal: what it can do is found out, and writing never blocks."""

import contextlib
import fcntl
import io
import os
import pty
import select
import struct
import termios
import time

import pytest

from klinetail.errors import OutputError
from klinetail.view.terminal import (
    Terminal,
    can_draw,
    coloured,
    glyphs_of,
    wants_lines,
)
from klinetail.view.theme import ASCII, UNICODE

XTERM = {"TERM": "xterm-256color"}


@pytest.fixture
def ends():
    master, slave = pty.openpty()
    try:
        yield master, slave
    finally:
        for fd in (master, slave):
            with contextlib.suppress(OSError):
                os.close(fd)


@pytest.fixture
def terminal(ends):
    made = Terminal(ends[1])
    yield made
    made.close()


def received(master, until=b"", seconds=20):
    data = b""
    deadline = time.monotonic() + seconds
    while until not in data or not data:
        if not select.select([master], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise AssertionError(f"only {data!r} came")
        data += os.read(master, 65_536)
    return data


@pytest.mark.parametrize(
    ("environ", "can"),
    [(XTERM, True), ({"TERM": "dumb"}, False), ({"TERM": ""}, False), ({}, False)],
)
def test_a_terminal_without_a_cursor_gets_no_table(ends, environ, can):
    with open(ends[1], "w", closefd=False) as stdout:
        assert can_draw(stdout, environ) is can


def test_what_is_no_terminal_gets_no_table(tmp_path):
    with open(tmp_path / "out", "w") as stdout:
        assert not can_draw(stdout, XTERM)
    assert not can_draw(stdout, XTERM)
    assert not can_draw(io.StringIO(), XTERM)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1", True), ("true", True), ("", False), ("0", False), ("False", False)],
)
def test_a_screen_reader_wants_lines(value, wanted):
    assert wants_lines(XTERM | {"ACCESSIBLE": value}) is wanted
    assert not wants_lines(XTERM)


@pytest.mark.parametrize(
    ("color", "environ", "expected"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
    ],
)
def test_colour(color, environ, expected):
    assert coloured(environ | XTERM, color) is expected


@pytest.mark.parametrize(("encoding", "glyphs"), [("utf-8", UNICODE), ("ascii", ASCII)])
def test_glyphs_follow_the_encoding(encoding, glyphs):
    assert glyphs_of(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is glyphs


def test_what_it_does_not_take_is_kept_and_comes_whole(ends, terminal):
    sent = b"".join(b"%07d\n" % k for k in range(20_000))
    assert not terminal.write(sent)
    assert not terminal.flush()
    assert not terminal.drain(0.01)
    assert terminal.flush()
    got = received(ends[0]).replace(b"\r\n", b"\n")
    assert sent.startswith(got)


def test_a_slow_reader_gets_all_of_it(ends, terminal):
    sent = b"x" * 100_000 + b"END"
    done = terminal.write(sent)
    got = b""
    while b"END" not in got:
        got += received(ends[0])
        done = terminal.flush()
    assert done
    assert got == sent


def test_the_given_descriptor_stays_as_it_was(ends, terminal):
    assert not fcntl.fcntl(ends[1], fcntl.F_GETFL) & os.O_NONBLOCK
    terminal.close()
    os.write(ends[1], b"still open")
    assert received(ends[0]) == b"still open"


def test_a_terminal_that_is_gone_is_an_output_error(ends, terminal):
    os.close(ends[0])
    with pytest.raises(OutputError, match="the terminal is gone"):
        terminal.write(b"x")
    assert terminal.flush()


def test_size(ends, terminal):
    assert terminal.size() == (80, 24)
    fcntl.ioctl(ends[1], termios.TIOCSWINSZ, struct.pack("HHHH", 5, 7, 0, 0))
    assert terminal.size() == (7, 5)


def test_of_another_session_it_counts_as_in_front(terminal):
    assert terminal.foreground()


def test_echo_is_stopped_and_comes_back(ends, terminal):
    before = termios.tcgetattr(ends[1])
    terminal.mute()
    terminal.mute()
    muted = termios.tcgetattr(ends[1])
    assert not muted[3] & (termios.ECHO | termios.ICANON)
    assert muted[3] & termios.ISIG
    terminal.unmute()
    assert termios.tcgetattr(ends[1]) == before
    terminal.unmute()
