"""`klinetail symbols`: what can be watched."""

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
    exchange_of,
)

if TYPE_CHECKING:
    from klinetail.events import LinkEvent
    from klinetail.protocol.rest import Listing

PATIENCE: Final = 30.0
"""Seconds without an answer before giving up."""


def symbols(
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
            help="Only what is quoted in it: USDT, USDC.",
        ),
    ] = None,
    env: EnvOption = Env.LIVE,
    ws_url: WsUrlOption = None,
    rest_url: RestUrlOption = None,
    proxy: ProxyOption = None,
) -> None:
    """What can be watched: a table on a terminal, JSON lines in a pipe.

    \b
    klinetail symbols
    klinetail symbols '*usdc'
    klinetail symbols --quote USDT | jq -r .symbol | klinetail watch @- 5m
    """
    import sys

    from klinetail.cli import complain
    from klinetail.collector.inquiry import Inquiry
    from klinetail.collector.symbols import encode, find
    from klinetail.errors import OutputError
    from klinetail.exchange.rest import BinanceRest
    from klinetail.notices import Notices, plural

    if sys.stdout is None:
        raise OutputError("stdout is closed")
    with ExitStack() as stack:
        exchange = exchange_of(stack, env, ws_url, rest_url, proxy)
        rest = BinanceRest(exchange.route.rest_url, proxy=exchange.rest_proxy)
        notices = Notices(patience=PATIENCE)

        def say(event: LinkEvent) -> None:
            for line in notices.lines(event):
                complain(line)

        inquiry = Inquiry(rest, say, patience=PATIENCE)
        stack.callback(inquiry.stop)
        inquiry.start()
        found = find(pattern or "*", inquiry.answer.result(), quote)
    _write(_table(found) if sys.stdout.isatty() else encode(found))
    complain(f"{plural(len(found), 'symbol')}; from {exchange.source}")


def _table(found: list[Listing]) -> bytes:
    import os
    import sys

    from klinetail.view.listing import rendered

    return rendered(found, sys.stdout, os.environ)


def _write(data: bytes) -> None:
    import sys

    from klinetail.errors import ExitCode, OutputError

    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        sys.stdout = None  # else it is flushed once more
        raise typer.Exit(ExitCode.READER_GONE) from None
    except OSError as error:
        raise OutputError(f"stdout: {error.strerror}") from error
