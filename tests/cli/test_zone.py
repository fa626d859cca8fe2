"""Time zones: the local one is right at every moment, not only for today's offset."""

import contextlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import TZPATH, ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.cli.zone import Local, parse_zone, zone_name
from klinetail.errors import UsageError

JANUARY, JULY = 1_735_689_600, 1_751_328_000
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"

needs_zones = pytest.mark.skipif(
    not any(os.path.exists(f"{place}/Europe/Vienna") for place in TZPATH),
    reason="no time zone database is installed",
)
moments = st.integers(946_684_800, 2_100_000_000)
"""Seconds since the epoch, 2000 to 2036."""


@contextlib.contextmanager
def local(tz):
    """The local zone with this `TZ`, as `--tz local` takes it."""
    before = os.environ.get("TZ")
    try:
        os.environ.pop("TZ", None)
        if tz is not None:
            os.environ["TZ"] = tz
        time.tzset()
        yield parse_zone("local", os.environ)
    finally:
        os.environ.pop("TZ", None)
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def shown(seconds, zone):
    moment = datetime.fromtimestamp(seconds, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}", moment.utcoffset()


@needs_zones
@pytest.mark.parametrize(
    ("tz", "name"),
    [
        ("Europe/Vienna", "Europe/Vienna"),
        (":America/New_York", "America/New_York"),
        ("Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("Asia/Kolkata", "Asia/Kolkata"),
        ("UTC", "UTC"),
        ("CET", "CET"),
        (f":{TZPATH[0]}/Australia/Sydney", "Australia/Sydney"),
        (RULE, "Europe/Vienna"),
    ],
)
@given(seconds=moments)
def test_is_the_zone_at_every_moment(tz, name, seconds):
    with local(tz) as zone:
        assert shown(seconds, zone) == shown(seconds, ZoneInfo(name))


@pytest.mark.skipif(not os.path.exists("/etc/localtime"), reason="it is not there")
def test_without_tz_it_is_the_machine_s_zone():
    with open("/etc/localtime", "rb") as file:
        expected = ZoneInfo.from_file(file)
    with local(None) as zone:
        for seconds in (JANUARY, JULY):
            assert shown(seconds, zone) == shown(seconds, expected)


def test_summer_and_winter_differ_whatever_today_is():
    with local(RULE) as zone:
        assert shown(JANUARY, zone) == ("2025-01-01 01:00:00 CET", timedelta(hours=1))
        assert shown(JULY, zone) == ("2025-07-01 02:00:00 CEST", timedelta(hours=2))


def test_a_moment_of_that_zone_knows_its_offset():
    with local(RULE):
        for month, name, hours in ((1, "CET", 1), (7, "CEST", 2)):
            moment = datetime(2025, month, 1, 12, tzinfo=Local())
            assert moment.utcoffset() == timedelta(hours=hours)
            assert moment.tzname() == name
            assert moment.dst() is None
        assert Local().utcoffset(None) is None
        assert Local().tzname(None) is None


@needs_zones
def test_a_zone_has_a_name():
    assert zone_name(UTC, JULY) == "UTC"
    assert zone_name(ZoneInfo("Europe/Vienna"), JULY) == "Europe/Vienna"
    with local(RULE) as zone:
        assert zone_name(zone, JANUARY) == "CET (local)"
        assert zone_name(zone, JULY) == "CEST (local)"


@pytest.mark.parametrize("tz", ["Mars/Phobos", "Nowhere", ":Mars/Phobos"])
def test_of_a_zone_that_nobody_knows_times_are_utc_and_called_so(tz):
    with local(tz) as zone:
        assert shown(JULY, zone) == ("2025-07-01 00:00:00 UTC", timedelta(0))


REFUSAL = (
    "there is no time zone 'Europe/Vienna': no time zone database is installed (it is"
    " often named tzdata); try local or UTC"
)
WITHOUT_ZONES = """
import os, sys
sys.modules["tzdata"] = None
from datetime import datetime
from klinetail.cli.zone import parse_zone
print(datetime.fromtimestamp(1_751_328_000, parse_zone("local", os.environ)).tzname())
print(datetime.fromtimestamp(1_751_328_000, parse_zone("UTC", os.environ)).tzname())
print("zoneinfo" in sys.modules)
try:
    parse_zone("Europe/Vienna", os.environ)
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("tz", "name", "loaded"),
    [("Europe/Vienna", "UTC", True), ("UTC", "UTC", False), (RULE, "CEST", False)],
)
def test_without_a_time_zone_database(tz, name, loaded):
    environ = {**os.environ, "TZ": tz, "TZDIR": "/nonexistent", "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ZONES],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    assert done.stdout.splitlines() == [
        name,
        "UTC",
        str(loaded),
        REFUSAL,
    ]


@needs_zones
def test_named_zones():
    assert parse_zone("utc", {}) is parse_zone("UTC", {}) is UTC
    assert parse_zone("Europe/Vienna", {"TZ": "UTC"}) == ZoneInfo("Europe/Vienna")
    assert isinstance(parse_zone("LOCAL", {}), Local)


@needs_zones
@pytest.mark.parametrize("name", ["Mars/Phobos", "", "../etc/passwd", "a\0b", "\ud800"])
def test_what_is_no_zone_is_refused(name):
    with pytest.raises(UsageError, match="try local, UTC or one like Europe/Vienna"):
        parse_zone(name, {})
