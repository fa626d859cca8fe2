"""Programs that have no thread left for a while, really: in a process of their own.

No limit on threads binds root. A program of root's is therefore somebody else once it
starves; it keeps the right to read all files, since Python may be in a folder that only
root may read, and imports go on.
"""

import subprocess
import sys

from tests.e2e.conftest import DEADLINE, environment

PRELUDE = """
import ctypes, os, resource, struct, sys

def leave_root():
    '''Become somebody whose threads are only these, and who may still read all files.'''
    libc = ctypes.CDLL(None)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setuid(100_000 + os.getpid())
    read = 1 << 1  # CAP_DAC_OVERRIDE
    if libc.capset(
        struct.pack("Ii", 0x20080522, 0), struct.pack("6I", read, read, 0, 0, 0, 0)
    ):
        raise OSError("capset failed")

def starve(left=1):
    '''Have so many threads at most, those that there are included.'''
    if os.getuid() == 0:
        leave_root()
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
