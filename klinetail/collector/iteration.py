"""Iteration: the candles of a collector as an asynchronous iterator."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import AsyncIterator
from typing import Final

from klinetail.candle import Candle
from klinetail.collector.state import CollectorState
from klinetail.pipeline.mailbox import Mailbox, as_it_is

_CLOSE_TIME: Final = operator.attrgetter("close_time")


async def iterate(state: CollectorState, *, updates: bool) -> AsyncIterator[Candle]:
    """Every accepted candle from now on, until the collector ends.

    Args:
        state: the state of the collector.
        updates: whether forming candles are wanted too. Without them the closed
            candles of the buffer come first, in the order of their closes.

    Raises:
        SlowConsumer: the loop took the candles so slowly that closed candles are lost
            to the loop; every candle before the lost ones was yielded.
        KlinetailError: the error that ended the collector, if any.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def wake() -> None:
        # A loop that was closed reads no more, which is no concern of others.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(news.set)

    mailbox = Mailbox[Candle, Candle](as_it_is, updates=updates, notify=wake)
    before: list[Candle] = []
    ended = state.lifecycle.ended
    with state.lock:
        leave = state.delivery.fill(mailbox)
        if not updates:
            before += (c for one in state.series.values() for c in one.closed)
    if ended.done():
        mailbox.close()
    try:
        for candle in sorted(before, key=_CLOSE_TIME):
            yield candle
        while True:
            news.clear()
            for candle in mailbox.take():
                yield candle
            if mailbox.done:
                ended.result()
                return
            await news.wait()
    finally:
        leave()
