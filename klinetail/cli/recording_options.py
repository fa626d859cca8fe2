"""The options of recordings."""

# No annotations as text here: typer would have to compile each of them at the start.

import math
from typing import Annotated, TypeAlias

import typer

from klinetail.errors import UsageError
from klinetail.formats.registry import either, suffixes
from klinetail.recordings.policy import Resume

OutOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--out",
        metavar="FILE",
        envvar="KLINETAIL_OUT",
        help=f"Record to FILE ({either(suffixes())}), which goes on where it stopped; a"
        " further .gz or .zst compresses it; repeatable.",
    ),
]

ResumeOption: TypeAlias = Annotated[
    Resume,
    typer.Option(
        "--resume",
        envvar="KLINETAIL_RESUME",
        help="Of candles that FILE lacks since it stopped: fill fetches them, gap"
        " leaves a hole, never refuses a file with records.",
    ),
]

AfterOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--after",
        metavar="OLD",
        envvar="KLINETAIL_AFTER",
        help="Let the FILE of --out go on where the recording OLD ends.",
    ),
]

FsyncOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--fsync",
        metavar="WHEN",
        envvar="KLINETAIL_FSYNC",
        help="When recordings are put on the disk for sure: after each closed candle"
        " (closed), every so many SECONDS, or never.",
    ),
]


def seconds_between_syncs(when: str) -> float | None:
    """Return the seconds between two syncs of a file: 0 for a sync after each closed
    candle, None for no sync.

    Args:
        when: the value of `--fsync`.

    Raises:
        UsageError: the value is no time.
    """
    if when in ("closed", "never"):
        return 0.0 if when == "closed" else None
    try:
        seconds = float(when)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(
            f"--fsync {when[:20]!r} is no time; give closed, never, or seconds above 0"
        )
    return seconds
