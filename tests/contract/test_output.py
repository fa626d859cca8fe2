"""What comes out: the announcement of what cannot be believed."""

from __future__ import annotations

from klinetail.contract.output import bad
from klinetail.events import Drop, DropEvent
from tests.contract.minutes import STREAM


def test_what_is_bad_is_told_with_its_stream() -> None:
    event = DropEvent(Drop.BAD, STREAM, "btcusdt@1m: 5 opens in the future")
    assert bad(STREAM, "5 opens in the future") == event
