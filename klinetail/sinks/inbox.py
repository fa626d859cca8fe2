"""The inbox of a recorder: what other threads bring, up to a limit.

Nobody waits for a recorder. Past the limit the queued candles are forgotten; of each
stream the first candle stays, with the time up to which candles were forgotten, so that
the recorder knows what has to be fetched.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from klinetail.candle import Candle, Stream
from klinetail.events import GapEvent
from klinetail.recordings.resume import Entry

Records: TypeAlias = Sequence[Candle | GapEvent]
"""Candles in order, and the gaps between the candles."""


class Live(NamedTuple):
    """Live candles and gaps."""

    entries: list[Entry[Any]]
    """The candles and gaps, with the forms that the sink writes."""


class Fetched(NamedTuple):
    """Records of a fetch."""

    number: int
    """The number of the fetch."""
    records: Records
    """The candles and gaps of each stream in order."""


class Trouble(NamedTuple):
    """A fetch waits for the exchange."""

    number: int
    """The number of the fetch."""
    reason: str
    """Why the exchange does not answer, in words."""


class Ended(NamedTuple):
    """A fetch has ended."""

    number: int
    """The number of the fetch."""
    error: BaseException | None
    """The error that ended the fetch, if any."""


class LookAgain(NamedTuple):
    """The sink has to look whether the sink was moved."""


class Forgotten(NamedTuple):
    """Queued candles were forgotten."""

    ends: dict[Stream, int]
    """By stream, the open time (ms) of the first candle after the forgotten live
    candles."""
    fetches: set[int]
    """The numbers of the fetches whose further records were forgotten."""


Message: TypeAlias = Live | Fetched | Trouble | Ended | LookAgain | Forgotten
"""What other threads bring."""


class Inbox:
    """The queue of messages to a recorder's thread.

    Args:
        most: candles and gaps that wait at most.
    """

    def __init__(self, most: int) -> None:
        self.closed = False
        """Whether no more live candles come."""
        self.abandoned = False
        """Whether fetched candles are not taken any more."""
        self._most = most
        """Candles and gaps that wait at most."""
        self._messages: deque[Message] = deque()
        """The messages, oldest first."""
        self._count = 0
        """The candles and gaps in the messages."""
        self._behind = False
        """Whether candles were forgotten, and the recorder has not caught up since."""
        self._over = False
        """Whether nobody takes messages any more."""
        self._cut: set[int] = set()
        """The numbers of the fetches with forgotten records."""
        self._to_stop: list[int] = []
        """The fetches with forgotten records that were not returned by `wait` yet."""
        self._changed = threading.Condition()
        """Guards all fields, and wakes the recorder's thread."""

    # For other threads

    def post(self, message: Message) -> bool:
        """Queue a message; the call never waits.

        Returns:
            Whether the recorder is behind now and was not before.
        """
        count = 0
        with self._changed:
            if self._over:
                return False
            if isinstance(message, Live):
                count = len(message.entries)
            elif isinstance(message, Fetched | Trouble | Ended):
                if message.number in self._cut:
                    return False
                if isinstance(message, Fetched):
                    if self.abandoned:
                        return False
                    count = len(message.records)
                    if self._count and self._count + count > self._most:
                        message, count = self._without({message.number}), 0
            self._messages.append(message)
            self._count += count
            before = self._behind
            if isinstance(message, Live) and self._count > self._most:
                self._shorten()
            self._changed.notify()
            return self._behind and not before

    def close(self, *, abandoned: bool = False) -> None:
        """Note that no more live candles come, and perhaps that fetched candles are not
        taken any more."""
        with self._changed:
            self.closed = True
            self.abandoned |= abandoned
            self._changed.notify()

    def _shorten(self) -> None:
        """Make room: leave out forming candles that are not the newest, or else forget
        the queued candles."""
        self._leave_out_forming()
        if self._count > self._most // 2:
            self._behind = True
            self._forget()

    def _leave_out_forming(self) -> None:
        """Keep the newest forming candle of each stream, if the newest is forming."""
        seen: set[Stream] = set()
        for message in reversed(self._messages):
            if not isinstance(message, Live):
                continue
            kept = []
            for entry in reversed(message.entries):
                record = entry[0]
                if isinstance(record, Candle):
                    if not record.closed and record.stream in seen:
                        continue
                    seen.add(record.stream)
                kept.append(entry)
            self._count -= len(message.entries) - len(kept)
            message.entries[:] = kept[::-1]

    def _forget(self) -> None:
        """Forget the queued live candles but for the first of each stream, and the
        records of fetches that take too much room."""
        first: dict[Stream, Entry[Any]] = {}
        ends: dict[Stream, int] = {}
        fetches: set[int] = set()
        kept: deque[Message] = deque()
        count = 0
        for message in self._messages:
            match message:
                case Live(entries):
                    for entry in entries:
                        record = entry[0]
                        if isinstance(record, Candle) and record.closed:
                            first.setdefault(record.stream, entry)
                            _raise(ends, record.stream, record.close_time + 1)
                case Forgotten(before, numbers):
                    fetches |= numbers
                    for stream, end in before.items():
                        _raise(ends, stream, end)
                case Fetched(number, records):
                    if number in fetches or count + len(records) > self._most // 2:
                        fetches.add(number)
                    else:
                        count += len(records)
                        kept.append(message)
                case Ended(number) | Trouble(number) if number in fetches:
                    pass
                case _:
                    kept.append(message)
        kept.append(Live([*first.values()]))
        kept.append(self._without(fetches)._replace(ends=ends))
        self._messages = kept
        self._count = count + len(first)

    def _without(self, fetches: set[int]) -> Forgotten:
        """Take no further messages of some fetches, whose records do not fit."""
        self._to_stop += fetches - self._cut
        self._cut |= fetches
        return Forgotten({}, fetches)

    # For the recorder's thread

    def take(
        self, patience: float | None, settled: Callable[[], bool]
    ) -> list[Message] | None:
        """Return the messages, oldest first, after at most a wait.

        Args:
            patience: seconds to wait for a message; None without an end.
            settled: tells, without waiting, whether nothing is missing. Asked only if
                no message waits, and no more live candles come.

        Returns:
            None at the end: no message waits, no more live candles come, and nothing is
            missing or missing candles are not waited for any more.
        """
        with self._changed:
            if not self._messages:
                if self.abandoned or (self.closed and settled()):
                    return None
                self._changed.wait(patience)
            messages = [*self._messages]
            self._messages.clear()
            self._count = 0
            return messages

    def caught_up(self, settled: Callable[[], bool]) -> bool:
        """Return once after `post` told that the recorder is behind whether no message
        waits and nothing is missing, see `take`."""
        if not self._behind:
            return False
        with self._changed:
            caught_up = not self._messages and settled()
            self._behind = not caught_up
            return caught_up

    def wait(self, seconds: float) -> list[int]:
        """Wait until a message comes or no more live candles come, for so many seconds
        at most; return the numbers of fetches that have to be stopped."""
        with self._changed:
            if not self.closed and not self._to_stop:
                self._changed.wait(seconds)
            stop, self._to_stop = self._to_stop, []
            return stop

    def end(self) -> None:
        """Take no further messages."""
        with self._changed:
            self._over = self.closed = True
            self._messages.clear()


def _raise(ends: dict[Stream, int], stream: Stream, end: int) -> None:
    """Note an end (ms) of a stream, if the end is later than the noted end."""
    if end > ends.get(stream, 0):
        ends[stream] = end


def joined(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with consecutive live candles joined: one write for all."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if isinstance(message, Live) and isinstance(last, Live):
            last.entries.extend(message.entries)
        else:
            joined.append(message)
    return joined
