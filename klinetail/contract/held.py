"""The closed candles that arrived before an earlier candle. Pure."""

from __future__ import annotations

from typing import Final

from klinetail.candle import Candle

HELD: Final = 500
"""Closed candles kept while an earlier one is missing, at most; the rest is fetched
again."""


class Held(dict[int, Candle]):
    """Closed candles by open time (ms), waiting for an earlier candle.

    `Held` is a cache and no more: a candle that is not held is fetched. `Held` is a
    `dict` because every frame asks whether any candle is held.

    Args:
        most: how many candles are held at most.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def hold(self, candle: Candle) -> None:
        """Let a closed candle wait; of too many, the latest one is forgotten."""
        self[candle.open_time] = candle
        if len(self) > self._most:
            del self[max(self)]

    def doubt(self, event_time: int) -> list[Candle]:
        """Forget the candles that were pushed after `event_time` (ms), and return them.

        The event times of a stream do not go back on one connection: a close from later
        than the frame after it was made up, and is fetched instead.
        """
        doubtful = [one for one in self.values() if one.event_time > event_time]
        for candle in doubtful:
            del self[candle.open_time]
        return doubtful

    @property
    def show_trades(self) -> bool:
        """Whether any of the candles has trades."""
        return any(candle.count for candle in self.values())
