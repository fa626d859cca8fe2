"""`klinetail serve`: the embedded exchange on its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from klinetail.sim.market import Market

DEFAULT_PORT: Final = 8776


def serve(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Recordings (.csv, .jsonl) or the exchange's public dumps; without"
            " any, a synthetic market.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            envvar="KLINETAIL_PORT",
            help="TCP port on 127.0.0.1; 0 takes any free one.",
        ),
    ] = DEFAULT_PORT,
    speed: Annotated[
        float,
        typer.Option(
            envvar="KLINETAIL_SPEED",
            help="How many times faster than real time its clock runs.",
        ),
    ] = 1.0,
    seed: Annotated[
        int,
        typer.Option(
            envvar="KLINETAIL_SEED",
            help="Of the synthetic market: the same seed, the same candles.",
        ),
    ] = 0,
) -> None:
    """A local exchange over recordings or a synthetic market (127.0.0.1 only).

    \b
      klinetail serve                            a made-up market, here and now
      klinetail serve --speed 60                 a minute a second
      klinetail serve BTCUSDT-1m-2023-11-14.csv  that day once more

    It speaks Binance's own protocol, so that any client can talk to it. Candles of
    recordings are as recorded; the updates between two closes are interpolated.
    """
    from klinetail.cli import complain
    from klinetail.protocol.routes import sim_route
    from klinetail.sim.server import Server

    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _leave)
    with Server(_market(files or [], seed), port=port, speed=speed) as server:
        route = sim_route(server.port)
        complain(f"serving {server.market.label}; none of it is the real exchange")
        complain(f"--ws-url {route.ws_url} --rest-url {route.rest_url}")
        server.wait()
        complain("the recordings have ended")


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _market(files: list[str], seed: int) -> Market:
    import time

    from klinetail.recordings.read import read
    from klinetail.sim.recorded import Recorded
    from klinetail.sim.synthetic import Synthetic

    if not files:
        return Synthetic(seed, time.time_ns() // 1_000_000)
    return Recorded(candle for name in files for candle in read(name))
