"""The time zone of the shown times."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from klinetail.errors import UsageError

_IS_NAME: Final = re.compile(r"[A-Za-z_]+(/.*)?").fullmatch
"""Matches a `TZ` that is the name of a zone. A rule, for instance
`CET-1CEST,M3.5.0,M10.5.0/3`, has a number after its first letters."""


class Local(tzinfo):
    """The machine's own zone, with its daylight saving time at each moment.

    The C library decides, as for `date`: by `TZ`, else by /etc/localtime, else UTC.
    """

    def fromutc(self, moment: datetime) -> datetime:
        """Return a moment with the zone's offset and the zone's name."""
        return moment.replace(tzinfo=UTC).astimezone()

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return the difference of local time to UTC at a moment; None for None."""
        return None if moment is None else _there(moment).utcoffset()

    def tzname(self, moment: datetime | None) -> str | None:
        """Return the zone's name at a moment, such as `CEST`; None for None."""
        return None if moment is None else _there(moment).tzname()

    def dst(self, moment: datetime | None) -> timedelta | None:  # noqa: ARG002
        """Return None: the share of daylight saving time in the offset is unknown."""
        return None


def _there(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None).astimezone()


def parse_zone(name: str, environ: Mapping[str, str]) -> tzinfo:
    """Return the time zone of a name such as `local`, `UTC` or `Europe/Vienna`.

    Args:
        name: the name; for `local` and `UTC` in any case.
        environ: the environment; a `TZ` in the environment decides the local zone.

    Raises:
        UsageError: no time zone has the name.
    """
    if name.lower() == "local":
        return _local(environ.get("TZ", "").removeprefix(":"))
    zone = _named(name)
    if zone is not None:
        return zone
    if _named("Europe/Vienna") is None:
        raise UsageError(
            f"there is no time zone {name!r}: no time zone database is installed (it is"
            " often named tzdata); try local or UTC"
        )
    raise UsageError(
        f"there is no time zone {name!r}; try local, UTC or one like Europe/Vienna"
    )


def zone_name(zone: tzinfo, now: float) -> str:
    """Return the display name of a zone: `UTC`, `Europe/Vienna`, `CET (local)`.

    Args:
        zone: a result of `parse_zone`.
        now: seconds since the epoch; decides between `CET` and `CEST` of a local zone.
    """
    if isinstance(zone, Local):
        return f"{datetime.fromtimestamp(now, zone):%Z} (local)"
    return str(zone)


def _local(named: str) -> tzinfo:
    # The C library takes an unknown name for UTC, and shows the name's first letters,
    # `Europe`, as the zone's name. Python may know the zone, from the package tzdata.
    if _IS_NAME(named) and named.startswith(time.tzname[0]):
        return _named(named) or UTC
    return Local()


def _named(name: str) -> tzinfo | None:
    if name.lower() == "utc":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: ZoneInfoNotFoundError
        return None
