"""Mailboxes: the bounded, thread-safe queues between the collector and one consumer.

A mailbox is for a consumer that needs every closed candle. A view needs only the newest
events and reads a `latest.Latest`.

A mailbox drops no closed candle and no event in silence. A consumer that leaves no room
for a whole second is *behind*: nobody waits for it any more, its forming candles keep
the newest of each stream, its closed candles and events queue up to a limit. Past that
the consumer is *lost*: what comes is only counted, and once the queue has been taken
`SlowConsumer` tells the reader how many.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from klinetail.candle import Candle, Stream
from klinetail.errors import SlowConsumer
from klinetail.events import CandleEvent, Event, PreviewEvent

CAPACITY: Final = 8_192
"""Items that fit before a consumer is behind."""

MOST: Final = 65_536
"""Closed candles and events that are kept for a consumer that is behind."""

BATCH: Final = 4_096
"""Items handed out at once."""

PATIENCE: Final = 1.0
"""Seconds that a put waits for room, once, before the consumer is behind."""


class Pace(enum.StrEnum):
    """How a consumer keeps up."""

    FOLLOWING = "following"
    BEHIND = "behind"
    LOST = "lost"
    """Its closed candles or events did not fit any more; it gets no further ones."""


_FOLLOWING: Final = Pace.FOLLOWING

Item = TypeVar("Item", bound=Candle | Event)
"""What is put: candles, or events."""

Kept = TypeVar("Kept")
"""What is kept of an item, and taken."""


class Mailbox(Generic[Item, Kept]):
    """A queue with one reader and, one at a time, writers.

    Args:
        keep: makes of an item what is kept of it. It runs on the writer's thread, which
            has the item at hand still; a reader on another core would have to fetch it.
        updates: take forming candles too.
        on_pace: called when the consumer's pace changes, with the number of forming
            candles skipped so far; on the writer's thread, or on the reader's when it
            caught up.
        notify: called (on any thread, under this mailbox's lock) when something can
            be taken, or still can after a `take`; it must only wake the reader.
        capacity: items before it is behind.
        most: items before it is lost.
    """

    def __init__(
        self,
        keep: Callable[[Item], Kept],
        *,
        updates: bool = True,
        on_pace: Callable[[Pace, int], None] | None = None,
        notify: Callable[[], object] | None = None,
        capacity: int = CAPACITY,
        most: int = MOST,
    ) -> None:
        self.pace = Pace.FOLLOWING
        """How the consumer keeps up. `LOST` is final."""
        self.lost = 0
        """Closed candles and events that did not fit any more: all that came after the
        first of them, until the reader was told or the mailbox was closed."""
        self.skipped = 0
        """Forming candles that a newer one replaced before they were read."""
        self._keep = keep
        self._updates = updates
        self._on_pace = on_pace
        self._notify = notify
        self._capacity = capacity
        self._most = most
        self._items: list[Kept] = []
        self._begun: deque[Kept] = deque()
        """What is left of a batch that is handed over one by one."""
        self._newest: dict[Stream, Kept] = {}
        self._closed = False
        self._told = False
        """Whether the reader was told of what is lost."""
        self._error: BaseException | None = None
        """What ended it, until the reader was told."""
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._filled = threading.Condition(self._lock)

    def passing(self, items: Sequence[Item]) -> list[Kept] | None:
        """What is kept of what this consumer takes, for one that takes it at once: it
        is not queued. None if something is queued that goes first, or must not come.
        """
        if not self.empty or self._closed or self.pace is not _FOLLOWING:
            return None
        return list(map(self._keep, self._wanted(items)))

    def _wanted(self, items: Sequence[Item]) -> Sequence[Item]:
        if self._updates:
            return items
        return [item for item in items if _forming(item) is None]

    def put(self, items: Sequence[Item], patience: float = PATIENCE) -> None:
        """Queue what this consumer takes; wait for room at most `patience` seconds.

        What comes after the consumer is lost is counted and not kept.
        """
        wanted = self._wanted(items)
        if not wanted:
            return
        with self._lock:
            before = self.pace
            if not self._room.wait_for(self._waits_no_more, timeout=patience):
                self.pace = Pace.BEHIND
                self._room.notify_all()  # No other writer waits any more either.
            elif before is Pace.FOLLOWING:
                before = self.pace  # Another writer may have changed it meanwhile.
            if self._closed:
                return
            if self.pace is Pace.FOLLOWING:
                self._items.extend(map(self._keep, wanted))
            else:
                self._put_behind(wanted)
            if before is not Pace.LOST:
                self._wake()
            pace, skipped = self.pace, self.skipped
        if pace is not before and self._on_pace is not None:
            self._on_pace(pace, skipped)

    def _waits_no_more(self) -> bool:
        waiting = self.pace is Pace.FOLLOWING and not self._closed
        return not waiting or len(self._items) < self._capacity

    def _put_behind(self, items: Sequence[Item]) -> None:
        for item in items:
            forming = _forming(item)
            full = forming is None and len(self._items) >= self._most
            if full or self.pace is Pace.LOST:
                self.pace = Pace.LOST
                self.lost += forming is None
            elif forming is not None:
                self.skipped += forming.stream in self._newest
                self._newest[forming.stream] = self._keep(item)
            else:
                if (candle := _candle(item)) is not None:
                    older = self._newest.pop(candle.stream, None)
                    self.skipped += older is not None
                self._items.append(self._keep(item))

    def take(self, timeout: float | None = 0.0) -> list[Kept]:
        """What is queued, at most a batch.

        Waits up to `timeout` seconds (None: for ever) for something to come; empty
        means that the time is up or the mailbox is done.

        Raises:
            SlowConsumer: all that was queued has been taken, and what came after it is
                lost. The mailbox is closed then.
            BaseException: what `close` was given, once, after all that.
        """
        with self._lock:
            if timeout != 0.0:
                self._filled.wait_for(self._readable, timeout)
            if self._begun:
                items = list(self._begun)
                self._begun.clear()
            else:
                items = self._items[:BATCH]
                del self._items[:BATCH]
            half = self._capacity // 2
            recovered = self.pace is Pace.BEHIND and len(self._items) <= half
            if recovered:
                self.pace = Pace.FOLLOWING
            if self._newest and (recovered or not self._items):
                # Newer than all that is queued, older than all that is to come.
                (self._items or items).extend(self._newest.values())
                self._newest = {}
            if self.pace is Pace.LOST and not items:
                self._closed = self._told = True
                self._error = None
                raise SlowConsumer(self.lost, self._most)
            if self._error is not None and not items:
                error, self._error = self._error, None
                raise error
            if (self._items or self._untold) and self._notify is not None:
                self._notify()
            self._room.notify_all()
            skipped = self.skipped
        if recovered and self._on_pace is not None:
            self._on_pace(Pace.FOLLOWING, skipped)
        return items

    def _readable(self) -> bool:
        return self._closed or self._untold or not self.empty

    @property
    def _untold(self) -> bool:
        """Whether something is lost, or an error ended it, and the reader does not
        know yet."""
        lost = self.pace is Pace.LOST and not self._told
        return lost or self._error is not None

    def _wake(self) -> None:
        self._filled.notify()
        if self._notify is not None:
            self._notify()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more comes; what is queued can still be taken, and after it what is
        lost by then is told, and the error if one is given. Only the first call
        counts."""
        with self._lock:
            if not self._closed:
                self._error = error
            self._closed = True
            self._room.notify_all()
            self._filled.notify_all()
            if self._notify is not None:
                self._notify()

    @property
    def empty(self) -> bool:
        """Whether nothing is queued."""
        return not self._items and not self._newest and not self._begun

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    @property
    def done(self) -> bool:
        """Closed and empty; of what is lost, if anything is, the reader was told."""
        with self._lock:
            return self._closed and self.empty and not self._untold

    def batches(self) -> Iterator[list[Kept]]:
        """What comes, as it is taken, until the mailbox is closed and empty.

        Raises:
            SlowConsumer: as `take` does.
        """
        while True:
            items = self.take(None)
            if not items and self.done:
                return
            yield items

    def __iter__(self) -> Iterator[Kept]:
        """The same, one by one; it raises the same.

        What a reader that stops in between has not been given stays queued.
        """
        for items in self.batches():
            with self._lock:
                self._begun.extend(items)
            while True:
                with self._lock:
                    if not self._begun:
                        break
                    item = self._begun.popleft()
                yield item


def as_it_is(item: Item) -> Item:
    """Keeps all of an item."""
    return item


def _candle(item: Candle | Event) -> Candle | None:
    if isinstance(item, CandleEvent | PreviewEvent):
        return item.candle
    return item if isinstance(item, Candle) else None


def _forming(item: Candle | Event) -> Candle | None:
    candle = _candle(item)
    return None if candle is None or candle.closed else candle
