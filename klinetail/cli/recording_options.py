"""The options of recordings."""

# No annotations as text here: typer would have to compile each of them at the start.

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from klinetail.errors import UsageError
from klinetail.formats.registry import either, suffixes
from klinetail.recordings.policy import Resume

if TYPE_CHECKING:
    from contextlib import ExitStack

    from klinetail.candle import Stream
    from klinetail.cli.plan import Recordings
    from klinetail.sinks.output import Outputs
    from klinetail.sinks.registry import AnySink

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


class AskedRecordings(NamedTuple):
    """The recordings that the options ask for.

    Most runs have no recording, so the modules of recordings are imported late.
    """

    targets: list[str]
    """Paths and URLs, as given to `--out`."""
    resume: Resume
    """The fate of candles that a recording lacks."""
    after: str | None
    """The recording that files without records go on after."""
    sync: float | None
    """See `seconds_between_syncs`."""

    def open(
        self, idle: "ExitStack", outputs: "Outputs", *, updates: bool
    ) -> "list[AnySink]":
        """Open the sinks, and return them in the given order.

        Args:
            idle: closes the sinks that have no thread yet.
            outputs: the files of the run.
            updates: whether forming candles are recorded, too.

        Raises:
            UsageError: a target cannot exist, or `--after` lacks a target.
            OutputError: a sink cannot be opened.
        """
        if not self.targets:
            if self.after is not None:
                raise UsageError(
                    "--after names the recording that --out continues; give --out"
                )
            return []
        from klinetail.cli.recording import open_sinks
        from klinetail.cli.stderr import STDERR
        from klinetail.recordings.policy import FileOptions
        from klinetail.sinks.registry import Opening

        options = FileOptions(self.resume, self.sync)
        opening = Opening(updates, outputs, options, STDERR.say)
        return open_sinks(self.targets, opening, idle)

    def look(self, sinks: "list[AnySink]", streams: "Sequence[Stream]") -> "Recordings":
        """Return the recordings of a run, with what they hold of the streams.

        Raises:
            UsageError: a file cannot go on.
            OutputError: a file cannot be read.
        """
        from klinetail.cli.plan import Recordings

        if not sinks:
            return Recordings([], [], self.resume)
        from klinetail.cli.recording import tails_of

        return Recordings(sinks, tails_of(sinks, streams, self.after), self.resume)


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
