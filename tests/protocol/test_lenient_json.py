"""Lenient reading: an odd part costs nothing but itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.protocol.exchange_info import decode_listings
from klinetail.protocol.lenient_json import (
    decode_leniently,
    encodable,
    sample,
    short_integer,
)
from klinetail.protocol.server_time import decode_time
from tests.protocol.bodies import refused
from tests.strategies import json_values


@pytest.mark.parametrize("decoder", [decode_time, decode_listings])
def test_of_a_bad_body_200_bytes_are_shown(decoder):
    assert refused(decoder, b"x" * 199 + b"yz").sample == "x" * 199 + "y"


def test_a_sample_is_of_bytes_or_of_characters():
    assert sample(b"\xff" + b"x" * 200) == "\\xff" + "x" * 199
    assert sample("币" * 201) == "币" * 200


@given(json_values)
def test_usual_json_is_read_as_usual(value):
    text = json.dumps(value)
    assert decode_leniently(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'["\ud800"]', ["\ud800"]),
        (b'["\xff"]', ["\udcff"]),
        (b'["a\nb"]', ["a\nb"]),
        (b"[" + b"9" * 5000 + b",1]", [None, 1]),
        (b"[1", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_an_odd_part_costs_nothing_else(body, value):
    assert decode_leniently(body) == value


@given(st.binary())
def test_any_body_is_json_or_none(body):
    decode_leniently(body)


def test_a_number_of_40_digits_is_the_longest():
    assert short_integer("9" * 40) == 10**40 - 1
    assert short_integer("9" * 41) is None


@given(st.text(alphabet=st.characters(categories=["Cs", "L"])))
def test_encodable_text_is_encodable_and_plain_text_stays(text):
    encodable(text).encode()
    assert not text.isalpha() or encodable(text) == text
