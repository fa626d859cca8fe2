"""Makes a large recording quickly: made-up candles of many streams, in order of time.

`python -m benchmarks.rows 10000000 big.csv` writes ten million rows, 1.2 GB; the same
number of rows gives the same bytes.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from klinetail.formats import csv

STREAMS: Final = 19
"""Streams of the recording, each with a symbol of its own."""

FIRST: Final = 1_672_531_200_000
"""Open time (ms) of the first candles: 2023-01-01."""

MINUTE: Final = 60_000

STEPS: Final = 4_096
"""Prices of a walk, which then begins anew: rows are made of few random numbers."""


def write(path: Path, rows: int, streams: int = STREAMS) -> None:
    """Write a recording in CSV.

    Args:
        path: the file.
        rows: candles in all.
        streams: streams that take turns.
    """
    with path.open("wb", buffering=1 << 20) as file:
        file.write(csv.HEADER)
        for lines in batches(rows, streams):
            file.write(lines)


def batches(rows: int, streams: int = STREAMS) -> Iterator[bytes]:
    """Lines of many candles each, without the header; see `write`."""
    chance = random.Random(1)  # the same file at every call
    walks = [_walk(chance) for _ in range(streams)]
    names = [f"S{n:02}USDT,1m," for n in range(streams)]
    made: list[str] = []
    opened = FIRST
    step = 0
    left = rows
    while left:
        walk = step % STEPS
        times = f"{opened},", f",{opened + MINUTE - 1},"
        for n in range(min(streams, left)):
            prices, volumes = walks[n][walk]
            made.append(f"{names[n]}{times[0]}{prices}{times[1]}{volumes}")
        left -= min(streams, left)
        opened += MINUTE
        step += 1
        if len(made) >= 10_000:
            yield "".join(made).encode()
            made.clear()
    yield "".join(made).encode()


def _walk(chance: random.Random) -> list[tuple[str, str]]:
    """The cells from `open` to `volume` and from `quote_volume` on, for each step of a
    walk of prices."""
    price = chance.randrange(50_000, 5_000_000)
    found = []
    for _ in range(STEPS):
        first, price = price, max(1_000, price + chance.randrange(-500, 501))
        high = max(first, price) + chance.randrange(100)
        low = min(first, price) - chance.randrange(100)
        volume = chance.randrange(1_000_000)
        bought = chance.randrange(volume + 1)
        four = (_decimal(units, 2) for units in (first, high, low, price))
        volumes = _decimal(volume * price, 5), _decimal(bought, 3)
        rest = f"{chance.randrange(10_000)},{volumes[1]},{_decimal(bought * price, 5)}"
        prices = ",".join([*four, _decimal(volume, 3)])
        found.append((prices, f"{volumes[0]},{rest},true,stream\n"))
    return found


def _decimal(units: int, places: int) -> str:
    whole, rest = divmod(units, 10**places)
    return f"{whole}.{rest:0{places}}"


def main() -> None:
    """Write the recording that the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.rows", description=__doc__)
    parser.add_argument("rows", type=int, help="candles in all")
    parser.add_argument("file", type=Path, help="a CSV file")
    parser.add_argument("--streams", type=int, default=STREAMS, help="(%(default)s)")
    given = parser.parse_args()
    write(given.file, given.rows, given.streams)


if __name__ == "__main__":
    main()
