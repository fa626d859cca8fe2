"""What the figures of recordings share: an exchange's candles, and whether a file holds
each of them once."""

import os

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.recordings.tail import Recorded, kind_of

STREAMS = tuple(
    Stream(symbol, Interval.M1) for symbol in ("BTCUSDT", "ALGOUSDT", "币安人生USDT")
)


class Truth:
    """The candles of an exchange, a minute each, from `first` (ms) on.

    Args:
        market: the exchange's market.
        streams: the streams.
        first: the open time of the first candles, ms.
        end: exchange time, ms; what closes later is not in it.
    """

    def __init__(self, market, streams, first, end):
        self.first = first
        self._known = {}
        self.rows = {stream: [] for stream in streams}
        for stream, rows in self.rows.items():
            at = first
            while at + MINUTE <= end:
                page = market.klines(stream, at, None, 499, now=end)
                rows += [row for row in page if row.close_time < end]
                at = page[-1].close_time + 1

    def _places(self, form):
        """By a line's values, the stream and the index of the candle."""
        if form not in self._known:
            self._known[form] = {
                _values(form.line(row)): (stream, index)
                for stream, rows in self.rows.items()
                for index, row in enumerate(rows)
            }
        return self._known[form]

    def faults(self, path, begins=None):
        """Counts of what is wrong in a recording: candles that are lost, doubled or out
        of order, that differ from the exchange's, and bytes behind the last whole line.

        Args:
            path: the recording.
            begins: by stream, the open time (ms) of the first candle; otherwise a
                stream begins where the file begins.
        """
        container, form = kind_of(path)
        places = self._places(form)
        fd = os.open(path, os.O_RDONLY)
        try:
            end = Recorded(path, fd).end
            torn = os.fstat(fd).st_size - end
        finally:
            os.close(fd)
        with open(path, "rb") as file:
            data = file.read(end)
        text = b"".join(container.forwards(_more(data))).decode()
        faults = {"lost": 0, "doubled": 0, "other": 0, "torn": int(torn > 0)}
        next_ = {
            stream: (time - self.first) // MINUTE
            for stream, time in (begins or {}).items()
        }
        candles = 0
        for line in text.removeprefix(form.HEADER.decode()).splitlines():
            place = places.get(_values(line))
            if place is None:
                faults["other"] += 1
                continue
            candles += 1
            stream, index = place
            expected = next_.get(stream, index)
            faults["lost"] += max(0, index - expected)
            faults["doubled"] += index < expected
            next_[stream] = max(expected, index + 1)
        reached = {stream: self.first + n * MINUTE for stream, n in next_.items()}
        return faults, candles, reached


def _values(line):
    """A line without its last field, which tells who delivered the candle."""
    return line.rstrip("\n").rpartition(",")[0]


def _more(data):
    at = 0

    def more(size):
        nonlocal at
        at += size
        return data[at - size : at]

    return more
