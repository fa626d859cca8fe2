"""The ledger replaces an earlier one, and nothing else."""

import os

import pytest

from klinetail.cli.ledger import LedgerFile
from klinetail.errors import OutputError, UsageError
from klinetail.formats import jsonl
from klinetail.sinks.output import Outputs
from tests.sinks.pipes import candles

OLD = jsonl.encode(candles(9))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(OLD)
    return path


def test_a_run_that_begins_empties_it(path):
    with LedgerFile(str(path), Outputs()) as ledger:
        assert path.read_bytes() == OLD
        ledger.begin()
        assert path.read_bytes() == b""


def test_what_is_written_before_that_is_kept(path):
    with LedgerFile(str(path), Outputs()) as ledger:
        ledger.write(candles(1))
        ledger.begin()
        ledger.write(candles(1, 1))
    assert path.read_bytes() == jsonl.encode(candles(2))


def test_a_run_that_never_begins_leaves_everything_as_it_was(path, tmp_path):
    with LedgerFile(str(path), Outputs()):
        pass
    assert path.read_bytes() == OLD
    with LedgerFile(str(tmp_path / "new"), Outputs()):
        assert (tmp_path / "new").exists()
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_served_is_refused(path):
    outputs = Outputs()
    outputs.note_file(str(path))
    with pytest.raises(UsageError, match="is the same file as"):
        LedgerFile(str(path), outputs)
    assert path.read_bytes() == OLD


def test_what_cannot_be_written_to(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name in ("absent/file", ".", "fifo"):
        with pytest.raises(UsageError, match="--ledger "):
            LedgerFile(str(tmp_path / name), Outputs())
    with LedgerFile("/dev/full", Outputs()) as ledger:
        ledger.begin()
        with pytest.raises(OutputError, match="--ledger /dev/full: No space left"):
            ledger.write(candles(1))
