"""The dumps of a market hold its closed candles, and come out alike each time."""

import io
import zipfile
from decimal import Decimal
from itertools import pairwise

import pytest

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Source, Stream
from klinetail.formats import dump as lines
from klinetail.formats.dump_names import day_of, month_of
from klinetail.sim.bars import BarBlock, Steps, flat
from klinetail.sim.dumps import PUBLISHED, ROWS, published, zipping
from klinetail.sim.faults.archive import SOUND, Spoilt
from klinetail.sim.history import History, Instrument
from klinetail.sim.market import HistoryMarket
from klinetail.sim.synthetic import Synthetic

START = 1_767_250_855_000  # 2026-01-01 07:00:55 UTC, a Thursday
TODAY = START - START % DAY
DECEMBER = TODAY - 31 * DAY
BTC = Stream("BTCUSDT", Interval.M1)


def made(market, dump, spoilt=SOUND):
    """The archive of a dump, and in how many steps it was made."""
    steps, making = 0, zipping(market, dump, spoilt)
    while True:
        try:
            next(making)
        except StopIteration as finished:
            return finished.value, steps
        steps += 1


def text(market, dump, spoilt=SOUND):
    with zipfile.ZipFile(io.BytesIO(made(market, dump, spoilt)[0])) as archive:
        assert archive.namelist() == [dump.member]
        return archive.read(dump.member)


def candles(market, dump, spoilt=SOUND):
    first, *rest = text(market, dump, spoilt).splitlines()
    assert first == lines.HEADER
    return [lines.decode(line, dump.stream) for line in rest]


def test_a_day_is_published_in_the_next_morning():
    assert published(day_of(BTC, TODAY)) == TODAY + DAY + 8 * HOUR + 35 * MINUTE


@pytest.mark.parametrize(
    ("month", "monday"), [("2025-12", 4), ("2025-11", 0), ("2025-08", 0)]
)
def test_a_month_is_published_on_the_first_monday(month, monday):
    dump = month_of(BTC, {"2025-12": DECEMBER, "2025-11": DECEMBER - DAY}.get(month, 0))
    if month == "2025-08":
        dump = month_of(BTC, TODAY - 140 * DAY)
    assert dump.stem.endswith(month)
    assert published(dump) == dump.end + monday * DAY + PUBLISHED
    assert Interval.W1.opens_at(published(dump) - PUBLISHED)


@pytest.mark.parametrize("interval", [Interval.M1, Interval.H1, Interval.D1])
def test_a_day_is_what_rest_answers(market, interval):
    stream = Stream("ALGOUSDT", interval)
    dump = day_of(stream, TODAY - 5 * DAY)
    rows = market.klines(stream, dump.start, dump.end - 1, 1500, now=START)
    assert candles(market, dump) == rows
    assert all(row.source is Source.REST for row in rows)


@pytest.mark.parametrize(
    ("interval", "count"),
    [(Interval.H4, 186), (Interval.D1, 31), (Interval.W1, 5), (Interval.MO1, 1)],
)
def test_a_month_is_what_rest_answers(interval, count):
    market = Synthetic(7, START)
    stream = Stream("BTCUSDT", interval)
    dump = month_of(stream, DECEMBER)
    rows = market.klines(stream, dump.start, dump.end - 1, 1500, now=START + 9 * DAY)
    assert candles(market, dump) == rows
    assert len(rows) == count


def test_a_candle_that_closes_after_the_publication_is_not_in_the_dump():
    """September 2025 begins on a Monday: the last days of August are not over then."""
    flat_days = cheap_market(TODAY - 160 * DAY)
    stream = Stream("BTCUSDT", Interval.D3)
    august = month_of(stream, TODAY - 130 * DAY)
    assert august.stem == "BTCUSDT-3d-2025-08"
    opened = [one.open_time for one in candles(flat_days, august)]
    assert opened == [*range(opened[0], published(august) - 3 * DAY, 3 * DAY)]
    assert opened[-1] + 6 * DAY > published(august)


def cheap_market(first):
    """A market of days without trades."""
    step = Decimal("0.1")
    one = Instrument("BTCUSDT", Steps(step, step, step), Interval.D1, first)
    history = History(one, lambda _: BarBlock([flat(step)]), kept=1)
    return HistoryMarket({"BTCUSDT": history}, start=START, end=None, label="")


def test_equal_markets_make_equal_bytes(market):
    dump = day_of(BTC, TODAY - DAY)
    one, steps = made(market, dump)
    assert one == made(Synthetic(7, START), dump)[0]
    assert one != made(Synthetic(8, START), dump)[0]
    assert steps > DAY / MINUTE / ROWS


@pytest.mark.parametrize(
    ("symbol", "days"), [("BTCUSDT", 71), ("OMGUSDT", 2), ("OMGUSDT", 1), ("X", 1)]
)
def test_a_day_without_candles_has_no_dump(market, symbol, days):
    dump = day_of(Stream(symbol, Interval.M1), TODAY - days * DAY)
    assert made(market, dump)[0] is None


def test_the_last_day_of_trading_has_a_dump(market):
    dump = day_of(Stream("OMGUSDT", Interval.M1), TODAY - 3 * DAY)
    assert len(candles(market, dump)) == 1440


def test_a_market_without_the_interval_has_no_dump(market):
    class Hours:
        instruments = market.instruments

        def intervals(self, symbol):
            return {Interval.H1}

    assert made(Hours(), day_of(BTC, TODAY - DAY))[0] is None


# Faults of the content


def test_headless(market):
    dump = day_of(BTC, TODAY - DAY)
    whole = text(market, dump)
    assert text(market, dump, Spoilt(headless=True)) == whole.partition(b"\n")[2]


def test_micro(market):
    dump = day_of(BTC, TODAY - DAY)
    found = text(market, dump, Spoilt(micro=True)).splitlines()[1:]
    for line, candle in zip(found, candles(market, dump), strict=True):
        fields = line.split(b",")
        assert int(fields[0]) == candle.open_time * 1000
        assert int(fields[6]) == candle.close_time * 1000 + 999


def test_a_lacking_day(market):
    dump = month_of(Stream("BTCUSDT", Interval.H1), DECEMBER)
    gone = DECEMBER + 3 * DAY
    found = candles(market, dump, Spoilt(lacking=gone))
    assert len(found) == 30 * 24
    assert not [one for one in found if gone <= one.open_time < gone + DAY]
    jumps = [b.open_time - a.open_time for a, b in pairwise(found)]
    assert sorted(jumps)[-2:] == [HOUR, DAY + HOUR]


def test_old_values(market):
    dump = month_of(Stream("ALGOUSDT", Interval.H1), DECEMBER)
    true, old = candles(market, dump), candles(market, dump, Spoilt(old=5))
    assert true[:-5] == old[:-5]
    for one, other in zip(true[-5:], old[-5:], strict=True):
        assert one.open_time == other.open_time
        assert not one.same_values(other)
