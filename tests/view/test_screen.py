"""The screen, over real pseudo-terminals: it is always given back."""

import contextlib
import copy
import os
import pty
import signal
import sys
import time

import pexpect
import pyte
import pytest
from pyte import modes

from klinetail.errors import OutputError
from klinetail.view.screen import Screen
from klinetail.view.theme import line

PATIENCE = 30
WRAP = modes.DECAWM
ALTERNATE = 1049 << 5  # as pyte numbers private modes

LIVE = """
import os, signal, sys, time
from datetime import UTC
from klinetail.candle import MINUTE
from klinetail.pipeline.stats import Stats
from klinetail.view.screen import Screen
from klinetail.view.table import Table
from klinetail.view.terminal import coloured, glyphs_of
from tests.strategies import BTCUSDT_1M, candle

START = 1_700_000_040_000
how = sys.argv[1]

def terminate(*_):
    raise SystemExit(7)

print("before")
signal.signal(signal.SIGTERM, terminate)
stdout = sys.stdout
glyphs = glyphs_of(stdout)
table = Table([BTCUSDT_1M], tz=UTC, source="SIM (tests)", real=False, glyphs=glyphs)
table.put([candle(START)])
with Screen(stdout, color=coloured(os.environ), rate=50) as screen:
    signal.signal(signal.SIGWINCH, lambda *_: screen.resized())
    def stop(*_):
        screen.suspend()
        os.kill(os.getpid(), signal.SIGSTOP)
        screen.resume()
    signal.signal(signal.SIGTSTP, stop)
    said = False
    k = 1
    while True:
        table.put([candle(START + k * MINUTE, closed=False, delay=k - 60_000)])
        now = time.monotonic()
        if how == "say" and k == 10:
            screen.say("a warning\\x1b[2J")
        due = screen.draw(table, now)
        if how == "return" and k == 20:
            break
        if how == "raise" and k == 20:
            raise RuntimeError("boom")
        time.sleep(max(min(due - now, 0.02), 0))
        k += 1 if k < 20 or how == "moving" else 0
print("after")
"""


class Emulator(pyte.Screen):
    """pyte with the alternate screen, which it leaves out."""

    main = None

    def set_mode(self, *numbers, **kwargs):
        if 1049 in numbers and self.main is None:
            self.main = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)
        super().set_mode(*numbers, **kwargs)

    def reset_mode(self, *numbers, **kwargs):
        if 1049 in numbers and self.main is not None:
            self.buffer, cursor = self.main
            self.cursor.x, self.cursor.y = cursor.x, cursor.y
            self.main = None
        super().reset_mode(*numbers, **kwargs)

    @property
    def text(self):
        return [line.rstrip() for line in self.display]


class Run:
    """A child that draws on a terminal of ours."""

    def __init__(self, how, *, columns=80, lines=24, **environ):
        self.emulator = Emulator(columns, lines)
        self.stream = pyte.ByteStream(self.emulator)
        self.raw = b""
        env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": "."} | environ
        self.child = pexpect.spawn(
            sys.executable, ["-c", LIVE, how], dimensions=(lines, columns), env=env
        )

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition(self.emulator):
            left = deadline - time.monotonic()
            assert left > 0, "\n".join(self.emulator.text)
            with contextlib.suppress(pexpect.TIMEOUT):
                data = self.child.read_nonblocking(65_536, timeout=min(left, 0.2))
                self.raw += data
                self.stream.feed(data)

    def until_shown(self, text):
        self.until(lambda emulator: any(text in line for line in emulator.text))

    def finish(self):
        with contextlib.suppress(pexpect.EOF):
            self.until(lambda _: False)
        self.child.wait()
        return self.emulator

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.close(force=True)


def assert_given_back(emulator):
    assert not emulator.cursor.hidden
    assert emulator.main is None
    assert WRAP in emulator.mode


class TestLeaving:
    def test_while_it_draws_the_screen_is_its_own(self):
        with Run("for ever") as run:
            run.until_shown("22:34")
            assert run.emulator.cursor.hidden
            assert run.emulator.main is not None
            assert WRAP not in run.emulator.mode
            assert run.emulator.text[0].startswith(" BTCUSDT 1m")
            assert "before" not in run.emulator.text

    def test_at_the_end(self):
        with Run("return") as run:
            emulator = run.finish()
            assert run.child.exitstatus == 0
        assert_given_back(emulator)
        lines = [line for line in emulator.text if line]
        assert lines[0] == "before"
        assert "SIM (tests)" in lines[1]
        assert "22:34" in lines[-2]
        assert lines[-1] == "after"

    def test_on_an_exception(self):
        with Run("raise") as run:
            emulator = run.finish()
            assert run.child.exitstatus == 1
        assert_given_back(emulator)
        assert emulator.text[0] == "before"
        assert "RuntimeError: boom" in emulator.text

    @pytest.mark.parametrize(("number", "code"), [("SIGTERM", 7), ("SIGINT", None)])
    def test_on_a_signal(self, number, code):
        with Run("for ever") as run:
            run.until_shown("22:34")
            run.child.kill(getattr(signal, number))
            emulator = run.finish()
            assert run.child.exitstatus in (code, 1)
        assert_given_back(emulator)
        assert any("22:34" in line for line in emulator.text)

    def test_a_small_terminal_keeps_the_newest_rows(self):
        with Run("return", lines=8) as run:
            emulator = run.finish()
        assert [line[3:8] for line in emulator.text if "✓" in line or "○" in line]
        assert emulator.text[-2] == "after"


class TestSuspending:
    def test_stopped_it_gives_the_terminal_back_and_takes_it_again(self):
        with Run("for ever") as run:
            run.until_shown("22:34")
            run.child.kill(signal.SIGTSTP)
            run.until(lambda emulator: emulator.main is None)
            assert_given_back(run.emulator)
            assert run.emulator.text[0] == "before"
            # It gives the terminal back first: to go on before it stands would be lost.
            assert os.WIFSTOPPED(os.waitpid(run.child.pid, os.WUNTRACED)[1])
            run.child.kill(signal.SIGCONT)
            run.until_shown("22:34")
            run.until(lambda emulator: emulator.main is not None)
            assert run.emulator.cursor.hidden


class TestSaying:
    def test_a_line_goes_above_the_table_once(self):
        with Run("say") as run:
            run.until_shown("22:34")
            run.child.kill(signal.SIGTERM)
            emulator = run.finish()
        assert emulator.text[:2] == ["before", "a warning\\x1b[2J"]
        assert run.raw.count(b"a warning") == 1
        assert_given_back(emulator)


class TestResizing:
    def test_a_storm_of_sizes_ends_in_a_whole_screen(self):
        with Run("moving") as run:
            run.until_shown("22:34")
            for lines, columns in [(1, 1), (2, 5), (100, 400), (3, 40), (12, 1)] * 4:
                run.child.setwinsize(lines, columns)
                time.sleep(0.02)
            run.emulator.resize(12, 60)
            run.child.setwinsize(12, 60)
            run.until(
                lambda emulator: (
                    emulator.text[0].startswith(" BTCUSDT 1m")
                    and emulator.text[0].endswith("SIM (tests)")
                    and emulator.text[-1].startswith("  SIM    ◌ starting")
                )
            )
            run.child.kill(signal.SIGTERM)
            assert_given_back(run.finish())
            assert run.child.exitstatus == 7


class TestCharacters:
    def test_no_color_has_none(self):
        with Run("return", NO_COLOR="1") as run:
            emulator = run.finish()
        cells = [cell for row in emulator.buffer.values() for cell in row.values()]
        assert {cell.fg for cell in cells} == {"default"}
        assert any(cell.bold for cell in cells)

    def test_colour_is_there_otherwise(self):
        with Run("return") as run:
            emulator = run.finish()
        cells = [cell for row in emulator.buffer.values() for cell in row.values()]
        assert {cell.fg for cell in cells} == {"default", "green", "brown"}

    def test_a_terminal_of_ascii_gets_ascii(self):
        with Run("return", PYTHONIOENCODING="ascii", PYTHONUTF8="0") as run:
            emulator = run.finish()
            assert run.child.exitstatus == 0
        assert run.raw.isascii()
        assert any("^ +0.40%" in line for line in emulator.text)


class Lines:
    """A view of given lines."""

    def __init__(self, *lines):
        self.lines = [line((text, "")) for text in lines]

    def render(self, width, height):
        return self.lines

    def summary(self, width, height):
        return self.lines[:height]


@contextlib.contextmanager
def screen_on_a_pty():
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    with (
        open(master, "rb", buffering=0) as end,
        open(slave, "w", encoding="ascii") as stdout,
    ):
        yield Screen(stdout, rate=10), end


def drawn(end):
    return end.read(65_536) or b""


class TestDrawing:
    def test_only_what_changed_is_written(self):
        with screen_on_a_pty() as (screen, master), screen:
            view = Lines("one", "two")
            screen.draw(view, 0.0)
            assert b"one" in drawn(master)
            screen.draw(view, 1.0)
            assert drawn(master) == b""
            view.lines[1] = line(("three", ""))
            screen.draw(view, 2.0)
            assert drawn(master) == b"\x1b[?2026h\x1b[2;1Hthree\x1b[K\x1b[?2026l"

    def test_a_line_that_is_gone_is_cleared(self):
        with screen_on_a_pty() as (screen, master), screen:
            view = Lines("one", "two")
            screen.draw(view, 0.0)
            drawn(master)
            del view.lines[1]
            screen.draw(view, 1.0)
            assert drawn(master) == b"\x1b[?2026h\x1b[2;1H\x1b[K\x1b[?2026l"

    def test_the_last_column_is_not_cleared(self):
        with screen_on_a_pty() as (screen, master), screen:
            screen.draw(Lines("x" * 80), 0.0)
            assert b"x" * 80 + b"\x1b[2;1H" in drawn(master)

    def test_frames_are_rationed_and_it_says_when_the_next_is_due(self):
        with screen_on_a_pty() as (screen, master), screen:
            view = Lines("one")
            assert screen.draw(view, 5.0) == 6.0
            drawn(master)
            view.lines[0] = line(("two", ""))
            assert screen.draw(view, 5.05) == pytest.approx(5.1)
            assert drawn(master) == b""
            assert screen.draw(view, 5.11) == pytest.approx(6.11)
            assert b"two" in drawn(master)

    def test_what_cannot_be_encoded_is_a_question_mark(self):
        with screen_on_a_pty() as (screen, master), screen:
            screen.draw(Lines("▲ 币"), 0.0)
            assert b"? ?" in drawn(master)

    def test_too_many_lines_are_cut(self):
        with screen_on_a_pty() as (screen, master), screen:
            screen.draw(Lines(*map(str, range(50))), 0.0)
            assert b"\x1b[24;1H23" in (seen := drawn(master))
            assert b"\x1b[25;1H" not in seen

    def test_a_slow_terminal_gets_the_newest_frame_only(self):
        with screen_on_a_pty() as (screen, master), screen:
            for k in range(200):
                screen.draw(Lines(*[f"{k}-" * 20] * 24), float(k))
            seen = b""
            for k in range(200, 300):
                seen += drawn(master)
                screen.draw(Lines(*["newest"] * 24), float(k))
            assert b"198-" not in seen
            assert b"newest" in seen

    def test_a_terminal_that_is_gone_is_an_output_error(self):
        with screen_on_a_pty() as (screen, master):
            with screen:
                screen.draw(Lines("one"), 0.0)
                master.close()
                with pytest.raises(OutputError):
                    screen.draw(Lines("two"), 1.0)
                screen.suspend()
            with pytest.raises(RuntimeError):
                screen.draw(Lines("two"), 2.0)

    def test_suspended_twice_it_leaves_once(self):
        with screen_on_a_pty() as (screen, master), screen:
            screen.draw(Lines("one"), 0.0)
            drawn(master)
            screen.suspend()
            assert b"\x1b[?25h" in drawn(master)
            screen.suspend()
            assert drawn(master) == b""

    def test_of_lines_that_could_not_be_shown_the_last_are_kept_and_the_others_counted(
        self,
    ):
        with screen_on_a_pty() as (screen, master), screen:
            for number in range(1_500):
                screen.say(f"line {number}")
            screen.draw(Lines("one"), 0.0)
            seen = drawn(master)
            while b"one" not in seen:
                screen.draw(Lines("one"), 1.0)
                seen += drawn(master)
            assert b"klinetail: (500 lines could not be shown in time)\r" in seen
            assert b"line 499\r" not in seen
            assert b"line 500\r" in seen
            assert b"line 1499\r" in seen

    def test_never_drawn_it_writes_nothing(self):
        with screen_on_a_pty() as (screen, master):
            with screen:
                pass
            assert drawn(master) == b""
