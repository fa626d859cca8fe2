"""The plan of a history names each candle once, in order, from a sound origin."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Stream
from klinetail.errors import UsageError
from klinetail.formats.dump_names import Period, daily, day_of, month_of
from klinetail.protocol.venues import LIVE
from klinetail.recordings.archive import (
    DAY_AGE,
    MONTH_AGE,
    Origin,
    Piece,
    first_from,
    gaps,
    instead,
    pages,
    plan,
    without,
)
from klinetail.recordings.policy import DumpUse


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


NOW = at("2026-11-25T12:00")
BTC = Stream("BTCUSDT", Interval.M1)
ETH = Stream("ETHUSDT", Interval.M1)
HOURS = Stream("BTCUSDT", Interval.H1)

# Three months at most, of intervals whose candles can be listed one by one.
INTERVALS = [i for i in Interval if i not in (Interval.M1, Interval.M3, Interval.D3)]
times = st.integers(NOW - 90 * DAY, NOW + 2 * DAY)
streams = st.lists(
    st.builds(
        Stream, st.sampled_from(["BTCUSDT", "ETHUSDT"]), st.sampled_from(INTERVALS)
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
policies = st.sampled_from(DumpUse)


@st.composite
def asked(draw):
    """The arguments of a plan."""
    policy, wanted = draw(policies), draw(streams)
    if policy is DumpUse.ONLY:
        wanted = [one for one in wanted if daily(one.interval)]
    since, until = sorted([draw(times), draw(times)])
    listed = draw(st.dictionaries(st.sampled_from(["BTCUSDT", "ETHUSDT"]), times))
    cursors = {
        one: first_from(one.interval, draw(times))
        for one in wanted
        if draw(st.booleans())
    }
    return wanted, since, until, NOW, policy, listed, cursors


def planned(wanted, since, until, now, policy, listed, cursors):
    return [
        *plan(wanted, since, until, now, policy=policy, listed=listed, cursors=cursors)
    ]


def opens(piece):
    time = piece.start
    while time < piece.end:
        yield time
        time = piece.stream.interval.shift(time, 1)


def expected(stream, since, until, now, policy, listed, cursors):
    """The open times of the candles that a plan has to name, by a slow way."""
    interval = stream.interval
    time = interval.floor(NOW - 120 * DAY)
    found = []
    while interval.close_time(time) < now:
        close = interval.close_time(time)
        right = since <= time < until and time >= cursors.get(stream, 0)
        exists = close >= listed.get(stream.symbol, 0)
        old = policy is not DumpUse.ONLY or time - time % DAY + DAY + DAY_AGE <= now
        if right and exists and old:
            found.append(time)
        time = close + 1
    return found


def by_stream(pieces):
    found = {}
    for piece in pieces:
        found.setdefault(piece.stream, []).extend(opens(piece))
    return found


@settings(max_examples=50)
@given(asked())
def test_each_candle_is_named_once_and_in_order(arguments):
    wanted, *rest = arguments
    pieces = planned(*arguments)
    assert by_stream(pieces) == {
        stream: candles for stream in wanted if (candles := expected(stream, *rest))
    }
    assert all(piece.start < piece.end for piece in pieces)


@settings(max_examples=50)
@given(asked())
def test_a_dump_is_old_enough_and_holds_its_pieces(arguments):
    policy = arguments[4]
    for piece in planned(*arguments):
        dump = piece.dump
        assert (dump is None) is (piece.origin is Origin.REST)
        assert piece.origin is not Origin.REST or policy is not DumpUse.ONLY
        assert piece.origin is Origin.REST or policy is not DumpUse.NEVER
        if dump is not None:
            assert dump.start <= piece.start < piece.end <= dump.end
            age = MONTH_AGE if dump.period is Period.MONTHLY else DAY_AGE
            assert dump.end + age <= NOW
            assert daily(piece.stream.interval)


@settings(max_examples=50)
@given(asked())
def test_a_killed_run_has_all_streams_near_each_other(arguments):
    """Behind a piece, no stream lacks a candle that closed a window earlier."""
    pieces = planned(*arguments)
    for number, piece in enumerate(pieces):
        earliest = min((one.start for one in pieces[number:]), default=piece.start)
        assert piece.start - earliest < 366 * DAY
        if piece.stream.interval.length == 5 * MINUTE:
            short = [
                one.start
                for one in pieces[number:]
                if one.stream.interval.length == 5 * MINUTE
            ]
            assert piece.start - min(short) < DAY


@settings(max_examples=50)
@given(asked(), st.data())
def test_what_is_not_to_be_had_is_planned_anew_until_it_is_a_gap(arguments, data):
    policy = arguments[4]
    pieces = planned(*arguments)
    truth = by_stream(pieces)
    for _ in range(4):
        dumps = sorted({piece.dump for piece in pieces if piece.dump is not None})
        if not dumps:
            break
        dump = data.draw(st.sampled_from(dumps))
        lacking = data.draw(st.none() | st.sets(st.sampled_from(dump.days), max_size=3))
        before = [piece for piece in pieces if piece.dump == dump]
        pieces = [*without(pieces, dump, policy, lacking)]
        assert by_stream(pieces) == truth
        for piece in pieces:
            if piece.dump == dump:
                assert lacking is not None
                assert not {*map(_day, opens(piece))} & lacking
        if lacking is None:
            assert before
    gone = [end for piece in pieces for end in _to_the_end(piece, policy)]
    assert by_stream(gone) == truth
    assert all(piece.origin is Origin.GAP for piece in gone)


def _day(time):
    return time - time % DAY


def _to_the_end(piece, policy, depth=0):
    """What a piece becomes if nothing is to be had."""
    if piece.origin is Origin.GAP:
        return [piece]
    assert depth < 4
    return [
        end
        for one in instead(piece, policy)
        for end in _to_the_end(one, policy, depth + 1)
    ]


@settings(max_examples=50)
@given(asked())
def test_a_run_that_goes_on_asks_for_the_same_dumps(arguments):
    *first, _ = arguments
    whole = {
        (piece.stream, time): piece.dump
        for piece in planned(*first, {})
        for time in opens(piece)
    }
    for piece in planned(*arguments):
        for time in opens(piece):
            assert whole[piece.stream, time] == piece.dump


@settings(max_examples=50)
@given(asked())
def test_the_requests_of_a_piece_hold_its_candles(arguments):
    for piece in planned(*arguments):
        time = piece.start
        for start, rows in pages(piece, LIVE.limits):
            assert start == time
            assert 1 <= rows <= LIVE.limits.page
            time = piece.stream.interval.shift(start, rows)
        assert time == piece.end


@given(st.sets(st.integers(0, 30)), st.integers(1, 30))
def test_gaps(have, count):
    piece = Piece(BTC, NOW, NOW + count * MINUTE, Origin.REST)
    found = gaps(piece, [NOW + n * MINUTE for n in have])
    lacking = [time for one in found for time in opens(one)]
    assert lacking == [NOW + n * MINUTE for n in range(count) if n not in have]
    assert all(one.origin is Origin.GAP for one in found)
    assert all(a.end < b.start for a, b in pairwise(found))


# By hand


def origins(pieces, stream=BTC):
    """The origins of a stream's candles, with the day of the first candle of each."""
    found = []
    for piece in pieces:
        if piece.stream == stream and (not found or found[-1][1] is not piece.origin):
            found.append(
                (
                    f"{datetime.fromtimestamp(piece.start / 1000, UTC):%m-%d}",
                    piece.origin,
                )
            )
    return found


def test_months_then_days_then_rest():
    pieces = [*plan([BTC, HOURS], at("2026-08-20"), NOW, NOW)]
    assert origins(pieces) == [
        ("08-20", Origin.DAILY),
        ("09-01", Origin.MONTHLY),
        ("11-01", Origin.DAILY),
        ("11-24", Origin.REST),  # ended 12 h ago
    ]
    # A request or two for a month of hours is less than thirty downloads.
    assert origins(pieces, HOURS) == [
        ("08-20", Origin.REST),
        ("09-01", Origin.MONTHLY),
        ("11-01", Origin.REST),
    ]


def test_a_month_is_used_from_the_15th_on():
    for day, origin in (("14T23:59", Origin.DAILY), ("15T00:00", Origin.MONTHLY)):
        [first, *_] = plan([BTC], at("2026-10-01"), NOW, at(f"2026-11-{day}"))
        assert first.origin is origin


def test_a_day_is_used_after_36_hours():
    for hour, origin in (("11:59", Origin.REST), ("12:00", Origin.DAILY)):
        pieces = plan([BTC], at("2026-11-23"), NOW, at(f"2026-11-25T{hour}"))
        assert next(pieces).origin is origin


def test_the_month_of_the_listing_is_whole():
    listed = {"BTCUSDT": at("2026-09-10T08:00")}
    pieces = [*plan([BTC], 0, at("2026-10-01"), NOW, listed=listed)]
    assert {piece.origin for piece in pieces} == {Origin.MONTHLY}
    assert pieces[0].start == at("2026-09-10T08:00")
    assert pieces[-1].end == at("2026-10-01")


def test_a_cursor_in_the_middle_of_a_day():
    cursor = at("2026-09-10T08:00")
    pieces = [*plan([BTC], at("2026-09-01"), NOW, NOW, cursors={BTC: cursor})]
    assert pieces[0] == Piece(BTC, cursor, at("2026-09-11"), Origin.MONTHLY)


def test_the_streams_take_turns():
    pieces = [*plan([BTC, ETH], at("2026-11-01"), at("2026-11-03"), NOW)]
    assert [(one.stream, one.start) for one in pieces] == [
        (stream, at(f"2026-11-0{day}")) for day in (1, 2) for stream in (BTC, ETH)
    ]


def test_candles_of_three_days_are_asked_for_on_any_day():
    stream = Stream("BTCUSDT", Interval.D3)
    listed = {"BTCUSDT": at("2025-03-05T07:00")}
    pieces = [*plan([stream], 0, NOW, NOW, listed=listed)]
    assert [one.origin for one in pieces] == [Origin.REST] * 2
    assert pieces[0].start == at("2025-03-03")
    assert pieces[-1].end == at("2026-11-23")  # the last to open is closed by now


@pytest.mark.parametrize("interval", [Interval.D3, Interval.W1, Interval.MO1])
def test_long_candles_come_by_years(interval):
    stream = Stream("BTCUSDT", interval)
    pieces = [*plan([stream], at("2024-01-01"), NOW, NOW)]
    years = [datetime.fromtimestamp(one.start / 1000, UTC).year for one in pieces]
    assert years == [2024, 2025, 2026]
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert len([*pages(pieces[0], LIVE.limits)]) == 1


def test_only_dumps():
    pieces = [*plan([BTC], at("2026-10-31T05:00"), NOW, NOW, policy=DumpUse.ONLY)]
    assert {piece.origin for piece in pieces} == {Origin.DAILY}
    assert pieces[0].dump == day_of(BTC, at("2026-10-31"))
    assert pieces[-1].end == at("2026-11-24")
    with pytest.raises(UsageError, match="btcusdt@1w: candles of more than a day"):
        next(plan([Stream("BTCUSDT", Interval.W1)], 0, 1, NOW, policy=DumpUse.ONLY))


def test_a_month_that_lacks_two_days():
    whole = Piece(HOURS, at("2026-09-01"), at("2026-10-01"), Origin.MONTHLY)
    lacking = {at("2026-09-05"), at("2026-09-06")}
    assert instead(whole, DumpUse.AUTO, lacking) == [
        Piece(HOURS, at("2026-09-01"), at("2026-09-05"), Origin.MONTHLY),
        Piece(HOURS, at("2026-09-05"), at("2026-09-07"), Origin.REST),
        Piece(HOURS, at("2026-09-07"), at("2026-10-01"), Origin.MONTHLY),
    ]
    days = instead(
        Piece(BTC, at("2026-09-05"), at("2026-09-06"), Origin.MONTHLY),
        DumpUse.AUTO,
        lacking,
    )
    assert [one.origin for one in days] == [Origin.DAILY]
    assert [one.origin for one in instead(days[0], DumpUse.AUTO)] == [Origin.REST]
    assert [one.origin for one in instead(days[0], DumpUse.ONLY)] == [Origin.GAP]


def test_pieces_of_many_windows_share_a_month():
    pieces = [*plan([BTC], at("2026-09-01"), at("2026-10-01"), NOW)]
    assert len(pieces) == 30
    assert {piece.dump for piece in pieces} == {month_of(BTC, at("2026-09-05"))}


def test_nothing_to_do():
    assert [*plan([BTC], NOW, NOW, NOW)] == []
    assert [*plan([], 0, NOW, NOW)] == []
    assert [*plan([BTC], NOW + HOUR, NOW + DAY, NOW)] == []
