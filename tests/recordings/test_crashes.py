"""The quick forms of the figures about recordings: whatever dies, the file is whole."""

from __future__ import annotations

from pathlib import Path

from klinetail.candle import MINUTE
from klinetail.recordings.policy import Resume
from klinetail.sim.synthetic import Synthetic
from klinetail.sinks.file import FileSink
from klinetail.sinks.recorder import Plan, Recorder
from tests.e2e.conftest import START
from tests.measured import calls, kills
from tests.measured.recorded import Truth

FAULTS = ("lost", "doubled", "other", "torn", "failed")


def test_a_killed_writer_loses_nothing() -> None:
    counts = kills.forked(200, seed=7)
    assert counts["kills"] == 200
    assert counts["candles"] > 1_000
    assert {what: counts[what] for what in FAULTS} == dict.fromkeys(FAULTS, 0)


def test_the_killed_program_loses_nothing() -> None:
    counts = kills.program(12, seed=7)
    assert counts["kills"] == 12
    assert counts["candles"] > 30
    assert {what: counts[what] for what in FAULTS} == dict.fromkeys(FAULTS, 0)


def test_a_kill_or_an_error_at_each_call_loses_nothing() -> None:
    counts = calls.measure(quick=True, seed=7)
    assert counts["runs"] > 60
    assert counts["wrong"] == 0


def test_a_queue_forgotten_before_the_end_is_fetched(tmp_path: Path) -> None:
    """No later live candle shows that something is missing."""
    first = START - START % MINUTE - 30 * MINUTE
    truth = Truth(Synthetic(seed=7, start=START), calls.TWO, first, START)
    path = str(tmp_path / "m.csv")
    sink = FileSink(path)
    errors: list[object] = []
    said: list[str] = []
    recorder = Recorder(
        sink,
        sink.tail(calls.TWO),
        Plan(calls.TWO, Resume.FILL, 0, updates=False),
        calls.Past(truth, 10),
        on_end=errors.append,
        on_gap=lambda *_: None,
        say=said.append,
        most=4,
    )
    for at in range(10):  # before the thread runs: the queue overflows
        recorder.put([truth.rows[stream][at] for stream in calls.TWO], 0.0)
    recorder.close()
    recorder.start()
    recorder.join(60)
    assert errors == [None]
    assert any("is behind" in line for line in said)
    faults, candles, _ = truth.faults(path, dict.fromkeys(calls.TWO, first))
    assert (candles, sum(faults.values())) == (20, 0)
