"""Lines of JSON -> tables in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Line = Mapping[str, object]

BEGIN = "<!-- figures -->"
END = "<!-- end of figures -->"
"""Marks in a document, between which the tables belong."""

TITLES = {
    "speed": "A flood, each message to a line in a file, `ws://`",
    "speed-1": "The same, one frame a write of the server",
    "speed-tls": "The same over `wss://`, one record a frame",
    "lag": "Lag at 2,400 messages/s, one frame a write",
    "lag-tls": "The same over `wss://`",
    "lag-market": "Lag at 47,000 messages/s, 12 connections, 11,800 streams",
    "start": "Start to first line",
    "help": "`--help`",
    "rest": "CPU at rest",
    "market": "The whole market: closed candles to a file, 40 frames a write",
    "market-1": "The same, one frame a write of the server",
    "market-tls": "The same over `wss://`, one record a frame, 40 a write",
    "memory": "Peak memory",
    "revisions": "What a day of fingerprints adds, by which late revisions are told",
    "hour": "All streams close at once: the order of their series alone",
    "growth": "Growth with the streams: 4 messages/s each, at least 1,000 in all",
    "table": "The live table, 120 columns and 40 lines",
    "read": "A row of a recording, read",
    "append": "A minute of the whole market, appended and on the disk",
    "resume": "How soon a recording knows where each stream goes on",
    "check": "A check of a large recording",
    "stages": "Where klinetail's CPU goes, without threads and the kernel's reads",
}

_UNSAID = ("figure", "said", "messages", "cpu_us_all", "p99_ms_all", "tls")

HEADINGS = {
    "contestant": "",
    "what": "",
    "cpu_us": "CPU a message, µs",
    "cpu_us_times": "klinetail's, times",
    "tls_us": "of that TLS, µs",
    "messages_per_s": "messages/s",
    "peak_mb": "peak, MB",
    "taken_mb": "memory, MB",
    "close_us": "CPU a close, µs",
    "p50_ms": "p50, ms",
    "p50_ms_times": "klinetail's, times",
    "p99_ms": "p99, ms",
    "p99_ms_times": "klinetail's, times",
    "p999_ms": "p99.9, ms",
    "core_percent": "% of a core",
    "per_write": "frames a write",
    "all_lines": "all lines",
    "in_order": "in order",
    "equal": "equal to the record",
    "cpu_ms": "CPU, ms",
    "row_us": "CPU a row, µs",
    "row_us_times": "`recordings.read`'s, times",
    "cpu_s": "CPU, s",
    "cpu_s_times": "klinetail's, times",
    "wall_s": "time, s",
    "peak_mb_times": "times klinetail's",
    "exchange_us": "exchange's own CPU a message, µs",
    "bytes_per_s": "bytes/s written",
    "pushed_per_s": "pushed/s",
}


def markdown(lines: Sequence[Line]) -> str:
    """All tables, the versions first."""
    parts = []
    plain = {x["contestant"]: x["cpu_us"] for x in lines if x["figure"] == "speed"}
    for figure in dict.fromkeys(str(line["figure"]) for line in lines):
        found = [line for line in lines if line["figure"] == figure]
        if figure == "versions":
            parts.append(_sentence(found[0]))
            continue
        if figure == "speed-tls" and plain:
            found = [_with_share(line, plain) for line in found]
        parts.append(f"### {TITLES[figure]}\n\n{_table(_compared(found))}")
    return "\n\n".join(parts) + "\n"


def inserted(document: str, tables: str) -> str:
    """The document with the tables between its two marks, or the tables alone if it
    has none."""
    before, mark, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        return tables
    return f"{before}{mark}\n\n{tables}\n{end}{after}"


def _sentence(line: Line) -> str:
    said = (f"{key} {value}" for key, value in line.items() if key != "figure")
    return "Measured with " + ", ".join(said) + "."


def _with_share(line: Line, plain: Mapping[object, object]) -> Line:
    cpu, without = line["cpu_us"], plain.get(line["contestant"])
    if not isinstance(cpu, float) or not isinstance(without, float):
        return line
    return {**line, "tls_us": round(cpu - without, 2)}


def _compared(lines: Sequence[Line]) -> list[Line]:
    """With how many times as much klinetail takes, where there are others."""
    ours = next((x for x in lines if x.get("contestant") == "klinetail"), None)
    if ours is None or len(lines) == 1:
        return list(lines)
    compared = []
    for line in lines:
        wider: dict[str, object] = {}
        for key, value in line.items():
            wider[key] = value
            if key in ("cpu_us", "p50_ms", "p99_ms"):
                wider[f"{key}_times"] = _times(ours.get(key), value)
        compared.append(wider)
    return compared


def _times(ours: object, theirs: object) -> str | None:
    if not isinstance(ours, float) or not isinstance(theirs, float) or theirs <= 0:
        return None
    return f"{ours / theirs:.2f}"


def _table(lines: Sequence[Line]) -> str:
    keys = dict.fromkeys(key for line in lines for key in line if key not in _UNSAID)
    rows = [[HEADINGS.get(key, key.replace("_", " ")) for key in keys]]
    rows.append(["---"] * len(keys))
    rows += [[_cell(line.get(key)) for key in keys] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
