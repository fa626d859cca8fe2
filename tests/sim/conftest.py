"""Markets to ask."""

import pytest

from klinetail.sim.synthetic import Synthetic

START = 1_767_250_855_000  # 2026-01-01 07:00:55 UTC, a Thursday


@pytest.fixture(scope="session")
def market():
    """A synthetic market; asking it changes nothing."""
    return Synthetic(7, START)


@pytest.fixture(scope="session")
def start():
    return START
