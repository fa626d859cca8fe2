"""Pipes, and candles to be written into them."""

import contextlib
import fcntl
import os
import select

from tests.strategies import candle

MINUTE = 60_000
F_SETPIPE_SZ = 1031


def candles(number, start=0):
    """So many candles of consecutive minutes, from the `start`-th one on."""
    first = 1_700_000_040_000
    return [candle(first + n * MINUTE) for n in range(start, start + number)]


@contextlib.contextmanager
def pipe(size=None):
    """The two ends of a pipe, of so many bytes, closed in the end."""
    reading, writing = os.pipe()
    if size is not None:
        fcntl.fcntl(writing, F_SETPIPE_SZ, size)
    with contextlib.ExitStack() as stack:
        for fd in (reading, writing):
            stack.callback(_close, fd)
        yield reading, writing


def _close(fd):
    with contextlib.suppress(OSError):
        os.close(fd)


def writable(fd):
    """Whether something can be written at once."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
