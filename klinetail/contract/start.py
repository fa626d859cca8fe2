"""Start points: the open time from which a stream is to be followed, for example the
open time after a recording's last candle. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from klinetail.candle import LAST_TIME, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.grid import FOUNDED
from klinetail.errors import UsageError


def check_start(stream: Stream, start: int, now: Moment | None = None) -> None:
    """See whether a stream can be followed from a start point.

    Of 3d only the day can be checked: on which days its candles open is known from the
    exchange's rows alone.

    Args:
        stream: the stream that is to be followed.
        start: open time (ms since the epoch) of the first closed candle wanted.
        now: the time on both clocks, if it is known. A start point that is ahead of
            exchange time by no more than `GRACE` is taken for the next candle: the
            clock may be a little late.

    Raises:
        UsageError: the start point is no time of the exchange in ms, no candle of the
            stream opens then, or the start point is in the future.
    """
    if not FOUNDED <= start <= LAST_TIME:
        raise UsageError(
            f"{stream} cannot start at {start}: a start is an open time in milliseconds"
            f" since the epoch, from {_written(FOUNDED)} on"
        )
    opens = stream.interval.floor(start)
    if not stream.interval.opens_at(start):
        raise UsageError(
            f"{stream} cannot start at {start} ({_written(start)}): no candle opens"
            f" at this time; the candle around this time opens at {opens}"
            f" ({_written(opens)})"
        )
    if now is not None and start > now.exchange + GRACE:
        raise UsageError(
            f"{stream} cannot start at {start} ({_written(start)}): the exchange's"
            f" time is {_written(now.exchange)}"
        )


def _written(time: int) -> str:
    """A time (ms since the epoch) as ISO 8601 in UTC, to the second."""
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
