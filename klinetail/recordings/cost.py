"""What the plan of a history costs, for a look before the run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from klinetail.candle import DAY
from klinetail.formats.dump_names import Dump
from klinetail.protocol.limits import Limits
from klinetail.recordings.archive import Origin, Piece, pages

ZIPPED: Final = 40
"""Bytes of a candle in a dump: a day of 1m candles has 45 to 64 KB."""

ANSWERED: Final = 140
"""Bytes of a candle in a REST answer."""


class Cost(msgspec.Struct, frozen=True):
    """What a plan costs."""

    archive_days: float
    """Days of all streams that come from dumps."""
    rest_days: float
    """Days of all streams that come by REST."""
    rows: int
    """Candles in all."""
    files: int
    """Dumps to download, each with its checksum."""
    weight: int
    """REST weight in all."""
    download: int
    """Bytes to download in all, roughly."""

    def minutes(self, weight_per_minute: float) -> float:
        """Return the minutes that the REST requests take.

        Args:
            weight_per_minute: the REST weight that may be used in a minute.
        """
        return self.weight / weight_per_minute


def cost(pieces: Iterable[Piece], limits: Limits) -> Cost:
    """Return what a plan costs, for a look before the run.

    Args:
        pieces: the plan.
        limits: the limits of the venue.
    """
    spans = dict.fromkeys(Origin, 0)
    dumps: set[Dump] = set()
    rows = asked = weight = 0
    for piece in pieces:
        spans[piece.origin] += piece.end - piece.start
        rows += piece.rows
        if (dump := piece.dump) is not None:
            dumps.add(dump)
        elif piece.origin is Origin.REST:
            asked += piece.rows
            weight += sum(limits.klines_weight(n) for _, n in pages(piece, limits))
    zipped = sum(one.stream.interval.steps(one.start, one.end) for one in dumps)
    return Cost(
        archive_days=(spans[Origin.MONTHLY] + spans[Origin.DAILY]) / DAY,
        rest_days=spans[Origin.REST] / DAY,
        rows=rows,
        files=len(dumps),
        weight=weight,
        download=zipped * ZIPPED + asked * ANSWERED,
    )
