"""The sink: what a place that candles are recorded to has to offer."""

from __future__ import annotations

import enum
import math
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from klinetail.candle import Candle, Stream
from klinetail.errors import KlinetailError
from klinetail.events import GapEvent, RevisionEvent
from klinetail.shortage import cause, shortage

RecordEvent: TypeAlias = GapEvent | RevisionEvent
"""The events that concern a record: a gap, a gap that is filled now, a revision."""

EventClasses: TypeAlias = tuple[type[GapEvent] | type[RevisionEvent], ...]
"""Classes of such events."""

Record: TypeAlias = Candle | RecordEvent
"""Everything that a sink can take."""

Taken = TypeVar("Taken", contravariant=True)
"""What a sink takes: `Candle`, or `Record` if its `events` name any event."""

Prepared = TypeVar("Prepared")
"""What a sink makes of a candle or event before it is queued: a line, for instance."""


class WrittenOn(enum.StrEnum):
    """The thread on which a sink is written."""

    DELIVERY = "delivery"
    """The thread that delivers the candles, which the sink never makes wait: stdout.
    See `DirectSink`."""
    WORKER = "worker"
    """A worker thread of the sink's own, which may wait: every other sink."""


class Retry(NamedTuple):
    """What is tried again when a sink's `write` or `flush` raises it, and how long."""

    errors: tuple[type[Exception], ...]
    """The errors after which the same call is made again."""
    seconds: float = math.inf
    """Seconds after the first of several failures in a row from which on the next
    failure ends the sink; infinite to go on until the run ends."""
    first: float = 0.5
    """Seconds of the first pause at most. Each pause is random between nothing and its
    greatest length, which doubles with each failure in a row."""
    longest: float = 30.0
    """Seconds of the longest pause."""


NO_RETRY: Final = Retry(errors=(), seconds=0.0)
"""Nothing is tried again: the first error ends the sink."""


@runtime_checkable
class Sink(Protocol[Taken, Prepared]):
    """A place that candles are recorded to.

    A sink of a third party derives from this class, which gives it the manners of most
    sinks: a worker thread, candles alone, nothing tried again. All methods but
    `prepare` are called on one thread, one after another; `prepare` is called on the
    threads that deliver, one at a time.

    Whatever a method raises ends this sink alone, with exit code 5. An `OutputError` is
    said as it is, of an `OSError` what the system says, anything else to be a bug.
    """

    written_on: WrittenOn = WrittenOn.WORKER
    """The thread on which the sink is written."""
    events: EventClasses = ()
    """The classes of events that the sink takes beside candles, in the order in which
    they came. A filled gap is a `GapEvent` with candles."""
    retry: Retry = NO_RETRY
    """What is tried again, and for how long."""

    name: str
    """What messages and the receipt call the sink; without a password."""
    written: int
    """Candles, and events if the sink counts them, written in this run: for the
    receipt. Other threads read it."""

    @abstractmethod
    def prepare(self, record: Taken, /) -> Prepared:
        """What is queued of a candle or event and given to `write`. To encode the
        candle here is cheapest: the thread that delivers has it at hand."""

    @abstractmethod
    def write(self, batch: Sequence[Prepared], /) -> None:
        """Write what came together, in order; on a worker thread, wait until it is
        written.

        After an error that `retry` names the same batch is given again, and the sink
        leaves out what of it is written already.

        Raises:
            OutputError: it cannot be written, for good.
        """

    def flush(self) -> None:
        """Put out what `write` has kept back. Called when nothing more waits to be
        written; errors as of `write`."""

    def resume_points(self, streams: Collection[Stream], /) -> Mapping[Stream, int]:  # noqa: ARG002
        """How far the sink has got, of those streams it knows it of.

        Returns:
            By stream, the open time in ms of the first candle that the sink lacks: the
            `close_time + 1` of the last closed candle that is written. A stream of
            which nothing is known is left out.
        """
        return {}

    def close(self) -> None:
        """Let go of what the sink has opened. Called once, also if nothing was written.

        Raises:
            OutputError: not all that was written is there.
        """


class DirectSink(Sink[Taken, Prepared], Protocol[Taken, Prepared]):
    """A sink that is written on the thread that delivers, and never blocks it.

    `write` only takes a batch in, and `flush` puts out what the descriptor takes now.
    What is left goes out later, when `poll` says that the descriptor takes more.
    """

    fd: int
    """The descriptor to poll."""

    @property
    def pending(self) -> int:
        """Bytes that wait to be put out."""

    @property
    def writable(self) -> bool:
        """Whether the descriptor takes something now."""

    @property
    def never_blocks(self) -> bool:
        """Whether a `flush` that `writable` allows cannot wait, for a disk for one."""


def words(error: Exception) -> str:
    """What an error that ended a sink says: the system's own words, a shortage, or a
    bug."""
    if isinstance(error, KlinetailError):
        return str(error)
    if isinstance(error, OSError) and not shortage(error):
        return error.strerror or str(error) or type(error).__name__
    return cause(error)
