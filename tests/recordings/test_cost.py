"""What a plan costs."""

from datetime import UTC, datetime

from klinetail.candle import DAY, Interval, Stream
from klinetail.protocol.venues import LIVE
from klinetail.recordings.archive import Origin, Piece, plan
from klinetail.recordings.cost import cost
from klinetail.recordings.policy import DumpUse


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


NOW = at("2026-11-25T12:00")
BTC = Stream("BTCUSDT", Interval.M1)
HOURS = Stream("BTCUSDT", Interval.H1)


def test_the_cost():
    year = [*plan([BTC], at("2025-01-01"), at("2026-01-01"), NOW)]
    by_archive = cost(year, LIVE.limits)
    assert (by_archive.files, by_archive.weight) == (12, 0)
    assert (by_archive.archive_days, by_archive.rest_days) == (365, 0)
    assert by_archive.rows == 525_600
    assert 16e6 < by_archive.download < 23e6
    never = plan([BTC], at("2025-01-01"), at("2026-01-01"), NOW, policy=DumpUse.NEVER)
    by_rest = cost(never, LIVE.limits)
    assert (by_rest.files, by_rest.archive_days, by_rest.rest_days) == (0, 0, 365)
    assert by_rest.weight == 365 * (2 + 2 + 2)
    assert by_rest.minutes(480) == by_rest.weight / 480
    month = cost([Piece(HOURS, NOW, NOW + 30 * DAY, Origin.GAP)], LIVE.limits)
    assert (month.files, month.weight, month.download) == (0, 0, 0)
