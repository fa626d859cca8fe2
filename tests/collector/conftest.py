"""An exchange to collect from; every test here leaves no thread behind."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Iterator

import pytest

from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import START


@pytest.fixture
def exchange() -> Iterator[Server]:
    """A synthetic market, 600 times faster than real time."""
    with Server(Synthetic(seed=7, start=START), speed=600) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of ours outlives a test."""
    yield
    until = time.monotonic() + 5
    while time.monotonic() < until:
        left = [t.name for t in threading.enumerate() if t.name.startswith("klinetail")]
        if not left:
            return
        time.sleep(0.01)
    faulthandler.dump_traceback()
    pytest.fail(f"threads left: {left}")
