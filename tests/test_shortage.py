"""Shortage: what only passes is told apart from what is wrong."""

import errno
import subprocess
import sys

import pytest

from klinetail.shortage import cause, shortage

OUT = """
import os, resource, threading
from klinetail.shortage import shortage
number, most = resource.{limit}, resource.getrlimit(resource.{limit})[1]
if os.getuid() == 0:
    os.setuid(54_321)  # no limit on threads binds root
resource.setrlimit(number, ({left}, most))
try:
    {do}
except Exception as error:
    found = shortage(error)
resource.setrlimit(number, (most, most))
print(found)
"""


@pytest.mark.parametrize(
    ("limit", "left", "do", "words"),
    [
        ("RLIMIT_NOFILE", 3, "open('/dev/null')", "Too many open files"),
        ("RLIMIT_NPROC", 1, "threading.Thread(target=print).start()", "thread"),
        ("RLIMIT_AS", 1 << 29, "bytearray(1 << 40)", "memory"),
    ],
)
def test_what_the_system_itself_refuses_is_a_shortage(limit, left, do, words):
    done = subprocess.run(
        [sys.executable, "-c", OUT.format(limit=limit, left=left, do=do)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert words in done.stdout, done.stderr


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("dictionary changed size during iteration"),
        OSError("no number"),
        OSError(errno.ECONNRESET, "Connection reset by peer"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        ValueError(),
    ],
)
def test_what_is_wrong_is_none(error):
    assert shortage(error) == ""
    assert cause(error) == f"a bug: {error!r}"


def test_a_shortage_is_not_called_a_bug():
    assert cause(MemoryError()) == "this machine has no memory left"


BORN_DEAD = """
import threading
from klinetail.shortage import safe_to_start, shortage

class BornDead(threading.Thread):
    def _bootstrap(self):
        raise MemoryError  # as it happens before a thread has run at all

try:
    safe_to_start(BornDead(), 0.1).start()
except RuntimeError as error:
    print(shortage(error))
thread = safe_to_start(threading.Timer(0.0, print, ["alive"]), 60)
thread.start()
thread.join()
"""


def test_a_thread_that_dies_at_its_birth_is_not_waited_for():
    done = subprocess.run(
        [sys.executable, "-c", BORN_DEAD],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    words, alive = done.stdout.splitlines()
    assert "no thread left" in words
    assert alive == "alive"
