"""The reader: whatever pieces the bytes come in, the same messages come out."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocket, WebSocketException

from klinetail.exchange.reader import (
    MAX_FRAGMENTS,
    MAX_MESSAGE,
    Close,
    MessageReader,
    Messages,
    Ping,
    Pong,
)
from tests.venue import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

payloads = st.one_of(
    st.binary(max_size=130),
    st.builds(lambda n: b"x" * n, st.sampled_from([300, 4_000, 65_535, 65_536])),
)
closes = st.builds(
    lambda code, words: (frame(CLOSE, struct.pack("!H", code) + words), (CLOSE, code)),
    st.sampled_from([1000, 1008, 4000]),
    st.binary(max_size=20),
)


def whole(opcode):
    return st.builds(lambda data: (frame(opcode, data), (TEXT, data)), payloads)


def control(opcode):
    short = st.binary(max_size=125)
    return st.builds(lambda data: (frame(opcode, data), (opcode, data)), short)


def _fragmented(parts, between):
    """A message in fragments, with a ping between the first two."""
    data = frame(TEXT, parts[0], fin=False) + frame(PING, between)
    for part in parts[1:-1]:
        data += frame(CONT, part, fin=False)
    return data + frame(CONT, parts[-1]), (PING, between), (TEXT, b"".join(parts))


fragmented = st.builds(
    _fragmented, st.lists(payloads, min_size=2, max_size=4), st.binary(max_size=5)
)
said = st.lists(
    st.one_of(*[whole(TEXT)] * 3, whole(BINARY), fragmented, control(PING),
              control(PONG)),
    max_size=8,
)  # fmt: skip
sizes = st.lists(
    st.one_of(st.integers(1, 9), st.integers(1, 70_000)), min_size=1, max_size=6
)
frames = st.builds(
    lambda opcode, data, fin, rsv: frame(opcode, data, fin=fin, rsv=rsv),
    st.sampled_from([TEXT, TEXT, CONT, BINARY, PING, PONG, CLOSE, 3, 11]),
    st.binary(max_size=125),
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, 1, 4]),
)


def torn(data, sizes):
    """The same bytes in pieces; the sizes are used in turn, single bytes seldom."""
    at, turn = 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if turn < 200 else 1 << 20
        yield data[at : at + size]
        at, turn = at + size, turn + 1


def flat(event):
    match event:
        case Messages(payloads):
            return [(TEXT, payload) for payload in payloads]
        case Ping(payload):
            return [(PING, payload)]
        case Pong(payload):
            return [(PONG, payload)]
        case Close(_, code):
            return [(CLOSE, code)]


def read(pieces):
    """The events that these pieces bring, and the words of the error at their end."""
    reader, events = MessageReader(), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (event := reader.next_event()) is not None:
                events += flat(event)
                if isinstance(event, Close):
                    return events, None
    except WebSocketException as error:
        return events, str(error)
    return events, None


class Library(WebSocket):
    """The library's own reader over bytes in memory."""

    def __init__(self, data):
        super().__init__(skip_utf8_validation=True)
        self._data = data

    def _recv(self, size):
        if not self._data:
            raise EOFError
        part, self._data = self._data[:size], self._data[size:]
        return part

    def _send(self, data):
        return len(data)

    def events(self):
        events = []
        try:
            while True:
                opcode, found = self.recv_data_frame(True)
                if opcode == CLOSE:
                    code = (
                        struct.unpack("!H", found.data[:2])[0] if found.data else None
                    )
                    return [*events, (CLOSE, code)], None
                events.append((TEXT if opcode == BINARY else opcode, found.data))
        except EOFError:
            return events, None
        except WebSocketException as error:
            return events, str(error)


@given(said, st.one_of(st.none(), closes), sizes)
def test_however_the_bytes_are_torn_the_same_messages_come(said, close, sizes):
    everything = said if close is None else [*said, close]
    data = b"".join(frame for frame, *_ in everything)
    expected = [event for _, *events in everything for event in events]
    assert read(torn(data, sizes)) == (expected, None)


@given(st.lists(frames, max_size=8).map(b"".join), sizes)
def test_the_library_s_own_reader_says_the_same_of_any_frames(data, sizes):
    assert read(torn(data, sizes)) == read([data]) == Library(data).events()


@given(
    st.lists(st.sampled_from([0, 1, 2, 0x7E, 0x7F, 0x81, 0x82, 0x89]), max_size=40),
    sizes,
)
def test_any_bytes_mean_the_same_however_torn(values, sizes):
    data = bytes(values)
    assert read(torn(data, sizes)) == read([data])


def test_texts_that_came_together_are_one_event():
    reader = MessageReader()
    reader.feed(frame(TEXT, b"1") + frame(TEXT, b"2" * 300) + frame(TEXT, b"3")[:2])
    assert reader.next_event() == Messages([b"1", b"2" * 300])
    assert reader.next_event() is None
    reader.feed(b"3")
    assert reader.next_event() == Messages([b"3"])


def test_what_came_before_a_broken_frame_is_not_lost():
    assert read([frame(TEXT, b"good") + frame(3, b"bad")])[0] == [(TEXT, b"good")]


def test_nothing_is_kept_of_what_was_read():
    reader = MessageReader()
    reader.feed(frame(TEXT, b"x" * 60_000) + b"\x81")
    reader.next_event()
    assert reader.next_event() is None
    assert reader._data == b"\x81"


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONT])
def test_a_frame_that_is_too_long_is_refused_at_its_head(opcode):
    assert read([frame(opcode, length=MAX_MESSAGE)]) == ([], None)
    assert read([frame(opcode, length=MAX_MESSAGE + 1)]) == (
        [],
        f"a frame of {MAX_MESSAGE + 1} bytes",
    )


def test_a_long_frame_in_many_pieces_is_joined_once():
    data = frame(TEXT, b"x" * MAX_MESSAGE)
    reader = MessageReader()
    for at in range(0, len(data), 64):
        assert reader.next_event() is None
        reader.feed(data[at : at + 64])
        assert at < 64 or len(reader._data) <= 128
    assert reader.next_event() == Messages([b"x" * MAX_MESSAGE])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame(TEXT, b"{}", mask=b"abcd"), "a masked frame"),
        (frame(PING, b"x" * 126), "a control frame that is too long"),
        (frame(TEXT, b"", fin=False) + frame(CONT, fin=False) * MAX_FRAGMENTS,
         "a message in too many fragments"),
        (frame(TEXT, b"x" * 65_536, fin=False)
         + frame(CONT, b"x" * 65_536, fin=False) * 16,
         "a message in too many fragments"),
    ],
)  # fmt: skip
def test_limits(data, words):
    assert read([data]) == ([], words)


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close("the server closed the connection without a code", None)),
        (b"\x03\xe8", Close("the server closed the connection: 1000 normal closure",
                            1000)),
        (b"\x03\xf0no", Close("the server closed the connection: 1008 no", 1008)),
        (b"\x0f\xa0\xff", Close("the server closed the connection: 4000 \\xff", 4000)),
    ],
)  # fmt: skip
def test_a_close_has_its_code_and_reason(payload, close):
    reader = MessageReader()
    reader.feed(frame(CLOSE, payload))
    assert reader.next_event() == close
