"""News of a recording, as sentences for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from klinetail.candle import Candle, Stream
from klinetail.errors import UsageError
from klinetail.pipeline.notices import plural, utc
from klinetail.recordings.compare import Difference


def foreign(name: str, difference: Difference) -> str:
    """Return the refusal of a recording of another market."""
    recorded, asked = difference
    return (
        f"{name}: its candle of {recorded.stream} at {utc(recorded.open_time)} closes"
        f" at {recorded.close_text}, this exchange says {asked.close_text}: another"
        " market's recording? Choose another file"
    )


def future(name: str, candle: Candle, exchange_time: int) -> str:
    """Return the refusal of a recording whose last candle opens after exchange time.

    Args:
        name: the name of the recording.
        candle: the last candle.
        exchange_time: the exchange's clock, ms.
    """
    return (
        f"{name}: its last candle ({candle.stream} {utc(candle.open_time)}) opens in"
        f" the future: the exchange's time is {utc(exchange_time)}. A recording of"
        " another exchange? Choose another file"
    )


def impossible(name: str, error: UsageError) -> str:
    """Return the refusal of a recording whose candles the exchange cannot have."""
    return f"{name}: {error}; choose another file"


def revised(name: str, difference: Difference) -> str:
    """Return the news that the exchange shows a recorded candle with other values."""
    recorded, asked = difference
    return (
        f"{name}: the exchange has revised {recorded.stream} at"
        f" {utc(recorded.open_time)} since (close {recorded.close_text}, now"
        f" {asked.close_text}); the recorded candle stays"
    )


def not_compared(name: str) -> str:
    """Return the news that a recording goes on without a comparison."""
    return f"{name}: not compared with the exchange, which does not answer"


def none_to_compare(name: str) -> str:
    """Return the news that the exchange does not have a recording's last candles."""
    return f"{name}: not compared with the exchange, which has none of the last candles"


def goes_on(
    name: str,
    points: Mapping[Stream, int],
    missing: int | None,
    *,
    seconds: float | None,
) -> str:
    """Return the news where a recording goes on, and how much is missing.

    Args:
        name: the name of the recording.
        points: by stream, the open time (ms) of the first candle missing.
        missing: the number of candles missing; None if unknown.
        seconds: how long fetching the missing candles takes; None if the missing
            candles are not fetched.
    """
    last = next(reversed([*points]))
    where = (
        f"after {utc(points[last])} ({last})"
        if len(points) == 1
        else f"with {plural(len(points), 'stream')}"
    )
    some = "no candle is missing"
    if missing is None:
        some = "the number of missing candles is not known"
    elif missing:
        are = "is" if missing == 1 else "are"
        some = f"{plural(missing, 'candle')} {are} missing"
        if seconds is None:
            some += ", and not fetched (--resume gap)"
        elif seconds >= 1:
            some += f", about {duration(seconds)}"
    return f"{name}: goes on {where}; {some}"


def also_holds(name: str, others: Mapping[Stream, int]) -> str:
    """Return the news that a recording holds streams that the run does not follow.

    Args:
        name: the name of the recording.
        others: by stream, the open time (ms) of the first candle missing.
    """
    first = next(iter(others))
    more = f" and {plural(len(others) - 1, 'other stream')}" if len(others) > 1 else ""
    return f"{name}: also holds {first} until {utc(others[first])}{more}, not continued"


def updates(name: str, *, updates: bool) -> str:
    """Return the news that a recording with forming candles goes on without forming
    candles, or the other way round.

    Args:
        name: the name of the recording.
        updates: whether the run records forming candles.
    """
    before, after = "closed candles alone", "forming candles, too"
    if not updates:
        before, after = after, before
    return f"{name}: its end holds {before}; from here on {after}"


def begins(name: str, streams: Sequence[Stream]) -> str:
    """Return the news that streams are new in a recording that goes on."""
    more = f" and {plural(len(streams) - 1, 'other stream')}" if streams[1:] else ""
    return f"{name}: begins {streams[0]}{more}, which it does not hold yet"


def behind(name: str) -> str:
    """Return the news that a recording does not keep up."""
    return (
        f"{name} is behind: nobody waits for it; it goes on from its own last record"
        " later"
    )


def waits(name: str, reason: str) -> str:
    """Return the news that the exchange does not answer a fetch."""
    return f"{name}: the missing candles cannot be fetched yet: {reason}"


def ends_early(name: str) -> str:
    """Return the news that the last candles are not in a recording at its end."""
    return (
        f"{name}: candles that were not fetched yet are missing at its end; started"
        " again, it goes on there"
    )


def duration(seconds: float) -> str:
    """Return a number of seconds in words, rounded."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
