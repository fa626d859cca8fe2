"""Chaos: the seeded decisions about time and place of each fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from random import Random
from typing import NamedTuple, Self

from klinetail.sim.faults.spec import Rule, parse
from klinetail.sim.faults.table import FAULTS


class Strike(NamedTuple):
    """A fault with a period whose time has come."""

    name: str
    """The fault."""
    time: float
    """The real seconds since the exchange started."""
    random: Random
    """A random generator for the details."""


class Chaos:
    """The faults of one run.

    Decisions are pure: equal rules, seeds and identifiers give equal decisions, in any
    order and with any repetition. Only `note` changes state, the counts.

    Args:
        rules: the frequency of each fault.
        seed: equal seeds give equal faults.
    """

    def __init__(self, rules: Mapping[str, Rule], seed: int = 0) -> None:
        self.rules = dict(rules)
        """The frequency of each fault, by name."""
        self.seed = seed
        """The seed of all decisions."""
        self.counts: Counter[str] = Counter()
        """The number of times each fault was injected."""

    @classmethod
    def parse(cls, spec: str, *, seed: int = 0) -> Self:
        """Return the faults of a spec like `all,-mute,late=0.2,cut@30s`.

        Raises:
            UsageError: the spec is malformed or names unknown faults.
        """
        return cls(parse(spec), seed)

    def __str__(self) -> str:
        named = [name for name in FAULTS if name in self.rules]
        return ", ".join(named)

    @property
    def receipt(self) -> str:
        """The number of times each fault was injected, in words."""
        counts = [
            f"{name} {self.counts[name]}" for name in FAULTS if name in self.rules
        ]
        return ", ".join(counts)

    def note(self, name: str) -> None:
        """Count an injected fault."""
        self.counts[name] += 1

    def gentle(self, name: str) -> bool:
        """Return whether the fault was requested by `all` or by a group; see `Rule`."""
        rule = self.rules.get(name)
        return rule is not None and rule.gentle

    def strikes(self, name: str, *where: object) -> Random | None:
        """Return whether a fault with a rate strikes: a random generator for the
        details, or None.

        Args:
            name: the fault.
            where: the identity of the candle, request or connection, for a reproducible
                decision.
        """
        rule = self.rules.get(name)
        if rule is None or self._unit(name, *where) >= rule.rate:
            return None
        return self._random(name, *where)

    def due(self, after: float, until: float) -> list[Strike]:
        """Return the strikes of faults with a period in (after, until], real
        seconds."""
        found: list[Strike] = []
        for name, rule in self.rules.items():
            if not rule.period or name == "lifetime":
                continue
            slots = range(int(after // rule.period), int(until // rule.period) + 1)
            for slot in slots:
                time = (slot + self._unit(name, slot)) * rule.period
                if after < time <= until:
                    found.append(Strike(name, time, self._random(name, slot)))
        found.sort(key=lambda strike: strike.time)
        return found

    def lifetime(self, number: int) -> float | None:
        """Return the lifetime of a connection in real seconds, or None for an unlimited
        lifetime.

        The lifetime lies between half the period and the whole period.

        Args:
            number: the number of the connection's handshake.
        """
        rule = self.rules.get("lifetime")
        if rule is None:
            return None
        return rule.period * (1 + self._unit("lifetime", number)) / 2

    def _unit(self, *where: object) -> float:
        """Return a reproducible number in [0, 1)."""
        digest = blake2b(self._name(where), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def _random(self, *where: object) -> Random:
        """Return a reproducible random generator."""
        return Random(self._name(where))  # noqa: S311 - it has to be reproducible

    def _name(self, where: tuple[object, ...]) -> bytes:
        """Return the seed of a decision."""
        return "/".join(map(str, (self.seed, *where))).encode()
