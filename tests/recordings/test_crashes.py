"""The quick forms of the figures about recordings: whatever dies, the file is whole."""

from __future__ import annotations

from tests.measured import calls, kills

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
