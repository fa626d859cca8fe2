"""The command line: one file a command. Builds the parts, wires them, owns signals
and exit codes; has no logic of its own."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

from klinetail.errors import ExitCode, KlinetailError
from klinetail.escape import printable
from klinetail.shortage import shortage


def main() -> NoReturn:
    """Entry point of the `klinetail` script."""
    # Loading makes many objects and no garbage; a run makes little of it.
    gc.set_threshold(10_000)
    try:
        from klinetail.cli.app import app

        code = app(prog_name="klinetail")
    except SystemExit as ending:
        code = ending.code
    except KlinetailError as error:
        complain(str(error))
        code = error.exit_code
    except (MemoryError, OSError, RuntimeError) as error:
        if not (lacking := shortage(error)):
            raise
        complain(f"{lacking}; give it more, or try again later")
        code = ExitCode.BUG
    except KeyboardInterrupt:  # before a command listened, or the second one
        code = ExitCode.INTERRUPTED_TWICE
    leave(code)


def leave(code: str | int | None) -> NoReturn:
    """End the process now. All is closed and written by then, and to free a market's
    candles one by one would take the interpreter longer than a stop may."""
    # A late Ctrl-C would kill the process, as if what was done had not been.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            complain(f"stdout: {error.strerror}")
            code = ExitCode.OUTPUT
    os._exit(code if isinstance(code, int) else ExitCode.BUG if code else ExitCode.OK)


def complain(text: str) -> None:
    """One plain line on stderr. A stderr that is gone is no reason to fail."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"klinetail: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
