"""The command line: one file a command. Builds the parts, wires them, owns signals
and exit codes; has no logic of its own."""

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
    """Entry point of the `klinetail` script."""
    _end_when_asked()
    _open_standard_streams()
    take_over_stderr()
    # Loading makes many objects and no garbage; a run makes little of it.
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
    except KeyboardInterrupt:  # the second Ctrl-C: a command heeds the first itself
        code = ExitCode.INTERRUPTED_TWICE
    except Exception as error:  # noqa: BLE001 - even a bug has to be said in time
        if lacking := shortage(error):
            complain(f"{lacking}; give it more, or try again later")
        else:
            sys.excepthook(*sys.exc_info())
        code = ExitCode.BUG
    leave(code)


def leave(code: str | int | None) -> NoReturn:
    """End the process now. All is closed and written by then, and to free a market's
    candles one by one would take the interpreter longer than a stop may."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            complain(f"stdout: {error.strerror}")
            code = ExitCode.OUTPUT
    # A late Ctrl-C would change the exit code, as if what was done had not been.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
    STDERR.finish(LAST_WORDS)
    os._exit(code if isinstance(code, int) else ExitCode.BUG if code else ExitCode.OK)


def complain(text: str, kind: Kind = Kind.OWN) -> None:
    """One plain line on stderr. A stderr that is gone, or full, is no reason to fail
    or to wait.

    Args:
        text: as it came. It is cut if it is long, unless these are figures.
        kind: what it is about.
    """
    STDERR.say(text, kind)


def _open_standard_streams() -> None:
    """Give a standard descriptor that is closed to /dev/null: otherwise the next file
    that is opened would get its number, and the notices or the data of another."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
