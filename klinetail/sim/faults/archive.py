"""Faults of public dumps: which dumps are published late or never, and with what
content; and how a dump is sent. Pure.

A dump has the same content in every answer.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from klinetail.candle import DAY
from klinetail.formats.dump_names import Dump, Period
from klinetail.sim.faults.chaos import Chaos

LATEST: Final = 7
"""Days after the usual time at which a late dump is published, at most.

Source: https://github.com/binance/binance-public-data/issues/331.
"""

SLOWEST: Final = 4.0
"""Real seconds that a slow download takes at most."""

_OLD: Final = 20
"""Candles of a dump with old values at most."""


class Spoilt(NamedTuple):
    """The faults of a dump's content."""

    lacking: int | None = None
    """The first millisecond of a UTC day that the dump lacks, or None."""
    headless: bool = False
    """Whether the dump has no header."""
    micro: bool = False
    """Whether the times are in microseconds."""
    old: int = 0
    """The number of candles at the end of the dump that have old values."""

    @property
    def faults(self) -> list[str]:
        """The names of the faults."""
        struck = (
            ("thin", self.lacking is not None),
            ("headless", self.headless),
            ("micro", self.micro),
            ("oldvalue", self.old > 0),
        )
        return [name for name, strikes in struck if strikes]


SOUND: Final = Spoilt()
"""No fault at all."""


class Manner(NamedTuple):
    """How one answer with a dump is sent."""

    fault: str = ""
    """The fault, or "" for none."""
    share: float = 1.0
    """The share of the answer's body that is sent."""
    reset: bool = False
    """Whether the connection ends with RST, not with FIN."""
    seconds: float = 0.0
    """The real seconds that the answer takes; 0.0 for as fast as possible."""


def spoilt(chaos: Chaos, dump: Dump) -> Spoilt:
    """Return the faults of a dump's content."""
    lacking, old = None, 0
    if dump.period is Period.MONTHLY:
        if random := chaos.strikes("thin", dump.path):
            lacking = random.choice(dump.days)
        if random := chaos.strikes("oldvalue", dump.path):
            old = random.randint(1, _OLD)
    return Spoilt(
        lacking,
        chaos.strikes("headless", dump.path) is not None,
        chaos.strikes("micro", dump.path) is not None,
        old,
    )


def absent(chaos: Chaos, dump: Dump, late: int) -> str | None:
    """Return the fault because of which a dump is not there, or None.

    Args:
        chaos: the faults to inject.
        dump: the dump.
        late: the ms of exchange time since the usual publication.
    """
    if chaos.strikes("nozip", dump.path):
        return "nozip"
    if dump.period is Period.DAILY and (random := chaos.strikes("latezip", dump.path)):
        return "latezip" if late < random.randint(1, LATEST) * DAY else None
    return None


def wrong_checksum(chaos: Chaos, dump: Dump, number: int) -> bool:
    """Return whether the checksum of a dump is wrong.

    Args:
        chaos: the faults to inject.
        dump: the dump.
        number: the number of earlier requests for the checksum.
    """
    random = chaos.strikes("badsum", dump.path)
    return random is not None and (number == 0 or random.random() < 0.5)


def manner(chaos: Chaos, dump: Dump, number: int) -> Manner:
    """Return how an answer with a dump is sent.

    Args:
        chaos: the faults to inject.
        dump: the dump.
        number: the number of earlier requests for the dump.
    """
    for name in ("cutzip", "slowzip"):
        random = chaos.strikes(name, dump.path, number)
        spared = number % 3 == 2 and chaos.gentle(name)
        if random is not None and not spared:
            return _cut(random) if name == "cutzip" else _slow(random)
    return Manner()


def _cut(random: Random) -> Manner:
    return Manner("cutzip", random.uniform(0.1, 0.9), random.random() < 0.5)


def _slow(random: Random) -> Manner:
    return Manner("slowzip", seconds=random.uniform(SLOWEST / 4, SLOWEST))
