"""The fetches of a recorder: what the recording lacks, and the fetches under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from klinetail.candle import Candle, Stream
from klinetail.errors import KlinetailError
from klinetail.events import GapEvent
from klinetail.shortage import shortage
from klinetail.sinks.inbox import Ended, Fetched, Message, Records, Trouble

AGAIN: Final = 30.0
"""Seconds between a failed fetch and the next fetch, and between fetches that bring
nothing at most."""

_APART: Final = 1.0
"""Seconds between a fetch and the next fetch; doubled with each fetch in a row that
brings nothing."""

_DOUBLED: Final = 32
"""Fetches in a row after which the pause does not double any more."""


class Fetch(Protocol):
    """A fetch of past candles that is under way."""

    def exchange_time(self) -> int | None:
        """Return exchange time, ms; None before the exchange has told the time."""

    def stop(self) -> None:
        """End the fetch at once, without waiting."""


class Fetcher(Protocol):
    """Begins fetches of past candles."""

    def __call__(
        self,
        starts: Mapping[Stream, int],
        on_records: Callable[[Records], None],
        on_trouble: Callable[[str], None],
        on_end: Callable[[BaseException | None], None],
    ) -> Fetch:
        """Begin to fetch the closed candles of some streams up to now.

        Args:
            starts: by stream, the open time (ms) of the first candle.
            on_records: is given the candles and gaps of each stream in order.
            on_trouble: is told why the exchange does not answer; the fetch goes on.
            on_end: is called at the end, with the error that ended the fetch, if any.
        """


class _NoFetch:
    """Stands for a fetch that could not begin; see `Fetch`."""

    def exchange_time(self) -> int | None:
        """Return None: the exchange was not asked."""

    def stop(self) -> None:
        """Do nothing."""


class UnderWay(NamedTuple):
    """A fetch that is under way."""

    fetch: Fetch
    """The fetch."""
    next: dict[Stream, int]
    """By stream, the open time (ms) of the next missing candle that the fetch has not
    brought."""
    ends: dict[Stream, int]
    """The `Fetches.ends` at the beginning of the fetch."""
    begun: dict[Stream, int]
    """The first `next`."""


class Fetches:
    """What a recording lacks, and the fetches under way.

    Args:
        fetcher: begins fetches.
        post: brings a message to the recorder's thread.
        monotonic: local seconds.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        post: Callable[[Message], object],
        monotonic: Callable[[], float],
    ) -> None:
        self.under_way: dict[int, UnderWay] = {}
        """The fetches under way, by number."""
        self.ends: dict[Stream, int] = {}
        """By stream that lacks candles without a candle that waits, the open time (ms)
        of the first candle after the missing candles."""
        self.at = 0.0
        """When the next fetch may begin, monotonic seconds."""
        self._fetcher = fetcher
        """Begins fetches."""
        self._post = post
        """Brings a message to the recorder's thread."""
        self._monotonic = monotonic
        """Local seconds."""
        self._number = 0
        """The number of the last fetch."""
        self._in_vain = 0
        """The fetches in a row that brought nothing."""

    @property
    def busy(self) -> set[Stream]:
        """The streams whose candles are being fetched."""
        return {stream for one in self.under_way.values() for stream in one.next}

    def lack(self, ends: Mapping[Stream, int]) -> None:
        """Note that the recording lacks candles.

        Args:
            ends: by stream, the open time (ms) of the first candle after the missing
                candles.
        """
        for stream, end in ends.items():
            self.ends[stream] = max(end, self.ends.get(stream, 0))

    def missing(self, points: Mapping[Stream, int]) -> dict[Stream, int]:
        """Return the open time (ms) of the first missing candle of each stream that
        lacks candles, see `lack`.

        Args:
            points: by stream, the open time (ms) of the first candle that the recording
                lacks now.
        """
        for stream, end in [*self.ends.items()]:
            if points.get(stream, 0) >= end:
                del self.ends[stream]
        return {stream: points[stream] for stream in self.ends if stream in points}

    def begin(self, starts: Mapping[Stream, int], points: Mapping[Stream, int]) -> None:
        """Begin a fetch.

        A fetch that cannot begin, because the machine lacks something or the exchange
        cannot be asked, ends at once.

        Args:
            starts: by stream, the open time (ms) of the first candle to fetch.
            points: by stream, the open time (ms) of the first candle that the recording
                lacks.
        """
        self._number += 1
        number = self._number
        fetch: Fetch = _NoFetch()
        self.at = self._monotonic() + _APART
        following = {s: max(start, points.get(s, 0)) for s, start in starts.items()}
        ends = {s: self.ends[s] for s in starts if s in self.ends}
        try:
            fetch = self._fetcher(
                starts,
                lambda records: self._tell(Fetched(number, records)),
                lambda reason: self._tell(Trouble(number, reason)),
                lambda error: self._tell(Ended(number, error)),
            )
        except Exception as error:
            if not isinstance(error, KlinetailError) and not shortage(error):
                raise
            self._tell(Ended(number, error))
        self.under_way[number] = UnderWay(fetch, following, ends, {**following})

    def _tell(self, message: Message) -> None:
        self._post(message)

    def complete(self, number: int, records: Records) -> list[Candle | GapEvent]:
        """Return the records of a fetch, with a gap for each range that the exchange
        left out.

        The rows of the exchange can begin after the first candle asked for: nothing was
        recorded by the exchange before.
        """
        following = self.under_way[number].next
        out: list[Candle | GapEvent] = []
        for record in records:
            stream = record.stream
            if isinstance(record, GapEvent):
                end = record.end
            else:
                start = following.setdefault(stream, record.open_time)
                end = record.close_time + 1
                if record.open_time > start:
                    why = "the exchange has no such candles"
                    out.append(GapEvent(stream, start, record.open_time, why))
            following[stream] = max(end, following.get(stream, 0))
            out.append(record)
        return out

    def end(self, number: int, error: BaseException | None) -> UnderWay:
        """Return a fetch that has ended, and set the time of the next fetch.

        What a fetch without an error did not bring, the exchange does not have.
        """
        ended = self.under_way.pop(number)
        if error is None:
            for stream, end in ended.ends.items():
                if self.ends.get(stream) == end:
                    del self.ends[stream]
        if error is not None:
            self.at = self._monotonic() + AGAIN
        elif ended.next == ended.begun:
            self.at = self._monotonic() + min(AGAIN, _APART * 2**self._in_vain)
            self._in_vain = min(self._in_vain + 1, _DOUBLED)
        else:
            self._in_vain = 0
        return ended

    def halt(self, numbers: Iterable[int]) -> None:
        """Have fetches ask for nothing more; what they brought can still be taken."""
        for number in numbers:
            if number in self.under_way:
                self.under_way[number].fetch.stop()

    def stop(self, numbers: Iterable[int]) -> set[Stream]:
        """Stop fetches; return their streams."""
        streams: set[Stream] = set()
        for number in numbers:
            if (one := self.under_way.pop(number, None)) is not None:
                one.fetch.stop()
                streams.update(one.next)
        return streams

    def stop_all(self) -> set[Stream]:
        """Stop all fetches; return their streams."""
        return self.stop([*self.under_way])
