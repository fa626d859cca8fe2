"""A sink that keeps what it gets."""

from klinetail.events import GapEvent, RevisionEvent
from klinetail.sinks.sink import Record, Sink


class Memory(Sink[Record, Record]):
    """Keeps what it gets; `faults` are raised first, one a call of `write`."""

    events = (GapEvent, RevisionEvent)

    def __init__(self, faults=()):
        self.name = "memory"
        self.written = 0
        self.calls = []
        self.faults = list(faults)
        self.kept = []

    def prepare(self, record):
        return record

    def write(self, batch):
        self.calls.append("write")
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        self.kept += batch
        self.written += len(batch)

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")
