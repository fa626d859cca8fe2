"""Errors of REST answers: every answer is one error of the tree, or a success."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import LAST_TIME
from klinetail.errors import (
    ExchangeError,
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
)
from klinetail.protocol.rest_errors import (
    ILLEGAL_CHARACTERS,
    INVALID_INTERVAL,
    INVALID_LIMIT,
    INVALID_STATUS,
    INVALID_SYMBOL,
    TOO_MANY_REQUESTS,
    error_of,
)
from klinetail.protocol.server_time import http_date
from tests.cases import Case
from tests.protocol.bodies import HTML
from tests.strategies import json_values


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
        ("status", "hint"),
        [
            (403, "firewall"),
            (404, "check the address"),
            (451, "does not serve this location"),
        ],
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
