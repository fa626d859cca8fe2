"""Plans of runs that never reach an exchange."""

from datetime import UTC

from msgspec.structs import replace

from klinetail.cli.plan import Plan, Recordings
from klinetail.protocol.venues import own_venue
from klinetail.recordings.policy import Resume
from tests.strategies import BTCUSDT_1M

VENUE = replace(own_venue("ws://127.0.0.1:9", "http://127.0.0.1:9"), name="the test")


def plan(*, sinks=(), **changes):
    """A plan that follows one stream in a pipe; `changes` are other fields."""
    asked = {
        "streams": [BTCUSDT_1M],
        "listed": None,
        "venue": VENUE,
        "ws_proxy": None,
        "rest_proxy": None,
        "lines": 0,
        "follow": True,
        "limit": None,
        "updates": False,
        "output": "jsonl",
        "header": b"",
        "zone": UTC,
        "color": "never",
        "quiet": False,
        "verbose": False,
        "hold": 30.0,
        "share": 0.2,
        "strict": False,
        "stats": None,
    }
    recordings = Recordings([*sinks], [None] * len(sinks), Resume.FILL)
    return Plan(**{"recordings": recordings, **asked, **changes})
