"""REST answers: what was recorded decodes, anything else is one BadMessage."""

import itertools
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import (
    LAST_TIME,
    MAX_SYMBOL,
    MINUTE,
    Candle,
    Interval,
    Source,
    Stream,
    symbol_fault,
)
from klinetail.errors import (
    BadMessage,
    ExchangeError,
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
)
from klinetail.formats import dump
from klinetail.protocol.frames import decode
from klinetail.protocol.rest import (
    ILLEGAL_CHARACTERS,
    INVALID_INTERVAL,
    INVALID_LIMIT,
    INVALID_STATUS,
    INVALID_SYMBOL,
    TOO_MANY_REQUESTS,
    BadRow,
    Listing,
    Listings,
    decode_listings,
    decode_rows,
    decode_time,
    encode_rows,
    error_of,
    http_date,
)
from klinetail.protocol.venues import LIVE
from tests.cases import Case
from tests.strategies import BTCUSDT_1M, candle, json_values, runs, symbols

ROWS_AT_MOST = LIVE.limits.rows
ROWS = (
    b'[[1700000040000,"100.10","100.90","100.00","100.50","12.500",1700000099999,'
    b'"1255.62500",42,"6.250","627.81250","0"],'
    b'[1700000100000,"100.5","100.5","100.5","100.5","0",1700000159999,'
    b'"0.000",0,"0","0","0"]]'
)
"""Made up; the second minute had no trade."""

HTML = b"<html><head><title>403 Forbidden</title></head></html>"


def refused(decoder, body, *arguments):
    """The BadMessage that `body` is; it must be one."""
    with pytest.raises(BadMessage) as caught:
        decoder(body, *arguments)
    return caught.value


@pytest.mark.parametrize("decoder", [decode_time, decode_listings])
def test_of_a_bad_body_200_bytes_are_shown(decoder):
    assert refused(decoder, b"x" * 199 + b"yz").sample == "x" * 199 + "y"


def bad_or(decoder, body, *arguments):
    """What `body` decodes to, or None if it is a BadMessage; nothing else comes out."""
    try:
        return decoder(body, *arguments)
    except BadMessage:
        return None


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
            assert rows[at].reason == "it comes twice, with different values"
            assert rows[at].sample.startswith(f"[{run[at].open_time},")

    @pytest.mark.parametrize("bad", [b"-42", b"null"])
    def test_a_row_that_comes_once_sound_and_once_not_is_not_believed(self, bad):
        first, second = json.loads(ROWS)
        other = [*first[:8], json.loads(bad), *first[9:]]
        for mixed in itertools.permutations([first, second, other]):
            rows = decode_rows(json.dumps(mixed).encode(), BTCUSDT_1M)
            assert [type(row) for row in rows] == [BadRow, Candle]
            assert rows[0].reason == "it comes twice, with different values"

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


class TestTime:
    def test_is_in_milliseconds(self):
        assert decode_time(b'{"serverTime":1791362591474}') == 1791362591474
        assert decode_time(b'{"st":[], "serverTime": 1}') == 1
        assert decode_time(b'{"serverTime":%d}' % LAST_TIME) == LAST_TIME

    @pytest.mark.parametrize(
        "literal",
        [
            "null",
            '"1791362591474"',
            "0",
            "-1",
            "1791362591474.0",
            "1e12",
            "1e999",
            "NaN",
            "true",
            str(LAST_TIME + 1),
            "9007199254740991",
            "9" * 30,
            "9" * 5000,
            "[" * 100_000,
        ],
    )
    def test_that_cannot_be_is_bad(self, literal):
        refused(decode_time, f'{{"serverTime":{literal}}}'.encode())

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'""', b"null", b"1", HTML])
    def test_other_bodies_are_bad(self, body):
        refused(decode_time, body)

    @given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
    def test_any_body_is_a_time_or_bad(self, body):
        assert 0 < (bad_or(decode_time, body) or 1) <= LAST_TIME

    @given(st.integers(1, LAST_TIME))
    def test_that_can_be_has_candles_of_every_interval(self, time):
        for interval in Interval:
            assert interval.floor(decode_time(b'{"serverTime":%d}' % time)) <= time


class TestListings:
    def test_a_listing_does_not_change(self):
        listing = Listing("BTCUSDT", "TRADING")
        with pytest.raises(AttributeError):
            listing.status = "SETTLING"

    def test_listings_that_are_made_up_have_nothing_odd(self):
        listings = Listings([Listing("BTCUSDT", "TRADING")])
        assert listings == [Listing("BTCUSDT", "TRADING")]
        assert (listings.entries, listings.odd, listings.left_out) == (1, 0, 0)
        assert Listings() == []

    def test_the_whole_of_2021(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2021-07-22_full.json"
        symbols = json.loads(path.read_bytes())["symbols"]
        listings = decode_listings(path.read_bytes())

        assert len(listings) > 120
        assert [(one.symbol, one.status) for one in listings] == [
            (symbol["symbol"], symbol["status"]) for symbol in symbols
        ]

    def test_some_of_2026(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        listings = decode_listings(path.read_bytes())
        statuses = {one.symbol: one.status for one in listings}

        assert len(statuses) == 5
        assert statuses["BTCUSDT"] == statuses["币安人生USDT"] == "TRADING"
        assert "SETTLING" in statuses.values()
        assert any("_" in symbol for symbol in statuses)  # a quarterly

    def test_what_a_user_needs_to_know_of_a_symbol(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        raw = {x["symbol"]: x for x in json.loads(path.read_bytes())["symbols"]}
        for one in decode_listings(path.read_bytes()):
            symbol = raw[one.symbol]
            filters = {x["filterType"]: x for x in symbol["filters"]}
            assert one.contract_type == symbol["contractType"]
            assert (one.base, one.quote) == (symbol["baseAsset"], symbol["quoteAsset"])
            assert one.tick_size == filters["PRICE_FILTER"]["tickSize"]
            assert one.step_size == filters["LOT_SIZE"]["stepSize"]
            assert one.onboard_time == symbol["onboardDate"]

    @pytest.mark.parametrize("digits", ["", "1e-3", "-1", "NaN", ".5", "00.1", "٣"])
    def test_digits_that_are_none_are_not_passed_on(self, digits):
        symbol = {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "contractType": "\x1b[2J",
            "onboardDate": 1 << 60,
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": digits}],
        }
        body = json.dumps({"symbols": [symbol]}).encode()
        assert decode_listings(body) == [Listing("BTCUSDT", "TRADING")]

    @pytest.mark.parametrize(
        "name", ["A\u3164", "\u115fA", "A\ufe0f", "A\n", "A\u202e"]
    )
    def test_names_that_hide_something_are_not_passed_on(self, name):
        symbol = {"status": "TRADING", "baseAsset": name, "quoteAsset": "币安人生"}
        listed = [symbol | {"symbol": one} for one in ("BTCUSDT", f"B{name}")]
        (listing,) = decode_listings(json.dumps({"symbols": listed}).encode())
        assert (listing.symbol, listing.base, listing.quote) == (
            "BTCUSDT",
            "",
            "币安人生",
        )

    @pytest.mark.parametrize("over", [0, 1])
    def test_what_is_too_long_or_too_late_is_not_passed_on(self, over):
        name, time = "A" * (MAX_SYMBOL + over), LAST_TIME + over
        symbol = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": name}
        body = json.dumps({"symbols": [symbol | {"onboardDate": time}]}).encode()
        (listing,) = decode_listings(body)
        assert listing.base == ("" if over else name)
        assert listing.onboard_time == (0 if over else time)

    def test_what_cannot_be_a_symbol_is_left_out(self):
        body = json.dumps(
            {
                "symbols": [
                    {"symbol": symbol, "status": "TRADING"}
                    for symbol in (
                        "../X",
                        "BTCUSDT",
                        "\x1b[2J",
                        "btcusdt",
                        "",
                        "A" * 41,
                    )
                ]
            }
        )
        assert decode_listings(body.encode()) == [Listing("BTCUSDT", "TRADING")]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b'""',
            HTML,
            b'{"symbols":null}',
            b'{"symbols":{}}',
            b'{"symbols":["BTCUSDT"]}',
            b'{"symbols":[null,7,{},[]]}',
            b'{"symbols":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
            b'{"symbols":[{"symbol":1,"status":"TRADING"}]}',
            b'{"symbols":[{"symbol":"A\xff","status":"TRADING"}]}',
            b'{"symbols":[{"symbol":"\\ud800","status":"TRADING"}]}',
            b'{"symbols":' + b"[" * 100_000,
            b'{"x":' * 100_000,
        ],
    )
    def test_other_bodies_are_bad(self, body):
        refused(decode_listings, body)

    @given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
    def test_any_body_is_bad_or_symbols(self, body):
        for listing in bad_or(decode_listings, body) or []:
            assert symbol_fault(listing.symbol) is None

    @pytest.mark.parametrize("at", [0, 2, 4])
    @pytest.mark.parametrize(
        ("key", "value", "field"),
        [
            ("contractType", b"null", "contract_type"),
            ("contractType", rb'"\u001b[2J"', "contract_type"),
            ("filters", b"null", "tick_size step_size"),
            ("filters", b'[null,{"filterType":5}]', "tick_size step_size"),
            ("onboardDate", b"null", "onboard_time"),
            ("onboardDate", b"true", "onboard_time"),
            ("onboardDate", b"-1", "onboard_time"),
            ("onboardDate", b"1e999", "onboard_time"),
            ("deliveryDate", b"9" * 6000, "delivery_time"),
            ("deliveryDate", b'"4133404800000"', "delivery_time"),
            ("baseAsset", b"5", "base"),
            ("baseAsset", rb'"\ud800"', "base"),
            ("quoteAsset", b'"US\xffDT"', "quote"),
            ("quoteAsset", b'"US\nDT"', "quote"),
            ("status", b"null", "status"),
        ],
    )
    def test_an_odd_field_is_blank_and_costs_nothing_else(
        self, shared_data, at, key, value, field
    ):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        usual = decode_listings(path.read_bytes())
        info = json.loads(path.read_bytes())
        info["symbols"][at][key] = "HERE"
        body = json.dumps(info).encode().replace(b'"HERE"', value)
        found = decode_listings(body)
        blank = {
            one: "" if type(getattr(usual[at], one)) is str else 0
            for one in field.split()
        }
        assert found[:at] + found[at + 1 :] == usual[:at] + usual[at + 1 :]
        assert found[at] == msgspec.structs.replace(usual[at], **blank)
        assert (found.entries, found.odd, found.left_out) == (5, 1, 0)
        assert found.sample == usual[at].symbol
        assert (usual.entries, usual.odd, usual.sample) == (5, 0, "")

    def test_a_filter_that_is_null_costs_no_other_filter(self):
        filters = [None, {"filterType": "PRICE_FILTER", "tickSize": "0.10"}, 7]
        symbol = {"symbol": "BTCUSDT", "status": "TRADING", "filters": filters}
        found = decode_listings(json.dumps({"symbols": [symbol]}).encode())
        assert found == [Listing("BTCUSDT", "TRADING", tick_size="0.10")]
        assert found.odd == 1

    @pytest.mark.parametrize(
        ("entry", "sample"),
        [
            (b"null", "None"),
            (b"7", "7"),
            (b"[[]]", "[[]]"),
            (b"{}", "{}"),
            (b'{"status":"TRADING"}', "{'status': 'TRADING'}"),
            (
                b'{"symbol":null,"status":"TRADING"}',
                "{'symbol': None, 'status': 'TRADING'}",
            ),
            (rb'{"symbol":"A\ud800","status":"TRADING"}', r"A\ud800"),
            (b'{"symbol":"A\xff","status":"TRADING"}', r"A\udcff"),
            (b'{"symbol":"' + b"A" * 99 + b'","status":"TRADING"}', "A" * MAX_SYMBOL),
            (b'{"symbol":"BTCUSDT","status":"TRADING"}', "BTCUSDT"),
        ],
    )
    def test_an_entry_that_names_no_new_symbol_is_left_out_and_counted(
        self, entry, sample
    ):
        good = b'{"symbol":"%s","status":"TRADING"}'
        entries = [good % b"BTCUSDT", entry, good % b"ETHUSDT"]
        found = decode_listings(b'{"symbols":[' + b",".join(entries) + b"]}")
        assert found == [Listing(f"{s}USDT", "TRADING") for s in ("BTC", "ETH")]
        assert (found.entries, found.odd, found.left_out) == (3, 1, 1)
        assert found.sample == sample[:MAX_SYMBOL]
        found.sample.encode()

    def test_an_entry_without_a_status_is_odd_and_of_several_the_first_is_named(self):
        entries = b'{"symbol":"BTCUSDT"},{"symbol":"ETHUSDT","status":1}'
        found = decode_listings(b'{"symbols":[' + entries + b"]}")
        assert found == [Listing("BTCUSDT", ""), Listing("ETHUSDT", "")]
        assert (found.odd, found.left_out, found.sample) == (2, 0, "BTCUSDT")

    def test_digits_that_are_none_make_an_entry_odd(self):
        price = b'{"filterType":"PRICE_FILTER","tickSize":"abc"}'
        entry = b'{"symbol":"BTCUSDT","status":"TRADING","filters":[' + price + b"]}"
        found = decode_listings(b'{"symbols":[' + entry + b"]}")
        assert found == [Listing("BTCUSDT", "TRADING")]
        assert (found.odd, found.left_out, found.sample) == (1, 0, "BTCUSDT")

    def test_a_date_is_any_time_after_the_epoch(self):
        entry = b'{"symbol":"BTCUSDT","status":"TRADING","deliveryDate":1}'
        found = decode_listings(b'{"symbols":[' + entry + b"]}")
        assert found == [Listing("BTCUSDT", "TRADING", delivery_time=1)]
        assert found.odd == 0

    def test_an_exchange_may_list_nothing(self):
        assert decode_listings(b'{"symbols":[]}') == []

    def test_of_a_symbol_that_is_there_twice_nobody_knows_which_status_counts(self):
        statuses = ("SETTLING", "TRADING", "TRADING")
        symbols = [{"symbol": "BTCUSDT", "status": status} for status in statuses]
        body = json.dumps({"symbols": [*symbols, {"symbol": "A", "status": "TRADING"}]})
        found = decode_listings(body.encode())
        assert found == [Listing("BTCUSDT", ""), Listing("A", "TRADING")]
        assert (found.odd, found.left_out) == (2, 2)

    @given(st.lists(st.tuples(symbols, json_values | st.none()), max_size=8))
    def test_whatever_stands_beside_them_all_that_are_usual_come_as_usual(self, some):
        usual = {symbol: "TRADING" for symbol, odd in some if odd is None}
        entries = [
            {"symbol": symbol, "status": "TRADING"} if odd is None else odd
            for symbol, odd in some
        ]
        found = bad_or(decode_listings, json.dumps({"symbols": entries}).encode())
        listed = {one.symbol: one for one in found or []}
        for symbol in usual:
            assert listed[symbol] == Listing(symbol, "TRADING")
        assert len(listed) == len(found or [])

    @pytest.mark.parametrize("name", ["2021-07-22_full", "2026-10-07_subset"])
    def test_what_is_odd_elsewhere_changes_nothing(self, shared_data, name):
        body = (shared_data / f"rest_misc/fapi_exchangeInfo_{name}.json").read_bytes()
        odd = body.replace(b"{", rb'{"x":"\ud800","y":[1e999,"' + b'\xff"],', 1)
        assert odd != body
        assert decode_listings(odd) == decode_listings(body)
        assert decode_listings(odd).odd == 0

    def test_cut_anywhere_it_is_bad(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        body = path.read_bytes().rstrip()
        for end in range(0, len(body), 7):
            refused(decode_listings, body[:end])


def error(status, body=b"", *, retry_after=None, server_time=None):
    found = error_of(status, body, retry_after=retry_after, server_time=server_time)
    assert found is None or isinstance(found, ExchangeError)
    return found


class TestErrors:
    def test_recorded_bodies_are_what_their_status_says(self, shared_data):
        path = shared_data / "rest_misc" / "rest_error_bodies.json"
        found = {}
        for note in json.loads(path.read_text()):
            body = json.dumps(note["body"]) if "body" in note else note["body_text"]
            problem = error(note["http"], body.encode())
            code = note.get("body", {}).get("code")
            found[note["http"], code] = type(problem)
            if "body" in note:
                assert note["body"]["msg"] in str(problem)
            if isinstance(problem, Refused):
                assert problem.code == code

        assert found == {
            (400, INVALID_SYMBOL): Refused,
            (400, INVALID_INTERVAL): Refused,
            (400, INVALID_LIMIT): Refused,
            (429, TOO_MANY_REQUESTS): RateLimited,
            (418, TOO_MANY_REQUESTS): RateLimited,
            (451, 0): Refused,
            (503, -1016): Unavailable,
            (202, None): Unavailable,
        }

    def test_a_recorded_ban_is_waited_for(self, shared_data):
        path = shared_data / "rest_misc" / "rest_error_bodies.json"
        (ban,) = [n["body"] for n in json.loads(path.read_text()) if n["http"] == 418]
        body, until = json.dumps(ban).encode(), 1783855317204

        assert error(418, body, server_time=until - 90_500).retry_after == 90.5
        assert error(418, body, server_time=until - 1).retry_after == 1.0
        for wrong in (0, 1, 3 * 3_600_000):
            assert error(418, body, server_time=until + wrong).retry_after == 60.0
        assert error(418, body).retry_after == 60.0

    def test_the_codes_are_the_exchange_s(self):
        """From its documentation of error codes, and recorded answers."""
        assert (TOO_MANY_REQUESTS, ILLEGAL_CHARACTERS) == (-1003, -1100)
        assert (INVALID_INTERVAL, INVALID_SYMBOL) == (-1120, -1121)
        assert (INVALID_STATUS, INVALID_LIMIT) == (-1122, -1130)

    def test_a_ban_that_seems_to_be_over_is_waited_for_like_any_other(self):
        body = b'{"code":-1003,"msg":"IP(1.2.3.4) banned until 1783855317204. x"}'
        ends = 1_783_855_317_204
        for server_time, wait in (
            (ends - 90_500, 90.5),
            (ends - 1, 1.0),
            (ends, 60.0),
            (ends + 10_800_000, 60.0),
            (None, 60.0),
        ):
            assert error(418, body, server_time=server_time).retry_after == wait

    def test_200_is_none(self):
        assert error(200) is None
        assert error(200, HTML) is None

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (100, Unavailable),
            (202, Unavailable),
            (204, Unavailable),
            (299, Unavailable),
            (300, Refused),
            (301, Refused),
            (302, Refused),
            (307, Refused),
            (399, Refused),
            (400, Refused),
            (401, Refused),
            (403, Forbidden),
            (404, Refused),
            (408, Unavailable),
            (425, Unavailable),
            (418, RateLimited),
            (429, RateLimited),
            (451, Refused),
            (499, Refused),
            (500, Unavailable),
            (502, Unavailable),
            (503, Unavailable),
            (504, Unavailable),
            (599, Unavailable),
        ],
    )
    def test_the_status_decides_whatever_the_body(self, status, expected):
        for body in (b"", HTML, b"{}", b"[" * 100_000, b"\xff"):
            with Case(body):
                problem = error(status, body)
                assert type(problem) is expected
                assert str(status) in str(problem)

    def test_a_redirects_target_is_not_repeated(self):
        body = b'{"code":1,"msg":"http://evil.example"}'
        assert "evil" not in str(error(302, body))

    @pytest.mark.parametrize(
        ("status", "hint"), [(403, "firewall"), (451, "does not serve this location")]
    )
    def test_what_the_user_cannot_know_is_explained(self, status, hint):
        assert hint in str(error(status))

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("120", 120.0),
            (" 120 ", 120.0),
            ("1", 1.0),
            ("0", 1.0),  # never at once
            ("259200", 259200.0),
            ("", 60.0),
            ("-1", 60.0),
            ("1.5", 60.0),
            ("1e9", 60.0),
            ("nan", 60.0),
            ("inf", 60.0),
            ("１２", 60.0),
            ("259201", 259200.0),  # no ban lasts longer
            ("9" * 400, 259200.0),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),  # but what time is it?
        ],
    )
    def test_retry_after_says_how_long_to_wait(self, header, seconds):
        assert error(429, retry_after=header).retry_after == seconds

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("Wed, 21 Oct 2026 07:28:00 GMT", 95.0),
            ("Wed, 21 Oct 2026 07:26:25 GMT", 1.0),
            ("Wed, 21 Oct 2020 07:28:00 GMT", 1.0),
            ("Wed, 21 Oct 2126 07:28:00 GMT", 259200.0),
            ("Wed, 21 Foo 2026 07:28:00 GMT", 60.0),
            ("soon", 60.0),
        ],
    )
    def test_retry_after_may_be_a_date(self, header, seconds):
        now = http_date("Wed, 21 Oct 2026 07:26:25 GMT")
        found = error(429, retry_after=header, server_time=now)
        assert found.retry_after == seconds

    def test_a_ban_for_ever_is_looked_at_again(self):
        body = b'{"code":-1003,"msg":"banned until 9999999999999."}'
        found = error(418, body, server_time=1783855300000)
        assert found.retry_after == 259200.0

    @given(st.none() | st.text() | st.from_regex("[A-Za-z0-9:, +-]{0,40}"))
    @example("Mon, 01 Jan 99999 00:00:00 GMT")
    @example("Mon, 32 Jan 2026 25:61:61 GMT")
    def test_any_date_header_is_a_time_or_none(self, text):
        time = http_date(text)
        assert time is None or isinstance(time, int)

    def test_an_http_date(self):
        assert http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777_000
        assert http_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784_111_777_000
        assert http_date("Sun Nov  6 08:49:37 1994") == 784_111_777_000

    def test_retry_after_wins_over_the_words(self):
        body = b'{"code":-1003,"msg":"banned until 1783855317204."}'
        problem = error(418, body, retry_after="7", server_time=1783855300000)
        assert problem.retry_after == 7.0
        date = "Wed, 21 Oct 2026 07:28:00 GMT"
        problem = error(418, body, retry_after=date, server_time=http_date(date) - 9000)
        assert problem.retry_after == 9.0

    @pytest.mark.parametrize(
        "words",
        ["banned until 17838553172.", "banned until １７８３８５５３１７２０４", ""],
    )
    def test_a_bans_end_that_cannot_be_read_is_a_minute(self, words):
        body = json.dumps({"code": -1003, "msg": words}).encode()
        assert error(418, body, server_time=1783855300000).retry_after == 60.0

    @pytest.mark.parametrize(
        "body",
        [
            b'{"code":"-1121","msg":"x"}',
            b'{"code":true}',
            b'{"code":1.5}',
            b'{"code":' + b"9" * 5000 + b"}",
            b'{"msg":"\\ud800"}',
            b'{"msg":"\xff"}',
            b"[]",
        ],
    )
    def test_a_body_of_another_shape_has_no_code(self, body):
        assert error(400, body).code is None

    @pytest.mark.parametrize("words", [b"null", rb'"\ud800"', b'"\xff"', b"[[1]]"])
    def test_an_odd_message_hides_no_code(self, words):
        assert error(400, b'{"code":-1121,"msg":' + words + b"}").code == -1121

    @pytest.mark.parametrize("code", [b"null", b'"-1003"', b"9" * 5000, b"{}"])
    def test_an_odd_code_hides_no_ban(self, code):
        body = b'{"msg":"banned until 1783855317204","code":' + code + b"}"
        assert error(418, body, server_time=1783855300204).retry_after == 17.0

    def test_of_the_message_300_characters_are_kept(self):
        body = json.dumps({"code": 1, "msg": "x" * 299 + "yz"}).encode()
        for status in (400, 429, 500):
            assert str(error(status, body)).endswith("x" * 299 + "y")

    def test_the_message_stays_short(self):
        body = json.dumps({"code": 1, "msg": "x" * 2**20}).encode()
        assert all(len(str(error(status, body))) < 500 for status in (400, 429, 500))

    @given(
        st.integers(100, 599),
        st.binary() | json_values.map(lambda value: json.dumps(value).encode()),
        st.none() | st.text(),
        st.none() | st.integers(1, LAST_TIME),
    )
    @example(418, b'{"msg":"banned until 9999999999999"}', None, 1)
    def test_any_answer_is_one_error_of_the_tree(self, status, body, header, time):
        problem = error(status, body, retry_after=header, server_time=time)
        assert (problem is None) == (status == 200)
        if isinstance(problem, RateLimited):
            assert 1.0 <= problem.retry_after < 10**10
