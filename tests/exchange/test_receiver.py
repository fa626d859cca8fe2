"""The receiver: bytes in, calls of the handlers out, on the thread that feeds it."""

import pytest
from websocket import WebSocketProtocolException

from klinetail.exchange.connection import Handlers
from klinetail.exchange.receiver import Receiver
from tests.venue import BINARY, CLOSE, PING, PONG, TEXT, frame


class Manager:
    candles = 0
    on_reply = None


def receiver(calls, *, together=True, pong=None):
    """A receiver, all of whose calls are noted, in order."""
    manager = Manager()

    def on_messages(of, messages):
        assert of is manager
        calls.append(("messages", *messages))

    def on_message(of, message):
        assert of is manager
        calls.append(("message", message))

    handlers = Handlers(
        on_message,
        lambda reply: calls.append(("reply", reply)),
        lambda reason, code: calls.append(("exit", reason, code)),
        lambda payload: calls.append(("pong", payload)),
        on_messages if together else None,
    )
    answer = pong or (lambda payload: calls.append(("answer", payload)))
    return Receiver(handlers, manager, answer)


@pytest.mark.parametrize("together", [True, False])
def test_handlers_are_called_in_the_order_of_the_wire(together):
    calls = []
    fed = receiver(calls, together=together)
    data = [frame(TEXT, b"1"), frame(TEXT, b"2"), frame(PING, b"p"), frame(PONG, b"q")]
    assert fed.feed(b"".join([*data, frame(BINARY, b"3")])) is None
    texts = [("messages", b"1", b"2")]
    last = [("messages", b"3")]
    if not together:
        texts = [("message", b"1"), ("message", b"2")]
        last = [("message", b"3")]
    assert calls == [*texts, ("answer", b"p"), ("pong", b"q"), *last]
    assert fed.received == 3


def test_a_message_in_pieces_is_handed_over_once_it_is_whole():
    calls = []
    fed = receiver(calls)
    first, second = frame(TEXT, b"whole")[:4], frame(TEXT, b"whole")[4:]
    fed.feed(first)
    assert (calls, fed.received) == ([], 0)
    fed.feed(second)
    assert (calls, fed.received) == ([("messages", b"whole")], 1)


def test_nothing_follows_the_close():
    calls = []
    closed = receiver(calls).feed(frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late"))
    assert closed.code == 1000
    assert calls == []


def test_what_a_handler_of_messages_raises_ends_nothing():
    heard = []

    def fail(_, message):
        heard.append(message)
        raise RuntimeError("a bug")

    handlers = Handlers(fail, print, print)
    Receiver(handlers, Manager(), print).feed(frame(TEXT, b"1") + frame(TEXT, b"2"))
    together = handlers._replace(on_messages=fail)
    Receiver(together, Manager(), print).feed(frame(TEXT, b"33") + frame(TEXT, b"44"))
    assert heard == [b"1", b"2", [b"33", b"44"]]


def test_a_pong_that_cannot_be_sent_ends_the_connection():
    def broken(_):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        receiver([], pong=broken).feed(frame(PING, b""))


def test_what_came_before_a_broken_frame_is_handed_over():
    calls = []
    with pytest.raises(WebSocketProtocolException):
        receiver(calls).feed(frame(TEXT, b"good") + frame(3, b"bad"))
    assert calls == [("messages", b"good")]


def test_one_thread_can_drive_many_connections():
    calls = []
    many = [receiver(calls) for _ in range(3)]
    pieces = [frame(TEXT, b"%d" % number * 9) for number in range(3)]
    for at in range(11):
        for fed, piece in zip(many, pieces, strict=True):
            fed.feed(piece[at : at + 1])
    assert calls == [("messages", b"%d" % number * 9) for number in range(3)]
