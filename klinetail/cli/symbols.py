"""The command `klinetail symbols`: the symbols that can be watched."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Final

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

if TYPE_CHECKING:
    from klinetail.cli.signals import Signals
    from klinetail.protocol.exchange_info import Listing

PATIENCE: Final = 30.0
"""Seconds without an answer before giving up."""


def symbols(
    context: typer.Context,
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATTERN]",
            help="A symbol or a glob such as '*usdc', in any case; by default all.",
            show_default=False,
        ),
    ] = None,
    quote: Annotated[
        str | None,
        typer.Option(
            "--quote",
            metavar="ASSET",
            envvar="KLINETAIL_QUOTE",
            help="Only symbols quoted in ASSET: USDT, USDC.",
        ),
    ] = None,
    env: EnvOption = Env.LIVE,  # noqa: ARG001 - `asked` reads these three
    ws_url: WsUrlOption = None,  # noqa: ARG001
    rest_url: RestUrlOption = None,  # noqa: ARG001
    proxy: ProxyOption = None,
) -> None:
    """The symbols to watch: a table on a terminal, JSON lines in a pipe.

    \b
    klinetail symbols
    klinetail symbols '*usdc'
    klinetail symbols --quote USDT | jq -r .symbol | klinetail watch @- 5m
    """
    import sys

    from klinetail.cli import complain
    from klinetail.cli.choice import ask
    from klinetail.cli.signals import Signals
    from klinetail.cli.words import parse_symbol, taken_line
    from klinetail.collector.symbols import encode, find
    from klinetail.errors import OutputError
    from klinetail.pattern import is_glob
    from klinetail.pipeline.notices import plural

    chosen = asked(context)
    if chosen.ignored is not None:
        complain(chosen.ignored)
    word = pattern or "*"
    if not is_glob(word):
        word = parse_symbol(word)
        if (line := taken_line([pattern or ""])) is not None:
            complain(line)
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        with ExitStack() as asking:
            exchange = exchange_of(asking, chosen, proxy)
            listed = ask(exchange, signals, patience=PATIENCE, quiet=False)
        if listed is not None:
            found = find(word, listed, quote)
            write_all(_table(found) if sys.stdout.isatty() else encode(found), signals)
            complain(f"{plural(len(found), 'symbol')}; from {exchange.venue.name}")
        raise typer.Exit(signals.exit_code)


def _table(found: list[Listing]) -> bytes:
    import os
    import sys

    from klinetail.view.listing import rendered

    return rendered(found, sys.stdout, os.environ)


def write_all(data: bytes, signals: Signals) -> None:
    """Write all bytes to stdout; after a stop signal, for `STOPPING` seconds at most.

    Raises:
        Exit: the reader of stdout has gone.
        OutputError: the reader was too slow after a stop signal.
    """
    import math
    import select
    import sys
    import time

    from klinetail.cli.signals import STOPPING
    from klinetail.errors import ExitCode, OutputError
    from klinetail.sinks.stdout import ReaderGone, StdoutSink, unblocking

    sink = StdoutSink(unblocking(sys.stdout.fileno()), data)
    poller = select.poll()
    poller.register(sink.fd, select.POLLOUT)
    poller.register(signals.fd, select.POLLIN)
    stop_by = math.inf
    try:
        while sink.pending:
            left = stop_by - time.monotonic()
            if left <= 0:
                raise OutputError("stdout: not everything could be written in time")
            ready = dict(poller.poll(None if left == math.inf else left * 1000))
            if ready.get(sink.fd):
                sink.flush()
            signals.clear()
            if signals.stop is not None and stop_by == math.inf:
                stop_by = time.monotonic() + STOPPING
    except ReaderGone:
        raise typer.Exit(ExitCode.READER_GONE) from None
