"""CPU of the live table on a terminal of 120 columns and 40 lines."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import threading
import time

from benchmarks.contestants import Target, klinetail
from benchmarks.exchange import Plan, built, paced_feed
from benchmarks.paced import WARM, to_subscribe
from benchmarks.running import Pipeline, Venue


def measure(streams: int, rate: float, seconds: float) -> dict[str, object]:
    """CPU of a core, and what is written to the terminal a second."""
    feed = paced_feed(streams, rate)
    after = to_subscribe(streams)
    plan = Plan(feed, built(feed, int(rate * seconds)), per_write=1).paced(after)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with Venue(plan) as venue:
        began = time.monotonic()
        drained = _Drained(ours)
        target = Target(venue.ws_url, venue.rest_url, feed.streams)
        pipeline = Pipeline([klinetail(target, "-n", "10")], theirs)
        os.close(theirs)
        try:
            time.sleep(began + after + WARM - time.monotonic())
            first = time.monotonic(), pipeline.cpu(), drained.size
            time.sleep(began + after + seconds - time.monotonic())
            second = time.monotonic(), pipeline.cpu(), drained.size
            pipeline.interrupt()
            usage = pipeline.wait()
        finally:
            pipeline.kill()
            drained.stop()
    took = second[0] - first[0]
    return {
        "streams": streams,
        "rate": rate,
        "core_percent": round((second[1] - first[1]) / took * 100, 1),
        "bytes_per_s": round((second[2] - first[2]) / took),
        "peak_mb": round(usage.peak, 1),
    }


class _Drained:
    """Reads a terminal's other side, so that nobody waits for it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._stopping = False
        self.size = 0
        """Bytes so far."""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while not self._stopping:
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    self.size += len(os.read(self._fd, 65_536))
                except OSError:  # Linux says so when the last one has closed it
                    return

    def stop(self) -> None:
        """End."""
        self._stopping = True
        self._thread.join()
        os.close(self._fd)
