"""Rows of klines: recorded answers decode, and an odd row costs no other row."""

import itertools
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.formats import dump
from klinetail.protocol.frames import decode
from klinetail.protocol.klines import BadRow, decode_rows, encode_rows
from klinetail.protocol.venues import LIVE
from tests.cases import Case
from tests.protocol.bodies import HTML, bad_or, refused
from tests.strategies import BTCUSDT_1M, candle, json_values, runs

ROWS_AT_MOST = LIVE.limits.rows
ROWS = (
    b'[[1700000040000,"100.10","100.90","100.00","100.50","12.500",1700000099999,'
    b'"1255.62500",42,"6.250","627.81250","0"],'
    b'[1700000100000,"100.5","100.5","100.5","100.5","0",1700000159999,'
    b'"0.000",0,"0","0","0"]]'
)
"""Made up; the second minute had no trade."""


class TestRows:
    def test_rows_are_closed_candles_from_rest(self):
        first = candle(source=Source.REST)
        second = candle(
            first.close_time + 1,
            prices=("100.5",) * 4,
            volumes=("0", "0.000", "0", "0"),
            count=0,
            source=Source.REST,
        )
        assert decode_rows(ROWS, BTCUSDT_1M) == [first, second]
        assert encode_rows([first, second]) == ROWS

    def test_no_rows_are_no_candles(self):
        assert decode_rows(b"[]", BTCUSDT_1M) == []
        assert encode_rows([]) == b"[]"

    @given(runs())
    def test_what_is_written_is_read_again(self, run):
        stream = run[0].stream if run else BTCUSDT_1M
        assert decode_rows(encode_rows(run), stream) == run

    @pytest.mark.parametrize(
        "name",
        [
            "fapi_klines_BTCUSDT_1m_limit2_2026-10-07.json",
            "testnet_fapi_klines_BTCUSDT_1m_limit2_2026-09-11.json",
        ],
    )
    def test_recorded_answers_decode_to_the_digit(self, shared_data, name):
        body = (shared_data / "rest_misc" / name).read_bytes()
        rows = json.loads(body)
        decoded = decode_rows(body, BTCUSDT_1M)

        assert len(decoded) == 2
        for one, row in zip(decoded, rows, strict=True):
            assert one.texts == tuple(row[at] for at in (1, 2, 3, 4, 5, 7, 9, 10))
            assert [one.open_time, one.close_time, one.count] == [
                row[at] for at in (0, 6, 8)
            ]
            assert one.close == Decimal(row[4])
            assert (one.closed, one.source) == (True, Source.REST)
        assert json.loads(encode_rows(decoded)) == rows

    def test_recorded_days_survive_being_written_and_read(self, shared_data):
        files = sorted((shared_data / "rest_klines").glob("*.csv"))
        assert len(files) >= 5
        for file in files:
            symbol, interval, *_ = file.name.split("-")
            stream = Stream.of(symbol, interval)
            lines = file.read_bytes().splitlines()[1:]
            day = [dump.decode(line, stream) for line in lines]

            assert len(day) in (1440, 4320)
            assert decode_rows(encode_rows(day), stream) == day

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b'""',
            b"{}",
            b"null",
            b"1",
            HTML,
            b'{"code":-1121,"msg":"Invalid symbol."}',
            b'{"rows":' + ROWS + b"}",
            b"\xef\xbb\xbf" + ROWS,
            ROWS.decode().encode("utf-16"),
            ROWS + ROWS,
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'[{"a":' * 100_000,
        ],
    )
    def test_other_bodies_are_bad(self, body):
        assert str(refused(decode_rows, body, BTCUSDT_1M)).startswith("no list of")

    def test_cut_anywhere_they_are_bad(self):
        for end in range(len(ROWS)):
            refused(decode_rows, ROWS[:end], BTCUSDT_1M)

    @pytest.mark.parametrize(
        "literal",
        [
            "null",
            "true",
            "[]",
            "{}",
            '""',
            "-1",
            "1.5",
            "1e3",
            "1e999",
            "NaN",
            "9" * 30,
            "9" * 5000,
            f'"{"9" * 400}"',
            '"NaN"',
            '"-1"',
            '"1e5"',
            '"1_000"',
            '" 1"',
            '"１"',
            '"01"',
        ],
    )
    def test_a_value_that_is_something_else_is_bad(self, literal):
        first, second = decode_rows(ROWS, BTCUSDT_1M)
        for place in range(11):
            row = json.loads(ROWS)[0]
            row[place] = "@@"
            body = json.dumps([row, json.loads(ROWS)[1]]).replace('"@@"', literal)
            with Case(place):
                bad, other = decode_rows(body.encode(), BTCUSDT_1M)
                assert isinstance(bad, BadRow)
                assert bad.open_time == first.open_time
                assert 0 < len(bad.reason) < 200
                assert 0 < len(bad.sample) <= 200
                assert bad.sample.isascii()
                assert other == second

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            (b'"100.00"', b'"100.11"', "outside low to high"),
            (b'"12.500"', b'"-12.500"', "not a plain decimal"),
            (b'"100.10"', b'"100.10\xff"', "not a plain decimal"),
            (b'"100.10"', b'"\\ud800"', "not a plain decimal"),
            (b'"100.10"', b"[[]]", "Expected `str`, got `array`"),
            (b"1700000040000", b"1700000040001", "opens at"),
            (b"1700000040000", b"1700000100000000", "out of range"),
            (b"1700000099999", b"1700000100000", "does not close"),
            (b"42", b"-42", "number of trades"),
            (b',42,"6.250","627.81250","0"]', b"]", "at least length 11, got 8"),
        ],
    )
    def test_a_row_that_cannot_be_is_named_and_costs_no_other(self, old, new, reason):
        first, second = decode_rows(ROWS, BTCUSDT_1M)
        bad, other = decode_rows(ROWS.replace(old, new), BTCUSDT_1M)
        assert reason in bad.reason
        assert (bad.open_time, other) == (first.open_time, second)
        assert bad.sample.startswith("[1700000")

    @pytest.mark.parametrize("junk", ["null", "1", '"x"', "[]", "{}", "[null]", "[[]]"])
    def test_what_is_no_row_stands_where_there_is_room_for_one(self, junk):
        one, two = (json.dumps(row) for row in json.loads(ROWS))
        first, second = decode_rows(ROWS, BTCUSDT_1M)
        third = second.close_time + 1

        def places(*texts):
            rows = decode_rows(f"[{','.join(texts)}]".encode(), BTCUSDT_1M)
            return [
                row.open_time if isinstance(row, BadRow) else "sound" for row in rows
            ]

        assert places(junk, two) == [first.open_time, "sound"]
        assert places(one, junk) == ["sound", second.open_time]
        assert places(one, two, junk) == ["sound", "sound", third]
        assert places(one, two, junk, junk) == ["sound", "sound", third, third + MINUTE]
        assert places(one, junk, two) == ["sound", "sound", None]
        assert places(one, junk, one, junk) == ["sound", second.open_time, None]
        assert places(junk) == [None]
        assert places(junk, junk) == [None, None]

    @pytest.mark.parametrize(
        "more",
        [
            "",
            ",0",
            ",null",
            ',"0","0"',
            ',7,{"x":[[],{"y":"\\u0000"}]},[],true,1e999',
            "," + "9" * 5000,
            "," + "[" * 500 + "]" * 500,
        ],
    )
    def test_what_follows_the_known_values_is_not_looked_at(self, more):
        body = ROWS.replace(b',"0"]', more.encode() + b"]")
        assert decode_rows(body, BTCUSDT_1M) == decode_rows(ROWS, BTCUSDT_1M)

    @pytest.mark.parametrize("more", [',"\\ud800"', "," + "9" * 5000, ",NaN"])
    def test_nor_is_it_in_an_answer_with_a_bad_row(self, more):
        body = ROWS[:-1] + b",null]"
        bad = body.replace(b',"0"]', more.encode() + b"]")
        assert decode_rows(bad, BTCUSDT_1M) == decode_rows(body, BTCUSDT_1M)

    def test_rows_are_as_tolerant_as_frames(self):
        """What one lets through the other does: the same values, the same candle."""
        values = json.loads(ROWS)[0]
        names = [*"tohlcvTqnVQ"]
        swaps = ["1", "-1", "1e3", "", "0.000", 1, -1, 1.0, True, None, [], {}, "٣"]
        for at, swap in itertools.product(range(len(names)), swaps):
            row = [*values[:at], swap, *values[at + 1 :], {"more": [1]}]
            kline = dict(zip(names, row, strict=False))
            kline |= {"s": "BTCUSDT", "i": "1m", "x": True, "B": 0, "z": {"more": [1]}}
            event = {"e": "kline", "E": 1700000100000, "s": "BTCUSDT", "k": kline}
            framed = bad_or(decode, json.dumps(event))
            (read,) = decode_rows(json.dumps([row]).encode(), BTCUSDT_1M)
            assert isinstance(read, BadRow) is (framed is None), (at, swap)
            assert framed is None or framed.same_values(read)

    @pytest.mark.parametrize("interval", ["3m", "1h", "1d", "1w", "1M"])
    def test_rows_of_another_interval_are_bad(self, interval):
        rows = decode_rows(ROWS, Stream.of("BTCUSDT", interval))
        assert [type(row) for row in rows] == [BadRow, BadRow]

    @given(runs(min_size=1), st.data())
    def test_rows_in_any_order_and_alike_doubles_lose_nothing(self, run, data):
        doubles = data.draw(st.lists(st.sampled_from(run), max_size=3))
        mixed = data.draw(st.permutations([*run, *doubles]))
        assert decode_rows(encode_rows(mixed), run[0].stream) == run

    def test_a_double_with_other_digits_is_alike(self):
        first, second = decode_rows(ROWS, BTCUSDT_1M)
        longer = msgspec.structs.replace(first, volume_text="12.5000")
        body = encode_rows([first, second, longer])
        assert decode_rows(body, BTCUSDT_1M) == [first, second]

    @pytest.mark.parametrize("at", [0, 1])
    @pytest.mark.parametrize("times", [2, 3])
    def test_of_doubles_with_different_values_neither_is_believed(self, at, times):
        run = decode_rows(ROWS, BTCUSDT_1M)
        others = [
            msgspec.structs.replace(run[at], count=43 + n) for n in range(1, times)
        ]
        for mixed in itertools.permutations([*run, *others]):
            rows = decode_rows(encode_rows(mixed), BTCUSDT_1M)
            assert len(rows) == 2
            assert rows[1 - at] == run[1 - at]
            assert rows[at].open_time == run[at].open_time
            assert rows[at].reason == "the row comes twice, with different values"
            assert rows[at].sample.startswith(f"[{run[at].open_time},")

    @pytest.mark.parametrize("bad", [b"-42", b"null"])
    def test_a_row_that_comes_once_sound_and_once_not_is_not_believed(self, bad):
        first, second = json.loads(ROWS)
        other = [*first[:8], json.loads(bad), *first[9:]]
        for mixed in itertools.permutations([first, second, other]):
            rows = decode_rows(json.dumps(mixed).encode(), BTCUSDT_1M)
            assert [type(row) for row in rows] == [BadRow, Candle]
            assert rows[0].reason == "the row comes twice, with different values"

    def test_of_a_row_that_comes_twice_the_later_one_is_shown_whole(self):
        first, _ = json.loads(ROWS)
        other = [*first[:8], 43, *first[9:]]
        (row,) = decode_rows(json.dumps([first, other]).encode(), BTCUSDT_1M)
        assert row.sample == json.dumps(other, separators=(",", ":"))

    def test_a_number_of_more_than_40_digits_is_none(self):
        for length, shown in ((40, "9" * 40), (41, "null")):
            body = f"[[{'9' * length}]]".encode()
            (row,) = decode_rows(body, BTCUSDT_1M)
            assert (row.open_time, row.sample) == (None, f"[{shown}]")

    def test_a_bad_row_may_be_of_the_first_candle_ever(self):
        (row,) = decode_rows(b"[[0]]", BTCUSDT_1M)
        assert row.open_time == 0

    def test_two_rows_for_the_same_candle_that_cannot_be_are_one(self):
        first, second = json.loads(ROWS)
        bad = [*first[:8], -1, *first[9:]]
        rows = decode_rows(json.dumps([bad, second, bad]).encode(), BTCUSDT_1M)
        assert [type(row) for row in rows] == [BadRow, Candle]
        assert "number of trades" in rows[0].reason

    @given(runs(min_size=3), st.data())
    def test_a_row_that_lacks_costs_no_other(self, run, data):
        at = data.draw(st.integers(0, len(run) - 1))
        left = run[:at] + run[at + 1 :]
        assert decode_rows(encode_rows(left), run[0].stream) == left

    def test_more_rows_than_can_be_asked_for_are_not_looked_at_one_by_one(self):
        body = b"[" + b",".join([b"1"] * (ROWS_AT_MOST + 1)) + b"]"
        assert "1501 klines" in str(refused(decode_rows, body, BTCUSDT_1M))
        rows = decode_rows(b"[" + b",".join([b"1"] * ROWS_AT_MOST) + b"]", BTCUSDT_1M)
        assert len(rows) == ROWS_AT_MOST

    def test_three_days_may_be_anchored_on_any_day(self):
        stream = Stream("BTCUSDT", Interval.D3)
        for day in range(5):
            one = candle(day * 1440 * MINUTE, stream=stream, source=Source.REST)
            two = candle(one.close_time + 1, stream=stream, source=Source.REST)
            assert decode_rows(encode_rows([one, two]), stream) == [one, two]

    def test_the_last_month_that_datetime_knows_is_bad_and_nothing_worse(self):
        stream = Stream("BTCUSDT", Interval.MO1)
        body = ROWS[: ROWS.index(b",[")] + b"]"
        body = body.replace(b"1700000040000", b"253399622400000")
        body = body.replace(b"1700000099999", b"253402300799999")
        (bad,) = decode_rows(body, stream)
        assert "out of range" in bad.reason

    @given(
        st.binary()
        | (json_values | st.lists(json_values)).map(
            lambda value: json.dumps(value).encode()
        )
    )
    def test_any_body_is_rows_or_bad(self, body):
        check_rows(bad_or(decode_rows, body, BTCUSDT_1M) or [])

    @given(st.integers(0, len(ROWS) - 1), st.integers(0, 255))
    def test_a_flipped_byte_costs_a_row_or_all(self, place, byte):
        body = bytearray(ROWS)
        body[place] = byte
        check_rows(bad_or(decode_rows, bytes(body), BTCUSDT_1M) or [])


def check_rows(rows):
    """Rows are candles that can be or bad rows, by open time and each once."""
    places = [row.open_time for row in rows if row.open_time is not None]
    assert places == sorted({*places})
    assert [row.open_time for row in rows][: len(places)] == places
    for row in rows:
        if isinstance(row, BadRow):
            assert row.open_time is None or row.open_time % MINUTE == 0
            assert len(row.sample) <= 200
        else:
            assert row.fault() is None
