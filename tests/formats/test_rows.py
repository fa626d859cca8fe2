"""What the fast way accepts, the decoder of single lines accepts, with the same
stream and times."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from klinetail.candle import Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump, jsonl
from klinetail.formats.rows import of_csv, of_record
from klinetail.formats.values import has_float
from tests.cases import Case
from tests.strategies import candle, candles

STREAM = Stream("BTCUSDT", Interval.M1)
PATH = "BTCUSDT-1m-2023-11-14.csv"
FORMS = {"csv": csv, "jsonl": jsonl, "dump": dump}


def dump_line(candle_):
    cells = csv.line(candle_).rstrip("\n").split(",")
    return ",".join([*cells[2:13], "0"])


LINES = {
    "csv": lambda each: csv.line(each).rstrip("\n"),
    "jsonl": lambda each: jsonl.line(each).rstrip("\n"),
    "dump": dump_line,
}


def exact(form, block):
    """What the decoder of single lines makes of a block: a row for each line, or None
    if a line is no candle."""
    decode = form.decoder(PATH)
    found = []
    for line in block.split(b"\n"):
        try:
            each = decode(line.strip())
        except BadRecording:
            return None
        name = each.symbol, str(each.interval)
        found.append((name, each.open_time, each.close_time, each.closed))
    return found


def fast(form, block):
    rows = form.rows_decoder(PATH)(block)
    if rows is None:
        return None
    closed = rows.closed or [True] * len(rows.opened)
    return [*zip(rows.names, rows.opened, rows.closing, closed, strict=True)]


@pytest.mark.parametrize("name", FORMS)
@given(st.lists(candles(), min_size=1, max_size=5))
def test_what_is_accepted_is_right(name, found):
    block = "\n".join(map(LINES[name], found)).encode()
    got = fast(FORMS[name], block)
    assert got is None or got == exact(FORMS[name], block)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_usual_lines_are_accepted(name, ends):
    found = [candle(1_700_000_040_000 + n * 60_000) for n in range(5)]
    block = ends.join(map(LINES[name], found)).encode()
    got = fast(FORMS[name], block)
    assert got is not None
    assert got == exact(FORMS[name], block)


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_forming_candles_are_told(name):
    found = [candle(), candle(1_700_000_100_000, closed=False)]
    got = fast(FORMS[name], "\n".join(map(LINES[name], found)).encode())
    assert [row[3] for row in got] == [True, False]


WORDS = (
    *("nan", "inf", "-1", "-0", "+1", "01", ".5", "5.", "1e5", "1E5", "1e-7", "1.0E7"),
    *("", " 1", "0x1", "1_0", "1.0", "1.5", "0.30000000000000004", "true", "True"),
    *("1", "12345678.1234567891", "999999999999999999999", "BTCUSDT", "1m", "7m", "1M"),
    *('"', '1","2', "\\u0031", "\0", "é", "btcusdt", "stream", "rest", "false", "e"),
    *("1700000040000.0", "1700000040000.5", "4e1", "42.0", "9007199254740993", "{}"),
)


@pytest.mark.parametrize("name", FORMS)
@given(st.integers(0, 14), st.sampled_from(WORDS))
@example(2, "1700000040000.0")
@example(10, "42.0")
def test_a_cell_with_other_content(name, at, word):
    cells = LINES[name](candle(source=Source.REST)).split(",")
    if name == "jsonl":
        key, _, _ = cells[at % len(cells)].partition(":")
        cells[at % len(cells)] = f"{key}:{word}"
    else:
        cells[at % len(cells)] = word
    line = ",".join(cells).encode()
    got = fast(FORMS[name], line)
    assert got is None or got == exact(FORMS[name], line)
    named = at % len(cells) == 0  # a symbol such as 1E5 looks like a number
    assert got is None or named or not has_float(line)


@pytest.mark.parametrize("name", FORMS)
@given(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_any_damage_is_refused_or_read_alike(name, at, junk, lost):
    line = LINES[name](candle(source=Source.REST)).encode()
    line = line[: at % len(line)] + junk + line[at % len(line) + lost :]
    got = fast(FORMS[name], line)
    assert got is None or got == exact(FORMS[name], line)


@pytest.mark.parametrize("name", FORMS)
def test_every_impossible_price_is_refused(name):
    low, high = ("low", "5000000"), ("high", "1")
    for key, price in (low, high, ("open", "0.1"), ("close", "9000000")):
        with Case(key):
            changed = replace(candle(), **{f"{key}_text": price})
            block = LINES[name](changed).encode()
            assert fast(FORMS[name], block) is None
            assert exact(FORMS[name], block) is None


def test_prices_that_floats_cannot_tell_apart_are_refused():
    high, low = "123456789012.12345678", "123456789012.12345679"
    prices = {f"{key}_text": high for key in ("open", "high", "close")}
    changed = replace(candle(), low_text=low, **prices)
    block = csv.line(changed).rstrip("\n").encode()
    assert float(low) <= float(high)
    assert exact(csv, block) is None
    assert fast(csv, block) is None


def test_times_in_seconds_are_read_where_any_unit_is_right():
    keys = ["open_time", "open", "high", "low", "close"]
    names = "BTCUSDT", "1m"
    decode = of_csv(keys, names, any_unit=True)
    rows = decode(b"1700000040,1,2,1,2\n1700000100,2,2,2,2")
    assert rows.opened == [1_700_000_040_000, 1_700_000_100_000]
    assert [*rows.closing] == [1_700_000_099_999, 1_700_000_159_999]
    assert of_csv(keys, names)(b"1700000041,1,2,1,2") is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1m", "15m", "1h", "1d", "1w", "1M"]),
            st.sampled_from(Source),
            st.booleans() | st.just(True),
            st.sampled_from(["BTCUSDT", "1000EUSDT", "ÉTÉUSDT", "M1SUSDT"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_record_s_own_way_agrees_with_the_careful_one(kinds):
    found = []
    for name, source, closed, symbol in kinds:
        interval = Interval(name)
        opened = interval.floor(1_700_000_040_000)
        stream = Stream(symbol, interval)
        found.append(candle(opened, stream=stream, source=source, closed=closed))
    block = "\n".join(map(LINES["csv"], found)).encode()
    careful = of_csv(csv.COLUMNS)(block)
    own = of_record(lambda _: None)(block)
    assert careful is not None
    assert own is None or [own.names, [*own.opened], [*own.closing]] == [
        careful.names,
        [*careful.opened],
        [*careful.closing],
    ]
    uniform = len({name[-1] for name, *_ in kinds}) == 1 and kinds[0][0] != "1M"
    if uniform and all(closed for _, _, closed, _ in kinds):
        assert own is not None


def test_many_rows_of_many_streams():
    chance = random.Random(1)
    streams = [Stream(f"S{n}USDT", interval) for n in range(4) for interval in Interval]
    found = [
        candle(
            stream.interval.floor(1_700_000_040_000 + chance.randrange(10**10)),
            stream=stream,
        )
        for stream in streams
    ]
    for name in ("csv", "jsonl"):
        block = "\n".join(map(LINES[name], found)).encode()
        got = fast(FORMS[name], block)
        assert got is not None
        assert got == exact(FORMS[name], block)
