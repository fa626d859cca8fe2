"""The time zone that times are shown in."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from klinetail.errors import UsageError

_IS_NAME: Final = re.compile(r"[A-Za-z_]+(/.*)?").fullmatch
"""What a `TZ` is that names a zone. A rule such as `CET-1CEST,M3.5.0,M10.5.0/3` has a
number after its first letters."""


class Local(tzinfo):
    """The machine's own zone, with its daylight saving time at each moment.

    The C library decides, as for `date`: by `TZ`, else by /etc/localtime, else UTC.
    """

    def fromutc(self, moment: datetime) -> datetime:
        """The same moment in the zone, with the offset and the name of that moment."""
        return moment.replace(tzinfo=UTC).astimezone()

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """What local time was ahead of UTC then; None for no moment."""
        return None if moment is None else _there(moment).utcoffset()

    def tzname(self, moment: datetime | None) -> str | None:
        """What the zone was called then, `CEST` for instance; None for no moment."""
        return None if moment is None else _there(moment).tzname()

    def dst(self, moment: datetime | None) -> timedelta | None:  # noqa: ARG002
        """None: the part of the offset that is daylight saving time is not known."""
        return None


def _there(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None).astimezone()


def parse_zone(name: str, environ: Mapping[str, str]) -> tzinfo:
    """The time zone of a name: `local`, `UTC` or one such as `Europe/Vienna`.

    Args:
        name: in any case if it is `local` or `UTC`.
        environ: its `TZ` names the local zone, if it is there.

    Raises:
        UsageError: there is none of that name.
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
    """What a zone is called: `UTC`, `Europe/Vienna`, `CET (local)`.

    Args:
        zone: of `parse_zone`.
        now: seconds since the epoch; the local zone is called as it is then.
    """
    if isinstance(zone, Local):
        return f"{datetime.fromtimestamp(now, zone):%Z} (local)"
    return str(zone)


def _local(named: str) -> tzinfo:
    # Of a name that it does not know the C library makes UTC, and calls that by the
    # name's first letters: `Europe`. Python may know the zone, from the package tzdata.
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
