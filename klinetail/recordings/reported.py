"""What a check has found, as plain lines and as JSON lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from klinetail.recordings.findings import (
    NOTES,
    Finding,
    Kind,
    counted,
    shown,
    words,
)
from klinetail.recordings.open import STDIN
from klinetail.recordings.survey import Checked, Report

SHOWN: Final = 100
"""Faults that are said to a person, and notes; more are counted."""

_FAULTS: Final = tuple(kind for kind in Kind if kind not in NOTES)


def stream_line(checked: Checked) -> str:
    """Return a line about a stream of a recording, unescaped."""
    verdict = checked.verdict
    rows = "1 candle" if verdict.rows == 1 else f"{verdict.rows:,} candles"
    times = (
        ""
        if verdict.first is None
        else f", {shown(verdict.first)} to {shown(verdict.last)}"
    )
    return f"{checked.chain.name}: {verdict.stream} {rows}{times}: {state(checked)}"


def row(checked: Checked) -> tuple[str, str, str, str, int, str]:
    """Return the cells of a stream in a table: the names of the files, the stream, its
    first and its last candle, how many candles, and what is wrong."""
    verdict = checked.verdict
    first, last = (
        "" if time is None else shown(time) for time in (verdict.first, verdict.last)
    )
    name = checked.chain.name
    return name, str(verdict.stream), first, last, verdict.rows, state(checked)


def state(checked: Checked) -> str:
    """Return what is wrong with a stream, in words: `2 holes (12 candles)`; or
    `whole`."""
    verdict = checked.verdict
    counts = {
        Kind.HOLE: len(verdict.holes),
        Kind.DOUBLE: checked.doubles,
        Kind.DISORDER: checked.disordered,
    }
    said = [counted(counts, [kind]) for kind in counts]
    if said[0]:
        said[0] += f" ({_candles(checked.missing)})"
    if checked.wrong:
        said.append(f"{checked.wrong:,} wrong line{'s' * (checked.wrong > 1)}")
    if verdict.broken:
        said.append("no order at all")
    return ", ".join(filter(None, said)) or "whole"


def finding_lines(report: Report, most: int = SHOWN) -> Iterator[str]:
    """Yield a line for each finding, unescaped, and a last line with the number of
    findings left out."""
    for finding in report.findings[:most]:
        note = "note: " if finding.kind in NOTES else ""
        yield f"{place(report, finding)}: {note}{_said(report, finding)}"
    if len(report.findings) > most:
        yield f"(and {len(report.findings) - most:,} more; --json lists them)"


def _said(report: Report, finding: Finding) -> str:
    if finding.kind is Kind.FLOAT and (n := report.counts[Kind.FLOAT]) > 1:
        return f"{words(finding)}, the first of {n:,} such lines"
    return words(finding)


def place(report: Report, finding: Finding) -> str:
    """Return the file and the line of a finding: `m.csv:18231`."""
    file, line = finding.at
    path = report.paths[file]
    return f"{'stdin' if path == STDIN else path}:{line}"


def summary(report: Report) -> str:
    """Return the figures of a check in one line."""
    files, rows, streams = len(report.paths), report.rows, len(report.streams)
    said = (
        f"checked {files:,} file{'s' * (files != 1)}, {_candles(rows)},"
        f" {streams:,} stream{'s' * (streams != 1)}: {faults(report)}"
    )
    notes = counted(report.counts, NOTES)
    return f"{said}; noted: {notes}" if notes else said


def faults(report: Report) -> str:
    """Return how many faults of each kind there are, in words."""
    said = counted(report.counts, _FAULTS)
    if not said:
        return "no fault" if report.rows else "no candle"
    hole = counted(report.counts, [Kind.HOLE])
    return (
        said.replace(hole, f"{hole} ({_candles(report.missing)})", 1) if hole else said
    )


def _candles(number: int) -> str:
    return f"{number:,} candle{'s' * (number != 1)}"


def as_json(report: Report) -> Iterator[bytes]:
    """Yield the report as JSON lines: the streams, the findings, then the sums."""
    for checked in report.streams:
        verdict = checked.verdict
        yield _line(
            {
                "type": "stream",
                "files": [report.paths[file] for file in checked.chain.files],
                "symbol": verdict.stream.symbol,
                "interval": verdict.stream.interval,
                "first": verdict.first,
                "last": verdict.last,
                "candles": verdict.rows,
                "forming": verdict.forming,
                "holes": len(verdict.holes),
                "missing": checked.missing,
                "doubles": checked.doubles,
                "disorder": checked.disordered,
                "wrong_lines": checked.wrong,
            }
        )
    for finding in report.findings:
        file, line = finding.at
        stream = finding.stream
        yield _line(
            {
                "type": "note" if finding.kind in NOTES else "fault",
                "kind": finding.kind,
                "file": report.paths[file],
                "line": line,
                "symbol": None if stream is None else stream.symbol,
                "interval": None if stream is None else stream.interval,
                "first": finding.first,
                "last": finding.last,
                "candles": None if finding.first is None else finding.candles,
                "differing": finding.differing,
                "text": words(finding),
            }
        )
    yield _line(
        {
            "type": "summary",
            "files": len(report.paths),
            "unreadable": len(report.unreadable),
            "streams": len(report.streams),
            "candles": report.rows,
            "missing": report.missing,
            "faults": {kind: report.counts[kind] for kind in _FAULTS},
            "notes": {kind: report.counts[kind] for kind in NOTES},
        }
    )


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
