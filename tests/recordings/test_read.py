"""Files are recognised by their content; only BadRecording comes out of bad ones."""

import contextlib
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from klinetail.candle import Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump, jsonl, reader_of
from klinetail.formats.registry import FORMATS
from klinetail.recordings.read import BLOCK, MAX_LINE, read
from tests.strategies import candle, candles

DUMP = "BTCUSDT-1m-2023-11-14.csv"
DUMP_HEADER = dump.HEADER + b"\n"

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def dump_line(candle_):
    line = csv.encode([candle_]).decode().split(",")
    return ",".join([*line[2:13], "0"]).encode() + b"\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="x"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


CANDLES = [candle(), candle(1_700_000_100_000, closed=False)]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", ["x", *(f"x.{name}" for name in FORMATS)])
def test_our_own_files_whatever_they_are_called(written, form, name):
    path = written(form.HEADER + form.encode(CANDLES), name)
    assert [c.texts for c in read(path)] == [c.texts for c in CANDLES]
    assert [c.closed for c in read(str(path))] == [True, False]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.removesuffix(b"\n"),
        lambda content: content + content,
        lambda content: content + b"\n\r\n",
        lambda content: content.removeprefix(csv.HEADER),
    ],
    ids=["CRLF", "BOM", "no last newline", "twice", "blank lines", "no header"],
)
def test_the_ways_files_differ(written, form, change):
    content = form.HEADER + form.encode(CANDLES)
    found = [*read(written(change(content)))]
    assert {c.texts for c in found} == {c.texts for c in CANDLES}


@pytest.mark.parametrize(
    "header", [b"", DUMP_HEADER, DUMP_HEADER.replace(b"\n", b"\r\n")]
)
def test_public_dumps(written, header):
    c = candle(source=Source.REST)
    assert [*read(written(header + dump_line(c), DUMP))] == [c]


def test_recorded_data_is_read_whole(shared_data):
    for path in (shared_data / "rest_klines").iterdir():
        found = [*read(path)]
        assert len(found) in (1440, 4320)
        assert found[0].symbol == path.name.partition("-")[0]


@pytest.mark.parametrize(
    "name", ["x.csv", "BTCUSDT.csv", "BTCUSDT-9x-2023-11-14.csv", "-1m-2023-11-14.csv"]
)
def test_a_dump_without_its_name(written, name):
    with pytest.raises(BadRecording, match=r":1: a public dump whose name"):
        [*read(written(dump_line(candle()), name))]


def test_an_empty_file_has_no_candles(written):
    assert [*read(written(b""))] == []
    assert [*read(written(csv.HEADER))] == []


def test_the_first_bad_line_is_named(written):
    path = written(jsonl.encode(CANDLES) + b"{}\n" + jsonl.encode(CANDLES))
    found = read(path)
    assert len([next(found), next(found)]) == 2
    with pytest.raises(BadRecording, match=f"^{path}:3: no record"):
        next(found)


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"PK\x03",
        b"symbol,interval,close\nBTCUSDT,1m,5\n",
        b"open_time,close\n1,2\n",
        b"1,2,3\n",
        b"\xff\xfe{\x00",
        b"{" * (MAX_LINE + 10),
    ],
)
def test_what_is_no_recording(written, content):
    with pytest.raises(BadRecording, match=f"{DUMP}:[12]: "):
        [*read(written(content, DUMP))]


def test_what_cannot_be_opened(tmp_path):
    for path in (tmp_path, tmp_path / "absent", "/dev/null/x"):
        with pytest.raises(BadRecording, match=f"^{path}: "):
            [*read(path)]


@shared_folder
@given(
    st.sampled_from([b"", b"{", csv.HEADER, DUMP_HEADER, dump_line(candle())]),
    st.binary() | st.text('0123456789,.\n{}"ae-').map(str.encode),
)
@example(DUMP_HEADER, b"9" * 5000 + b",1" * 11)
def test_junk_raises_nothing_else(written, head, junk):
    with contextlib.suppress(BadRecording):
        for c in read(written(head + junk, DUMP)):
            assert c.fault() is None


def by_lines(content, name):
    """What the decoders of single lines make of a file: candles, and the error."""
    found, decode = [], None
    for number, line in enumerate(
        content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1
    ):
        line = line.strip(b" \t\r\n")
        if not line:
            continue
        try:
            if decode is None:
                decode = reader_of(line).decoder(str(name))
            if line.startswith((csv.HEADER.rstrip(), dump.HEADER)):
                continue
            found.append(decode(line))
        except BadRecording as error:
            return found, f"{name}:{number}: {error}"
    return found, None


def outcome(path):
    found = []
    try:
        found.extend(read(path))
    except BadRecording as error:
        return found, str(error)
    return found, None


MANY = [
    candle(
        1_700_000_040_000 + n * 60_000,
        stream=Stream(symbol, Interval.M1),
        source=Source.REST,
    )
    for n in range(700)
    for symbol in ("BTCUSDT", "ETHUSDT")
]
ODD = (b"True", b"9.8e-07", b"\n\n", b"\r", b",", b"x", b"\xff", b"", b"-", b"{}", b" ")


@pytest.mark.parametrize("form", [*FORMATS.values(), dump], ids=[*FORMATS, "dump"])
def test_many_lines_are_read_as_one_line_is(written, form):
    if form is dump:
        content = DUMP_HEADER + b"".join(map(dump_line, MANY[::2] * 2))
    else:
        content = form.HEADER + form.encode(MANY)
    assert len(content) > 2 * BLOCK
    chance = random.Random(5)
    wrong = 0
    for _ in range(25):
        changed = bytearray(content)
        if chance.random() < 0.3:
            changed = bytearray(changed.replace(b"\n", b"\r\n"))
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randrange(3)] = chance.choice(ODD)
        path = written(changed, DUMP)
        found = outcome(path)
        assert found == by_lines(bytes(changed), path)
        wrong += found[1] is not None
    assert 5 < wrong < 25


def test_what_pandas_and_jq_make_of_a_file_is_read(written):
    lines = csv.HEADER + csv.encode(MANY).replace(b"true", b"True")
    assert [*read(written(lines))] == MANY
    line = jsonl.encode(CANDLES[:1])
    for low, digits in (b"9.80E-7", "0.000000980"), (b"0E-7", "0.0000000"):
        [found] = read(written(line.replace(b"100.00", low)))
        assert found.low_text == digits


def test_a_line_that_ends_a_block_exactly(written):
    line = csv.encode([candle()])
    for size in range(-2, 3):
        filler = b" " * (BLOCK + size - len(line) % BLOCK) + b"\n"
        path = written(csv.HEADER + line + filler + line)
        if len(filler) <= MAX_LINE + 1:
            assert len([*read(path)]) == 2
        else:
            assert ":3: no record: longer" in outcome(path)[1]
    long = line.rstrip() + b"," + b"x" * MAX_LINE + b"\n"
    for content in (long, line * 2000 + long, long * 2, (line * 900 + long) * 2):
        found, error = outcome(written(csv.HEADER + content))
        assert len(found) == content.index(long) // len(line)
        assert f":{len(found) + 2}: no record: longer than" in error


@shared_folder
@given(st.lists(candles(), max_size=5), st.sampled_from([*FORMATS.values()]))
def test_what_was_written_is_read(written, recorded, form):
    path = written(form.HEADER + form.encode(recorded))
    found = [*read(path)]
    assert form.encode(found) == form.encode(recorded)
