"""What a REST answer becomes; every lie can be seen, and ends."""

import email.utils
import json
from itertools import pairwise
from random import Random

import pytest

from klinetail.candle import Interval, Stream
from klinetail.errors import BadMessage, Forbidden, RateLimited, Refused, Unavailable
from klinetail.protocol.klines import BadRow, decode_rows, encode_rows
from klinetail.protocol.rest_errors import error_of
from klinetail.sim.faults.answers import Manner, disturbed, fault_of
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.clocks import error
from klinetail.sim.faults.table import FAULTS, Group

BTC = Stream("BTCUSDT", Interval.M1)
NAMES = [f.name for f in FAULTS.values() if f.group is Group.REST]
DIRECT = [name for name in NAMES if name not in ("lag", "absent", "clock")]
ROWS = (
    "unsorted",
    "doubled",
    "short",
    "hole",
    "longer",
    "differing",
    "impossible",
)


@pytest.fixture
def body(market, start):
    return encode_rows(market.klines(BTC, start - 600_000, limit=8, now=start))


def spoilt(name, body, now, *, gentle=False):
    return [
        disturbed(name, Random(n), 200, body, now, gentle=gentle) for n in range(40)
    ]


@pytest.mark.parametrize("name", [name for name in DIRECT if name not in ROWS])
def test_each_one_says_that_it_is_wrong(name, body, start):
    found = spoilt(name, body, start)
    for delivery in found:
        if delivery.manner is not Manner.WHOLE:
            assert delivery.body == body
            continue
        error = error_of(
            delivery.status,
            delivery.body,
            retry_after=delivery.headers.get("Retry-After"),
            server_time=start,
        )
        if error is None:
            with pytest.raises(BadMessage):
                decode_rows(delivery.body, BTC)


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_costs_no_other(name, body, start):
    whole = decode_rows(body, BTC)
    places = set()
    for delivery in spoilt(name, body, start):
        assert delivery.body != body
        rows = decode_rows(delivery.body, BTC)
        lost = [one for one in whole if one not in rows]
        bad = [one for one in rows if isinstance(one, BadRow)]
        if name in ("unsorted", "doubled", "longer"):
            assert rows == whole
        elif name == "short":
            assert rows == whole[: len(rows)]
            assert 0 < len(rows) < len(whole)
        else:
            assert len(lost) == 1
            expected = [] if name == "hole" else [lost[0].open_time]
            assert [one.open_time for one in bad] == expected
            places.add(whole.index(lost[0]))
    if name in ("differing", "impossible"):
        assert places == {*range(len(whole))}


def test_all_ways_in_which_a_row_cannot_be(body, start):
    found = set()
    for delivery in spoilt("impossible", body, start):
        rows = decode_rows(delivery.body, BTC)
        found |= {one.reason for one in rows if isinstance(one, BadRow)}
    assert len(found) >= 5


def errors(name, body, now, **options):
    return [
        error_of(
            delivery.status,
            delivery.body,
            retry_after=delivery.headers.get("Retry-After"),
            server_time=now,
        )
        for delivery in spoilt(name, body, now, **options)
    ]


@pytest.mark.parametrize("name", ["busy", "banned"])
def test_how_long_to_wait_is_said(name, body, start):
    found = errors(name, body, start, gentle=True)
    assert {type(error) for error in found} == {RateLimited}
    assert all(0 < error.retry_after <= 3 for error in found)
    forms = {d.headers.get("Retry-After", "")[-3:] for d in spoilt(name, body, start)}
    assert {"1", "2", "3", ""} <= forms
    if name == "busy":
        assert "GMT" in forms
        given = spoilt(name, body, start, gentle=True)
        assert all("Retry-After" in delivery.headers for delivery in given)


def test_kinds_of_refusal(body, start):
    assert {type(e) for e in errors("unavailable", body, start)} == {Unavailable}
    assert {type(e) for e in errors("challenge", body, start)} == {Unavailable}
    assert {type(e) for e in errors("forbidden", body, start)} == {Forbidden, Refused}
    assert {d.status for d in spoilt("forbidden", body, start)} == {403, 451}
    assert {d.status for d in spoilt("unavailable", body, start)} == {
        408,
        500,
        502,
        503,
        504,
    }


def test_a_hole_is_never_at_the_beginning(body, start):
    whole = [row[0] for row in json.loads(body)]
    for delivery in spoilt("hole", body, start):
        times = [row[0] for row in json.loads(delivery.body)]
        assert len(times) == len(whole) - 1
        assert (times[0], times[-1]) == (whole[0], whole[-1])


def test_what_has_no_rows_cannot_be_mixed_up(start):
    for name in ROWS:
        for body in (b"{}", b"[]", b"[[1]]"):
            assert spoilt(name, body, start) == [None] * 40
        assert disturbed(name, Random(1), 400, b"[]", start, gentle=False) is None


def test_a_wrong_clock_writes_the_time_and_the_date(start):
    body = json.dumps({"serverTime": start}).encode()
    for number, delivery in enumerate(spoilt("clock", body, start)):
        told = start + error(Random(number))
        assert json.loads(delivery.body) == {"serverTime": told}
        date = email.utils.parsedate_to_datetime(delivery.headers["Date"])
        assert date.timestamp() == told // 1000
        assert (delivery.status, delivery.manner) == (200, Manner.WHOLE)
    assert len({delivery.body for delivery in spoilt("clock", body, start)}) == 40


def test_only_answers_about_the_time_can_be_of_a_wrong_clock(body, start):
    for other in (body, b"{}", b"[]", b'{"code":-1003,"msg":""}', b""):
        assert spoilt("clock", other, start) == [None] * 40


def struck(chaos, *, served, count=2000):
    return [
        found[0] if (found := fault_of(chaos, "BTCUSDT@1m", n, served=served)) else None
        for n in range(count)
    ]


def test_of_all_every_third_is_spared_and_nobody_is_refused_at_first():
    chaos = Chaos.parse("all", seed=1)
    found = struck(chaos, served=True)
    assert {*found} == {None, *DIRECT}
    assert not any(found[2::3])
    first = struck(chaos, served=False)
    assert {*first} == {None, *DIRECT} - {"forbidden"}
    runs = pairwise(n for n, name in enumerate(first) if name is None)
    assert max(later - earlier for earlier, later in runs) <= 3


def test_what_is_asked_for_by_name_spares_nobody():
    assert {*struck(Chaos.parse("forbidden=1"), served=False)} == {"forbidden"}
    found = struck(Chaos.parse("html=0.3"), served=False)
    assert abs(found.count("html") / 2000 - 0.3) < 0.05


def test_what_others_ask_for_is_another_matter():
    chaos = Chaos.parse("html=0.5")
    one, two = (
        [bool(fault_of(chaos, key, n, served=True)) for n in range(50)]
        for key in ("BTCUSDT@1m", "ETHUSDT@1m")
    )
    assert one != two
