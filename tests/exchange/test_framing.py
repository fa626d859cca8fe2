import struct

from hypothesis import given
from hypothesis import strategies as st

from klinetail.exchange.framing import cut
from tests.venue import frame

TEXT, BINARY, CONT, CLOSE, PING = 1, 2, 0, 8, 9
payloads = st.one_of(
    st.binary(max_size=3),
    st.binary(min_size=120, max_size=130),
    st.builds(lambda n: b"x" * n, st.sampled_from([300, 4000, 65_535])),
)
frames = st.builds(
    lambda n: frame(TEXT, b"y" * n), st.sampled_from([4, 90, 125, 126, 300, 65_535])
)
odd = st.one_of(
    st.builds(lambda code, data: frame(code, data), st.sampled_from([0, 2, 8, 9, 10]),
              st.binary(max_size=20)),
    st.just(b"\x01\x03abc"),  # the beginning of a fragmented message
    st.just(b"\xc1\x03abc"),  # compressed
    st.just(b"\x81\x83mask" + b"abc"),  # masked
    st.just(b"\x81\x7f" + struct.pack(">Q", 3) + b"abc"),  # a length of eight bytes
)  # fmt: skip


@given(st.lists(payloads, max_size=6), odd, st.booleans())
def test_cuts_the_leading_texts_and_stops_before_anything_else(some, rest, ends):
    data = b"".join(frame(TEXT, payload) for payload in some)
    after = b"" if ends else rest
    messages, end, is_odd = cut(data + after)
    assert end == sum(len(frame(TEXT, payload)) for payload in messages)
    assert messages == some[: len(messages)]
    if len(messages) < len(some):  # only where too few bytes follow to tell
        assert ends or is_odd
        assert len(data) - end < 4
    elif ends:
        assert not is_odd
    else:
        assert is_odd


@given(st.lists(frames, max_size=4), frames, st.data())
def test_an_incomplete_text_is_waited_for(whole, last, data):
    known = data.draw(st.integers(0, len(last) - 1))
    before = b"".join(whole)
    messages, end, is_odd = cut(before + last[:known])
    assert end == len(before)
    assert len(messages) == len(whole)
    # A length of one byte may be left to the library once its header is there.
    assert not is_odd or (last[1] < 126 and 2 <= known < 4)


@given(st.lists(st.sampled_from([0, 1, 3, 0x7E, 0x7F, 0x81, 0x82, 0xFE]), max_size=40))
def test_anything_is_either_cut_or_left_as_it_is(values):
    data = bytes(values)
    messages, end, is_odd = cut(data)
    at = 0
    for message in messages:
        assert data[at] == 0x81
        head = 4 if data[at + 1] == 126 else 2
        at += head
        assert int.from_bytes(data[at - head + 1 : at]) & 0xFFFF == len(message)
        assert data[at : at + len(message)] == message
        at += len(message)
    assert at == end
    assert is_odd or data[end:][:1] in (b"", b"\x81")
