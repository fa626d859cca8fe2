"""Times as text for people, in a time zone."""

from __future__ import annotations

from datetime import datetime, tzinfo

from klinetail.candle import DAY, HOUR, Interval


def local(time: int, tz: tzinfo) -> datetime:
    """Return a time (ms since the epoch) as a moment in a time zone."""
    return datetime.fromtimestamp(time / 1000, tz)


def clock(time: int, interval: Interval, tz: tzinfo) -> str:
    """Return an open time as text, as precise as the interval needs.

    Args:
        time: the open time, ms since the epoch.
        interval: the candle's interval.
        tz: the time zone of the text.
    """
    moment = local(time, tz)
    length = interval.length
    if length is None or length >= DAY:
        midnight = moment.hour == moment.minute == 0
        return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%d %H:%M}"
    return f"{moment:%H:%M}" if length < HOUR else f"{moment:%m-%d %H:%M}"
