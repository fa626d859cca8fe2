"""The context manager that a program uses."""

import threading

import pytest
import requests

from klinetail.errors import UsageError
from klinetail.protocol.venues import custom, own_venue
from klinetail.sim import embedded_exchange


def test_it_gives_the_addresses_and_ends_with_the_block():
    with embedded_exchange(seed=7, speed=60) as exchange:
        assert custom(exchange.ws_url, exchange.rest_url) == own_venue(
            f"ws://127.0.0.1:{exchange.port}/market",
            f"http://127.0.0.1:{exchange.port}",
        )
        url = f"{exchange.rest_url}/fapi/v1/time"
        assert requests.get(url, timeout=30).json()["serverTime"] <= exchange.now()
        assert "seed 7" in exchange.market.label
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=30)
    assert "sim" not in {thread.name for thread in threading.enumerate()}


def test_what_can_go_wrong_is_what_serve_takes():
    with embedded_exchange(chaos="cut@30s") as exchange:
        assert exchange.chaos.receipt
    for options in ({"chaos": "nonsense"}, {"speed": 0}):
        with pytest.raises(UsageError), embedded_exchange(**options):
            pass
