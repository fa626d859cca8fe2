"""What a command leaves in its process, which ends with it; a test's does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from klinetail.cli.voice import VOICE


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread that speaks, and no handler of log records."""
    logger = logging.getLogger("klinetail")
    handlers = list(logger.handlers)
    yield
    logger.handlers[:] = handlers
    assert VOICE.finish(60.0)
