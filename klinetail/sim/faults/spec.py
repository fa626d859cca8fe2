"""The syntax of `--chaos`, for example `all,-mute,late=0.2,cut@30s`. Pure."""

from __future__ import annotations

import difflib
import re
from typing import Final

import msgspec

from klinetail.errors import UsageError
from klinetail.sim.faults.table import FAULTS, Fault, Group


class Rule(msgspec.Struct, frozen=True):
    """The frequency of one fault: either a rate or a period, as in the table of
    faults."""

    rate: float = 0.0
    """The share of possible strikes that happen; 0.0 for a fault with a period."""
    period: float = 0.0
    """The mean real seconds between two strikes; 0.0 for a fault with a rate."""
    gentle: bool = False
    """Whether the fault was requested by `all` or a group. A client is then served once
    before any final refusal, and every third REST request is answered."""


_ITEM: Final = re.compile(
    r"(?P<minus>-?)(?P<name>[^=@-][^=@]*)(=(?P<rate>[^=@]*))?(@(?P<period>[^=@]*))?"
).fullmatch
_SECONDS: Final = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>ms|s|m|h)?").fullmatch
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
"""The seconds of each unit."""


def parse(spec: str) -> dict[str, Rule]:
    """Return the rules of a spec, by fault.

    Words are separated by commas and apply from left to right: `all`, a group, a fault,
    `name=rate`, `name@period`. A minus before `all`, a group or a fault removes rules.

    Raises:
        UsageError: a word is malformed or unknown, or no rule is left.
    """
    rules: dict[str, Rule] = {}
    for word in filter(None, map(str.strip, spec.split(","))):
        if (item := _ITEM(word)) is None:
            raise UsageError(f"--chaos: {word!r} is no fault; {_FORMS}")
        name = item["name"]
        faults = _named(name)
        if item["minus"]:
            if item["rate"] is not None or item["period"] is not None:
                raise UsageError(f"--chaos: {word!r} takes no number; {_FORMS}")
            for fault in faults:
                rules.pop(fault.name, None)
        elif name in FAULTS:
            rules[name] = _rule(FAULTS[name], item["rate"], item["period"])
        elif item["rate"] is not None or item["period"] is not None:
            raise UsageError(f"--chaos: {name!r} is many faults and takes no number")
        else:
            for fault in faults:
                if not fault.asked_for:
                    rule = _rule(fault, None, None)
                    rules[fault.name] = msgspec.structs.replace(rule, gentle=True)
    if not rules:
        raise UsageError(f"--chaos {spec!r} leaves no fault; {_FORMS}")
    return rules


_FORMS: Final = "try all, or late=0.2,cut@30s, or all,-mute"


def _named(name: str) -> list[Fault]:
    """Return the faults of a name.

    Raises:
        UsageError: the name is unknown; the message suggests similar names.
    """
    if name == "all":
        return [*FAULTS.values()]
    if name in FAULTS:
        return [FAULTS[name]]
    if name in Group.__members__.values():
        return [fault for fault in FAULTS.values() if fault.group == name]
    known = ["all", *Group, *FAULTS]
    alike = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f", did you mean {' or '.join(alike)}" if alike else ""
    raise UsageError(f"there is no fault {name!r}{hint}: {' '.join(known)}")


def _rule(fault: Fault, rate: str | None, period: str | None) -> Rule:
    """Return the rule of a fault, with a given or the default frequency.

    Raises:
        UsageError: the frequency is malformed, or of the wrong sort.
    """
    if fault.period is None:
        if period is not None:
            raise UsageError(
                f"--chaos: {fault.name} has a rate, as in {fault.name}={fault.rate:g}"
            )
        return Rule(rate=fault.rate or 0.0 if rate is None else _share(fault, rate))
    if rate is not None:
        raise UsageError(
            f"--chaos: {fault.name} has a period, as in {fault.name}@{fault.period:g}s"
        )
    return Rule(period=fault.period if period is None else _seconds(fault, period))


def _share(fault: Fault, text: str) -> float:
    """Return a rate.

    Raises:
        UsageError: the text is no rate.
    """
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 1:
        raise UsageError(f"--chaos {fault.name}={text}: a rate is over 0, up to 1")
    return rate


def _seconds(fault: Fault, text: str) -> float:
    """Return a period, seconds.

    Raises:
        UsageError: the text is no period.
    """
    found = _SECONDS(text)
    seconds = float(found["number"]) * _UNITS[found["unit"] or "s"] if found else 0.0
    if not 0.05 <= seconds <= 86_400:
        raise UsageError(
            f"--chaos {fault.name}@{text}: a period is from 50ms to 24h, as in 30s"
        )
    return seconds
