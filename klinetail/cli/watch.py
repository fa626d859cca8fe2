"""The command `klinetail watch`: live candles as a table or as lines, and recorded."""

# No annotations as text here: typer would have to compile each of them at the start.

import enum
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from klinetail.cli.exchange import (
    Env,
    EnvOption,
    ProxyOption,
    RestUrlOption,
    WsUrlOption,
    asked,
    exchange_of,
)
from klinetail.cli.recording_options import (
    AfterOption,
    AskedRecordings,
    FsyncOption,
    OutOption,
    ResumeOption,
    seconds_between_syncs,
)
from klinetail.formats.registry import FORMATS, PROSE, either, output_names
from klinetail.recordings.policy import Resume

MAX_STREAMS: Final = 12_000
"""Streams followed by default, at most: all symbols in all intervals are some 11,800
streams."""


_TABLE: Final = "table"
"""The default output of a terminal."""
_IN_PIPES: Final = "jsonl"
"""The default output of a pipe or a file."""
_WITHOUT_TABLE: Final = "plain"
"""The default output of a terminal that cannot show a table, and of a terminal whose
user wants no table."""

_LINES: Final = f"use {either([f'-o {name}' for name in (*PROSE, *FORMATS)])}"
"""The advice of an error about a table that cannot be shown."""

if TYPE_CHECKING:
    Output: TypeAlias = enum.StrEnum
else:
    Output = enum.StrEnum("Output", {name: name for name in (_TABLE, *output_names())})
"""The outputs of stdout: a table, or lines in a format."""


class Color(enum.StrEnum):
    """The choices of when to use colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def watch(
    context: typer.Context,
    streams: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STREAMS...",
            help="Symbols and intervals: btcusdt ethusdt 1m 5m are four streams, "
            "btcusdt@5m is one stream, '*usdc' is every matching symbol, @FILE stands "
            "for the words in a file (@- is stdin). Without an interval: 1m.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            envvar="KLINETAIL_ALL",
            help="Every symbol that is traded.",
        ),
    ] = False,
    quote: Annotated[
        str | None,
        typer.Option(
            "--quote",
            metavar="ASSET",
            envvar="KLINETAIL_QUOTE",
            help="Of --all and globs only symbols quoted in ASSET: USDT, USDC.",
        ),
    ] = None,
    max_streams: Annotated[
        int,
        typer.Option(
            "--max-streams",
            min=1,
            max=1_000_000,
            envvar="KLINETAIL_MAX_STREAMS",
            help="Refuse to follow more streams than this number.",
        ),
    ] = MAX_STREAMS,
    lines: Annotated[
        int,
        typer.Option(
            "-n",
            "--lines",
            min=0,
            max=1_000_000,
            envvar="KLINETAIL_LINES",
            help="Closed candles before the live ones.",
        ),
    ] = 10,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow/--no-follow",
            envvar="KLINETAIL_FOLLOW",
            help="Go on after the history.",
        ),
    ] = True,
    count: Annotated[
        int | None,
        typer.Option(
            "-c",
            "--count",
            min=1,
            envvar="KLINETAIL_COUNT",
            help="Exit after N closed candles in all, history included.",
        ),
    ] = None,
    updates: Annotated[
        bool,
        typer.Option(
            "-u",
            "--updates",
            envvar="KLINETAIL_UPDATES",
            help="Forming candles too, in pipes and recordings.",
        ),
    ] = False,
    output: Annotated[
        Output | None,
        typer.Option(
            "-o",
            "--output",
            envvar="KLINETAIL_OUTPUT",
            help="Default: table on a terminal, jsonl in a pipe; plain, a short line a"
            " candle, on a dumb terminal and for a screen reader (ACCESSIBLE=1).",
        ),
    ] = None,
    out: OutOption = None,
    resume: ResumeOption = Resume.FILL,
    after: AfterOption = None,
    fsync: FsyncOption = "closed",
    tz: Annotated[
        str,
        typer.Option(
            "--tz",
            envvar="KLINETAIL_TZ",
            help="Time zone of the table and plain lines: local, UTC, Europe/Vienna.",
        ),
    ] = "local",
    color: Annotated[
        Color,
        typer.Option("--color", envvar="KLINETAIL_COLOR", help="Colours of the table."),
    ] = Color.AUTO,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q",
            "--quiet",
            envvar="KLINETAIL_QUIET",
            help="Only errors and gaps on stderr: no other notices, no receipt.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v",
            "--verbose",
            envvar="KLINETAIL_VERBOSE",
            help="Tell each dropped message and each change of a link on stderr.",
        ),
    ] = False,
    env: EnvOption = Env.LIVE,  # noqa: ARG001 - `asked` reads these three
    ws_url: WsUrlOption = None,  # noqa: ARG001
    rest_url: RestUrlOption = None,  # noqa: ARG001
    proxy: ProxyOption = None,
    hold: Annotated[
        float,
        typer.Option(
            "--hold",
            metavar="SECONDS",
            min=0,
            envvar="KLINETAIL_HOLD",
            help="How long candles wait for an earlier candle that cannot be fetched; "
            "then a gap is announced. inf: for ever.",
        ),
    ] = 30.0,
    weight: Annotated[
        float,
        typer.Option(
            "--weight",
            metavar="PERCENT",
            min=1,
            max=100,
            envvar="KLINETAIL_WEIGHT",
            help="The part of the exchange's REST limit to use at most; your other "
            "programs share it.",
        ),
    ] = 20.0,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            envvar="KLINETAIL_STRICT",
            help="At the first gap, stop with exit code 4.",
        ),
    ] = False,
    stats: Annotated[
        str | None,
        typer.Option(
            "--stats",
            metavar="FILE",
            envvar="KLINETAIL_STATS",
            help="Write the figures as JSON at the end; - is stderr.",
        ),
    ] = None,
) -> None:
    """Live candles: a table on a terminal, JSON lines in a pipe.

    \b
    klinetail watch btcusdt 1m
    klinetail watch btcusdt ethusdt 1m 5m --out candles.csv
    klinetail watch btcusdt 1m -n 100 | jq .close
    klinetail watch --all --quote USDT 1m -n 0
    klinetail watch btcusdt 1m --env sim
    """
    import functools
    import math
    import os
    import sys

    from klinetail.cli import complain
    from klinetail.cli.choice import choose, read_words
    from klinetail.cli.words import expand, parse_streams, taken_line
    from klinetail.cli.zone import parse_zone
    from klinetail.errors import ExitCode, OutputError, UsageError
    from klinetail.pattern import Pattern
    from klinetail.sinks.output import Outputs

    outputs = Outputs()
    outputs.note_standard()
    words = expand(streams or [], functools.partial(read_words, outputs=outputs))
    wanted = parse_streams(words, everything=everything)
    if _is_said(context, "quote") and not any(isinstance(w, Pattern) for w in wanted):
        raise UsageError("--quote chooses among --all and globs; give one of these")
    zone = parse_zone(tz, os.environ)
    which = asked(context)
    _check(hold, weight)
    recorded = AskedRecordings(out or [], resume, after, seconds_between_syncs(fsync))
    shown = _output(output)
    for line in () if quiet else (which.ignored, taken_line(words)):
        if line is not None:
            complain(line)

    from klinetail.cli.plan import ONE_SHOT, Plan
    from klinetail.cli.session import Session
    from klinetail.cli.signals import Signals, has_terminal
    from klinetail.cli.stats_file import StatsFile
    from klinetail.pipeline.notices import receipt
    from klinetail.pipeline.stats import Stats
    from klinetail.sinks.stdout import header_for

    with ExitStack() as stack:
        reopening = bool(out) and not has_terminal()
        signals = stack.enter_context(
            Signals(suspending=shown == _TABLE, reopening=reopening)
        )
        header = b""
        if shown != _TABLE:
            header = header_for(sys.stdout.fileno(), shown)
        idle = stack.enter_context(ExitStack())  # closes sinks without a thread yet
        sinks = recorded.open(idle, outputs, updates=updates)
        stats_file = None
        if stats is not None:
            stats_file = stack.enter_context(StatsFile(stats, outputs))
        exchange = exchange_of(stack, which, proxy)
        chosen = choose(
            wanted,
            exchange,
            signals,
            quote=quote,
            most=max_streams,
            patience=math.inf if follow else ONE_SHOT,
            quiet=quiet,
        )
        if chosen is None:
            if not quiet:
                complain(receipt(Stats(), [], exchange.venue.name))
            if stats_file is not None:
                stats_file.write(Stats().as_json())
            raise typer.Exit(signals.exit_code)
        plan = Plan(
            streams=chosen.streams,
            listed=chosen.listed,
            venue=exchange.venue,
            ws_proxy=exchange.ws_proxy,
            rest_proxy=exchange.rest_proxy,
            lines=lines,
            follow=follow,
            limit=count,
            updates=updates,
            output=shown,
            header=header,
            recordings=recorded.look(sinks, chosen.streams),
            zone=zone,
            color=color.value,
            quiet=quiet,
            verbose=verbose,
            hold=hold,
            share=weight / 100,
            strict=strict,
            stats=stats_file,
        )
        session = None
        try:
            with ExitStack() as opened:
                session = Session(plan, signals, opened)
                idle.pop_all()
                code = session.run()
        except OutputError:
            if session is None or signals.exit_code is not ExitCode.HANGUP:
                raise
            code = ExitCode.HANGUP  # the screen could not be left: the terminal hung up
        session.receipt()

    raise typer.Exit(code)


def _is_said(context: typer.Context, option: str) -> bool:
    """Return whether an option is on the command line, not only in the environment."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _check(hold: float, weight: float) -> None:
    """Refuse NaN, since the command line's parser takes NaN for a number.

    Raises:
        UsageError: the hold or the weight is NaN.
    """
    import math

    from klinetail.errors import UsageError

    if math.isnan(hold):
        raise UsageError("--hold nan is no time; give seconds, or inf")
    if math.isnan(weight):
        raise UsageError("--weight nan is no number; give a percentage")


def _output(asked: str | None) -> str:
    """Return the output of stdout: a table only if the terminal can show a table and
    the user wants a table."""
    import os
    import sys

    from klinetail.errors import OutputError, UsageError

    if sys.stdout is None:
        raise OutputError("stdout is closed")
    if asked not in (None, _TABLE) or not sys.stdout.isatty():
        if asked == _TABLE:
            raise UsageError(f"a table needs a terminal; {_LINES}")
        return asked or _IN_PIPES

    from klinetail.view.terminal import can_draw, wants_lines

    drawable = can_draw(sys.stdout, os.environ)
    if asked == _TABLE and not drawable:
        raise UsageError(f"this terminal cannot show a table; {_LINES}")
    if asked == _TABLE or (drawable and not wants_lines(os.environ)):
        return _TABLE
    return _WITHOUT_TABLE
