"""Requests of a client: any frame is a Request, or the error it is answered with."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.protocol.frames import Rejection, encode_reply
from klinetail.protocol.requests import Method, Request, decode, encode
from tests.strategies import json_values

ids = st.integers(0, 2**64 - 1)


def test_a_request_does_not_change():
    request = Request(Method.LIST_SUBSCRIPTIONS, 3)
    with pytest.raises(AttributeError):
        request.id = 4


class TestEncode:
    @pytest.mark.parametrize(
        ("request_", "text"),
        [
            (
                Request(Method.SUBSCRIBE, 1, ["btcusdt@kline_1m"]),
                '{"method":"SUBSCRIBE","id":1,"params":["btcusdt@kline_1m"]}',
            ),
            (
                Request(Method.LIST_SUBSCRIPTIONS, 3),
                '{"method":"LIST_SUBSCRIPTIONS","id":3}',
            ),
            (
                Request(Method.SET_PROPERTY, 5, ["combined", True]),
                '{"method":"SET_PROPERTY","id":5,"params":["combined",true]}',
            ),
        ],
    )
    def test_is_what_the_documentation_shows(self, request_, text):
        assert encode(request_) == text

    @given(st.sampled_from(Method), ids, st.lists(st.text()))
    def test_what_is_written_is_read_again(self, method, number, params):
        request = Request(method, number, params)
        assert decode(encode(request)) == request
        assert decode(encode(request).encode()) == request


class TestDecode:
    @pytest.mark.parametrize(
        "text",
        [
            '{"method":"LIST_SUBSCRIPTIONS","id":3}',
            '{"id":3,"params":[],"method":"LIST_SUBSCRIPTIONS"}',
            ' { "method" : "LIST_SUBSCRIPTIONS", "id" : 3, "st": 1 } ',
        ],
    )
    def test_takes_any_order_spaces_and_unknown_keys(self, text):
        request = decode(text)
        assert (request.method, request.id) == (Method.LIST_SUBSCRIPTIONS, 3)
        assert list(request.params) == []

    def test_answers_an_unknown_method_in_the_exchanges_words(self, shared_data):
        path = shared_data / "ws_klines" / "control_frames.jsonl"
        notes = map(json.loads, path.read_text().splitlines())
        frames = {note["kind"]: note["raw"] for note in notes}
        answer = decode('{"method":"NOT_A_METHOD","params":[],"id":4}')
        assert encode_reply(answer) == frames["error_unknown_method"]

    @pytest.mark.parametrize(
        "number",
        [
            "null",
            '""',
            f'"{"x" * 37}"',
            "-1",
            "1.5",
            "1e3",
            "true",
            "[]",
            str(2**64),
            "9" * 30,
        ],
    )
    def test_an_id_is_an_unsigned_integer(self, number):
        answer = decode(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        reason = "Invalid request: request ID must be an unsigned integer"
        assert answer == Rejection(2, reason)

    def test_an_id_can_be_a_name_as_the_exchanges_own_sdk_sends_it(self):
        name = "2e5e6235-0c82-4b82-a945-a1bc01e17add"
        request = decode(f'{{"method":"LIST_SUBSCRIPTIONS","id":"{name}"}}')
        assert request == Request(Method.LIST_SUBSCRIPTIONS, name, [])

    def test_an_id_of_one_character_is_one(self):
        assert decode('{"method":"LIST_SUBSCRIPTIONS","id":"x"}').id == "x"

    def test_an_id_is_not_left_out(self):
        assert decode('{"method":"LIST_SUBSCRIPTIONS"}').code == 2

    @pytest.mark.parametrize("number", [0, 1, 2**63, 2**64 - 1])
    def test_an_id_comes_back(self, number):
        text = f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}'
        assert decode(text).id == number
        assert decode(text.replace("LIST_", "lost_")).id == number

    @pytest.mark.parametrize(
        "text",
        ["null", "[]", '"x"', "1", "{}", '{"id":1}', '{"method":1,"id":1}']
        + [
            f'{{"method":"SUBSCRIBE","id":1,"params":{params}}}'
            for params in ('"btcusdt@kline_1m"', "{}", "1", "null")
        ]
        + ['{"method":"SUBSCRIBE","id":' + "9" * 5000 + "}"]
        + ['{"method":"SUBSCRIBE","id":1,"params":' + "[" * 100_000],
    )
    def test_json_of_another_shape_is_an_invalid_request(self, text):
        assert decode(text).code == 2

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "{",
            "hello",
            "NaN",
            '{"method":"SUBSCRIBE","id":1}{}',
            '\ufeff{"method":"SUBSCRIBE","id":1}',
            b'{"method":"\xff","id":1}',
            '{"method":"\ud800","id":1}',
            '{"method":"\\ud800","id":1}',
            b"\x00",
        ],
    )
    def test_what_is_no_json_is_answered_with_code_3(self, message):
        assert decode(message).code == 3

    @given(st.text() | st.binary() | json_values.map(json.dumps))
    @example("[" * 2**20)
    def test_any_message_is_a_request_or_has_an_answer_that_can_be_sent(self, message):
        answer = decode(message)
        if not isinstance(answer, Request):
            assert json.loads(encode_reply(answer))["error"]["code"] in (2, 3)

    @given(st.text(), ids)
    def test_any_other_method_has_one_too(self, method, number):
        answer = decode(json.dumps({"method": f"{method}?", "id": number}))
        assert answer.code in (2, 3)
        encode_reply(answer)

    def test_cut_anywhere_it_is_no_json(self):
        body = encode(Request(Method.SUBSCRIBE, 7, ["币安人生usdt@kline_1m"])).encode()
        for end in range(len(body)):
            assert decode(body[:end]).code == 3
