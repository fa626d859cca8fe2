"""What a check finds: faults, notes, and their words. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from klinetail.candle import LAST_TIME, Stream
from klinetail.recordings.check import Place, Track, Verdict

LISTED: Final = 10_000
"""Faults of lines that a check keeps at most; more are counted."""


class Kind(enum.StrEnum):
    """What can be wrong with a recording."""

    HOLE = "hole"
    """Candles between the first and the last one are missing."""
    DOUBLE = "double"
    """Candles are there more than once."""
    DISORDER = "disorder"
    """Candles come after later ones."""
    TIME = "time"
    """A candle does not begin or end when a candle of its interval does."""
    PRICES = "prices"
    """An open or close lies outside low to high."""
    NO_RECORD = "no record"
    """A line is no candle."""
    TORN = "torn"
    """The last line or frame is torn, or NUL bytes follow."""
    FLOAT = "float"
    """A note: a line has the digits that a float leaves behind."""
    FORMING = "forming"
    """A note: a candle was still forming."""
    NO_BREAK = "no break"
    """A note: the last line is whole, but has no line break."""


NOTES: Final = (Kind.FLOAT, Kind.FORMING, Kind.NO_BREAK)
"""The kinds that are no faults."""


class Finding(NamedTuple):
    """A fault, or a note."""

    kind: Kind
    """What is wrong."""
    at: Place
    """Where this is seen."""
    text: str
    """What a line says, unescaped; empty for the kinds that candles tell."""
    stream: Stream | None = None
    """The stream, if the finding is about certain candles."""
    first: int | None = None
    """Open time of the first of the candles, ms."""
    last: int | None = None
    """Open time of the last of the candles, ms."""
    candles: int = 1
    """How many candles, or lines."""
    differing: int | None = None
    """Of doubles: how many have other values than the candle before; None if they were
    not compared."""


@dataclass(slots=True)
class Part:
    """The findings of one process in a part of a file."""

    lines: int = 0
    """Lines of the part."""
    tracks: dict[Stream, Track] = field(default_factory=dict)
    """By stream, the candles of the part."""
    counts: Counter[Kind] = field(default_factory=Counter)
    """By kind, the number of findings about lines."""
    by_stream: Counter[Stream] = field(default_factory=Counter)
    """By stream, the number of faults of lines."""
    findings: list[Finding] = field(default_factory=list)
    """The first findings of lines, `LISTED` at most."""
    unreadable: str | None = None
    """Why the file cannot be read; None for a readable file."""

    def add(self, kind: Kind, at: Place, text: str, stream: Stream | None) -> None:
        """Count a finding of a line, and keep the first ones of each kind of note."""
        self.counts[kind] += 1
        if stream is not None and kind not in NOTES:
            self.by_stream[stream] += 1
        if kind in NOTES and self.counts[kind] > 1:
            return
        if len(self.findings) < LISTED:
            self.findings.append(Finding(kind, at, text, stream))


def joined_findings(parts: Iterable[Part], first_lines: Mapping[int, int]) -> Part:
    """Return the findings of parts that follow one another, without their tracks.

    Args:
        parts: the parts.
        first_lines: by place among the parts, how many lines of the file come before.
    """
    whole = Part()
    for n, part in enumerate(parts):
        whole.lines += part.lines
        for finding in part.findings:
            noted = finding.kind in NOTES and whole.counts[finding.kind]
            if not noted and len(whole.findings) < LISTED:
                file, line = finding.at
                at = file, line + first_lines[n]
                whole.findings.append(finding._replace(at=at))
        whole.counts += part.counts
        whole.by_stream += part.by_stream
    return whole


def of_verdict(verdict: Verdict, file: int) -> list[Finding]:
    """Return the faults of a stream's candles, in the order of the file.

    Args:
        verdict: what the candles are.
        file: the number of the first file.
    """
    stream = verdict.stream
    steps, shift = stream.interval.steps, stream.interval.shift
    found = [
        Finding(
            kind,
            each.at,
            "",
            stream,
            each.first,
            shift(each.end, -1),
            max(1, steps(each.first, each.end)),
        )
        for kind, ranges in (
            (Kind.HOLE, verdict.holes),
            (Kind.DOUBLE, verdict.doubles),
            (Kind.DISORDER, verdict.disorder),
        )
        for each in ranges
    ]
    if verdict.broken:
        text = "its candles are in no order at all; sort the file first"
        found.append(Finding(Kind.DISORDER, (file, 1), text, stream))
    return sorted(found, key=lambda finding: finding.at)


def words(finding: Finding) -> str:
    """Return what is wrong, in words, unescaped."""
    if finding.text:
        named = "" if finding.stream is None else f"{finding.stream}: "
        return f"{named}{finding.text}"
    candles, stream = finding.candles, finding.stream
    first, last = shown(finding.first), shown(finding.last)
    one = candles == 1
    range_ = first if one else f"{first} to {last}"
    number = "1 candle" if one else f"{candles:,} candles"
    match finding.kind:
        case Kind.HOLE:
            said = f"{number} missing, {range_}"
        case Kind.DOUBLE:
            said = f"{number} once more, {range_}{_values(finding)}"
        case _:
            after = "a later one" if one else "later ones"
            said = f"{number} after {after}, {range_}"
    return f"{stream}: {said}"


def _values(finding: Finding) -> str:
    differing = finding.differing
    if differing is None:
        return ""
    if not differing:
        return ", with the same values"
    if differing == finding.candles:
        return ", with other values"
    return f", {differing:,} of them with other values"


def shown(time: int | None) -> str:
    """Return a time (ms) as text: `2026-11-24T12:04Z`."""
    if time is None or not 0 <= time <= LAST_TIME:
        return "?"
    moment = datetime.fromtimestamp(time / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M}Z"


PLURALS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.HOLE: ("hole", "holes"),
    Kind.DOUBLE: ("double", "doubles"),
    Kind.DISORDER: ("candle out of order", "candles out of order"),
    Kind.TIME: ("wrong time", "wrong times"),
    Kind.PRICES: ("candle with impossible prices", "candles with impossible prices"),
    Kind.NO_RECORD: ("line that is no record", "lines that are no records"),
    Kind.TORN: ("torn end", "torn ends"),
    Kind.FLOAT: ("line with the digits of floats", "lines with the digits of floats"),
    Kind.FORMING: ("forming candle", "forming candles"),
    Kind.NO_BREAK: (
        "last line without a line break",
        "last lines without a line break",
    ),
}
"""The words for one and for several findings of a kind."""


def counted(counts: Mapping[Kind, int], kinds: Sequence[Kind]) -> str:
    """Return how many findings there are, in words: `2 holes, 1 double`; "" if none."""
    return ", ".join(
        f"{counts[kind]:,} {PLURALS[kind][counts[kind] > 1]}"
        for kind in kinds
        if counts.get(kind, 0)
    )
