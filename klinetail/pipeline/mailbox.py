"""Mailboxes: the bounded, thread-safe queues between the collector and one consumer.

A mailbox is for a consumer that needs every closed candle. A view needs only the newest
events and reads a `latest.Latest`.

A mailbox drops no closed candle and no event in silence. A consumer that leaves no room
for a whole second is *behind*: nobody waits for it any more, its forming candles keep
the newest of each stream, its closed candles and events queue up to a limit. Past the
limit the consumer is *lost*: later closed candles and events are only counted, and once
the queue has been taken `SlowConsumer` tells the reader the number.
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
"""Items with room in the queue before a consumer is behind."""

MOST: Final = 65_536
"""The most closed candles and events kept for a consumer in the pace `BEHIND`."""

BATCH: Final = 4_096
"""Items handed out at once."""

PATIENCE: Final = 1.0
"""Seconds of a put's wait for room, once, before the consumer is behind."""


class Pace(enum.StrEnum):
    """How a consumer keeps up."""

    FOLLOWING = "following"
    BEHIND = "behind"
    LOST = "lost"
    """Closed candles or events did not fit any more; no further items are queued."""


_FOLLOWING: Final = Pace.FOLLOWING

Item = TypeVar("Item", bound=Candle | Event)
"""The class of the items put: candles, or events."""

Kept = TypeVar("Kept")
"""The form in which an item is kept and taken."""


class Mailbox(Generic[Item, Kept]):
    """A queue with one reader and, one at a time, writers.

    Args:
        keep: turns an item into the kept form, on the writer's thread. The writer still
            has the item at hand; a reader on another core would have to fetch the item.
        updates: take forming candles too.
        on_pace: called when the consumer's pace changes, with the number of forming
            candles skipped so far; on the writer's thread, or on the reader's when it
            caught up.
        notify: called (on any thread, under this mailbox's lock) when something can
            be taken, or still can after a `take`; must only wake the reader.
        capacity: items before the consumer is behind.
        most: items before the consumer is lost.
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
        """The lost closed candles and events: the first without room and all after the
        first, until the reader was told or the mailbox was closed."""
        self.skipped = 0
        """Forming candles replaced by a newer candle before the reader took them."""
        self._keep = keep
        self._updates = updates
        self._on_pace = on_pace
        self._notify = notify
        self._capacity = capacity
        self._most = most
        self._items: list[Kept] = []
        """The queued items, oldest first."""
        self._begun: deque[Kept] = deque()
        """The rest of a batch handed over item by item."""
        self._newest: dict[Stream, Kept] = {}
        """The newest forming candle of each stream, while the reader is behind."""
        self._closed = False
        """Whether `close` was called."""
        self._told = False
        """Whether the reader was told of the lost items."""
        self._error: BaseException | None = None
        """The error that ended the mailbox, until the reader was told."""
        self._lock = threading.Lock()
        """Guards every field."""
        self._room = threading.Condition(self._lock)
        """Notified when the reader makes room."""
        self._filled = threading.Condition(self._lock)
        """Notified when items arrive, and when the mailbox is closed."""

    def passing(self, items: Sequence[Item]) -> list[Kept] | None:
        """Return the kept forms of the wanted items, for a consumer ready at once.

        The items are not queued. None if queued items go first, or if the items must
        not come.
        """
        if not self.empty or self._closed or self.pace is not _FOLLOWING:
            return None
        return list(map(self._keep, self._wanted(items)))

    def _wanted(self, items: Sequence[Item]) -> Sequence[Item]:
        if self._updates:
            return items
        return [item for item in items if _forming(item) is None]

    def put(self, items: Sequence[Item], patience: float = PATIENCE) -> None:
        """Queue the wanted items; wait for room at most `patience` seconds.

        Items after the consumer's loss are counted and not kept.
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
                before = self.pace  # Another writer may have changed the pace.
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
        """Return and remove the queued items, at most a batch.

        Waits up to `timeout` seconds (None: for ever) for an item. An empty list means
        that the time is up or the mailbox is done.

        Raises:
            SlowConsumer: all queued items have been taken, and the items after the
                queued items are lost. The mailbox is closed then.
            BaseException: the error given to `close`, once, after all queued items.
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
                # Newer than all queued items, older than all items to come.
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
        """Whether the reader still has to be told of lost items or of an error."""
        lost = self.pace is Pace.LOST and not self._told
        return lost or self._error is not None

    def _wake(self) -> None:
        self._filled.notify()
        if self._notify is not None:
            self._notify()

    def close(self, error: BaseException | None = None) -> None:
        """Close the mailbox: no more items come; queued items can still be taken.

        After the queued items the reader is told of the items lost by then, and of the
        error if an error is given. Only the first call counts.
        """
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
        """Whether no more items come."""
        return self._closed

    @property
    def done(self) -> bool:
        """Whether the mailbox is closed and empty, and the reader knows of any loss."""
        with self._lock:
            return self._closed and self.empty and not self._untold

    def batches(self) -> Iterator[list[Kept]]:
        """Return the batches in order, each as taken, until the mailbox is done.

        Raises:
            SlowConsumer: as `take` does.
        """
        while True:
            items = self.take(None)
            if not items and self.done:
                return
            yield items

    def __iter__(self) -> Iterator[Kept]:
        """Return the items of `batches`, item by item, with the same exceptions.

        If the reader stops in between, the items not yet handed over stay queued.
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
    """Return the item: keep the item as a whole."""
    return item


def _candle(item: Candle | Event) -> Candle | None:
    if isinstance(item, CandleEvent | PreviewEvent):
        return item.candle
    return item if isinstance(item, Candle) else None


def _forming(item: Candle | Event) -> Candle | None:
    candle = _candle(item)
    return None if candle is None or candle.closed else candle
