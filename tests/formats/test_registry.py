"""One registry tells which formats there are, at no cost until one is used."""

import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest

from klinetail.formats import csv, jsonl
from klinetail.formats.plain import Plain
from klinetail.formats.registry import (
    DUMPS,
    FORMATS,
    PROSE,
    Registry,
    either,
    output,
    output_names,
    readers,
    suffixes,
)
from tests.strategies import candle

UTC = ZoneInfo("UTC")


def test_the_names_are_those_of_the_command():
    assert output_names() == ["jsonl", "csv", "plain"]
    assert suffixes() == [".jsonl", ".csv"]
    assert set(readers()) == {"jsonl", "csv", "dump"}
    assert not FORMATS.keys() & PROSE.keys()
    assert not FORMATS.keys() & DUMPS.keys()


@pytest.mark.parametrize("name", output_names())
def test_what_can_be_an_output_writes(name):
    form = output(name, UTC)
    assert form.encode([candle()] * 2) == form.line(candle()).encode() * 2
    assert form.HEADER.endswith(b"\n") or not form.HEADER


def test_the_zone_is_for_people_alone():
    here, there = (output("plain", ZoneInfo(zone)) for zone in ("UTC", "Asia/Tokyo"))
    assert isinstance(here, Plain)
    assert here.line(candle()) != there.line(candle())
    assert output("csv", UTC) is csv


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_of_recordings_recognises_and_reads_what_it_writes(name):
    form, line = FORMATS[name], FORMATS[name].encode([candle()])
    assert form.recognises(line.rstrip())
    assert form.decoder(f"x.{name}")(line).texts == candle().texts
    assert form.decoder(None)(line).stream == candle().stream


@pytest.mark.parametrize("name", DUMPS)
def test_a_dump_is_read_alone(name):
    assert not hasattr(DUMPS[name], "line")
    assert DUMPS[name].decoder(None)


def test_names_cost_nothing():
    program = (
        "import sys, klinetail.formats, klinetail.formats.registry as r;"
        "r.output_names(), r.suffixes(), 'csv' in r.FORMATS, 'x' in r.PROSE;"
        "print('klinetail.candle' in sys.modules, 'msgspec' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"False False\n"


def test_what_is_added_comes_last_and_is_found():
    registry = Registry({"csv": "klinetail.formats.csv"})
    registry.add("tsv2", jsonl)
    assert [*registry] == ["csv", "tsv2"]
    assert len(registry) == 2
    assert "tsv2" in registry
    assert registry["tsv2"] is jsonl
    assert registry["csv"] is csv
    assert registry.get("none") is None


@pytest.mark.parametrize("name", ["csv", "", "TSV", "t.sv", "t/sv", "-x", "t v", "ï"])
def test_a_name_that_is_none_or_taken_is_refused(name):
    registry = Registry({"csv": "klinetail.formats.csv"})
    with pytest.raises(ValueError, match=r"format|name"):
        registry.add(name, jsonl)
    assert [*registry] == ["csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")],
)
def test_a_choice_in_words(words, said):
    assert either(words) == said
