"""The embedded exchange: a simulated market, and a loopback server with Binance's
protocol.

The package never connects to the real exchange.
"""

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
    """Serve a synthetic market on a free port of 127.0.0.1 for as long as the block
    runs.

    The market begins now. A client connects to the server's `ws_url` and `rest_url`.

    Args:
        seed: the seed of the market and the faults; another seed gives another market.
        speed: the pace of the exchange's clock; 2 is twice the pace of real time.
        chaos: the faults to inject, as in `klinetail serve --chaos`; by default none.

    Raises:
        UsageError: the speed is not possible, or `chaos` names no faults.

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
