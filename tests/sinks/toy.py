"""A toy sink, as a package of somebody else's would have it: it says what it gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from klinetail.candle import Candle
from klinetail.events import GapEvent
from klinetail.sinks.registry import Opening
from klinetail.sinks.sink import Record, Sink


class Toy(Sink[Record, str]):
    """Appends a word and a number for each candle and gap to the file in `toy:FILE`."""

    events = (GapEvent,)

    def __init__(self, target: str, opening: Opening) -> None:
        self.name = "toy"
        self.written = 0
        self._path = Path(target.partition(":")[2] or target)
        self._path.write_text("opened\n")

    def prepare(self, record: Record) -> str:
        if isinstance(record, Candle):
            return f"candle {record.open_time}\n"
        assert isinstance(record, GapEvent)
        return f"{'filled' if record.filled else 'gap'} {record.start} {record.end}\n"

    def write(self, batch: Sequence[str]) -> None:
        with self._path.open("a") as file:
            file.writelines(batch)
        self.written += sum(line.startswith("candle") for line in batch)

    def close(self) -> None:
        with self._path.open("a") as file:
            file.write("closed\n")
