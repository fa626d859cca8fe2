"""What a command leaves in its process, which ends with it; a test's does not."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest

from klinetail.cli.stderr import STDERR

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread that writes to stderr, no handler of log records, and no signal
    unheard: the processes that later tests start would inherit that."""
    logger = logging.getLogger("klinetail")
    handlers = list(logger.handlers)
    heard = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in heard.items():
        signal.signal(number, handler)
    logger.handlers[:] = handlers
    assert STDERR.finish(60.0)
