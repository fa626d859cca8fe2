"""The command line: one file a command. Builds the parts, wires them, owns signals
and exit codes; has no logic of its own."""

from __future__ import annotations

import gc
import signal
import sys

from klinetail.errors import ExitCode, KlinetailError
from klinetail.escape import printable


def main() -> None:
    """Entry point of the `klinetail` script."""
    # Loading makes many objects and no garbage; a run makes little of it.
    gc.set_threshold(10_000)
    try:
        from klinetail.cli.app import app

        app(prog_name="klinetail")
    except KlinetailError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before a command listened, or the second one
        sys.exit(ExitCode.INTERRUPTED_TWICE)
    finally:
        # Late in its end the interpreter would let one kill the process, as if
        # what was done had not been.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def complain(text: str) -> None:
    """One plain line on stderr. A stderr that is gone is no reason to fail."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"klinetail: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
