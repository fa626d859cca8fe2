"""Dumps of the embedded exchange, with every fault, come out counted and verified."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Source, Stream
from klinetail.errors import BadMessage, OutputError, UsageError
from klinetail.exchange.archive import Archive, Had, NotHad, Reason, cache_folder
from klinetail.exchange.rest_client import BinanceRest
from klinetail.formats import zipped
from klinetail.formats.dump_names import day_of, month_of
from klinetail.protocol.venues import LIVE, TESTNET, own_venue, with_archive
from klinetail.recordings.archive import Origin, instead, pages, plan
from klinetail.recordings.policy import DumpUse
from klinetail.sim.faults import archive as faults
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.venue import PATIENCE, Answer, Stall, Venue

START = 1_767_250_855_000  # 2026-01-01 07:00:55 UTC
TODAY = START - START % DAY
LATER = START + 20 * DAY
BTC = Stream("BTCUSDT", Interval.H4)
DECEMBER = month_of(BTC, TODAY - DAY)
MARKET = Synthetic(7, START)
CSUM = ".CHECKSUM"


@contextmanager
def serving(spec=None, *, start=LATER, seed=1, market=MARKET):
    chaos = None if spec is None else Chaos.parse(spec, seed=seed)
    with Server(market, start=start, chaos=chaos) as server:
        yield server


@contextmanager
def archive_of(server, folder, **options):
    archive = Archive(server.venue, folder, **options)
    try:
        yield archive
    finally:
        archive.close()


def read(server, folder, dump=DECEMBER, **options):
    with archive_of(server, folder) as archive:
        return archive.read(dump, **options)


def truth(dump):
    rows = MARKET.klines(dump.stream, dump.start, dump.end - 1, 1500, now=LATER)
    assert all(row.closed and row.source is Source.REST for row in rows)
    return rows


def asked(server, dump=DECEMBER, suffix=""):
    return server.requests(f"/data/futures/um/{dump.path}{suffix}")


def test_a_month_is_what_rest_answers(tmp_path):
    with serving() as server:
        found = read(server, tmp_path)
        assert found == Had(truth(DECEMBER), {}, ())
        assert server.requests("/fapi/v1/klines") == 0


def test_a_dump_in_the_folder_is_not_downloaded_again(tmp_path):
    with serving() as server:
        for times in (1, 2):
            assert isinstance(read(server, tmp_path), Had)
            assert asked(server) == 1
            assert asked(server, suffix=CSUM) == times
        with archive_of(server, tmp_path) as archive:
            archive.forget(DECEMBER)
            archive.forget(DECEMBER)
            assert isinstance(archive.read(DECEMBER), Had)
        assert asked(server) == 2


def test_part_after_part_of_a_dump(tmp_path):
    with serving() as server, archive_of(server, tmp_path) as archive:
        found = [
            archive.read(DECEMBER, start=day, end=day + DAY) for day in DECEMBER.days
        ]
        assert [one for day in found for one in day.candles] == truth(DECEMBER)
        assert (asked(server), asked(server, suffix=CSUM)) == (1, 1)
        archive.path(DECEMBER).unlink()
        assert archive.read(DECEMBER).candles == truth(DECEMBER)
        assert archive.read(DECEMBER).candles == truth(DECEMBER)


def test_another_market_of_the_same_address_is_told_apart(tmp_path):
    with serving() as server:
        port = server.port
        read(server, tmp_path)
    with Server(Synthetic(8, START), start=LATER, port=port) as server:
        found = read(server, tmp_path)
    assert len(found.candles) == 186
    assert found.candles != truth(DECEMBER)


def test_venues_do_not_share_a_folder(tmp_path):
    own = own_venue("ws://a.example", "https://a.example/x")
    other = with_archive(own, "http://[::1]:8776")
    paths = {
        Archive(venue, tmp_path).path(DECEMBER).relative_to(tmp_path)
        for venue in (LIVE, own, other)
    }
    name = "data/futures/um/monthly/klines/BTCUSDT/4h/BTCUSDT-4h-2025-12.zip"
    assert {str(path) for path in paths} == {
        f"data.binance.vision/{name}",
        f"a.example/x/{name}",
        f"__1_8776/{name}",
    }


def test_a_venue_without_dumps(tmp_path):
    with pytest.raises(UsageError, match="binance testnet publishes no dumps"):
        Archive(TESTNET, tmp_path)


def test_the_usual_folder():
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/klinetail/archive")
    for environ in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
        assert cache_folder(environ) == Path.home() / ".cache/klinetail/archive"


def test_the_first_candles_of_a_symbol(tmp_path):
    listed = DECEMBER.start + 5 * DAY + 7 * HOUR
    market = Synthetic(7, START, {"BTCUSDT": {"first": listed}})
    with serving(market=market) as server:
        found = read(server, tmp_path, listed=listed)
        assert found.lacking == {}
        assert found.candles[0].open_time == DECEMBER.start + 5 * DAY + 4 * HOUR
        assert len(read(server, tmp_path).lacking) == 6


# Faults


def test_nozip(tmp_path):
    with serving("nozip=1") as server:
        found = read(server, tmp_path)
        assert found.reason is Reason.ABSENT
        assert found.words == "BTCUSDT-4h-2025-12.zip: the archive does not have it"
    assert [*tmp_path.rglob("*.zip*")] == []


def test_latezip(tmp_path):
    dump = day_of(BTC, TODAY - DAY)
    with serving("latezip=1", start=TODAY + 9 * HOUR) as server:
        assert read(server, tmp_path, dump).reason is Reason.ABSENT
    with serving("latezip=1", start=TODAY + 8 * DAY) as server:
        assert read(server, tmp_path, dump).candles == truth(dump)


def test_thin(tmp_path):
    with serving("thin=1") as server:
        found = read(server, tmp_path)
        [lacking] = found.lacking
        rows = [
            one
            for one in truth(DECEMBER)
            if not lacking <= one.open_time < lacking + DAY
        ]
        assert found.candles == rows
        day = (lacking - DECEMBER.start) // DAY + 1
        assert found.notes == (f"BTCUSDT-4h-2025-12.zip: lacks 1 day ({day})",)
        assert isinstance(read(server, tmp_path, day_of(BTC, lacking)), Had)
        with archive_of(server, tmp_path) as archive:
            for _ in range(2):  # counted, and then by parts
                part = archive.read(
                    DECEMBER, start=lacking - HOUR * 4, end=lacking + DAY
                )
                assert part.candles == [rows[(lacking - DECEMBER.start) // DAY * 6 - 1]]


def test_badsum(tmp_path):
    """A checksum that is wrong once costs a second look, one that stays the dump."""
    ways = set()
    with serving("badsum=1") as server:
        for day in range(12):
            dump = day_of(BTC, TODAY - day * DAY)
            found = read(server, tmp_path, dump)
            ways.add(type(found))
            assert asked(server, dump, CSUM) == 2
            if isinstance(found, Had):
                assert found.candles == truth(dump)
            else:
                assert found.reason is Reason.MISMATCHED
                assert found.words == f"{dump.name}: the checksum differs twice"
    assert ways == {Had, NotHad}
    assert [*tmp_path.rglob("*.part*")] == []


def test_cutzip(tmp_path):
    with serving("cutzip=0.7", seed=3) as server:
        dump = day_of(Stream("BTCUSDT", Interval.M1), TODAY - DAY)
        assert read(server, tmp_path, dump).candles == truth(dump)
        assert asked(server, dump) > 2
        assert server.chaos.counts["cutzip"] > 1
    assert [*tmp_path.rglob("*.part*")] == []


def test_headless(tmp_path):
    with serving("headless=1") as server:
        assert read(server, tmp_path) == Had(truth(DECEMBER), {}, ())


def test_micro(tmp_path):
    with serving("micro=1") as server, archive_of(server, tmp_path) as archive:
        found = archive.read(DECEMBER)
        assert (found.candles, found.lacking) == (truth(DECEMBER), {})
        assert found.notes == (
            "BTCUSDT-4h-2025-12.zip: the times are microseconds, read as milliseconds",
        )
        assert archive.read(DECEMBER, end=DECEMBER.start + DAY).candles == truth(
            day_of(BTC, DECEMBER.start)
        )


def test_oldvalue(tmp_path):
    with serving("oldvalue=1") as server:
        found = read(server, tmp_path)
    assert found.lacking == {}
    pairs = zip(found.candles, truth(DECEMBER), strict=True)
    alike = [one.same_values(other) for one, other in pairs]
    assert alike[0]
    assert not alike[-1]


def test_slowzip(tmp_path, monkeypatch):
    """A dump that takes longer than a request may take comes by several."""
    monkeypatch.setattr(faults, "SLOWEST", 1.6)
    dump = day_of(Stream("BTCUSDT", Interval.M1), TODAY - DAY)
    with serving("slowzip=1") as server:
        with archive_of(server, tmp_path, patience=0.3) as archive:
            found = archive.read(dump)
        assert found.candles == truth(dump)
        assert asked(server, dump) > 1


def test_killed_half_way(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "SLOWEST", 30.0)
    dump = day_of(Stream("BTCUSDT", Interval.M1), TODAY - DAY)
    script = (
        "import pathlib, sys\n"
        "from klinetail.exchange.archive import Archive\n"
        "from klinetail.formats.dump_names import parse\n"
        "from klinetail.protocol.venues import sim_venue\n"
        "archive = Archive(sim_venue(int(sys.argv[1])), pathlib.Path(sys.argv[2]))\n"
        "archive.read(parse(sys.argv[3]))\n"
    )
    with serving("slowzip=1") as server:
        words = [str(server.port), str(tmp_path), dump.path]
        process = subprocess.Popen([sys.executable, "-c", script, *words])
        try:
            part = Archive(server.venue, tmp_path).path(dump)
            part = part.with_name(f"{part.name}.part")
            until = time.monotonic() + 60
            while not (part.exists() and part.stat().st_size > 8192):
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        kept = part.read_bytes()
        assert kept
        monkeypatch.setattr(faults, "SLOWEST", 0.1)
        found = read(server, tmp_path, dump)
        assert found.candles == truth(dump)
        assert asked(server, dump) == 2
        with archive_of(server, tmp_path) as archive:
            whole = archive.path(dump).read_bytes()
    assert whole.startswith(kept)
    assert len(whole) > len(kept)
    assert not part.exists()


def test_all_at_once(tmp_path):
    """Whatever happens, a candle that comes out is right."""
    had = 0
    for seed in range(3):
        spec = "archive,-slowzip,thin=0.9,badsum=0.5,cutzip=0.4,headless=0.5,micro=0.5"
        with (
            serving(spec, seed=seed) as server,
            archive_of(server, tmp_path) as archive,
        ):
            dumps = [DECEMBER, *(day_of(BTC, day) for day in DECEMBER.days[:12])]
            for dump in dumps:
                found = archive.read(dump)
                if isinstance(found, NotHad):
                    continue
                had += 1
                days = {day for day in dump.days if day not in found.lacking}
                assert found.candles == [
                    one
                    for one in truth(dump)
                    if one.open_time - one.open_time % DAY in days
                ]
    assert had > 20


# An archive of other manners


def archive_at(venue, folder):
    own = own_venue("ws://127.0.0.1", venue.rest_url)
    return Archive(own, folder, patience=PATIENCE)


def test_a_checksum_that_is_none(tmp_path):
    for body in (b"<html>\x1b[2J</html>", b"", b"x" * 2000):
        with Venue([Answer(200, body), Stall()]) as venue:
            archive = archive_at(venue, tmp_path)
            with pytest.raises(BadMessage, match=r"^BTCUSDT-4h-2025-12\.zip\.CHECKSUM"):
                archive.read(DECEMBER)
            archive.close()


def checksum(data):
    digest = hashlib.sha256(data).hexdigest()
    return Answer(200, f"{digest}  {DECEMBER.name}\n".encode())


def test_a_verified_file_that_is_no_dump(tmp_path):
    data = b"PK\x03\x04 and nonsense"
    with Venue([checksum(data), Answer(200, data), Stall()]) as venue:
        archive = archive_at(venue, tmp_path)
        found = archive.read(DECEMBER)
        archive.close()
    assert found.reason is Reason.UNSOUND
    assert found.words.startswith("BTCUSDT-4h-2025-12.zip: the zip archive is torn")


def test_a_dump_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("klinetail.exchange.archive.MAX_ZIP", 100)
    with Venue([checksum(b""), Answer(200, bytes(101)), Stall()]) as venue:
        archive = archive_at(venue, tmp_path)
        found = archive.read(DECEMBER)
        archive.close()
    assert found.reason is Reason.UNSOUND
    assert zipped.MAX_ZIP > 100
    assert [*tmp_path.rglob("*.zip*")] == []


def test_a_zip_that_goes_between_checksum_and_download(tmp_path):
    with Venue([checksum(b""), Answer(404), Stall()]) as venue:
        archive = archive_at(venue, tmp_path)
        assert archive.read(DECEMBER).reason is Reason.ABSENT
        archive.close()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with serving() as server, pytest.raises(OutputError):
        read(server, tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_thin_minute_is_a_candle(tmp_path):
    dump = day_of(Stream("ALGOUSDT", Interval.M1), TODAY - DAY)
    with serving() as server:
        found = read(server, tmp_path, dump)
    assert len(found.candles) == DAY // MINUTE
    assert replace(found, notes=()) == Had(truth(dump), {}, ())


@pytest.mark.parametrize("policy", DumpUse)
def test_a_history_by_the_plan_is_what_the_market_had(tmp_path, policy):
    """Dumps with all their faults, and REST for the rest: each candle once."""
    streams = [Stream("BTCUSDT", Interval.M15), Stream("ALGOUSDT", Interval.H1)]
    since = START - 34 * DAY
    found = {stream: [] for stream in streams}
    origins = set()
    with serving("archive,-slowzip,nozip=0.2") as server:
        rest = BinanceRest(server.venue)
        with archive_of(server, tmp_path) as archive:
            pieces = deque(plan(streams, since, LATER, LATER, policy=policy))
            while pieces:
                piece = pieces.popleft()
                candles = candles_of(piece, archive, rest)
                if isinstance(candles, list):
                    origins.add(piece.origin)
                    found[piece.stream] += candles
                else:
                    pieces.extendleft(reversed(instead(piece, policy, candles)))
        rest.close()
    for stream, candles in found.items():
        rows = MARKET.klines(stream, since, LATER, 9999, now=LATER)
        true = [row for row in rows if row.closed and row.open_time >= since]
        times = [one.open_time for one in candles]
        assert times == sorted({*times})
        if policy is DumpUse.ONLY:
            assert {*times} < {row.open_time for row in true}
        else:
            assert candles == true
    if policy is DumpUse.AUTO:
        assert origins == {Origin.MONTHLY, Origin.DAILY, Origin.REST}


def candles_of(piece, archive, rest):
    """The candles of a piece, or the days that its dump lacks; None if all does."""
    if piece.origin is Origin.GAP:
        return []
    if piece.dump is None:
        asked = pages(piece, LIVE.limits)
        found = [rest.klines(piece.stream, start=s, limit=n) for s, n in asked]
        return [row for page in found for row in page]
    found = archive.read(piece.dump, start=piece.start, end=piece.end)
    if isinstance(found, NotHad):
        return None
    needed = {
        day for day in found.lacking if piece.start < day + DAY and day < piece.end
    }
    return needed or found.candles
