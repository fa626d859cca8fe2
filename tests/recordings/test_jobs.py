"""Several processes give the results of one, in order."""

import os
import signal
import subprocess
import sys

import pytest

from klinetail.recordings.jobs import JobFailed, mapped


def square(n):
    return n * n, os.getpid()


def test_results_come_in_order_from_several_processes():
    found = [*mapped(square, range(20), 3)]
    assert [result for result, _ in found] == [n * n for n in range(20)]
    assert os.getpid() not in {pid for _, pid in found}


@pytest.mark.parametrize(("items", "jobs"), [(range(5), 1), (range(1), 4), ((), 2)])
def test_little_work_stays_in_this_process(items, jobs):
    assert {pid for _, pid in mapped(square, items, jobs)} <= {os.getpid()}


def test_a_process_that_is_gone_is_said():
    def end(n):
        os._exit(9)

    with pytest.raises(JobFailed, match="ended before its work was done"):
        [*mapped(end, range(4), 2)]


ORPHANS = """
import os, signal
from klinetail.recordings.jobs import mapped

def end_the_first(n):
    os.kill(os.getppid(), signal.SIGKILL)
    return n

list(mapped(end_the_first, range(9), 3))
"""


def test_the_processes_end_with_the_first_one():
    # They have its stdout: communicate() waits for the last one.
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE
    ) as process:
        out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"", -signal.SIGKILL)


def test_no_process_is_left_by_who_stops_early():
    results = mapped(square, range(50), 2)
    _, pid = next(results)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
