"""Frames: what the exchange recorded decodes, anything else is one BadMessage."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import LAST_TIME, Candle, Interval, Source, Stream
from klinetail.errors import BadMessage
from klinetail.protocol.frames import (
    Rejection,
    Reply,
    decode,
    encode_kline,
    encode_reply,
    parse_stream_name,
    stream_name,
)
from tests.cases import Case
from tests.protocol.recorded import recorded, recorded_klines
from tests.strategies import candle, candles, json_values, streams

FRAME = (
    '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1700000100199,"s":"BTCUSDT",'
    '"k":{"t":1700000040000, "T":1700000099999, "s":"BTCUSDT", "i":"1m", "f":100, '
    '"L":150, "o":"100.10", "c":"100.50", "h":"100.90", "l":"100.00", "v":"12.500", '
    '"n":42, "x":true, "q":"1255.62500", "V":"6.250", "Q":"627.81250", "B":"0"}}}'
)
"""Made up, in the exchange's own spelling; it says what `candle()` holds."""

KLINE_KEYS = tuple("tTsiochlvnxqVQ")
UNUSED_KEYS = tuple("fLB")
EVENT_KEYS = ("e", "E", "s", "k")


def kline_of(raw):
    """The event and the kline in a frame, read by another JSON reader."""
    event = json.loads(raw)
    event = event.get("data", event)
    return event, event["k"]


def refused(message):
    """The BadMessage that `message` is; it must be one."""
    with pytest.raises(BadMessage) as caught:
        decode(message)
    return caught.value


def outcome(message):
    """What `message` decodes to, or its BadMessage; nothing else may come out."""
    try:
        decoded = decode(message)
    except BadMessage as bad:
        return bad
    assert isinstance(decoded, Candle | Reply | Rejection)
    if isinstance(decoded, Candle):
        assert decoded.fault() is None
        assert 0 < decoded.event_time <= LAST_TIME
    return decoded


class TestRecorded:
    def test_each_kline_says_what_another_reader_reads(self, shared_data):
        for raw in recorded_klines(shared_data):
            event, kline = kline_of(raw)
            decoded = decode(raw)

            assert isinstance(decoded, Candle)
            assert decoded.stream == Stream(kline["s"], Interval(kline["i"]))
            assert decoded.texts == tuple(kline[key] for key in "ohlcvqVQ")
            assert decoded.open == Decimal(kline["o"])
            assert (decoded.open_time, decoded.close_time) == (kline["t"], kline["T"])
            assert (decoded.count, decoded.closed) == (kline["n"], kline["x"])
            assert (decoded.event_time, decoded.source) == (event["E"], Source.STREAM)

    def test_each_kline_survives_being_written_and_read_again(self, shared_data):
        for raw in recorded_klines(shared_data):
            _, kline = kline_of(raw)
            combined = raw.startswith('{"stream"')
            first = decode(raw)
            written = encode_kline(
                first, first_trade=kline["f"], last_trade=kline["L"], combined=combined
            )

            assert decode(written) == first
            assert json.loads(written) == json.loads(raw)
            if '", "' in raw:  # since 2026 the exchange puts spaces inside `k`
                assert written == raw

    def test_bytes_and_text_decode_alike(self, shared_data):
        for raw in recorded_klines(shared_data):
            assert decode(raw.encode()) == decode(raw)

    def test_the_closes_of_one_recording_come_as_late_as_they_did(self, shared_data):
        frames = recorded(shared_data, "um_kline_1m_2021-07-22_cryptofeed.jsonl")
        closed = [c for c in (decode(frame["raw"]) for frame in frames) if c.closed]
        delays = {c.symbol: c.event_time - c.close_time for c in closed}
        expected = {"SUSHIUSDT": 204, "CTKUSDT": 792, "AKROUSDT": 2004}
        assert delays == expected | {"KEEPUSDT": 2005}

    @pytest.mark.parametrize(
        "kind", ["um_prod_continuous_open", "spot_1s_closed_empty"]
    )
    def test_klines_that_are_no_streams_of_ours_are_bad(self, shared_data, kind):
        notes = recorded(shared_data, "single_frames.jsonl")
        (raw,) = [note["raw"] for note in notes if note["kind"] == kind]
        assert refused(raw).sample == raw[:200]

    def test_replies_and_errors(self, shared_data):
        notes = recorded(shared_data, "control_frames.jsonl")
        decoded = {note["kind"]: decode(note["raw"]) for note in notes}
        streams = ["btcusdt@kline_1m", "ethusdt@markPrice@1s"]

        assert decoded.pop("ack") == Reply(1, None)
        assert decoded.pop("list") == Reply(2, streams)
        unknown = decoded.pop("error_unknown_method")
        assert (unknown.code, unknown.id) == (2, 4)
        assert unknown.message.startswith("Invalid request: unknown variant `NOT_A_M")
        assert decoded == {
            "error_bad_json_then_close": Rejection(
                3, "Invalid JSON: expected value at line 1 column 1"
            ),
            "error_1025th_stream_then_close_1008": Rejection(
                4, "Too many subscriptions"
            ),
        }

    def test_replies_and_errors_are_written_as_the_exchange_does(self, shared_data):
        for note in recorded(shared_data, "control_frames.jsonl"):
            assert encode_reply(decode(note["raw"])) == note["raw"]

    def test_cut_anywhere_they_are_bad(self, shared_data):
        whole = {decode(raw).symbol: raw for raw in recorded_klines(shared_data)}
        for raw in whole.values():
            body = raw.encode()
            for end in range(len(body)):
                refused(body[:end])


class TestKline:
    def test_a_frame(self):
        assert decode(FRAME) == candle()

    def test_a_bare_event(self):
        assert decode(json.dumps(json.loads(FRAME)["data"])) == candle()

    @given(candles(source=Source.STREAM), st.booleans(), st.integers(-1, 2**63))
    def test_written_and_read_it_is_the_same(self, candle, combined, trade):
        written = encode_kline(
            candle, first_trade=trade, last_trade=trade, combined=combined
        )
        assert decode(written) == candle
        assert decode(written.encode()) == candle
        assert ("stream" in json.loads(written)) == combined

    @given(st.randoms(use_true_random=False))
    def test_keys_come_in_any_order(self, shuffler):
        assert decode(json.dumps(shuffled(json.loads(FRAME), shuffler))) == candle()

    @given(st.integers(0, 2), json_values)
    @example(1, 1)  # "st": 1, seen on other streams since 2026-06
    def test_unknown_keys_are_tolerated(self, depth, value):
        frame = json.loads(FRAME)
        place = (frame, frame["data"], frame["data"]["k"])[depth]
        place |= {"st": value, "": value, "币": value}
        assert decode(json.dumps(frame)) == candle()

    @pytest.mark.parametrize("indent", [None, 0, 2])
    def test_spaces_do_not_matter(self, indent):
        assert decode(json.dumps(json.loads(FRAME), indent=indent)) == candle()

    def test_an_empty_minute_has_no_trade_ids(self):
        empty = candle(prices=("5",) * 4, volumes=("0.00000000",) * 4, count=0)
        frame = encode_kline(empty, first_trade=-1, last_trade=-1, combined=True)
        assert decode(frame) == empty

    @pytest.mark.parametrize("key", UNUSED_KEYS)
    def test_what_is_not_used_may_be_missing_or_anything(self, key):
        for value in (None, "x", 1.5, [], "9" * 5000):
            assert decode(mutated(("data", "k", key), json.dumps(value))) == candle()
        assert decode(deleted(("data", "k", key))) == candle()

    def test_a_symbol_of_any_script(self):
        frame = FRAME.replace("BTCUSDT", "币安人生USDT")
        frame = frame.replace("btcusdt", "币安人生usdt")
        assert decode(frame).symbol == "币安人生USDT"
        assert decode(frame.encode()).symbol == "币安人生USDT"

    def test_of_duplicate_keys_the_last_counts(self):
        assert decode(FRAME.replace('"n":42', '"n":41, "n":42')) == candle()
        refused(FRAME.replace('"n":42', '"n":42, "n":-1'))
        refused(FRAME[:-2] + ',"k":null}}')


REQUIRED = [
    *(("data", "k", key) for key in KLINE_KEYS),
    *(("data", key) for key in EVENT_KEYS),
]

HOSTILE = {
    "null": "null",
    "true": "true",
    "list": "[]",
    "object": "{}",
    "empty": '""',
    "word": '"x"',
    "fraction": "1.5",
    "whole fraction": "1700000040000.0",
    "minus": "-1",
    "int of 30 digits": "9" * 30,
    "int of 5000 digits": "9" * 5000,
    "infinite": "1e999",
    "exponent": "1e5",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "hexadecimal": "0x10",
    "leading zero": "007",
    "plus": "+1",
    "NaN in quotes": '"NaN"',
    "Infinity in quotes": '"Infinity"',
    "exponent in quotes": '"1e2"',
    "minus in quotes": '"-1"',
    "plus in quotes": '"+1"',
    "leading zero in quotes": '"0100.50"',
    "underscore": '"1_000"',
    "space before": '" 1"',
    "space after": '"100.50 "',
    "line break": '"100.50\\n"',
    "no fraction": '"100."',
    "full-width digits": '"１００"',
    "arabic digits": '"١٠٠"',
    "400 digits": f'"{"9" * 400}"',
    "lone surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "escape": '"\\u001b[2J"',
    "deep lists": "[" * 100_000,
    "deep lists, closed": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "unfinished": '"',
    "nothing": "",
}


def spliced(path, edit):
    """FRAME with the value at `path` changed by `edit`, as JSON text."""
    frame = json.loads(FRAME)
    place = frame
    for key in path[:-1]:
        place = place[key]
    return edit(frame, place, path[-1])


def mutated(path, literal):
    def edit(frame, place, key):
        place[key] = "@@"
        return json.dumps(frame).replace('"@@"', literal)

    return spliced(path, edit)


def deleted(path):
    def edit(frame, place, key):
        del place[key]
        return json.dumps(frame)

    return spliced(path, edit)


def shuffled(value, shuffler):
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, shuffler)) for key, inner in value.items()]
    shuffler.shuffle(items)
    return dict(items)


class TestBad:
    @pytest.mark.parametrize("path", REQUIRED, ids=".".join)
    def test_without_a_field(self, path):
        refused(deleted(path))

    @pytest.mark.parametrize("path", REQUIRED, ids=".".join)
    def test_with_a_field_that_is_something_else(self, path):
        for literal in HOSTILE.values():
            if path[-1] == "x" and literal == "true":
                continue  # that one is right
            with Case(literal):
                refused(mutated(path, literal))

    @pytest.mark.parametrize("literal", HOSTILE.values(), ids=HOSTILE)
    def test_under_a_name_that_is_something_else(self, literal):
        message = mutated(("stream",), literal)
        if literal == "null":
            assert decode(message) == candle()  # as good as a bare event
        else:
            refused(message)

    def test_messages_that_are_something_else(self):
        for literal in HOSTILE.values():
            with Case(literal):
                refused(literal)
                refused(literal.encode())

    @given(st.sampled_from(REQUIRED), json_values)
    def test_no_json_in_a_field_is_another_exception(self, path, value):
        outcome(mutated(path, json.dumps(value)))

    @given(st.text() | st.binary())
    def test_no_text_and_no_bytes_are_another_exception(self, message):
        outcome(message)

    @given(json_values)
    def test_no_json_is_another_exception(self, value):
        outcome(json.dumps(value))

    @pytest.mark.parametrize(
        "message",
        [
            "{}",
            '{"data":{}}',
            '{"data":null}',
            '{"data":{"e":"kline","E":1,"s":"A","k":null}}',
            '{"stream":"btcusdt@kline_1m"}',
            '{"id":1}',
            '{"error":null,"id":1}',
            '{"e":"24hrTicker","E":1,"s":"BTCUSDT"}',
        ],
    )
    def test_no_kline_and_no_reply(self, message):
        assert str(refused(message)).startswith("no kline, reply or error")

    @given(st.integers(0, len(FRAME) - 1), st.integers(0, 255))
    def test_a_flipped_byte_is_bad_or_a_candle_that_can_be(self, place, byte):
        body = bytearray(FRAME.encode())
        body[place] = byte
        outcome(bytes(body))

    @given(st.integers(0, len(FRAME)), st.text(max_size=3) | st.sampled_from('",{}[]'))
    def test_an_insertion_is_bad_or_a_candle_that_can_be(self, place, text):
        outcome(FRAME[:place] + text + FRAME[place:])

    def test_cut_at_any_byte(self):
        frame = FRAME.replace("BTC", "币安").replace("btc", "币安").encode()
        assert decode(frame).symbol == "币安USDT"
        for end in range(len(frame)):
            refused(frame[:end])

    @pytest.mark.parametrize(
        "message",
        [
            "\ufeff" + FRAME,
            b"\xef\xbb\xbf" + FRAME.encode(),
            FRAME.encode("utf-16"),
            FRAME + "{}",
            FRAME * 2,
            FRAME.replace("BTCUSDT", "BTC\ud800"),
            FRAME.encode().replace(b"BTCUSDT", b"BTC\xff"),
            FRAME.encode().replace(b"BTCUSDT", b"BTC\xed\xa0\x80"),
            "[" * 2**20,
            '{"result":' * 100_000,
        ],
    )
    def test_odd_encodings_and_depths(self, message):
        refused(message)

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('"l":"100.00"', '"l":"100.11"', "outside low to high"),
            ('"h":"100.90"', '"h":"100.49"', "outside low to high"),
            ('"t":1700000040000', '"t":1700000040001', "opens at"),
            ('"T":1700000099999', '"T":1700000100000', "does not close"),
            ('"i":"1m"', '"i":"1M"', "opens at"),
            ('"i":"1m"', '"i":"1s"', "no interval"),
            ('"n":42', '"n":9007199254740992', "number of trades"),
            ('"E":1700000100199', '"E":0', "event time"),
            ('"E":1700000100199', '"E":9007199254740991', "event time"),
            ('"s":"BTCUSDT","k"', '"s":"ETHUSDT","k"', "one symbol"),
            ('"e":"kline"', '"e":"continuous_kline"', "continuous_kline"),
            ('"e":"kline"', '"e":"KLINE"', "KLINE"),
            ("btcusdt@", "ethusdt@", "another's name"),
            ("btcusdt@", "BTCUSDT@", "another's name"),
            ("@kline_1m", "@kline_3m", "another's name"),
            ("@kline_1m", "@markPrice_1m", "another's name"),
            ("BTCUSDT", "btcusdt", "upper case"),
            ("BTCUSDT", "BTC/USDT", "cannot be a symbol"),
            ("BTCUSDT", "\u202eBTC", "cannot be a symbol"),
            ("BTCUSDT", "ß", "cannot be a symbol"),
            ("BTCUSDT", "B" * 41, "40 characters"),
        ],
    )
    def test_says_what_is_wrong(self, old, new, reason):
        assert old in FRAME
        bad = refused(FRAME.replace(old, new))
        assert reason in str(bad)
        assert bad.sample == FRAME.replace(old, new)[:200]

    def test_an_event_time_is_believed_until_the_last_one(self):
        for time in (1, LAST_TIME):
            frame = FRAME.replace('"E":1700000100199', f'"E":{time}')
            assert decode(frame).event_time == time
        late = FRAME.replace('"E":1700000100199', f'"E":{LAST_TIME + 1}')
        assert "event time" in str(refused(late))

    def test_a_candle_of_the_last_month_that_datetime_knows(self):
        event = json.loads(FRAME)["data"]
        event["k"] |= {"i": "1M", "t": 253_399_622_400_000, "T": 253_402_300_799_999}
        assert "out of range" in str(refused(json.dumps(event)))

    @pytest.mark.parametrize("place", ["e", "stream", "i"])
    def test_the_reason_stays_short(self, place):
        path = {"e": ("data", "e"), "stream": ("stream",), "i": ("data", "k", "i")}
        bad = refused(mutated(path[place], f'"{"x" * 2**20}"'))
        assert len(str(bad)) <= 300
        assert len(bad.sample) == 200


class TestReply:
    def test_does_not_change(self):
        for answer in (Reply(1, None), Rejection(2, "m", 1)):
            with pytest.raises(AttributeError):
                answer.id = 2

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ('{"result":null,"id":1}', Reply(1, None)),
            ('{"id":1, "result":null}', Reply(1, None)),
            ('{"result":null}', Reply(None, None)),
            ('{"result":[],"id":7}', Reply(7, [])),
            ('{"result":true,"id":2}', Reply(2, True)),
            ('{"result":null,"id":1,"st":1}', Reply(1, None)),
            ('{"error":{"code":2,"msg":"m"},"id":4}', Rejection(2, "m", 4)),
            ('{"error":{"code":2}}', Rejection(2, "")),
            ('{"error":{"code":2,"msg":"m","x":[]},"id":null}', Rejection(2, "m")),
            ('{"code":2,"msg":"m","id":4}', Rejection(2, "m", 4)),
            ('{"code":3,"msg":"m"}', Rejection(3, "m")),
            ('{"code":0}', Rejection(0, "")),
        ],
    )
    def test_all_shapes(self, message, expected):
        assert decode(message) == expected
        assert decode(message.encode()) == expected

    @pytest.mark.parametrize(
        "message",
        [
            '{"result":null,"id":[1]}',
            '{"result":null,"id":1.5}',
            '{"result":null,"id":true}',
            '{"error":"no","id":4}',
            '{"error":{"msg":"m"},"id":4}',
            '{"error":{"code":"2","msg":"m"},"id":4}',
            '{"error":{"code":2,"msg":5},"id":4}',
            '{"error":[],"id":4}',
            '{"code":"2","msg":"m"}',
            '{"msg":"m"}',
            '{"stream":"btcusdt@kline_1m","data":{"result":null,"id":1}}',
        ],
    )
    def test_of_another_shape_is_bad(self, message):
        refused(message)

    @given(st.integers(0, 2**64 - 1), st.none() | st.lists(st.text()) | st.booleans())
    def test_a_reply_written_and_read_is_the_same(self, number, result):
        reply = Reply(number, result)
        assert decode(encode_reply(reply)) == reply

    @given(st.integers(0, 4), st.text(), st.none() | st.integers(0, 2**64 - 1))
    def test_an_error_written_and_read_is_the_same(self, code, message, number):
        rejection = Rejection(code, message, number)
        assert decode(encode_reply(rejection)) == rejection


class TestStreamName:
    def test_is_lower_case_but_for_the_month(self):
        assert stream_name(Stream.of("BTCUSDT", "1m")) == "btcusdt@kline_1m"
        assert stream_name(Stream.of("BTCUSDT", "1M")) == "btcusdt@kline_1M"
        assert stream_name(Stream.of("币安人生USDT", "3d")) == "币安人生usdt@kline_3d"

    @given(streams)
    def test_written_and_read_it_is_the_same_stream(self, stream):
        assert parse_stream_name(stream_name(stream)) == stream

    @pytest.mark.parametrize(
        "name",
        [
            "BTCUSDT@kline_1m",
            "btcusdt@kline_1s",
            "btcusdt@kline_1H",
            "btcusdt@kline_",
            "btcusdt@kline_1m ",
            "btcusdt@kline_1m@kline_1m",
            "btcusdt@markPrice",
            "btcusdt",
            "@kline_1m",
            "",
            "btc usdt@kline_1m",
            "../x@kline_1m",
            "ß@kline_1m",
            "ŉ@kline_1m",
            "\ud800@kline_1m",
            "b" * 41 + "@kline_1m",
        ],
    )
    def test_of_no_stream_is_none(self, name):
        assert parse_stream_name(name) is None

    @given(st.text() | st.text().map(lambda symbol: f"{symbol}@kline_1m"))
    def test_any_text_is_a_streams_own_name_or_none(self, name):
        stream = parse_stream_name(name)
        assert stream is None or stream_name(stream) == name
