"""Programs that have no thread left for a while, really: in a process of their own.

A program imports all that it needs first: in the process of root it is somebody else
once it starves, since no limit on threads binds root, and may not read the files of
Python any more.
"""

import subprocess
import sys

from tests.e2e.conftest import DEADLINE, environment

PRELUDE = """
import os, resource, sys

def starve(left=1):
    '''Have so many threads at most, those that there are included.'''
    if os.getuid() == 0:
        os.setuid(100_000 + os.getpid())  # whose threads are only these
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (left, most))

def feed():
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
"""


def command(program, *arguments):
    """What starts a program that may call `starve` and `feed`."""
    return [sys.executable, "-c", PRELUDE + program, *map(str, arguments)]


def run(program, *arguments):
    """What it wrote to stdout; it must not fail."""
    done = subprocess.run(
        command(program, *arguments),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
