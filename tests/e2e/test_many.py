"""More streams than one connection takes, within the exchange's own limits."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.formats import jsonl
from klinetail.protocol.venues import LIVE
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from tests.e2e.conftest import START
from tests.toxic import Toxic

pytestmark = pytest.mark.timeout(600)

Popen = Callable[..., subprocess.Popen[bytes]]

SYMBOLS = 1_100
MINUTES = 120
SPEED = 20
PATIENCE = 280.0
"""Seconds that anything awaited here may take. Reached only if it fails."""


def row(number: int, minute: int) -> Candle:
    """A candle with few trades, so that few updates are pushed."""
    open_time = START - START % MINUTE + minute * MINUTE
    price = f"{100 + (7 * number + minute) % 50}.{minute % 10}0"
    volumes = ("3", open_time + MINUTE - 1, "300", 1 + number % 2, "1", "100")
    stream = Stream(f"S{number:04}USDT", Interval.M1)
    prices = (price, price, price, price)
    return Candle(stream, open_time, *prices, *volumes, True, Source.REST)


@pytest.fixture(scope="module")
def market() -> Recorded:
    return Recorded(
        row(number, minute) for number in range(SYMBOLS) for minute in range(MINUTES)
    )


@pytest.fixture
def line(market: Recorded) -> Iterator[tuple[Server, Toxic]]:
    with Server(market, speed=SPEED) as server, Toxic(server.port) as toxic:
        yield server, toxic


class Output:
    """A file of candles, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.candles: list[Candle] = []
        self.last: dict[Stream, int] = {}
        """Close time of each stream's newest."""
        self._file = path.open("rb")
        self._torn = b""

    def read(self) -> None:
        *lines, self._torn = (self._torn + self._file.read()).split(b"\n")
        for text in lines:
            candle = jsonl.decode(text)
            self.candles.append(candle)
            self.last[candle.stream] = candle.close_time

    def wait_for_all(self, after: int) -> None:
        """Until each stream has a candle that closed after this time."""
        until = time.monotonic() + PATIENCE
        while len(self.last) < SYMBOLS or min(self.last.values()) <= after:
            behind = sum(time <= after for time in self.last.values())
            assert time.monotonic() < until, (len(self.last), behind)
            time.sleep(0.05)
            self.read()

    def close(self) -> None:
        self._file.close()


def test_two_connections_and_one_that_breaks(
    line: tuple[Server, Toxic], popen: Popen, tmp_path: Path
) -> None:
    server, toxic = line
    out, said, stats = (tmp_path / name for name in ("out.jsonl", "said", "stats"))
    with said.open("wb") as stderr, out.open("wb") as stdout:
        process = popen(
            *("watch", "--all", "--quote", "usdt", "1m", "-n", "0", "-v"),
            *("--weight", "100", "--stats", str(stats)),
            *("--ws-url", f"ws://127.0.0.1:{toxic.port}/market"),
            *("--rest-url", f"http://127.0.0.1:{toxic.port}"),
            stdout=stdout,
            stderr=stderr,
        )
    output = Output(out)
    try:
        output.wait_for_all(after=0)
        assert server.connections == 2
        before = Counter(said.read_text().splitlines())
        toxic.cut_one()
        cut = server.now()
        output.wait_for_all(after=cut + MINUTE)
        assert server.connections == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        output.read()
    finally:
        output.close()

    told = Counter(said.read_text().splitlines())
    again = told["klinetail: connected again"]
    told -= before
    # Which of the two was made first, and is cut, a busy machine decides.
    again_of = [told[f"klinetail: link-{n}: connecting"] for n in (0, 1)]
    assert min(again_of) == 0 < max(again_of), told
    assert told["klinetail: connected again"] == 1, told
    figures = json.loads(stats.read_text())
    assert figures["reconnects"] == again, "a busy machine may have lost one before"
    assert figures["gaps"] == figures["bad_dropped"] == 0
    assert figures["closed"] == len(output.candles)

    expected: dict[Stream, int] = {}
    for candle in output.candles:
        assert candle.open_time == expected.get(candle.stream, candle.open_time)
        expected[candle.stream] = candle.close_time + 1
        (truth,) = server.market.klines(
            candle.stream, candle.open_time, None, 1, now=server.now()
        )
        assert (truth.texts, truth.count) == (candle.texts, candle.count)
    assert len(expected) == SYMBOLS > LIVE.limits.streams


def test_thousands_of_histories_keep_nobody_waiting_who_has_his(
    line: tuple[Server, Toxic], popen: Popen, tmp_path: Path
) -> None:
    """At 1 % of the weight: 6 histories at once and then 18 a minute, of 1,100."""
    server, _ = line
    out, said = tmp_path / "out.jsonl", tmp_path / "said"
    with said.open("wb") as stderr, out.open("wb") as stdout:
        process = popen(
            *("watch", "--all", "1m", "-n", "3", "--weight", "1"),
            *("--ws-url", f"ws://127.0.0.1:{server.port}/market"),
            *("--rest-url", f"http://127.0.0.1:{server.port}"),
            stdout=stdout,
            stderr=stderr,
        )
    output = Output(out)
    try:
        until = time.monotonic() + PATIENCE
        while max(Counter(c.stream for c in output.candles).values(), default=0) < 6:
            assert time.monotonic() < until, len(output.candles)
            time.sleep(0.05)
            output.read()
        process.send_signal(signal.SIGUSR1)
        while b"waiting for a fetch" not in said.read_bytes():
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        output.read()
    finally:
        output.close()
    took = said.read_text().splitlines()[0]
    assert took.startswith("klinetail: the history of 1,100 streams takes about 61 min")
    streams = Counter(c.stream for c in output.candles)
    assert len(streams) < SYMBOLS / 2, "the budget was kept to"
    assert any(c.source is Source.STREAM for c in output.candles)
    for stream in streams:
        times = [c.open_time for c in output.candles if c.stream == stream]
        assert times == [times[0] + n * MINUTE for n in range(len(times))]
