"""The command `klinetail serve`: the embedded exchange in a process of its own."""

# No annotations as text here, as in `watch`.

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Final

import typer

from klinetail.formats.registry import suffixes
from klinetail.kinds import Kind

if TYPE_CHECKING:
    from klinetail.cli.ledger import LedgerFile
    from klinetail.cli.signals import Signals
    from klinetail.sim.market import Market
    from klinetail.sim.server import Server

DEFAULT_PORT: Final = 8776


def serve(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help=f"Recordings ({', '.join(suffixes())}), plain or as .gz or .zst, or"
            " the exchange's public dumps (.csv, .zip); - is stdin. Without any, a"
            " synthetic market.",
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
            help="How many times faster than real time the exchange's clock runs.",
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
            help="The faults to cause: all, or late=0.2,cut@30s, or all,-mute.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="KLINETAIL_LEDGER",
            help="Write the closed candles that clients have to receive, of all"
            " subscribed streams, as JSON lines.",
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
            help="Answer web pages of this origin too, such as https://app.example;"
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

    The exchange speaks Binance's own protocol, for any client. Closed candles of
    recordings are as recorded; the updates between two closes are interpolated.
    """
    import threading

    from klinetail.cli import complain
    from klinetail.cli.signals import Signals
    from klinetail.sim.admission import Admission
    from klinetail.sim.faults.chaos import Chaos
    from klinetail.sim.server import Server

    admission = Admission.of(allow_host or [], allow_origin or [])
    # Before the server runs, a signal ends the process at once: a large recording may
    # take long to load, and nothing has to be finished.
    faults = None if chaos is None else Chaos.parse(chaos, seed=seed)
    market = _market(files or [], seed)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        book = None if ledger is None else _ledger(stack, ledger, files or [])
        server = Server(
            market,
            port=port,
            speed=speed,
            chaos=faults,
            ledger=None if book is None else book.write,
            admission=admission,
        )
        stack.enter_context(server)
        if book is not None:
            book.begin()
        if faults is not None:
            stack.callback(lambda: complain(f"chaos: {faults.receipt}", Kind.RECEIPT))
        complain(f"serving {server.market.label}; none of it is the real exchange")
        complain(f"--ws-url {server.ws_url} --rest-url {server.rest_url}")
        threading.Thread(target=_wake, args=(signals, server), daemon=True).start()
        while signals.stop is None and not server.ended.is_set():
            signals.wait()
        if server.ended.is_set():
            server.wait()
            complain("the recordings have ended")
    raise typer.Exit(signals.exit_code)


def _wake(signals: "Signals", server: "Server") -> None:
    server.ended.wait()
    signals.wake()


def _ledger(stack: ExitStack, name: str, files: Sequence[str]) -> "LedgerFile":
    """Open the ledger; the served files, stdout and stderr are refused."""
    from klinetail.cli.ledger import LedgerFile
    from klinetail.sinks.output import Outputs

    outputs = Outputs()
    outputs.note_standard()
    for served in files:
        outputs.note_file(served)
    return stack.enter_context(LedgerFile(name, outputs))


def _market(files: list[str], seed: int) -> "Market":
    import time

    from klinetail.recordings.read import read
    from klinetail.sim.recorded import Recorded
    from klinetail.sim.synthetic import Synthetic

    if not files:
        return Synthetic(seed, time.time_ns() // 1_000_000)
    return Recorded(candle for name in files for candle in read(name))
