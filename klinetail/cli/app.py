"""The Typer application: the list of the commands."""

from typing import Annotated

import typer

from klinetail import __version__
from klinetail.cli.check import check
from klinetail.cli.group import Commands
from klinetail.cli.help import show
from klinetail.cli.serve import serve
from klinetail.cli.symbols import symbols
from klinetail.cli.watch import watch

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
    },
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"klinetail {__version__}")
        raise typer.Exit


@app.callback()
def klinetail(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    """tail -F for Binance futures candles: every closed candle exactly once, or it
    tells you which one is missing.

    \b
    klinetail watch btcusdt 1m
    klinetail watch btcusdt ethusdt 1m 5m --out candles.csv
    klinetail symbols '*usdc'
    klinetail check candles.csv
    klinetail serve --speed 60
    """


app.command(no_args_is_help=True)(watch)
app.command()(symbols)
app.command(no_args_is_help=True)(check)
app.command()(serve)
app.command("help")(show)
