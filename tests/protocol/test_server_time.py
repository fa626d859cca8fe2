"""The exchange's time: a believable number of milliseconds, or one BadMessage."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import LAST_TIME, Interval
from klinetail.protocol.server_time import decode_time, http_date
from tests.protocol.bodies import HTML, bad_or, refused
from tests.strategies import json_values


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


class TestDates:
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
