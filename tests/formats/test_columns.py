"""What is accepted by columns is what the decoder of single lines accepts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.formats import BlockReader, columns, csv, dump, jsonl
from klinetail.formats.registry import FORMATS, readers
from tests.cases import Case
from tests.strategies import candle, candles

NAME = "BTCUSDT-1m-2023-11-14.csv"
STREAM = Stream("BTCUSDT", Interval.M1)

USUAL = [
    candle(1_700_000_040_000 + 60_000 * n, stream=Stream(symbol, Interval.M1))
    for n in range(3)
    for symbol in ("BTCUSDT", "币安人生USDT")
]
WEEK = candle(1_699_833_600_000, stream=Stream("BTCUSDT", Interval.W1))
MIXED = [
    *USUAL,
    WEEK,
    candle(1_698_796_800_000, stream=Stream("ÉTÉUSDT", Interval.MO1)),
]


def rows(form: object, run: Sequence[Candle]) -> bytes:
    if form is not dump:
        return form.encode(run).removesuffix(b"\n")  # type: ignore[attr-defined, no-any-return]
    lines = (csv.line(each).split(",") for each in run)
    return "\n".join(",".join([*line[2:13], "0"]) for line in lines).encode()


def by_lines(form: object, block: bytes) -> list[Candle] | None:
    """What the decoder of lines makes of a block, or None if it refuses a line."""
    decode: Callable[[bytes], Candle] = form.decoder(NAME)  # type: ignore[attr-defined]
    try:
        return [decode(line) for line in block.split(b"\n")]
    except BadRecording:
        return None


def by_columns(form: object, block: bytes) -> list[Candle] | None:
    assert isinstance(form, BlockReader)
    return form.block_decoder(NAME)(block)


every_form = pytest.mark.parametrize(
    "form", [csv, dump, jsonl], ids=lambda f: f.__name__
)


def test_every_format_of_ours_decodes_blocks() -> None:
    assert all(isinstance(form, BlockReader) for form in readers().values())
    assert [*FORMATS] == ["jsonl", "csv"]


@every_form
@pytest.mark.parametrize("interval", Interval)
def test_usual_lines_need_no_other_decoder(form: object, interval: Interval) -> None:
    opened = interval.floor(1_700_000_000_000)
    run = [candle(opened, stream=Stream("BTCUSDT", interval), source=Source.REST)] * 3
    block = rows(form, run)
    name = f"BTCUSDT-{'1mo' if interval == '1M' else interval}-2023-11-14.csv"
    assert isinstance(form, BlockReader)
    for changed in (block, block.replace(b"\n", b"\r\n") + b"\r"):
        assert form.block_decoder(name)(changed) == run
    wrong = block.replace(str(opened).encode(), str(opened + 1).encode())
    assert form.block_decoder(name)(wrong) is None
    wrong = block.replace(str(run[0].close_time).encode(), str(opened + 7).encode())
    assert form.block_decoder(name)(wrong) is None


@every_form
def test_many_streams_in_one_block(form: object) -> None:
    run = MIXED if form is not dump else [candle(source=Source.REST)] * 3
    found = by_columns(form, rows(form, run))
    assert found is not None
    assert found == by_lines(form, rows(form, run))


def test_columns_that_came_later_are_ignored() -> None:
    block = rows(csv, USUAL).replace(b"\n", b",5,x\n") + b",5,x"
    assert by_columns(csv, block) == by_lines(csv, rows(csv, USUAL))
    assert by_columns(jsonl, rows(jsonl, USUAL).replace(b"}", b',"x":[1]}')) is not None


@every_form
@settings(max_examples=40)
@given(run=st.lists(candles(stream=STREAM), min_size=1, max_size=6))
def test_a_block_is_a_row_of_lines(form: object, run: list[Candle]) -> None:
    block = rows(form, run)
    found = by_columns(form, block)
    exact = by_lines(form, block)
    assert exact is not None
    assert found is None or found == exact


ODD = (
    *(b'"', b",", b"\n", b"\r", b"{", b"}", b" ", b"-", b"+", b"e5", b"0", b".", b":"),
    *(b"\xff", b"\xe5", b"_", b"\x00", b"true", b"False", b"\n\n", b",\n", b"\n,"),
    *(b"9" * 19, b"9" * 16, b"null", b"[]", b"{}", b"\t", b",,", b"\r\n", b"1m", b"3d"),
)


def mutated(block: bytes, chance: random.Random) -> bytes:
    """The block with some bytes replaced, removed, doubled or swapped."""
    data = bytearray(block)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data))
        to = min(len(data), at + chance.choice((1, 1, 2, 5, 40)))
        other = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[at:to] = chance.choice(ODD)
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = chance.choice(ODD)
            case 3:
                data[at], data[other] = data[other], data[at]
            case 4:
                data[other:other] = data[at:to]
            case 5:  # of the same length: a separator for another
                marks = [n for n, byte in enumerate(data) if byte in b',\n{}":.']
                data[chance.choice(marks)] = data[chance.choice(marks)]
    return bytes(data)


@every_form
def test_what_is_accepted_by_columns_is_right(form: object) -> None:
    chance = random.Random(7)
    run = MIXED if form is not dump else [candle(source=Source.REST)] * 5
    block = rows(form, run)
    accepted = 0
    for _ in range(1_500):
        changed = mutated(block, chance)
        found = by_columns(form, changed)
        if found is not None:
            accepted += 1
            with Case(changed):
                assert found == by_lines(form, changed)
    assert accepted > 50


def test_a_line_break_and_a_comma_that_change_places() -> None:
    lines = rows(csv, USUAL[:2])
    first, _, second = lines.partition(b"\n")
    symbol, _, rest = second.partition(b",")
    assert by_columns(csv, first + b"," + symbol + b"\n" + rest) is None


@pytest.mark.parametrize(
    ("prices", "right"),
    [
        (("100.10", "100.1", "100.100", "100.1"), True),
        (("1.0000000000000000001", "1", "1", "1"), False),
        (("1.000000000000000001", "1", "1", "1"), False),
        (("1.00000000000001", "1", "1", "1"), False),
        (("1", "1", "1", "0.99999999999999999"), False),
        (("12345678901234.56", "12345678901234.55", "1", "1"), False),
    ],
)
def test_prices_that_a_float_cannot_tell_apart(
    prices: tuple[str, ...], right: bool
) -> None:
    block = rows(csv, [candle(prices=prices)])  # type: ignore[arg-type]
    assert (by_lines(csv, block) is not None) is right
    assert (by_columns(csv, block) is not None) is right


def test_streams_are_made_once_and_not_without_end() -> None:
    streams = columns.Streams(most=3)
    assert streams["BTCUSDT", "1m"] is streams["BTCUSDT", "1m"]
    for wrong in (("btcusdt", "1m"), ("BTCUSDT", "1s"), ("", "1m"), ("A B", "1m")):
        with pytest.raises(KeyError):
            streams[wrong]
    for n in range(9):
        assert streams[f"A{n}", "1m"] == Stream(f"A{n}", Interval.M1)
        assert len(streams) <= 3
