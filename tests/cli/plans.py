"""Plans of runs that never reach an exchange."""

from datetime import UTC

from klinetail.cli.plan import Plan
from tests.strategies import BTCUSDT_1M


def plan(**changes):
    """A plan that follows one stream in a pipe; `changes` are other fields."""
    asked = {
        "streams": [BTCUSDT_1M],
        "listed": None,
        "route": None,
        "ws_proxy": None,
        "rest_proxy": None,
        "source": "the test",
        "lines": 0,
        "follow": True,
        "limit": None,
        "updates": False,
        "output": "jsonl",
        "header": b"",
        "sinks": [],
        "zone": UTC,
        "color": "never",
        "quiet": False,
        "verbose": False,
        "hold": 30.0,
        "share": 0.2,
        "strict": False,
        "stats": None,
    }
    return Plan(**{**asked, **changes})
