import sqlite3
from collections.abc import Collection, Mapping, Sequence

from klinetail import Candle, GapEvent, Stream
from klinetail.sinks.registry import Opening
from klinetail.sinks.sink import Record, Retry, Sink

Row = tuple[str, int, str]


class Sqlite(Sink[Record, Row]):
    """Writes to the table `record` of the database in `sqlite:FILE`."""

    events = (GapEvent,)
    retry = Retry((sqlite3.OperationalError,), seconds=60)  # while it is locked

    def __init__(self, target: str, opening: Opening) -> None:
        self.name = target
        self.written = 0
        path = target.partition(":")[2]
        self._base = sqlite3.connect(path, check_same_thread=False)
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS record"
            " (stream TEXT, time INTEGER, what TEXT, PRIMARY KEY (stream, time))"
        )

    def prepare(self, record: Record) -> Row:
        if isinstance(record, Candle):
            return str(record.stream), record.close_time, record.close_text
        assert isinstance(record, GapEvent)
        return str(record.stream), record.start, f"gap: {record.reason}"

    def write(self, batch: Sequence[Row]) -> None:
        with self._base:  # one transaction, so that all of it is tried again
            self._base.executemany(
                "INSERT OR REPLACE INTO record VALUES (?,?,?)", batch
            )
        self.written += len(batch)

    def resume_points(self, streams: Collection[Stream]) -> Mapping[Stream, int]:
        newest = "SELECT max(time) + 1 FROM record WHERE stream = ?"
        found = {s: self._base.execute(newest, [str(s)]).fetchone()[0] for s in streams}
        return {stream: time for stream, time in found.items() if time is not None}

    def close(self) -> None:
        self._base.close()
