"""F14: bytes that command a terminal, characters that nothing is drawn for, and floods,
brought in wherever text comes in. Whatever sink they would come out of: none may.

Each thing of the corpus stands between a Q and a Z, so that it can be told from the
sequences that the table itself writes to its terminal.
"""

import contextlib
import json
import re
import tempfile
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from klinetail.escape import printable
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.terminals import Terminal
from tests.measured.flood import flood
from tests.measured.shared import START, Process
from tests.venue import Ack, Answer, Close, Heed, Stall, Text, Venue

CONTROLS = [chr(n) for n in (*range(1, 32), *range(0x7F, 0xA0))]
FORMATS = [
    *"\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0041\ue000",
]
INVISIBLE = [
    *"\u3164\u115f\u1160\uffa0\u034f\u180b\u17b4\u17b5\ufe00\ufe0f\U000e0101\u2800",
]
"""Letters, marks and symbols that nothing is drawn for."""

STACKS = ["e" + "\u0489" * 40, "e" + "\u0300\u0316\u0489" * 8]
"""Marks upon one another: of these a few may come out."""

SEQUENCES = [
    "\x1b[2J",
    "\x1b[31m",
    "\x1b[?1049l",
    "\x1b[?25h",
    "\x1b[6n",
    "\x1b]0;owned\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x1b]52;c;eA==\x07",
    "\x1bP$q\x1b\\",
    "\x1bc",
    "\x9b2J",
    "\x9d0;owned\x9c",
    "\r\nklinetail: forged",
]
RAW = ["\udc9b31m", "\udc85", "\udcff", "\udce5\udcb8"]
"""Bytes that are no UTF-8."""

HARMLESS = ["[/red]", "[link=http://x]", "[bold]", "=1+1", "+1", "-1", "@SUM(1)"]
"""Markup and what a spreadsheet takes for a formula; these may be shown."""

CORPUS = [
    *CONTROLS,
    *FORMATS,
    *INVISIBLE,
    *STACKS,
    *SEQUENCES,
    *RAW,
    *HARMLESS,
]
PILED = re.compile("[\u0300\u0316\u0489]{5,}").findall
COMMANDS = "\x1b\\[[0-9;?]*[A-Za-z]|[\r\n]"
"""What klinetail and rich themselves write to a terminal."""

WATCH = ["watch", "btcusdt", "1m", "-n", "1", "-v"]


class Run(NamedTuple):
    """One run of the program, and what it is given."""

    channel: str
    arguments: list
    scripts: tuple = ()
    """Of the venue's connections; it is the WebSocket, or REST if so said."""
    rest: bool = False
    connections: int = 0
    """How many connections to the venue to wait for before it is ended."""
    words: str = ""
    """What to wait for on a terminal or stderr before it is ended."""


def measure(quick, seed):
    with tempfile.TemporaryDirectory() as place:
        every = runs(place)
        every = every[::5] if quick else every
        jobs = [(one, on_terminal) for one in every for on_terminal in (False, True)]
        with (
            Server(Synthetic(seed=seed, start=START), speed=60) as server,
            ThreadPoolExecutor(3) as pool,
        ):
            found = list(pool.map(lambda job: outcome(server, *job), jobs))
            cells = formulas(server, place)
            floods = flood(server, place, 5_000 if quick else 86_401)
    channels = dict.fromkeys(one.channel for one in every)
    return {
        "corpus": len(CORPUS),
        "runs": len(found),
        "raw_bytes_out": sum(one["raw"] for one in found),
        "csv_cells_that_are_formulas": cells,
        "tracebacks": sum(one["traceback"] for one in found),
        "longest_line": max(one["longest"] for one in found),
        "floods": floods,
        "sinks_bytes": sum(one["bytes"] for one in found),
        "shown_escaped": {
            channel: len(
                set().union(*(f["shown"] for f in found if f["channel"] == channel))
            )
            for channel in channels
        },
        "wrong": [
            {key: one[key] for key in ("channel", "terminal", "raw", "sample")}
            for one in found
            if one["raw"] or one["traceback"]
        ][:10],
    }


def chunks(most, corpus=CORPUS):
    """The corpus as texts of at most so many bytes."""
    texts = [""]
    for item in corpus:
        if len(encoded(texts[-1])) + len(encoded(item)) + 2 > most:
            texts.append("")
        texts[-1] += f"Q{item}Z"
    return texts


def encoded(text):
    return text.encode("utf-8", "surrogateescape")


def runs(place):
    """Every run to make."""
    clean = [item for item in CORPUS if item not in RAW]
    acked = [Ack(), Heed(), Text('{"result":null,"id":1}')]
    found = []
    found += [Run("symbol", ["watch", text]) for text in chunks(36)]
    for text in chunks(200):
        found += [
            Run("interval", ["watch", f"btcusdt@{text}"]),
            Run("time zone", [*WATCH, "--tz", text]),
            Run("address", [*WATCH, "--ws-url", f"ws://{text}", "--rest-url", "http://x"]),
            Run("proxy", [*WATCH, "--proxy", f"http://127.0.0.1:9/{text}"]),
            Run("chaos", ["serve", "--chaos", text.replace(",", "")]),
            rest("REST page, HTTP 400", Answer(400, encoded(text))),
            rest("REST page, HTTP 200", Answer(200, encoded(text)), words="again"),
            handshake("handshake's page", Answer(403, encoded(text))),
        ]  # fmt: skip
    for text in chunks(200, clean):
        body = json.dumps({"code": -1, "msg": text}).encode()
        error = json.dumps({"error": {"code": 2, "msg": text}, "id": 1})
        found += [
            rest("REST error", Answer(400, body)),
            rest("REST error, HTTP 503", Answer(503, body), words="again"),
            handshake("handshake's error", Answer(400, body)),
            handshake("SUBSCRIBE's error", Ack(), Heed(), Text(error), Stall()),
        ]
    reasons = [Close(1000, encoded(text)) for text in chunks(120)]
    for three in (reasons[n : n + 3] for n in range(0, len(reasons), 3)):
        scripts = tuple([*acked, close] for close in three)
        found.append(Run("close reason", WATCH, scripts, connections=len(three) + 1))
    messages = [Text(encoded(text)) for text in chunks(60)]
    found.append(handshake("message", *acked, *messages, Stall(), words="dropped"))
    frames = [Text(kline(item)) for item in clean]
    found.append(handshake("kline's symbol", *acked, *frames, Stall(), words="dropped"))
    found.append(
        rest("listing", Answer(400, b'{"code":-1121,"msg":"x"}'), listing(clean))
    )
    names = [f"{place}/{item.replace('/', '_')}" for item in chunks(60)]
    for name in names:
        out = ["--out", f"{name}.csv", "--out", f"{name}.jsonl", "-c", "1"]
        found.append(Run("file name", [*WATCH, *out]))
        found.append(
            Run("file name that cannot be", [*WATCH, "--out", f"{name}/x.csv"])
        )
    for number, text in enumerate(chunks(200)):
        path = f"{place}/{number}.csv"
        with open(path, "wb") as file:
            file.write(encoded(text) + b"\n")
        found.append(Run("file to go on with", [*WATCH, "--out", path]))
    return found


def rest(channel, *answers, words=""):
    scripts = tuple([answer] for answer in answers)
    return Run(channel, WATCH, scripts, rest=True, words=words)


def handshake(channel, *steps, words=""):
    return Run(channel, WATCH, (list(steps),), words=words)


def kline(item):
    symbol = {"e": "kline", "E": START, "s": f"Q{item}Z", "k": {"s": f"Q{item}Z"}}
    return json.dumps(symbol)


def listing(items):
    """exchangeInfo with such symbols, which are like the one that was asked for."""
    symbols = [{"symbol": f"BTCUSDTQ{item}Z", "status": "TRADING"} for item in items]
    return Answer(200, json.dumps({"symbols": symbols}).encode())


def outcome(server, run, on_terminal):
    """What came out of one run."""
    with contextlib.ExitStack() as stack:
        arguments = [*run.arguments]
        venue = None
        port = server.port
        if run.scripts:
            venue = stack.enter_context(Venue(*run.scripts))
        if arguments[0] == "watch" and "--ws-url" not in arguments:
            ws = f"ws://127.0.0.1:{port}/market" if venue is None or run.rest else None
            arguments += ["--ws-url", ws or venue.ws_url]
            side = venue.port if venue is not None and run.rest else port
            arguments += ["--rest-url", f"http://127.0.0.1:{side}"]
        play = in_terminal if on_terminal else in_pipe
        data = play(arguments, lambda: done(run, venue), run.words)
    return {
        "channel": run.channel,
        "terminal": on_terminal,
        "bytes": len(data),
        "shown": {item for item in CORPUS if shown(item, data)},
        "traceback": b"Traceback" in data,
        "longest": 0 if on_terminal else longest(data),
        **raw(data, on_terminal),
    }


def done(run, venue):
    """Whether it met what it was to meet; a run that ends by itself need not say."""
    return bool(run.connections) and len(venue.peers) >= run.connections


def in_pipe(arguments, enough, words):
    """Its stdout and stderr."""
    with Process(*arguments) as process:
        until = time.monotonic() + 6
        while process.process.poll() is None and time.monotonic() < until:
            if enough() or (words and words.encode() in process.err):
                time.sleep(0.5)
                break
            time.sleep(0.02)
        process.process.terminate()
        out = process.process.stdout.read()
        process.process.wait(10)
        process._reader.join(5)
        return out + process.err


def in_terminal(arguments, enough, words):
    """All that its terminal got."""
    terminal = Terminal(arguments, 200, 40)
    try:
        until = time.monotonic() + 6
        while terminal.read(0.05) and time.monotonic() < until:
            if enough() or (words and words in terminal.text()):
                until = min(until, time.monotonic() + 0.5)
        if terminal.child.isalive():
            terminal.child.kill(15)
        until = time.monotonic() + 5
        while terminal.read() and time.monotonic() < until:
            pass
    finally:
        terminal.child.close(force=True)
    return terminal.raw


def shown(item, data):
    """Whether it can be seen there, made harmless."""
    whole = printable(item).encode()
    return b"Q" + whole in data


def longest(data):
    """Characters of the longest line that is no receipt, which names all files."""
    lines = data.decode("utf-8", "replace").splitlines()
    said = [line for line in lines if line.startswith("klinetail: ")]
    return max((len(line) for line in said if "; from " not in line), default=0)


def raw(data, on_terminal):
    """Bytes of the corpus that came out as they are."""
    hits = [
        item
        for item in CORPUS
        if item not in [*HARMLESS, *STACKS] and encoded("Q" + item[0]) in data
    ]
    # A line's end between Q and Z is what wraps a line on a terminal.
    hits = [
        item for item in hits if item[0] not in "\r\n" or encoded(f"Q{item}Z") in data
    ]
    text = data.decode("utf-8", "surrogateescape")
    rest = re.sub(COMMANDS if on_terminal else "\n", "", text)
    strays = [c for c in rest if commands(c) or c in INVISIBLE]
    strays += PILED(rest)
    sample = ascii("".join(strays[:10])) if strays else ""
    if hits:
        at = data.find(encoded("Q" + hits[0][0]))
        sample = ascii(data[max(0, at - 60) : at + 40])
    return {"raw": len(hits) + len(strays), "sample": sample}


def commands(character):
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


def formulas(server, place):
    """Cells of a CSV of the program's, in a pipe and a file, that begin as formulas."""
    path = f"{place}/plain.csv"
    urls = ["--ws-url", f"ws://127.0.0.1:{server.port}/market"]
    urls += ["--rest-url", f"http://127.0.0.1:{server.port}"]
    arguments = ["btcusdt", "币安人生usdt", "1m", "-n", "50", "-c", "100", "-o", "csv"]
    with Process("watch", *arguments, "--out", path, *urls) as process:
        out = process.process.stdout.read()
    with open(path, "rb") as file:
        out += file.read()
    cells = [cell for line in out.splitlines() for cell in line.split(b",")]
    assert len(cells) > 2000
    return sum(cell[:1] in b"=+-@\t\r" for cell in cells if cell)
