"""A connection's requests have the exchange's answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.sim.session import Outcome, open_session

BTC = Stream("BTCUSDT", Interval.M1)


def ask(session, method, *params, number=1):
    outcome = session.receive(
        json.dumps(
            {"method": method, "params": params, "id": number}, ensure_ascii=False
        )
    )
    return json.loads(outcome.reply), outcome.close


@pytest.mark.parametrize(
    ("target", "combined", "streams"),
    [
        ("/market/ws", False, set()),
        ("/market/stream", True, set()),
        ("/market/ws/btcusdt@kline_1m", False, {BTC}),
        ("/market/ws/x/btcusdt@kline_1m/btcusdt@kline_1m", False, {BTC}),
        ("/market/stream?streams=btcusdt@kline_1m/0", True, {BTC}),
        (
            "/market/ws/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@kline_1M",
            False,
            {Stream("币安人生USDT", Interval.MO1)},
        ),
        ("/ws/btcusdt@kline_1m", False, set()),
        ("/stream?streams=btcusdt@kline_1m", True, set()),
        ("/public/ws/btcusdt@kline_1m", False, set()),
    ],
)
def test_addresses(target, combined, streams):
    session = open_session(target)
    assert (session.combined, session.streams) == (combined, streams)


@pytest.mark.parametrize(
    "target",
    ["/", "/market", "/market/ws/", "/other/ws", "/market/stream/x", "//ws", "/a"],
)
def test_where_there_is_no_session(target):
    assert open_session(target) is None


def test_anything_is_acked_and_listed_but_only_known_names_flow():
    session = open_session("/market/ws")
    names = ["BTCUSDT@kline_1m", "btcusdt@kline_9x", "btcusdt@kline_1m", "0", ""]
    assert ask(session, "SUBSCRIBE", *names, number=7) == (
        {"result": None, "id": 7},
        False,
    )
    assert session.streams == {BTC}
    assert ask(session, "LIST_SUBSCRIPTIONS")[0]["result"] == names
    assert ask(session, "UNSUBSCRIBE", "btcusdt@kline_1m", "never")[0]["result"] is None
    assert session.streams == set()


def test_an_unrouted_session_acks_and_stays_silent():
    session = open_session("/ws")
    assert ask(session, "SUBSCRIBE", "btcusdt@kline_1m")[0]["result"] is None
    assert ask(session, "LIST_SUBSCRIPTIONS")[0]["result"] == ["btcusdt@kline_1m"]
    assert session.streams == set()


def test_the_combined_property():
    session = open_session("/market/ws")
    assert ask(session, "GET_PROPERTY", "combined")[0]["result"] is False
    assert ask(session, "SET_PROPERTY", "combined", True)[0]["result"] is None
    assert ask(session, "GET_PROPERTY", "combined")[0]["result"] is True
    assert session.combined
    assert ask(session, "SET_PROPERTY", "combined", 1)[0]["error"]["code"] == 1
    assert ask(session, "SET_PROPERTY", "other", True)[0]["error"]["code"] == 0
    assert ask(session, "GET_PROPERTY", "other")[0]["error"]["code"] == 0


def test_refusals():
    session = open_session("/market/ws")
    assert ask(session, "NOPE")[0]["error"]["code"] == 2
    assert ask(session, "SUBSCRIBE", number=-1)[0]["error"]["code"] == 2
    assert ask(session, "SUBSCRIBE", 5)[0]["error"]["code"] == 2
    assert not ask(session, "SUBSCRIBE", 5)[1]
    outcome = session.receive("{")
    assert outcome.close
    assert json.loads(outcome.reply)["error"]["code"] == 3


def test_the_1025th_stream_closes():
    session = open_session("/market/ws")
    names = [f"btcusdt@kline_{n}x" for n in range(1025)]
    assert not ask(session, "SUBSCRIBE", *names[:1024])[1]
    assert not ask(session, "SUBSCRIBE", names[0])[1]
    reply, closes = ask(session, "SUBSCRIBE", names[1024])
    assert reply == {"error": {"code": 4, "msg": "Too many subscriptions"}}
    assert closes
    crowded = open_session(f"/market/stream?streams={'/'.join(names)}")
    assert crowded.opening().close
    assert open_session("/market/ws").opening() == Outcome()


@given(st.text() | st.binary())
def test_no_message_raises(message):
    outcome = open_session("/market/ws").receive(message)
    assert "error" in json.loads(outcome.reply) or not outcome.close


@given(st.text())
def test_no_address_raises(target):
    open_session(target)
