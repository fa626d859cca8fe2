"""The survey of a check: divides files among processes, and joins the results."""

from __future__ import annotations

import functools
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from klinetail.candle import Stream
from klinetail.recordings.check import Verdict, joined, judged, moved
from klinetail.recordings.containers.registry import PLAIN, container_in
from klinetail.recordings.findings import (
    NOTES,
    Finding,
    Kind,
    Part,
    joined_findings,
    of_verdict,
)
from klinetail.recordings.jobs import mapped
from klinetail.recordings.lines import Asked, Piece
from klinetail.recordings.open import STDIN
from klinetail.recordings.scan import scan, values_of

RANGE: Final = 32 << 20
"""Bytes of a plain file for one process at a time, if several processes share the
work."""

COMPARED: Final = 10_000
"""Double candles whose values are compared at most, in files that are checked as
one."""

_DATED: Final = re.compile(r"(.+?)-\d{4}-?\d{2}").match
"""The common beginning of the names of consecutive files, up to a month or a day: names
of public dumps and of rotated recordings."""

_ZIP: Final = b"PK"


class Chain(NamedTuple):
    """Files to be checked as one file, in the order of the names."""

    name: str
    """The names of the files, in words."""
    files: tuple[int, ...]
    """The numbers of the files."""


class Checked(NamedTuple):
    """A stream of a chain."""

    chain: Chain
    """The files."""
    verdict: Verdict
    """What its candles are."""
    wrong: int
    """Faults of its lines."""
    doubles: int
    """Candles that are there once more."""
    missing: int
    """Candles that are missing."""
    disordered: int
    """Candles that come after later ones."""


@dataclass(slots=True)
class Report:
    """What a check has found."""

    paths: Sequence[str]
    """The files."""
    streams: list[Checked] = field(default_factory=list)
    """The streams of each chain of files."""
    findings: list[Finding] = field(default_factory=list)
    """The findings, in the order of the files; some may only be counted."""
    counts: Counter[Kind] = field(default_factory=Counter)
    """How many there are of each kind: holes, double candles, lines ..."""
    unreadable: list[str] = field(default_factory=list)
    """Why files cannot be read."""

    @property
    def rows(self) -> int:
        """All candles."""
        return sum(each.verdict.rows for each in self.streams)

    @property
    def missing(self) -> int:
        """All missing candles."""
        return sum(each.missing for each in self.streams)

    @property
    def whole(self) -> bool:
        """Whether no fault was found."""
        return not any(n for kind, n in self.counts.items() if kind not in NOTES)


def survey(
    paths: Sequence[str], asked: Asked, jobs: int = 1, size: int = RANGE
) -> Report:
    """Return what a check of files finds.

    Args:
        paths: the files; `-` is stdin.
        asked: how to read the files.
        jobs: processes at most.
        size: bytes of a plain file that a process checks at once, with several jobs.
    """
    report = Report(paths)
    order = chains(paths)
    pieces = [
        piece
        for chain in order
        for file in chain.files
        for piece in pieces_of(paths[file], file, jobs, size)
    ]
    parts = mapped(functools.partial(scan, asked=asked), pieces, jobs)
    found = zip(pieces, parts, strict=True)
    left = next(found, None)
    for chain in order:
        mine: list[tuple[Piece, Part]] = []
        while left is not None and left[0].file in chain.files:
            mine.append(left)
            left = next(found, None)
        _report(chain, mine, report)
    _compare(report, pieces, asked, jobs)
    return report


def chains(paths: Sequence[str]) -> list[Chain]:
    """Return the files in groups that are checked as one, in the order of the first
    file of each group."""
    groups: dict[tuple[str, str | int], list[int]] = {}
    for file, path in enumerate(paths):
        dated = _DATED(os.path.basename(path))
        key = ("", file) if dated is None else ("dated", dated[1])
        groups.setdefault(key, []).append(file)
    found = []
    for files in groups.values():
        files.sort(key=lambda file: (os.path.basename(paths[file]), file))
        name = "stdin" if paths[files[0]] == STDIN else paths[files[0]]
        if len(files) > 1:
            last = os.path.basename(paths[files[-1]])
            name = f"{name} to {last} ({len(files):,} files)"
        found.append(Chain(name, tuple(files)))
    return found


def pieces_of(path: str, file: int, jobs: int, size: int) -> list[Piece]:
    """Return the pieces in which a file is read: ranges of a large plain file, if there
    are several jobs; else one."""
    whole = [Piece(path, file)]
    if jobs == 1 or path == STDIN:
        return whole
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size <= size:
            return whole
        with open(path, "rb") as content:
            beginning = content.read(8)
    except OSError:
        return whole
    if beginning.startswith(_ZIP) or container_in(beginning) is not PLAIN:
        return whole
    end = status.st_size
    return [
        Piece(path, file, start, min(start + size, end))
        for start in range(0, end, size)
    ]


def _report(chain: Chain, found: Sequence[tuple[Piece, Part]], report: Report) -> None:
    """Add what was found in the files of a chain."""
    said = {part.unreadable for _, part in found} - {None}
    report.unreadable += sorted(text for text in said if text is not None)
    first_lines: dict[int, int] = {}
    before: Counter[int] = Counter()
    for n, (piece, part) in enumerate(found):
        first_lines[n] = before[piece.file]
        before[piece.file] += part.lines
    parts = [part for _, part in found]
    lines = joined_findings(parts, first_lines)
    findings = lines.findings
    counts = lines.counts
    tracks = (moved(part.tracks, first_lines[n]) for n, part in enumerate(parts))
    for stream, track in sorted(joined(tracks).items()):
        verdict = judged(stream, track)
        faults = of_verdict(verdict, chain.files[0])
        findings += faults
        sums: Counter[Kind] = Counter()
        for fault in faults:
            sums[fault.kind] += fault.candles
        counts[Kind.HOLE] += len(verdict.holes)
        counts[Kind.DOUBLE] += sums[Kind.DOUBLE]
        counts[Kind.DISORDER] += sums[Kind.DISORDER]
        counts[Kind.FORMING] += verdict.forming
        wrong = lines.by_stream[stream]
        sizes = (sums[kind] for kind in (Kind.DOUBLE, Kind.HOLE, Kind.DISORDER))
        report.streams.append(Checked(chain, verdict, wrong, *sizes))
    places = {file: place for place, file in enumerate(chain.files)}
    findings.sort(key=lambda finding: (places[finding.at[0]], finding.at[1]))
    report.findings += findings
    report.counts += counts


def _compare(report: Report, pieces: Sequence[Piece], asked: Asked, jobs: int) -> None:
    """Tell of each double whether it has other values than the candle before, by a
    second reading."""
    wanted: defaultdict[Stream, set[int]] = defaultdict(set)
    files: set[int] = set()
    size = 0
    chained = {
        file: chain.files for chain in chains(report.paths) for file in chain.files
    }
    for finding in report.findings:
        if finding.kind is not Kind.DOUBLE or finding.stream is None:
            continue
        size += finding.candles
        if size <= COMPARED:
            wanted[finding.stream].update(_times(finding))
            files.update(chained[finding.at[0]])
    again = [piece for piece in pieces if piece.file in files and piece.path != STDIN]
    if not again:
        return
    collect = functools.partial(values_of, asked=asked, wanted=dict(wanted))
    values: defaultdict[tuple[int, Stream, int], set[int]] = defaultdict(set)
    for piece, found in zip(again, mapped(collect, again, jobs), strict=True):
        for stream, time, value in found:
            values[chained[piece.file][0], stream, time].add(value)
    for n, finding in enumerate(report.findings):
        if finding.kind is not Kind.DOUBLE or (named := finding.stream) is None:
            continue
        chain = chained[finding.at[0]][0]
        kinds = [len(values[chain, named, time]) for time in _times(finding)]
        if all(kinds) and len(kinds) == finding.candles:
            differing = sum(kind > 1 for kind in kinds)
            report.findings[n] = finding._replace(differing=differing)


def _times(finding: Finding) -> Iterator[int]:
    """Yield the open times (ms) of the candles of a finding, `COMPARED` at most."""
    if finding.stream is None or finding.first is None:
        return
    time = finding.first
    for _ in range(min(finding.candles, COMPARED)):
        yield time
        time = finding.stream.interval.shift(time, 1)
