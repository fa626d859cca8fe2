"""`klinetail serve`: the embedded exchange on its own."""

# No annotations as text here, as in `watch`.

import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import FileIO
from typing import TYPE_CHECKING, Annotated, Final

import typer

from klinetail.errors import UsageError

if TYPE_CHECKING:
    from klinetail.candle import Candle
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
            help="The same seed, the same synthetic candles and the same faults.",
        ),
    ] = 0,
    chaos: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            envvar="KLINETAIL_CHAOS",
            help="What goes wrong: all, or late=0.2,cut@30s, or all,-mute.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="KLINETAIL_LEDGER",
            help="Write what clients have to end up with: closed candles of streams"
            " that were subscribed to, as JSON lines.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            envvar="KLINETAIL_ALLOW_HOST",
            help="Answer requests for this host too, not only for 127.0.0.1,"
            " localhost and [::1]; repeatable.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            envvar="KLINETAIL_ALLOW_ORIGIN",
            help="Answer web pages from there too, such as https://app.example;"
            " repeatable.",
        ),
    ] = None,
) -> None:
    """A local exchange over recordings or a synthetic market (127.0.0.1 only).

    \b
      klinetail serve                            a made-up market, here and now
      klinetail serve --speed 60                 a minute a second
      klinetail serve BTCUSDT-1m-2023-11-14.csv  that day once more
      klinetail serve --chaos all                whatever can go wrong does
      klinetail serve --chaos cut@30s,late=0.2   only that

    It speaks Binance's own protocol, so that any client can talk to it. Candles of
    recordings are as recorded; the updates between two closes are interpolated.
    """
    from klinetail.cli import complain
    from klinetail.protocol.routes import sim_route
    from klinetail.sim.admission import Admission
    from klinetail.sim.faults.chaos import Chaos
    from klinetail.sim.server import Server

    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _leave)
    admission = Admission.of(allow_host or [], allow_origin or [])
    faults = None if chaos is None else Chaos.parse(chaos, seed=seed)
    with ExitStack() as stack:
        server = Server(
            _market(files or [], seed),
            port=port,
            speed=speed,
            chaos=faults,
            ledger=None if ledger is None else _writer(stack, ledger),
            admission=admission,
        )
        stack.enter_context(server)
        if faults is not None:
            stack.callback(lambda: complain(f"chaos: {faults.receipt}"))
        route = sim_route(server.port)
        complain(f"serving {server.market.label}; none of it is the real exchange")
        complain(f"--ws-url {route.ws_url} --rest-url {route.rest_url}")
        server.wait()
        complain("the recordings have ended")


def _writer(stack: ExitStack, name: str) -> "Callable[[Sequence[Candle]], None]":
    """What writes closed candles to a new file, each batch at once."""
    from klinetail.errors import OutputError
    from klinetail.formats import jsonl

    try:
        file = FileIO(name, "w")
    except OSError as error:
        raise UsageError(f"--ledger {name}: {error.strerror}") from None
    stack.enter_context(file)

    def write(candles: "Sequence[Candle]") -> None:
        rest = jsonl.encode(candles)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise OutputError(f"--ledger {name}: {error.strerror}") from None

    return write


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _market(files: list[str], seed: int) -> "Market":
    import time

    from klinetail.recordings.read import read
    from klinetail.sim.recorded import Recorded
    from klinetail.sim.synthetic import Synthetic

    if not files:
        return Synthetic(seed, time.time_ns() // 1_000_000)
    return Recorded(candle for name in files for candle in read(name))
