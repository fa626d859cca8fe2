"""The report: every end of an output is one line and the right exit code, and the
figures come once, after everything else."""

import json
import logging

import pytest

from klinetail.cli.report import Report
from klinetail.cli.stats_file import StatsFile
from klinetail.cli.stderr import STDERR
from klinetail.errors import ExitCode, OutputError
from klinetail.pipeline.fanout import FanOut
from klinetail.pipeline.mailbox import Pace
from klinetail.pipeline.meter import Meter
from tests.cli.plans import plan
from tests.sinks.memory import Memory
from tests.strategies import candle


def said(capfd):
    assert STDERR.finish(60.0)
    return capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("tell", "line", "code"),
    [
        (lambda r: r.failed(OutputError("a.csv: full")), "a.csv: full", 5),
        (
            lambda r: r.paced("a.csv", Pace.BEHIND, 0),
            "a.csv is behind: the run no longer waits; closed candles queue up",
            0,
        ),
        (
            lambda r: r.paced("stdout", Pace.FOLLOWING, 1_234),
            "stdout has caught up (1,234 forming candles skipped)",
            0,
        ),
        (
            lambda r: r.paced("toy", Pace.LOST, 0),
            "toy is too far behind and gets no more candles",
            5,
        ),
        (
            lambda r: r.unwritten("toy"),
            "toy: not everything could be written in time",
            5,
        ),
    ],
)
def test_what_becomes_of_an_output_is_one_line_and_an_exit_code(
    capfd, tell, line, code
):
    report = Report(plan())
    tell(report)
    assert said(capfd) == [f"klinetail: {line}"]
    assert report.code == code


def test_a_reader_that_is_gone_ends_a_run_that_records_nothing(capfd):
    report = Report(plan())
    report.reader_gone()
    assert (said(capfd), report.code) == ([], ExitCode.READER_GONE)
    report = Report(plan(sinks=[Memory()]))
    report.reader_gone()
    (line,) = said(capfd)
    assert line.endswith("the reader of stdout went away; the recording goes on")
    assert report.code is ExitCode.OK


def metered():
    meter = Meter(FanOut())
    meter.candles([candle()])
    return meter


def test_the_receipt_names_each_sink_and_what_it_wrote(capfd):
    sinks = [Memory(), Memory()]
    sinks[0].written = 1_234
    report = Report(plan(sinks=sinks))
    report.awaited = 2
    report.receipt(metered())
    (line,) = said(capfd)
    assert line.startswith("klinetail: 1 candle, 0 gaps, 2 streams waiting")
    assert line.endswith("wrote memory (1,234), wrote memory (0); from the test")


@pytest.mark.parametrize("quiet", [False, True])
def test_one_that_is_quiet_has_no_receipt_but_its_figures(capfd, tmp_path, quiet):
    path = tmp_path / "stats.json"
    with StatsFile(str(path)) as stats_file:
        report = Report(plan(quiet=quiet, stats=stats_file))
        report.receipt(metered())
    assert len(said(capfd)) == (not quiet)
    assert json.loads(path.read_bytes())["closed"] == 1


def test_a_run_that_never_began_has_neither(capfd, tmp_path):
    path = tmp_path / "stats.json"
    with StatsFile(str(path)) as stats_file:
        report = Report(plan(stats=stats_file))
        report.code = ExitCode.USAGE
        report.receipt(metered())
    assert said(capfd) == []
    assert not path.exists()


def test_a_bug_that_is_logged_is_said(capfd):
    Report(plan())
    try:
        raise KeyError("what")
    except KeyError:
        logging.getLogger("klinetail.anything").exception("a callback raised")
    assert "klinetail: a callback raised: KeyError('what')" in said(capfd)
