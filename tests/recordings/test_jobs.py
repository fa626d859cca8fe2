"""Several processes give the results of one, in order."""

import os

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


def test_no_process_is_left_by_who_stops_early():
    results = mapped(square, range(50), 2)
    _, pid = next(results)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
