"""The command `klinetail check`: what a recording lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from klinetail.formats.registry import suffixes

if TYPE_CHECKING:
    from klinetail.recordings.lines import Asked
    from klinetail.recordings.survey import Report


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help=f"Recordings ({', '.join(suffixes())}), plain or as .gz or .zst, or"
            " the exchange's public dumps (.csv, .zip); - is stdin.",
            show_default=False,
        ),
    ],
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            envvar="KLINETAIL_JSON",
            help="Write JSON lines: the streams, each fault, the sums.",
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            max=1024,
            envvar="KLINETAIL_JOBS",
            help="Processes that share the work.",
        ),
    ] = 1,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=NAME,...",
            envvar="KLINETAIL_COLUMNS",
            help="Which column of another program's CSV is which:"
            " open_time=ts,open=o,high=h,low=l,close=c,volume=v.",
        ),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option(
            metavar="SYMBOL",
            envvar="KLINETAIL_SYMBOL",
            help="The symbol, where a file does not tell it.",
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="INTERVAL",
            envvar="KLINETAIL_INTERVAL",
            help="The interval, where a file does not tell it.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            envvar="KLINETAIL_SINCE",
            help="Check only candles that open then or later: 2d, 2023-11-14, today.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            envvar="KLINETAIL_UNTIL",
            help="Check only candles that open before then.",
        ),
    ] = None,
) -> None:
    """What recordings lack: holes, doubles, disorder, torn lines, impossible candles.

    \b
    klinetail check m.csv.zst
    klinetail check BTCUSDT-1m-2023-*.zip
    klinetail check big.csv --jobs 2 --json | jq 'select(.kind == "hole")'
    klinetail check other.csv --symbol btcusdt --interval 1m --columns open_time=ts

    Files that are named alike up to a date are checked as one. Exit code 0: nothing is
    wrong; 4: there is a fault; 2: a file cannot be read.
    """
    import sys

    from klinetail.cli import complain
    from klinetail.cli.signals import Signals
    from klinetail.cli.symbols import write_all
    from klinetail.errors import ExitCode, OutputError
    from klinetail.kinds import Kind
    from klinetail.recordings.reported import summary
    from klinetail.recordings.survey import survey

    asked = _asked(columns, symbol, interval, since, until)
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    # Nothing has to be finished before the report: a signal ends the process at once.
    report = survey(files, asked, jobs)
    for text in report.unreadable:
        complain(text)
    with Signals() as signals:
        write_all(_written(report, json), signals)
    complain(summary(report), Kind.RECEIPT)
    if report.unreadable:
        raise typer.Exit(ExitCode.USAGE)
    raise typer.Exit(ExitCode.OK if report.whole else ExitCode.NOT_WHOLE)


def _asked(
    columns: str | None,
    symbol: str | None,
    interval: str | None,
    since: str | None,
    until: str | None,
) -> Asked:
    """Return how the files are to be read.

    Raises:
        UsageError: an option has an impossible value.
    """
    import time

    from klinetail.candle import Interval
    from klinetail.cli.when import parse_when
    from klinetail.cli.words import parse_symbol
    from klinetail.errors import UsageError
    from klinetail.formats.foreign import parse
    from klinetail.recordings.lines import Asked

    now = time.time_ns() // 1_000_000
    begin = None if since is None else parse_when(since, now, "--since")
    end = None if until is None else parse_when(until, now, "--until")
    if begin is not None and end is not None and begin >= end:
        raise UsageError("--since is not before --until: no candle is left to check")
    return Asked(
        None if columns is None else parse(columns),
        None if symbol is None else parse_symbol(symbol),
        None if interval is None else Interval.of(interval),
        begin,
        end,
    )


def _written(report: Report, json: bool) -> bytes:
    """Return the report as it goes to stdout."""
    import os
    import sys

    from klinetail.escape import brief, printable
    from klinetail.recordings import reported

    if json:
        return b"".join(reported.as_json(report))
    lines = [brief(line) for line in reported.finding_lines(report)]
    if sys.stdout.isatty():
        from klinetail.view.checked import Row, rendered

        rows = [Row(*reported.row(checked)) for checked in report.streams]
        return rendered(rows, lines, sys.stdout, os.environ)
    streams = [printable(reported.stream_line(each)) for each in report.streams]
    text = "".join(f"{line}\n" for line in (*streams, *lines))
    return text.encode("utf-8", "backslashreplace")
