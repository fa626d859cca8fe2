"""Which dumps are spoilt, and how; and that a client can always go on."""

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, Interval, Stream
from klinetail.formats.dump_names import Period, day_of, month_of
from klinetail.sim.faults import archive
from klinetail.sim.faults.archive import LATEST, SLOWEST, SOUND, Manner
from klinetail.sim.faults.chaos import Chaos

BTC = Stream("BTCUSDT", Interval.M1)
MAY = 1_651_363_200_000  # 2022-05-01
MONTHS = [month_of(BTC, MAY + 30 * DAY * n) for n in range(40)]
DAYS = [day_of(BTC, MAY + DAY * n) for n in range(40)]


def test_without_faults_all_is_sound():
    chaos = Chaos({})
    for dump in (MONTHS[0], DAYS[0]):
        assert archive.spoilt(chaos, dump) == SOUND
        assert SOUND.faults == []
        assert archive.absent(chaos, dump, 0) is None
        assert not archive.wrong_checksum(chaos, dump, 0)
        assert archive.manner(chaos, dump, 0) == Manner()


def test_a_dump_is_spoilt_alike_each_time_and_not_all_are():
    chaos = Chaos.parse("thin=0.5,headless=0.5,micro=0.5,oldvalue=0.5")
    found = [archive.spoilt(chaos, dump) for dump in MONTHS]
    assert found == [archive.spoilt(chaos, dump) for dump in MONTHS]
    names = {name for one in found for name in one.faults}
    assert names == {"thin", "headless", "micro", "oldvalue"}
    assert any("thin" not in one.faults for one in found)
    for dump, one in zip(MONTHS, found, strict=True):
        assert one.lacking is None or one.lacking in dump.days
        assert 0 <= one.old <= 20
    for dump in DAYS:
        one = archive.spoilt(chaos, dump)
        assert one.lacking is None
        assert one.old == 0


def test_a_late_dump_comes():
    chaos = Chaos.parse("latezip=1")
    waits = {
        next(n for n in range(99) if not archive.absent(chaos, dump, n * DAY))
        for dump in DAYS
    }
    assert waits == {*range(1, LATEST + 1)}
    assert archive.absent(chaos, MONTHS[0], 0) is None


def test_a_dump_that_never_comes():
    chaos = Chaos.parse("nozip=0.5")
    for dump in (*DAYS, *MONTHS):
        first = archive.absent(chaos, dump, 0)
        assert first in (None, "nozip")
        assert archive.absent(chaos, dump, 999 * DAY) == first


def test_a_wrong_checksum_is_wrong_once_or_for_ever():
    chaos = Chaos.parse("badsum=1")
    ways = {
        tuple(archive.wrong_checksum(chaos, dump, n) for n in range(4)) for dump in DAYS
    }
    assert ways == {(True, False, False, False), (True,) * 4}


@given(seed=st.integers(0, 99), number=st.integers(0, 99), gentle=st.booleans())
def test_every_third_answer_is_whole_with_faults_of_a_group(seed, number, gentle):
    chaos = Chaos.parse("archive" if gentle else "cutzip=1,slowzip=1", seed=seed)
    how = archive.manner(chaos, DAYS[0], number)
    assert 0 < how.share <= 1
    assert 0 <= how.seconds <= SLOWEST
    if not gentle:
        assert how.fault == "cutzip"
    elif number % 3 == 2:
        assert how == Manner()


def test_a_slow_answer_is_whole():
    how = archive.manner(Chaos.parse("slowzip=1"), DAYS[0], 0)
    assert (how.fault, how.share) == ("slowzip", 1)
    assert how.seconds >= SLOWEST / 4
    assert DAYS[0].period is Period.DAILY
