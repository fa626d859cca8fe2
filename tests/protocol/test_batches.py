"""Batches: the same answers as one by one, whatever comes, or none."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from klinetail.candle import LAST_TIME, MINUTE, Interval, Source, Stream
from klinetail.protocol.batches import _places, decode_klines
from klinetail.protocol.frames import REMEMBERED, decode, encode_kline
from tests.cases import Case
from tests.protocol.recorded import recorded_klines
from tests.strategies import candle, candles, decimals, json_values

SENT = candles(source=Source.STREAM)
TEXTS = st.one_of(
    decimals(),
    st.sampled_from(
        [
            *("", "0", "-1", "+1", "1e5", "NaN", "Infinity", "00", "01", "1.", ".5"),
            *(
                "1_0",
                " 1",
                "1 ",
                "1,2",
                ",",
                "1.2.3",
                "0x1",
                "١٢",
                "１",
                "null",
                "\x00",
            ),
            *("1" * 19, "9" * 18, "1" * 400, "0." + "1" * 18, "0." + "1" * 19, "1\n"),
            *(
                "1.1" + "0" * 17,
                "999999999999999999.9",
                "1000000000000000000",
                "\ud800",
            ),
        ]
    ),
    st.text(max_size=4),
)
INTEGERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2**53, 253_370_764_799_999]),
)
VALUES = st.one_of(TEXTS, INTEGERS, json_values, st.booleans())


def sent(some, *, combined=False):
    return encode_kline(some, first_trade=1, last_trade=2, combined=combined).encode()


@st.composite
def damaged(draw):
    """A frame in which something was changed: a value, a key, or a byte."""
    event = json.loads(sent(draw(SENT), combined=False))
    kind = draw(st.sampled_from(["event", "kline", "extra", "cut", "byte"]))
    if kind in ("event", "kline"):
        place = event if kind == "event" else event["k"]
        key = draw(st.sampled_from(sorted(place)))
        if draw(st.booleans()):
            place[key] = draw(VALUES)
        else:
            del place[key]
    elif kind == "extra":
        known = ["stream", "data", "result", "id", "error", "code", "msg", "st", "z"]
        event[draw(st.sampled_from(known))] = draw(VALUES)
    data = json.dumps(event, ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    if kind == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if kind == "byte":
        at = draw(st.integers(0, len(data) - 1))
        return data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]
    return data


def one_by_one(messages):
    """The same without batches; None where there is not a candle in each."""
    try:
        decoded = [decode(message) for message in messages]
    except Exception:  # noqa: BLE001 - which one is test_frames' concern
        return None
    return decoded if all(hasattr(one, "open_time") for one in decoded) else None


@given(st.lists(SENT, min_size=1, max_size=8))
def test_whatever_can_be_sent_is_answered_alike(some):
    messages = [sent(one) for one in some]
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages) == some


@settings(max_examples=400)
@given(st.lists(st.one_of(SENT.map(sent), damaged()), min_size=1, max_size=6))
@example([b'{"e":"kline"', b'"E":1}', sent(candle()), sent(candle())])
def test_an_answer_is_always_that_of_the_careful_way(messages):
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages)


@pytest.mark.parametrize("key", list("ohlcvqVQ"))
@given(text=TEXTS, others=st.lists(SENT.map(sent), min_size=4, max_size=4))
def test_every_number_is_looked_at(key, text, others):
    event = json.loads(sent(candle()))
    event["k"][key] = text
    messages = [*others, json.dumps(event).encode()]
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages)


@given(st.lists(decimals(), min_size=4, max_size=4), st.sampled_from([1, 5]))
def test_the_order_of_prices_is_exact(prices, count):
    """Floats decide about it: only where they cannot err."""
    event = json.loads(sent(candle()))
    event["k"] |= dict(zip("ohlc", prices, strict=True))
    messages = [json.dumps(event).encode()] * count
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages)


def test_the_ordinary_is_answered():
    """Without this the other tests could pass by an answer that is always None."""
    some = [
        candle(stream=Stream(symbol, interval), open_time=time, closed=closed)
        for symbol in ("BTCUSDT", "币安人生USDT")
        for interval in (Interval.M1, Interval.H1, Interval.W1)
        for time in (interval.floor(1_700_000_040_000),)
        for closed in (True, False)
    ]
    for _ in range(2):  # as streams that are new, then as known ones
        assert decode_klines([sent(one) for one in some]) == some
        assert decode_klines([sent(some[0])]) == some[:1]
    moved = [
        candle(stream=one.stream, open_time=one.close_time + 1)
        for one in some
        if one.closed
    ]
    assert decode_klines([sent(one) for one in moved]) == moved
    ends = [candle(open_time=time) for time in (0, LAST_TIME + 1 - MINUTE)]
    for one in ends:
        one = replace(one, event_time=min(one.close_time + 1, LAST_TIME))
        assert decode_klines([sent(one)]) == [one]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *[(off, 0) for off in (-60_000, -1, 1, 60_000)],
        *[(0, off) for off in (-60_000, -1, 1, 60_000)],
        *[(off, off) for off in (-1, 1, -(10**15) * 60, 10**15 * 60)],
    ],
)
@pytest.mark.parametrize("count", [1, 5])
def test_a_known_stream_s_place_in_time_is_looked_at(first, last, count):
    assert decode_klines([sent(candle())]) == [candle()]
    event = json.loads(sent(candle()))
    event["k"]["t"] += first
    event["k"]["T"] += last
    assert decode_klines([json.dumps(event).encode()] * count) is None


@pytest.mark.parametrize("stranger", ["ETHUSDT", "btcusdt", ""])
def test_two_symbols_in_one_frame_are_none(stranger):
    for place in ("event", "kline"):
        event = json.loads(sent(candle()))
        (event if place == "event" else event["k"])["s"] = stranger
        assert decode_klines([json.dumps(event).encode()]) is None


def test_recorded_frames_are_answered_alike(shared_data):
    raw = [frame.encode() for frame in recorded_klines(shared_data)]
    bare = [json.dumps(json.loads(m).get("data", json.loads(m))).encode() for m in raw]
    assert decode_klines(raw) is None  # wrapped ones among them
    assert decode_klines(bare) == one_by_one(bare)


@pytest.mark.parametrize(
    "wrong",
    [
        *[{key: text} for key in "ohlcvqVQ" for text in ("-1", "1,2", "")],
        {"o": "5", "h": "4", "l": "1", "c": "3"},
        {"o": "3", "h": "4", "l": "1", "c": "5"},
        {"o": "1", "h": "4", "l": "2", "c": "3"},
        {"o": "3", "h": "4", "l": "2", "c": "1"},
    ],
)
def test_one_that_is_bad_is_seen_wherever_it_is(wrong):
    event = json.loads(sent(candle()))
    event["k"] |= wrong
    bad = json.dumps(event).encode()
    for count in range(1, 7):
        for at in range(count):
            messages = [sent(candle())] * count
            messages[at] = bad
            with Case(count, at):
                assert decode_klines(messages) is None


def test_prices_that_floats_cannot_tell_apart_are_left_to_the_careful_way():
    event = json.loads(sent(candle()))
    high, first = "9007199254740992", "9007199254740993"
    assert float(high) == float(first)
    event["k"] |= {"o": first, "h": high, "l": high, "c": high}
    for count in (1, 5):
        assert decode_klines([json.dumps(event).encode()] * count) is None


def test_prices_and_amounts_of_ordinary_length_need_no_careful_way():
    price, amount = "1234567.8901234", "1234567890123.456789"
    assert (len(price), len(amount)) == (15, 20)
    event = json.loads(sent(candle()))
    event["k"] |= dict.fromkeys("ohlc", price) | dict.fromkeys("vqVQ", amount)
    for count in (1, 5):
        messages = [json.dumps(event).encode()] * count
        assert decode_klines(messages) == one_by_one(messages) is not None


@given(st.lists(st.one_of(SENT.map(sent), damaged()), max_size=3))
def test_few_are_answered_alike(messages):
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages)


@pytest.mark.parametrize("key", list("ohlcvqVQ"))
@given(text=TEXTS)
def test_every_number_of_one_alone_is_looked_at(key, text):
    event = json.loads(sent(candle()))
    event["k"][key] = text
    messages = [json.dumps(event).encode()]
    answer = decode_klines(messages)
    assert answer is None or answer == one_by_one(messages)


def test_few_replies_are_no_klines():
    assert decode_klines([b'{"result":null,"id":1}', sent(candle())]) is None


def test_what_is_remembered_of_streams_is_bounded():
    event = json.loads(sent(candle()))

    def frame(number):
        event["s"] = event["k"]["s"] = f"S{number}USDT"
        return json.dumps(event).encode()

    _places.clear()
    most = REMEMBERED
    for first in range(0, most, 1024):
        assert decode_klines(list(map(frame, range(first, first + 1024)))) is not None
        assert len(_places) == first + 1024
    assert decode_klines([frame(0)]) is not None
    assert len(_places) == most
    assert decode_klines([frame(most)]) is not None
    assert len(_places) == 1
