"""The candles of a dump are counted by days, whatever the checksum says."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from klinetail.candle import DAY, HOUR, Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump
from klinetail.formats.dump_content import content, excerpt
from klinetail.formats.dump_names import day_of, month_of
from tests.strategies import candle

MAY = 1_651_363_200_000  # 2022-05-01
BTC = Stream("BTCUSDT", Interval.H4)
MONTH = month_of(BTC, MAY)
CANDLES = [
    replace(
        candle(MAY, source=Source.REST),
        stream=BTC,
        open_time=time,
        close_time=time + 4 * HOUR - 1,
    )
    for time in range(MAY, MONTH.end, 4 * HOUR)
]


def rows(candles):
    lines = csv.encode(candles).decode().splitlines()
    return [",".join([*line.split(",")[2:13], "0"]) for line in lines]


def zipped(lines, one=MONTH, header=True):
    text = "".join(f"{line}\n" for line in lines)
    if header:
        text = f"{','.join(dump.COLUMNS)}\n{text}"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(one.member, text)
    return out.getvalue()


def read(lines, header=True, **options):
    return content(zipped(lines, header=header), MONTH, **options)


def test_a_whole_month():
    for header in (True, False):
        found = read(rows(CANDLES), header)
        assert (found.candles, found.lacking, found.micro) == (CANDLES, {}, False)


def test_lines_may_be_of_windows():
    found = read([f"{line}\r" for line in rows(CANDLES)])
    assert found.candles == CANDLES


@pytest.mark.parametrize("first", [0, 100])
def test_microseconds_are_read_as_milliseconds(first):
    lines = rows(CANDLES)
    for number, line in enumerate(lines[first:], first):
        fields = line.split(",")
        fields[0], fields[6] = f"{fields[0]}000", f"{fields[6]}999"
        lines[number] = ",".join(fields)
    found = read(lines)
    assert (found.candles, found.lacking, found.micro) == (CANDLES, {}, True)


def test_what_is_asked_for():
    start, end = MAY + 3 * DAY + 4 * HOUR, MAY + 5 * DAY + HOUR
    found = read(rows(CANDLES[:-1]), start=start, end=end)
    assert found.candles == [one for one in CANDLES if start <= one.open_time < end]
    assert found.lacking == {MONTH.end - DAY: "5 of 6 candles"}


def damaged(number, line):
    fields = line.split(",")
    if len(fields) < 12:
        return line
    if number == 0:
        fields[2] = "0"  # the high
    elif number == 1:
        fields[6] = fields[0]
    elif number == 2:
        fields[1] = "abc"
    else:
        del fields[4:]
    return ",".join(fields)


def of_day(lines, day):
    return [line for line in lines if day <= int(line.split(",")[0]) < day + DAY]


@given(st.data())
def test_a_day_is_whole_or_it_lacks(data):
    """Lines are left out, doubled, swapped and damaged; their days alone lack."""
    true = rows(CANDLES)
    lines = [*true]
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(lines) - 2))
        match data.draw(st.sampled_from(["out", "twice", "swapped", "damaged"])):
            case "out":
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "swapped":
                lines[at : at + 2] = lines[at + 1], lines[at]
            case "damaged":
                lines[at] = damaged(data.draw(st.integers(0, 3)), lines[at])
    found = read(lines)
    # A whole day is one block of the true lines.
    text = "\n".join(lines)
    whole = {
        day
        for day in MONTH.days
        if "\n".join(of_day(true, day)) in text
        and of_day(lines, day) == of_day(true, day)
    }
    assert {*found.lacking} >= {*MONTH.days} - whole
    for day in whole & {*found.lacking}:  # a neighbour out of its place
        assert found.lacking[day] == "twice or out of order"
    assert found.candles == [
        one for one in CANDLES if _day(one.open_time) not in found.lacking
    ]
    zip_ = zipped(lines)
    for day in {*MONTH.days} - {*found.lacking}:
        part = [one for one in found.candles if _day(one.open_time) == day]
        assert excerpt(zip_, MONTH, day, day + DAY) == part


def _day(time):
    return time - time % DAY


def test_what_is_wrong_with_a_day():
    lines = rows(CANDLES)
    del lines[:6]
    lines.insert(3, lines[3])
    lines[9] = damaged(0, lines[9])
    assert read(lines).lacking == {
        MAY: "no candle",
        MAY + DAY: "twice or out of order",
        MAY + 2 * DAY: "no candle: open or close lies outside low to high",
    }


def test_the_month_of_the_listing():
    listed = MAY + 3 * DAY + 9 * HOUR
    later = [one for one in CANDLES if one.open_time >= MAY + 3 * DAY + 8 * HOUR]
    found = read(rows(later), listed=listed)
    assert (found.candles, found.lacking) == (later, {})
    assert [*read(rows(later)).lacking] == [MAY + n * DAY for n in range(4)]
    assert [*read(rows(later[1:]), listed=listed).lacking] == [MAY + 3 * DAY]
    assert read(rows(CANDLES), listed=listed).candles == CANDLES


@pytest.mark.parametrize("unit", [1, 1000])
def test_an_excerpt(unit):
    lines = rows(CANDLES)
    for number, line in enumerate(lines):
        fields = line.split(",")
        fields[0] = str(int(fields[0]) * unit)
        fields[6] = str(int(fields[6]) * unit + unit - 1)
        lines[number] = ",".join(fields)
    lines[-1] = damaged(0, lines[-1])
    start, end = MAY + 3 * DAY + 4 * HOUR, MAY + 5 * DAY + HOUR
    data = zipped(lines)
    assert (
        excerpt(data, MONTH, start, end)
        == content(data, MONTH, start=start, end=end).candles
    )
    assert excerpt(data, MONTH, end, end) == []
    with pytest.raises(BadRecording, match="not whole"):
        excerpt(data, MONTH, MONTH.end - DAY, MONTH.end)


def test_a_day():
    one = day_of(BTC, MAY + DAY)
    found = content(zipped(rows(CANDLES[6:12]), one), one)
    assert (found.candles, found.lacking) == (CANDLES[6:12], {})


def test_what_is_no_such_dump():
    other = day_of(BTC, MAY)
    for data, words in (
        (b"", "torn or damaged"),
        (zipped(rows(CANDLES))[:-30], "torn or damaged"),
        (zipped(rows(CANDLES), other), "the archive holds BTCUSDT-4h-2022-05-01.csv"),
        (zipped(["<html>"], header=False), "line 1 is neither"),
        (zipped([*rows(CANDLES), "x,y"]), "a line begins without a time"),
        (zipped([*rows(CANDLES), "9" * 20 + ",1"]), "a line begins without a time"),
        (zipped([*rows(CANDLES), f"{MONTH.end},1"]), "outside of the dump"),
        (zipped(rows(CANDLES[:1]), day_of(BTC, MAY + DAY)), "the archive holds"),
    ):
        with pytest.raises(BadRecording, match=rf"^BTCUSDT-4h-2022-05\.zip: .*{words}"):
            content(data, MONTH)
    strange = day_of(BTC, MAY + DAY)
    with pytest.raises(BadRecording, match="outside of the dump"):
        content(zipped(rows(CANDLES[:1]), strange), strange)


def test_an_empty_dump_lacks_everything():
    assert {*read([]).lacking} == {*MONTH.days}
    assert {*read([], header=False).lacking} == {*MONTH.days}
