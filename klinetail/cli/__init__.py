"""The command line: one file a command. Builds the parts, wires them, owns signals
and exit codes; has no logic of its own."""

from __future__ import annotations

import sys

from klinetail.errors import KlinetailError
from klinetail.escape import printable


def main() -> None:
    """Entry point of the `klinetail` script."""
    from klinetail.cli.app import app

    try:
        app(prog_name="klinetail")
    except KlinetailError as error:
        complain(str(error))
        sys.exit(error.exit_code)


def complain(text: str) -> None:
    """One plain line on stderr. A stderr that is gone is no reason to fail."""
    try:
        sys.stderr.write(f"klinetail: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
