"""The embedded exchange: a market, and a loopback server that speaks Binance's own
protocol about it. Nothing here ever talks to the real exchange."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klinetail.sim.server import Server


@contextlib.contextmanager
def embedded_exchange(
    *, seed: int = 1, speed: float = 1.0, chaos: str | None = None
) -> Iterator[Server]:
    """A synthetic market that begins now, served on a free port of 127.0.0.1 as long
    as the block runs. Its `ws_url` and `rest_url` are what a client needs.

    Args:
        seed: another seed is another market, and other faults.
        speed: how many times faster than real time the exchange's clock runs.
        chaos: what goes wrong, as `klinetail serve --chaos` takes it; by default
            nothing.

    Raises:
        UsageError: the speed is not possible, or the chaos names no faults.

    Example::

        with embedded_exchange(speed=60) as exchange:
            collector = DataCollector(
                ["btcusdt@1m"], ws_url=exchange.ws_url, rest_url=exchange.rest_url
            )
    """
    from klinetail.sim.faults.chaos import Chaos
    from klinetail.sim.server import Server
    from klinetail.sim.synthetic import Synthetic

    market = Synthetic(seed, time.time_ns() // 1_000_000)
    faults = None if chaos is None else Chaos.parse(chaos, seed=seed)
    with Server(market, speed=speed, chaos=faults) as server:
        yield server
