"""F12: how soon a run ends after a signal, in each of its states."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from klinetail.formats import jsonl
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import KLINETAIL, environment
from tests.e2e.terminals import Terminal
from tests.measured.shared import START, Process, spread
from tests.measured.storm import closed_port
from tests.toxic import Toxic
from tests.venue import PATIENCE, TEXT, Ack, Stall, Venue

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESOLVER = """\
import socket, time
real = socket.getaddrinfo
def slow(host, *args, **options):
    if host == "slow.invalid":
        time.sleep(60)
    return real(host, *args, **options)
socket.getaddrinfo = slow
"""
"""A name server that does not answer."""


BEGUN = """\
import os, sys
class Begun:
    def find_spec(self, name, path=None, target=None):
        if "klinetail" in sys.modules:
            sys.meta_path.remove(self)
            os.write(int(os.environ["BEGUN_FD"]), b"!")
sys.meta_path.insert(0, Begun())
"""
"""Tells when klinetail's first line was reached: at the first import after it."""

FIRST = 0.03
"""Seconds after that in which the signal of an early run comes."""


class Stage:
    """What runs are played on: an exchange, a name server that does not answer, and an
    interpreter that tells how far it is."""

    def __init__(self, seed):
        self._stack = contextlib.ExitStack()
        enter = self._stack.enter_context
        self.port = enter(Server(Synthetic(seed=seed, start=START), speed=60)).port
        self.resolver = enter(tempfile.TemporaryDirectory())
        with open(f"{self.resolver}/sitecustomize.py", "w") as file:
            file.write(RESOLVER)
        self.begun = enter(tempfile.TemporaryDirectory())
        with open(f"{self.begun}/sitecustomize.py", "w") as file:
            file.write(BEGUN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()


def ws(address):
    return ["--ws-url", address]


def rest(port):
    return ["--rest-url", f"http://127.0.0.1:{port}"]


@contextlib.contextmanager
def plain(*urls):
    """A state that the addresses alone bring about."""
    yield list(urls), {}, lambda: None


@contextlib.contextmanager
def asking_rest(stage):
    with Venue([Stall()]) as venue:
        yield [*ws(venue.ws_url), *rest(venue.port)], {}, heard(venue)


@contextlib.contextmanager
def resolving(stage):
    env = {"PYTHONPATH": stage.resolver}
    yield [*ws("ws://slow.invalid"), *rest(stage.port)], env, lambda: time.sleep(0.2)


@contextlib.contextmanager
def connecting(stage):
    with Venue([Stall()]) as venue:
        yield [*ws(venue.ws_url), *rest(stage.port)], {}, heard(venue)


@contextlib.contextmanager
def tls(stage):
    with Venue([Stall()]) as venue:
        url = f"wss://localhost:{venue.port}"
        yield [*ws(url), *rest(stage.port)], {}, venue.peer


@contextlib.contextmanager
def subscribing(stage):
    with Venue([Ack(), Stall()]) as venue:
        asked = lambda: venue.peer().frame(TEXT)  # noqa: E731
        yield [*ws(venue.ws_url), *rest(stage.port)], {}, asked


def heard(venue):
    """Waits for the request that is never answered."""
    return lambda: venue.peer().requests.get(timeout=PATIENCE)


def live(stage):
    return plain(*ws(f"ws://127.0.0.1:{stage.port}/market"), *rest(stage.port))


def waiting(stage):
    return plain(*ws(f"ws://127.0.0.1:{closed_port()}"), *rest(stage.port))


def down(stage):
    return plain(*ws(f"ws://127.0.0.1:{closed_port()}"), *rest(closed_port()))


@contextlib.contextmanager
def backfilling(stage):
    """Live, then REST is silent and the line breaks: a gap is asked for in vain."""
    with Toxic(stage.port) as line, Toxic(stage.port) as side:

        def act():
            side.script = [Stall()]
            asked = len(side.peers)
            line.cut()
            until = time.monotonic() + 20
            while len(side.peers) == asked and time.monotonic() < until:
                time.sleep(0.01)
            assert len(side.peers) > asked, "nothing was asked for"

        yield [*ws(f"ws://127.0.0.1:{line.port}/market"), *rest(side.port)], {}, act


STATES = {
    "asking REST": (asking_rest, "connecting|waiting|asking"),
    "resolving": (resolving, "connecting"),
    "connecting": (connecting, "connecting"),
    "TLS handshake": (tls, "connecting"),
    "subscribing": (subscribing, "subscribing"),
    "live": (live, "live"),
    "waiting": (waiting, "Connection refused"),
    "backfill": (backfilling, "live"),
}
"""On a terminal: how it is brought about, and what the table says then."""

TYPING = termios.ECHO | termios.ICANON
"""What a terminal has when it is opened, and a table takes away."""


def measure(quick, seed):
    times = 1 if quick else 20
    states = (*STATES, *PIPES, *FULL, *EARLY)
    jobs = [
        (state, number, part / repeated)
        for number in SIGNALS
        for state in states
        for repeated in [max(times, 6) if state in EARLY else times]
        for part in range(repeated)
    ]
    with Stage(seed) as stage, ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda job: run(stage, *job), jobs))
    bad = [run for run in runs if run["wrong"]]
    return {
        "runs": len(runs),
        "exit_s": spread([run["seconds"] for run in runs]),
        "by_state": {
            state: spread([r["seconds"] for r in runs if r["state"] == state])
            for state in states
        },
        "exit_codes_right": sum(not is_wrong(run, "code") for run in runs),
        "terminals": sum(run["state"] in STATES for run in runs),
        "terminals_restored": sum(
            run["state"] in STATES and not is_wrong(run, "terminal") for run in runs
        ),
        "pipes": sum(run["state"] in PIPES for run in runs),
        "pipes_without_torn_line": sum(
            run["state"] in PIPES and not is_wrong(run, "torn") for run in runs
        ),
        "early": sum(run["state"] in EARLY for run in runs),
        "early_and_silent": sum(
            run["state"] in EARLY and not run["wrong"] for run in runs
        ),
        "wrong": bad[:10],
    }


def is_wrong(run, word):
    """Whether one of a run's faults is of this kind."""
    return any(word in fault for fault in run["wrong"])


def run(stage, state, number, part):
    """One run.

    Args:
        part: which part of the time in which it can come, from 0 to 1, is over when
            the signal comes; of the early states alone.
    """
    try:
        if state in PIPES:
            found = piped(stage, state, number)
        elif state in FULL:
            found = with_full_stderr(stage, state, number)
        elif state in EARLY:
            found = early(stage, state, number, part * FIRST)
        else:
            found = on_terminal(stage, state, number)
    except Exception as error:  # noqa: BLE001 - a run that failed is a figure too
        found = {"seconds": 0.0, "wrong": [f"code terminal torn: {error!r}"[:300]]}
    return {"state": state, "signal": number.name, **found}


def on_terminal(stage, state, number):
    bring, words = STATES[state]
    with bring(stage) as (urls, env, act):
        arguments = ["watch", "btcusdt", "1m", "-n", "3", *urls]
        terminal = Terminal(arguments, 120, 24, **env)
        try:
            terminal.until(re.compile(words).search)
            act()
            began = time.monotonic()
            terminal.child.kill(number)
            code = terminal.end()
            took = time.monotonic() - began
            given_back = termios.tcgetattr(terminal.child.fileno())[3] & TYPING
        finally:
            terminal.child.close(force=True)
    wrong = []
    if code != (129 if number is signal.SIGHUP else 0):
        wrong.append(f"code {code}")
    if not terminal.restored() or given_back != TYPING:
        wrong.append("terminal")
    if b"Traceback" in terminal.raw:
        wrong.append("traceback")
    if took > 2:
        wrong.append("late")
    return {"seconds": took, "wrong": wrong}


def piped(stage, state, number):
    """A run into a pipe that is full when the signal comes."""
    reads = PIPES[state]
    urls = [*ws(f"ws://127.0.0.1:{stage.port}/market"), *rest(stage.port)]
    symbols = ["btcusdt", "ethusdt", "solusdt", "xrpusdt"]
    with Process("watch", *symbols, "1m", "-n", "450", *urls) as process:
        pipe = process.process.stdout
        filled(pipe)
        got = bytearray()
        reader = threading.Thread(target=slurp, args=(pipe, got), daemon=True)
        began = time.monotonic()
        process.process.send_signal(number)
        if reads:
            reader.start()
        code = process.process.wait(20)
        took = time.monotonic() - began
        if not reads:
            reader.start()
        reader.join(20)
    lines = bytes(got).splitlines(keepends=True)
    wrong = []
    wanted = (129 if number is signal.SIGHUP else 0) if reads else 5
    if code != wanted:
        wrong.append(f"code {code}")
    if not whole(lines):
        wrong.append("torn")
    if b"Traceback" in process.err:
        wrong.append("traceback")
    if took > 2:
        wrong.append("late")
    return {"seconds": took, "wrong": wrong}


PIPES = {"stalled pipe": False, "draining": True}
"""Whether the reader of the pipe wakes when the signal comes."""


FULL = {
    "full stderr, live": ("btcusdt", live),
    "full stderr, looking up": ("*usdt", down),
}
"""With a stderr that is full from the start: what is followed, and over which line."""


def with_full_stderr(stage, state, number):
    symbol, bring = FULL[state]
    reading, writing = os.pipe()
    os.write(writing, bytes(fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)))
    try:
        with bring(stage) as (urls, _, _):
            process = subprocess.Popen(
                [*KLINETAIL, "watch", symbol, "-v", "-n", "3", *urls],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writing,
            )
            time.sleep(2)  # nobody says when it has begun
            found = ended(process, number)
    finally:
        os.close(reading)
        os.close(writing)
    return found


EARLY = {
    "start, script": [sys.executable, "klinetail"],
    "start, module": KLINETAIL,
}
"""How it is started."""

SCRIPT = "from klinetail.cli import main\nmain()\n"


def early(stage, state, number, seconds):
    """A run that is asked to stop so many seconds after klinetail's first line."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/klinetail", "w") as file:  # as pip installs it
            file.write(SCRIPT)
        path = os.pathsep.join([stage.begun, os.getcwd()])
        process = subprocess.Popen(
            [*EARLY[state], "watch", "btcusdt", *ws("ws://127.0.0.1:1"), *rest(1)],
            cwd=folder,
            env=environment(PYTHONPATH=path, BEGUN_FD=str(writing)),
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        time.sleep(seconds)
        return ended(process, number)


def ended(process, number):
    """Signal a process: how long it took to end, and what was wrong with that."""
    began = time.monotonic()
    process.send_signal(number)
    try:
        said = process.communicate(timeout=20)[0] or b""
        took = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    wrong = []
    if process.returncode != (129 if number is signal.SIGHUP else 0):
        wrong.append(f"code {process.returncode}")
    if b"Traceback" in said or b"Interrupt" in said:
        wrong.append("traceback")
    if took > 2:
        wrong.append("late")
    return {"seconds": took, "wrong": wrong}


def filled(pipe):
    """Wait until what is in a pipe does not grow any more."""
    before, since = -1, time.monotonic()
    until = since + 30
    while time.monotonic() < until:
        unread = fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4)
        now = struct.unpack("i", unread)[0]
        if now != before:
            before, since = now, time.monotonic()
        elif now > 40_000 and time.monotonic() - since > 0.3:
            return
        time.sleep(0.02)
    raise AssertionError(f"the pipe holds {before} bytes")


def slurp(pipe, into):
    while data := pipe.read(4096):
        into += data


def whole(lines):
    """Whether each line is a candle."""
    try:
        return bool([jsonl.decode(line) for line in lines]) and lines[-1][-1:] == b"\n"
    except Exception:  # noqa: BLE001 - whatever is wrong with a line
        return False
