"""The command line: one file for each command. This room builds the parts, wires the
parts together, owns signals and exit codes, and has no logic of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import NoReturn

from klinetail import _end_when_asked
from klinetail.cli.stderr import LAST_WORDS, STDERR, take_over_stderr
from klinetail.errors import ExitCode, KlinetailError
from klinetail.kinds import Kind
from klinetail.shortage import shortage


def main() -> NoReturn:
    """Run the `klinetail` script: its entry point."""
    _end_when_asked()
    _open_standard_streams()
    take_over_stderr()
    # Loading makes many objects and no garbage; a run makes little garbage.
    gc.set_threshold(10_000)
    code: str | int | None
    try:
        from klinetail.cli.app import app

        code = app(prog_name="klinetail")
    except SystemExit as ending:
        code = ending.code
    except KlinetailError as error:
        complain(str(error))
        code = error.exit_code
    except KeyboardInterrupt:  # the second Ctrl-C: a command handles the first itself
        code = ExitCode.INTERRUPTED_TWICE
    except Exception as error:  # noqa: BLE001 - even a bug is reported before the end
        if lacking := shortage(error):
            complain(f"{lacking}; end other programs, or try again later")
        else:
            sys.excepthook(*sys.exc_info())
        code = ExitCode.BUG
    leave(code)


def leave(code: str | int | None) -> NoReturn:
    """End the process now.

    Everything is closed and written before. Freeing a market's candles one by one would
    take the interpreter longer than a stop may take.
    """
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            complain(f"stdout: {error.strerror}")
            code = ExitCode.OUTPUT
    # A late Ctrl-C would change the exit code of a run whose work is done.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
    STDERR.finish(LAST_WORDS)
    os._exit(code if isinstance(code, int) else ExitCode.BUG if code else ExitCode.OK)


def complain(text: str, kind: Kind = Kind.OWN) -> None:
    """Write one plain line to stderr.

    The call neither fails nor waits if stderr is closed or full.

    Args:
        text: the line, not escaped yet. A long line is cut, except a receipt.
        kind: the subject of the line.
    """
    STDERR.say(text, kind)


def _open_standard_streams() -> None:
    """Open each closed standard descriptor on /dev/null.

    Otherwise the next opened file would get the number of the closed descriptor, and
    notices or data would be written into the file.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
