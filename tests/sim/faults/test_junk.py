"""Frames are what they say, lawful or not; websockets is the judge."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from klinetail.sim.faults import junk


def client():
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), state=State.OPEN)
    protocol.max_message_size = protocol.max_fragment_size = 1 << 20
    return protocol


@given(st.binary(max_size=70_000), st.sampled_from([junk.TEXT, junk.BINARY]))
def test_a_frame(payload, opcode):
    protocol = client()
    protocol.receive_data(junk.frame(opcode, payload))
    [event] = protocol.events_received()
    assert (event.opcode, bytes(event.data)) == (opcode, payload)


@given(st.dictionaries(st.text(), st.text(), min_size=1), st.integers(2, 6))
def test_pieces_make_the_message(message, pieces):
    protocol = client()
    payload = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    protocol.receive_data(junk.fragments(payload, pieces))
    events = protocol.events_received()
    assert events[1].opcode is Opcode.PING
    parts = [event for event in events if event.opcode is not Opcode.PING]
    assert [event.opcode for event in parts] == [Opcode.TEXT] + [Opcode.CONT] * (
        len(parts) - 1
    )
    assert [event.fin for event in parts] == [False] * (len(parts) - 1) + [True]
    assert 2 <= len(parts) <= pieces
    assert b"".join(bytes(event.data) for event in parts) == payload


def fails(data):
    """Whether a client that takes 1 MiB at most has to give up at these bytes."""
    protocol = client()
    protocol.receive_data(data)
    if protocol.parser_exc is not None:
        return True
    for event in protocol.events_received():
        try:
            bytes(event.data).decode()
        except UnicodeDecodeError:  # the protocol leaves that to its user
            return True
    return False


@pytest.mark.parametrize("name", junk.BAD_FRAMES)
def test_bad_frames_are_bad(name):
    assert fails(junk.BAD_FRAMES[name]())


@pytest.mark.parametrize("close", junk.CLOSES)
def test_closes(close):
    code, reason = close
    data = junk.close_frame(code, reason)
    assert data[0] == 0x88
    assert len(data) <= 127
    if code == 1006:
        assert fails(data)
    elif code is not None:
        assert Close.parse(data[2:]) == Close(code, reason)
