"""The search from the end of a recording, against the decoding of every line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.formats import Format, csv, jsonl
from klinetail.recordings.compare import CANDLES
from klinetail.recordings.cursor import BadTail, blocks_backwards, read_tail
from tests.cases import Case
from tests.strategies import SYMBOLS, candle

BASE = 1_700_000_040_000
ALL = [Stream(symbol, Interval.M1) for symbol in SYMBOLS]
ALL += [Stream(f"S{n}USDT", Interval.M1) for n in range(9)]
ALL += [Stream("BTCUSDT", Interval.M3), Stream("BTCUSD", Interval.M1)]
"""More streams than are searched for one by one, and names that begin alike."""
BTC, ABSENT = ALL[0], Stream("ABSENTUSDT", Interval.M1)
FORMS: list[Format] = [csv, jsonl]  # type: ignore[list-item]

every_form = pytest.mark.parametrize("form", FORMS, ids=["csv", "jsonl"])


def rows(*steps: tuple[Stream, bool]) -> list[Candle]:
    """Candles in order: each closed one is one interval after the one before."""
    opens: dict[Stream, int] = {}
    found = []
    for stream, closed in steps:
        time = opens.get(stream, stream.interval.floor(BASE))
        found.append(candle(time, stream=stream, closed=closed))
        opens[stream] = found[-1].close_time + 1 if closed else time
    return found


def btc(*indices: int) -> list[Candle]:
    return [candle(BASE + n * MINUTE, stream=BTC) for n in indices]


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[max(0, end - size) : end] for end in range(len(text), 0, -size)]


steps = st.lists(st.tuples(st.sampled_from(ALL), st.booleans()), max_size=60)


@given(
    steps,
    st.sets(st.sampled_from([*ALL, ABSENT]), min_size=1),
    st.integers(1, 900),
    st.sampled_from([0, 1, 500, 1_000_000]),
    st.sampled_from(FORMS),
)
def test_each_stream_goes_on_after_its_last_closed_candle(
    steps: list[tuple[Stream, bool]],
    wanted: set[Stream],
    size: int,
    near: int,
    form: Format,
) -> None:
    candles = rows(*steps)
    text = form.HEADER + form.encode(candles)
    tail = read_tail(pieces(text, size), form, wanted, near=near)
    right = {c.stream: c.close_time + 1 for c in candles if c.closed}
    found = tail.points()
    for stream in wanted:
        assert found.get(stream) == right.get(stream)
    for stream, latest in tail.latest.items():
        own = [c.open_time for c in candles if c.closed and c.stream == stream]
        times = [c.open_time for c in latest]
        assert 1 <= len(times) <= CANDLES
        if stream in wanted:
            assert times == own[-len(times) :], "the last candles, oldest first"


@given(st.text("ab\n", max_size=80), st.integers(1, 20))
def test_blocks_are_whole_lines_in_any_pieces(text: str, size: int) -> None:
    data = text.encode()
    blocks = [*blocks_backwards(pieces(data, size))]
    assert b"".join(reversed(blocks)) == data
    assert all(block.endswith(b"\n") for block in blocks[1:])


def test_a_large_piece_is_cut_into_blocks() -> None:
    data = b"".join(b"%d\n" % n for n in range(60_000))
    blocks = [*blocks_backwards([data])]
    assert b"".join(reversed(blocks)) == data
    assert max(map(len, blocks)) < 65_536 + 10
    assert all(block.endswith(b"\n") for block in blocks)
    one = bytes(200_000) + b"\n"
    assert [*blocks_backwards([one + b"x\n"])] == [b"x\n", one]


@every_form
def test_enough_candles_to_compare_are_found_between_forming_ones(form: Format) -> None:
    steps = [(BTC, n % 400 == 0) for n in range(1, 2_001)]
    text = form.encode(rows(*steps))
    tail = read_tail(pieces(text, 4_096), form, [BTC], near=1_000)
    assert len(tail.latest[BTC]) == CANDLES
    assert not tail.begins
    assert tail.forming


@every_form
def test_a_double_and_disorder_are_refused(form: Format) -> None:
    for indices, what, line in (
        ((1, 2, 2), "is there twice", 3),
        ((1, 3, 2, 4), "is out of order", 2),
        ((1, 2, 3, 1), "is out of order", 3),
    ):
        with Case(indices):
            text = form.encode(btc(*indices))
            with pytest.raises(BadTail, match=what) as bad:
                read_tail([text], form, [BTC])
            before = text[: len(text) - bad.value.size]
            assert before.count(b"\n") + 1 in (line, line - 1)


@every_form
def test_a_line_without_a_candle_is_refused(form: Format) -> None:
    text = form.encode(btc(1, 2))
    for near in (0, 1_000_000):
        for damage in (b"hello\n", b"a,b,c\n", bytes(50) + b"\n", b'{"symbol":1}\n'):
            with Case(near, damage):
                with pytest.raises(BadTail, match="no record") as bad:
                    read_tail([text + damage], form, [BTC], near=near)
                assert bad.value.size == len(damage)
                with pytest.raises(BadTail, match="no record") as bad:
                    read_tail([damage + text], form, [ABSENT], near=near)
                assert bad.value.size == len(damage + text)


@every_form
def test_nul_bytes_within_lines_are_seen_from_afar(form: Format) -> None:
    text = form.encode(btc(1, 2, 3))
    damaged = text.replace(b"100.90", b"100\0\0\0", 1)
    with pytest.raises(BadTail, match="no ") as bad:
        read_tail([damaged], form, [ABSENT], near=0)
    assert bad.value.size == len(damaged)


class Counting:
    """A format that counts the lines that are decoded."""

    def __init__(self, form: Format) -> None:
        self.HEADER, self.line = form.HEADER, form.line
        self.decoded = 0
        self._decode = form.decoder(None)

    def decoder(self, _path: str | None) -> object:
        return self._counted

    def _counted(self, line: bytes) -> Candle:
        self.decoded += 1
        return self._decode(line)


@every_form
def test_lines_of_streams_that_are_found_are_not_decoded(form: Format) -> None:
    many = rows(*[(stream, n % 9 == 0) for n in range(400) for stream in ALL])
    text = form.encode(many)
    for wanted in ([BTC, ABSENT], [*ALL, ABSENT]):
        with Case(len(wanted)):
            counting = Counting(form)
            read_tail(pieces(text, 9_999), counting, wanted, near=0)  # type: ignore[arg-type]
            assert counting.decoded < 60
    assert len(many) > 6_000


@every_form
def test_blank_lines_and_repeated_headers_hold_no_candle(form: Format) -> None:
    some = form.encode(btc(1))
    text = form.HEADER + some + b"\n" + form.HEADER + form.encode(btc(2)) + b"\n\n"
    for near in (0, 1_000_000):
        tail = read_tail([text], form, [BTC], near=near)
        assert [c.open_time for c in tail.latest[BTC]] == [
            c.open_time for c in btc(1, 2)
        ]


def test_lines_of_other_programs_are_found_as_well() -> None:
    """They are right, but look different: every line is decoded."""
    texts = []
    for line in jsonl.encode(btc(1, 2)).splitlines():
        record = json.loads(line)
        texts += [
            json.dumps(record),
            json.dumps(dict(reversed(record.items())), separators=(",", ":")),
            json.dumps(
                {"symbol": record["symbol"], **dict(reversed(record.items()))},
                separators=(",", ":"),
            ),
            json.dumps(record | {"symbol": "B"}, separators=(",", ":")).replace(
                '"B"', '"\\u0042TCUSDT"'
            ),
        ]
    for first, last in zip(texts[:4], texts[4:], strict=True):
        with Case(first):
            text = f"{first}\n{last}\n".encode()
            tail = read_tail([text], jsonl, [BTC], near=0)
            assert tail.points() == {BTC: BASE + 3 * MINUTE}


@every_form
def test_a_stream_that_is_not_there_is_searched_for_to_the_beginning(
    form: Format,
) -> None:
    text = form.encode(btc(*range(100)))
    tail = read_tail(pieces(text, 999), form, [BTC, ABSENT], near=0)
    assert tail.begins
    assert ABSENT not in tail.latest
    tail = read_tail(pieces(text, 999), form, [BTC, ABSENT], most=2_000)
    assert not tail.begins
    tail = read_tail(pieces(text, 999), form, [BTC], near=2_000)
    assert not tail.begins, "the rest need not be read"


@every_form
@pytest.mark.parametrize("streams", [[BTC], [BTC, ABSENT]])
def test_damage_near_the_end_is_found_though_every_stream_was_found(
    form: Format, streams: list[Stream]
) -> None:
    """Every line of the last `NEAR` bytes is decoded, however soon all is known."""
    lines = [form.encode([one]) for one in btc(*range(100))]
    for at in range(1, 100):
        for damage in (b"rubbish\n", lines[at - 1]):
            text = b"".join([*lines[:at], damage, *lines[at:]])
            with pytest.raises(BadTail):
                read_tail(pieces(text, 999), form, streams)


class Backwards:
    """A format whose lines do not begin with the stream."""

    HEADER = b""

    def line(self, one: Candle) -> str:
        return csv.line(one).rstrip("\n")[::-1] + "\n"

    def encode(self, candles: list[Candle]) -> bytes:
        return "".join(map(self.line, candles)).encode()

    def recognises(self, _line: bytes) -> bool:
        return True

    def decoder(self, _path: str | None) -> object:
        return lambda line: csv.decode(line.decode()[::-1].encode())


def test_a_format_whose_lines_begin_otherwise_is_decoded_line_by_line() -> None:
    form: Format = Backwards()  # type: ignore[assignment]
    text = form.encode([*btc(1, 2), candle(stream=ALL[3]), *btc(3)])
    tail = read_tail(pieces(text, 100), form, [BTC, ALL[3]], near=0)
    assert tail.points()[BTC] == BASE + 4 * MINUTE
    assert ALL[3] in tail.latest
