"""Times as people read them, in a zone of theirs."""

from __future__ import annotations

from datetime import datetime, tzinfo

from klinetail.candle import DAY, HOUR, Interval


def local(time: int, tz: tzinfo) -> datetime:
    """Milliseconds since the epoch as a moment of that zone."""
    return datetime.fromtimestamp(time / 1000, tz)


def clock(time: int, interval: Interval, tz: tzinfo) -> str:
    """An open time, as precisely as its interval needs.

    Args:
        time: ms since the epoch.
        interval: of the candle that opens then.
        tz: the zone to show it in.
    """
    moment = local(time, tz)
    length = interval.length
    if length is None or length >= DAY:
        midnight = moment.hour == moment.minute == 0
        return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%d %H:%M}"
    return f"{moment:%H:%M}" if length < HOUR else f"{moment:%m-%d %H:%M}"
