"""`klinetail watch`: live candles, as a table or as lines, and recorded beside."""

# No annotations as text here: typer would have to compile each of them at the start.

import enum
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from klinetail.protocol.routes import Route


class Output(enum.StrEnum):
    """What stdout shows."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class Color(enum.StrEnum):
    """When to use colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Env(enum.StrEnum):
    """Which exchange."""

    LIVE = "live"
    TESTNET = "testnet"
    SIM = "sim"


def watch(
    streams: Annotated[
        list[str],
        typer.Argument(
            metavar="STREAMS...",
            help="Symbols and intervals: btcusdt ethusdt 1m 5m are four streams, "
            "btcusdt@5m is one. Without an interval: 1m.",
        ),
    ],
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
            help="Exit after so many closed candles in all, history included.",
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
            help="Default: table on a terminal, jsonl in a pipe.",
        ),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            "--out",
            metavar="FILE",
            envvar="KLINETAIL_OUT",
            help="Record to FILE (.jsonl or .csv) beside; repeatable.",
        ),
    ] = None,
    tz: Annotated[
        str,
        typer.Option(
            "--tz",
            envvar="KLINETAIL_TZ",
            help="Time zone of the table: local, UTC, Europe/Vienna.",
        ),
    ] = "local",
    color: Annotated[
        Color, typer.Option("--color", envvar="KLINETAIL_COLOR", help="Of the table.")
    ] = Color.AUTO,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q",
            "--quiet",
            envvar="KLINETAIL_QUIET",
            help="Only errors on stderr: no notices, no receipt.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v",
            "--verbose",
            envvar="KLINETAIL_VERBOSE",
            help="Each dropped message and each change of a link on stderr.",
        ),
    ] = False,
    env: Annotated[
        Env,
        typer.Option(
            "--env",
            envvar="KLINETAIL_ENV",
            help="Which exchange; sim is a made-up market on this machine.",
        ),
    ] = Env.LIVE,
    ws_url: Annotated[
        str | None,
        typer.Option(
            "--ws-url",
            metavar="URL",
            envvar="KLINETAIL_WS_URL",
            help="Another exchange's WebSocket, with --rest-url.",
        ),
    ] = None,
    rest_url: Annotated[
        str | None,
        typer.Option(
            "--rest-url",
            metavar="URL",
            envvar="KLINETAIL_REST_URL",
            help="Another exchange's REST, with --ws-url.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            "--proxy",
            metavar="URL",
            envvar="KLINETAIL_PROXY",
            help="http://[USER:PASSWORD@]HOST:PORT, or https://; for WebSocket and "
            "REST. Otherwise HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY tell.",
        ),
    ] = None,
    hold: Annotated[
        float,
        typer.Option(
            "--hold",
            metavar="SECONDS",
            min=0,
            envvar="KLINETAIL_HOLD",
            help="How long candles wait for an earlier one that cannot be fetched; "
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
    klinetail watch btcusdt 1m --env sim
    """
    import math
    import os

    from klinetail.cli.words import parse_streams, parse_zone
    from klinetail.errors import UsageError
    from klinetail.exchange.proxy import proxy_for
    from klinetail.protocol import routes

    parsed = parse_streams(streams)
    zone = parse_zone(tz)
    custom = routes.custom(ws_url, rest_url)
    if custom is not None and env is not Env.LIVE:
        raise UsageError(f"--env {env} and --ws-url name two exchanges; give one")
    if math.isnan(hold):
        raise UsageError("--hold nan is no time; give seconds, or inf")
    shown = _output(output)

    from klinetail.cli.session import Plan, Session
    from klinetail.cli.signals import Signals

    with ExitStack() as stack:
        signals = stack.enter_context(Signals(suspending=shown is Output.TABLE))
        if env is Env.SIM:
            route, source = _sim(stack), "SIM (synthetic market)"
        elif custom is not None:
            route, source = custom, custom.ws_url
        else:
            route = routes.LIVE if env is Env.LIVE else routes.TESTNET
            source = "binance live" if env is Env.LIVE else "binance testnet"
        given = None if env is Env.SIM else proxy  # the sim is in this process
        plan = Plan(
            streams=parsed,
            route=route,
            ws_proxy=proxy_for(route.ws_url, given, os.environ),
            rest_proxy=proxy_for(route.rest_url, given, os.environ),
            source=source,
            lines=lines,
            follow=follow,
            limit=count,
            updates=updates,
            output=shown.value,
            files=list({os.path.realpath(path): path for path in out or []}.values()),
            zone=zone,
            color=color.value,
            quiet=quiet,
            verbose=verbose,
            hold=hold,
            share=weight / 100,
            strict=strict,
            stats=stats,
        )
        with ExitStack() as opened:
            session = Session(plan, signals, opened)
            code = session.run()
        session.receipt()

    raise typer.Exit(code)


def _sim(stack: ExitStack) -> "Route":
    """Start the embedded exchange, to be left with the stack."""
    import time

    from klinetail.protocol.routes import sim_route
    from klinetail.sim.server import Server
    from klinetail.sim.synthetic import Synthetic

    market = Synthetic(seed=1, start=time.time_ns() // 1_000_000)
    return sim_route(stack.enter_context(Server(market)).port)


def _output(asked: Output | None) -> Output:
    """What stdout is to show: a table only where one can be drawn."""
    import os
    import sys

    from klinetail.errors import OutputError, UsageError

    if sys.stdout is None:
        raise OutputError("stdout is closed")
    if asked not in (None, Output.TABLE) or not sys.stdout.isatty():
        if asked is Output.TABLE:
            raise UsageError("a table needs a terminal; use -o jsonl or -o csv")
        return asked or Output.JSONL

    from klinetail.view.terminal import can_draw

    if can_draw(sys.stdout, os.environ):
        return Output.TABLE
    if asked is Output.TABLE:
        raise UsageError("this terminal cannot show a table; use -o jsonl or -o csv")
    return Output.JSONL
