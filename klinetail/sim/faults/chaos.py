"""What strikes where and when: decided by a seed, and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from random import Random
from typing import NamedTuple, Self

from klinetail.sim.faults.spec import Rule, parse
from klinetail.sim.faults.table import FAULTS


class Strike(NamedTuple):
    """A fault whose moment has come."""

    name: str
    time: float
    """Real seconds since the exchange started."""
    random: Random
    """What else there is to decide about it."""


class Chaos:
    """The faults of one run.

    Decisions are pure: the same rules, seed and identifiers, the same decision, in
    any order and however often it is asked for. `counts` only grows by `note`.

    Args:
        rules: how often which fault strikes.
        seed: the same seed, the same faults.
    """

    def __init__(self, rules: Mapping[str, Rule], seed: int = 0) -> None:
        self.rules = dict(rules)
        self.seed = seed
        self.counts: Counter[str] = Counter()
        """How often each fault really happened."""

    @classmethod
    def parse(cls, spec: str, *, seed: int = 0) -> Self:
        """The faults that a spec such as `all,-mute,late=0.2,cut@30s` asks for.

        Raises:
            UsageError: it does not say what.
        """
        return cls(parse(spec), seed)

    def __str__(self) -> str:
        named = [name for name in FAULTS if name in self.rules]
        return ", ".join(named)

    @property
    def receipt(self) -> str:
        """How often each of its faults happened, in words."""
        counts = [
            f"{name} {self.counts[name]}" for name in FAULTS if name in self.rules
        ]
        return ", ".join(counts)

    def note(self, name: str) -> None:
        """A fault has happened."""
        self.counts[name] += 1

    def gentle(self, name: str) -> bool:
        """Whether the fault came with `all` or a group, see `Rule`."""
        rule = self.rules.get(name)
        return rule is not None and rule.gentle

    def strikes(self, name: str, *where: object) -> Random | None:
        """Whether a fault with a rate strikes what `where` identifies: if so, what
        else there is to decide about it."""
        rule = self.rules.get(name)
        if rule is None or self._unit(name, *where) >= rule.rate:
            return None
        return self._random(name, *where)

    def due(self, after: float, until: float) -> list[Strike]:
        """The strikes of faults with a period in (after, until], real seconds."""
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
        """Real seconds after which the connection of this number has to end: half
        the period to all of it."""
        rule = self.rules.get("lifetime")
        if rule is None:
            return None
        return rule.period * (1 + self._unit("lifetime", number)) / 2

    def _unit(self, *where: object) -> float:
        """A number in [0, 1)."""
        digest = blake2b(self._name(where), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def _random(self, *where: object) -> Random:
        return Random(self._name(where))  # noqa: S311 - it has to be reproducible

    def _name(self, where: tuple[object, ...]) -> bytes:
        return "/".join(map(str, (self.seed, *where))).encode()
