"""The sink: the protocol of a place where candles are recorded."""

from __future__ import annotations

import enum
import math
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Final,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

from klinetail.candle import Candle, Stream
from klinetail.errors import KlinetailError
from klinetail.events import GapEvent, RevisionEvent
from klinetail.shortage import cause, shortage

if TYPE_CHECKING:
    from klinetail.recordings.cursor import Tail

RecordEvent: TypeAlias = GapEvent | RevisionEvent
"""The events about recorded candles: a gap, a gap filled now, a revision."""

EventClasses: TypeAlias = tuple[type[GapEvent] | type[RevisionEvent], ...]
"""Classes of the events about recorded candles."""

Record: TypeAlias = Candle | RecordEvent
"""A candle or an event, as a sink can take."""

Taken = TypeVar("Taken", contravariant=True)
"""The input of a sink: `Candle`, or `Record` if the sink's `events` name a class."""

Prepared = TypeVar("Prepared")
"""The form of a queued candle or event, as made by the sink: a line, for instance."""


class WrittenOn(enum.StrEnum):
    """The kind of thread for writing a sink."""

    DELIVERY = "delivery"
    """The thread that delivers the candles; the sink never makes the thread wait:
    stdout. See `DirectSink`."""
    WORKER = "worker"
    """A worker thread of the sink's own; the thread may wait: all sinks but stdout."""


class Retry(NamedTuple):
    """The errors of a sink's `write` or `flush` worth new attempts, and the pauses."""

    errors: tuple[type[Exception], ...]
    """The errors after which the same call is repeated."""
    seconds: float = math.inf
    """Seconds after the first of several failures in a row from which on the next
    failure ends the sink; infinite to go on until the run ends."""
    first: float = 0.5
    """Seconds of the first pause at most. Each pause is random between nothing and a
    greatest length; the greatest length doubles with each failure in a row."""
    longest: float = 30.0
    """Seconds of the longest pause."""


NO_RETRY: Final = Retry(errors=(), seconds=0.0)
"""No new attempts: the first error ends the sink."""


@runtime_checkable
class Sink(Protocol[Taken, Prepared]):
    """A place where candles are recorded.

    A sink of a third party derives from `Sink` and so inherits the manners of most
    sinks: a worker thread, candles alone, nothing tried again. All methods but
    `prepare` are called on one thread, one after another; `prepare` is called on the
    threads that deliver, one at a time.

    Any exception of a method ends the sink alone, with exit code 5. An `OutputError` is
    reported unchanged, an `OSError` in the system's words, any other error as a bug.
    """

    written_on: WrittenOn = WrittenOn.WORKER
    """The kind of thread for writing the sink."""
    events: EventClasses = ()
    """The classes of events taken beside candles; candles and events come in the order
    of arrival. A filled gap is a `GapEvent` with candles."""
    retry: Retry = NO_RETRY
    """The errors worth new attempts, and for how long."""

    name: str
    """The name of the sink in messages and the receipt; without a password."""
    written: int
    """The number of candles written in the run, and of events if the sink counts
    events: for the receipt. Other threads read the number."""

    @abstractmethod
    def prepare(self, record: Taken, /) -> Prepared:
        """Return the form of a candle or event to be queued and given to `write`. To
        encode the candle in `prepare` is cheapest: the delivering thread has the candle
        at hand."""

    @abstractmethod
    def write(self, batch: Sequence[Prepared], /) -> None:
        """Write a batch, in order; on a worker thread, wait until the batch is written.

        After an error named by `retry` the same batch is given again, and the sink
        leaves out the part written already.

        Raises:
            OutputError: the batch cannot be written, for good.
        """

    def flush(self) -> None:
        """Put out the items kept back by `write`. Called when no more items wait to be
        written; errors as of `write`."""

    def resume_points(self, streams: Collection[Stream], /) -> Mapping[Stream, int]:  # noqa: ARG002
        """Return the sink's progress in the given streams, as far as known.

        Returns:
            By stream, the open time in ms of the first candle missing in the sink: the
            `close_time + 1` of the last closed candle written. A stream with unknown
            progress is left out.
        """
        return {}

    def close(self) -> None:
        """Release the resources of the sink. Called once, also if nothing was written.

        Raises:
            OutputError: a part of the written data is missing.
        """


class ResumingSink(Sink[Candle, Prepared], Protocol[Prepared]):
    """A sink that goes on where it stopped, and keeps a record of its progress.

    The candles that the sink lacks are fetched, see `Recorder`. After an error named by
    `retry`, `resume_points` tells what the sink holds: the candles written since the
    last failure can be lost, too. `write` is then given the rest of the batch, and
    `flush` is called only when `due`.
    """

    resumes: bool
    """Whether this very sink goes on; a file does, a pipe with a file's name does
    not."""

    @property
    def due(self) -> float:
        """When `flush` has to be called, monotonic seconds; infinite for not now. After
        a call of `flush` the time is later."""

    def tail(self, streams: Collection[Stream], /) -> Tail:
        """Return what the sink holds of the streams, before anything is written.

        Raises:
            UsageError: the sink cannot go on.
            OutputError: the sink cannot be read.
        """

    def look_again(self) -> None:
        """Have the next `write` see whether the sink was moved."""

    def wrote(self) -> Sequence[tuple[str, int]]:
        """Return the places written in the run, with the candles written to each."""


class DirectSink(Sink[Taken, Prepared], Protocol[Taken, Prepared]):
    """A sink written on the delivering thread, without ever blocking the thread.

    `write` only takes a batch in, and `flush` puts out the bytes that the descriptor
    takes now. The rest goes out later, when `poll` reports that the descriptor takes
    more.
    """

    fd: int
    """The descriptor to poll."""

    @property
    def pending(self) -> int:
        """The number of bytes waiting to be put out."""

    @property
    def writable(self) -> bool:
        """Whether the descriptor takes bytes now."""

    @property
    def never_blocks(self) -> bool:
        """Whether a `flush` allowed by `writable` cannot wait, like for a disk."""


def words(error: Exception) -> str:
    """Return the words for an error that ended a sink: the system's own words, a
    shortage, or a bug."""
    if isinstance(error, KlinetailError):
        return str(error)
    if isinstance(error, OSError) and not shortage(error):
        return error.strerror or str(error) or type(error).__name__
    return cause(error)
