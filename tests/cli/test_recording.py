"""Recordings of a run: which files may go on, and how long a fetch takes."""

from __future__ import annotations

import contextlib

import pytest

from klinetail.candle import Stream
from klinetail.cli.recording import open_sinks, seconds_to_fetch, tails_of
from klinetail.cli.recording_options import seconds_between_syncs
from klinetail.errors import UsageError
from klinetail.formats import csv
from klinetail.sinks.output import Outputs
from klinetail.sinks.registry import Opening
from tests.cli.plans import plan
from tests.sinks.memory import Memory
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M

OTHER = Stream.of("ethusdt", "1m")


@pytest.fixture
def opened(tmp_path):
    """Opens recordings of three candles, or others."""
    with contextlib.ExitStack() as idle:

        def open_recording(name="m.csv", some=(), **options):
            path = tmp_path / name
            if some:
                path.write_bytes(csv.HEADER + csv.encode(some))
            opening = Opening(updates=False, outputs=Outputs(), **options)
            return open_sinks([str(path)], opening, idle)

        yield open_recording


def test_a_sink_without_a_record_of_its_progress_has_no_tail(opened):
    sinks = [Memory(), *opened(some=candles(3))]
    none, tail = tails_of(sinks, [BTCUSDT_1M], None)
    assert none is None
    assert tail.points() == {BTCUSDT_1M: candles(3)[-1].close_time + 1}


def test_a_file_of_other_streams_alone_is_refused(opened):
    with pytest.raises(UsageError, match="none of the streams to follow"):
        tails_of(opened(some=candles(3)), [OTHER], None)


def test_a_new_file_goes_on_after_an_old_one(opened, tmp_path):
    old = tmp_path / "old.csv"
    old.write_bytes(csv.HEADER + csv.encode(candles(5)))
    (tail,) = tails_of(opened(), [BTCUSDT_1M, OTHER], str(old))
    assert tail.points() == {BTCUSDT_1M: candles(5)[-1].close_time + 1}
    (tail,) = tails_of(opened("n.csv", candles(7)), [BTCUSDT_1M], str(old))
    assert tail.points() == {BTCUSDT_1M: candles(7)[-1].close_time + 1}
    with pytest.raises(UsageError, match="it holds none of the streams"):
        tails_of(opened("o.csv"), [OTHER], str(old))
    with pytest.raises(UsageError, match="No such file"):
        tails_of(opened("p.csv"), [BTCUSDT_1M], str(tmp_path / "none.csv"))


def test_how_long_a_fetch_takes():
    seconds = seconds_to_fetch(plan())
    assert seconds([]) == seconds([0, 5]) == 0.0
    assert seconds([499 * 600]) > 60


@pytest.mark.parametrize(
    ("word", "seconds"), [("closed", 0.0), ("never", None), ("5", 5.0), ("0.5", 0.5)]
)
def test_when_files_are_synced(word, seconds):
    assert seconds_between_syncs(word) == seconds


@pytest.mark.parametrize("word", ["0", "-1", "nan", "inf", "often", ""])
def test_what_is_no_time_to_sync(word):
    with pytest.raises(UsageError, match="give closed, never, or seconds"):
        seconds_between_syncs(word)
