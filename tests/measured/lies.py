"""F17's lies: an exchange whose `/fapi/v1/time` is wrong, while its rows lag.

An `Episode` is one exchange and one collector. Its `Liar` makes answers of `/time`
wrong when a leg says so, each by an error of its own, and the `Date` of these answers
with them. Meanwhile pushed closes are missing and REST rows are unfinished for the
longest lag there is, so that nothing but the time tells whether a row is final.

Of an episode it is counted what came out wrong (another candle than the exchange's, or
one that was not closed yet), twice, too early, not at all or as a gap, and how many
real seconds after the last lie of a burst all was well again: the collector's clock
right, and no candle outstanding for longer than usual.

One leg by hand, here the lies at a reconnect at speed 60 with seed 3:

    python -c "from tests.measured.lies import play; print(play('reconnect', 60, 3))"
"""

import contextlib
import itertools
import math
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from random import Random
from typing import NamedTuple

from klinetail.candle import HOUR, MINUTE, Source
from klinetail.events import EndedEvent, GapEvent, LinkState, RevisionEvent
from klinetail.protocol.venues import LIVE, sim_venue
from klinetail.sim.faults import clocks
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.lags import LONGEST
from klinetail.sim.faults.spec import Rule, parse
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.measured.shared import START, STREAMS, THIN, Timed, collecting, spread
from tests.measured.truth import agree, rows_of

ROWS = "lag=1,absent=0.1,missing=0.3"
"""What goes wrong besides the time."""

RECOVERY = 10.0
"""Real seconds after the last lie within which all has to be well."""

RIGHT = 2.0
"""Real seconds, at the exchange's pace, by which a right clock may be off."""

SLACK = 1.0
"""Real seconds, at the exchange's pace, by which a start may be early: no reading of
the time has to be better."""

PUSHED = (5.0, 2.0)
"""How late a pushed close may come: seconds of exchange time, and real ones."""

FETCHED = (65.0, 4.0)
"""The same for one that is fetched: 30 s until its row is final, 30 s of patience with
an exchange that seems late as a whole."""

SAMPLE = 0.03
"""Real seconds between two looks at the collector's clock."""

AT_START = 8.0
"""Real seconds from a start until the first close, where a candle takes so long."""


class Said(Random):
    """Randomness that makes a clock wrong by `error` ms."""

    def __init__(self, error):
        super().__init__(0)
        size = math.log(abs(error) / clocks.SMALLEST)
        share = size / math.log(clocks.GREATEST / clocks.SMALLEST)
        self._drawn = (math.copysign(share, error) + 1) / 2

    def random(self):
        return self._drawn


class Longest(Random):
    """Randomness with which rows lag as long as rows can lag."""

    def randint(self, a, b):
        return b if b == LONGEST else super().randint(a, b)


class DaysAhead(Random):
    """Randomness that makes a frame of the future one with an event time as far off,
    which is the last of its ways."""

    def choice(self, seq):
        return seq[-1]


class Liar(Chaos):
    """The embedded exchange's faults. Its `/time` is wrong when `next` says by how
    much, else for a part of the answers, `rate`."""

    def __init__(self, spec, seed):
        super().__init__(parse(spec), seed)
        self.next = deque()
        """Errors (ms) of the next answers."""
        self.told = []
        """Monotonic seconds and error (ms) of each lie that was told."""
        self.broken = 0
        """How many frames are still to be followed by one from the future."""

    def set_rate(self, rate):
        """Let this part of the answers be wrong, each by its own error."""
        if rate:
            self.rules["clock"] = Rule(rate=rate)
        else:
            self.rules.pop("clock", None)

    def strikes(self, name, *where):
        if name == "clock":
            return self._lie(*where)
        if name == "future":
            self.broken, broken = max(0, self.broken - 1), self.broken
            return DaysAhead(broken) if broken else None
        random = super().strikes(name, *where)
        if random is not None and name in ("lag", "absent"):
            return Longest(random.random())
        return random

    def _lie(self, key, number):
        if key != LIVE.paths.time:
            return None
        if self.next:
            error = self.next.popleft()
        elif random := super().strikes("clock", key, number):
            error = clocks.error(random)
        else:
            return None
        self.told.append((time.monotonic(), error))
        return Said(error)


class Sample(NamedTuple):
    """A look at both clocks."""

    at: float
    """Monotonic seconds."""
    exchange: int
    """Exchange time, ms."""
    right: bool
    """Whether the collector knew it."""


class Episode:
    """One exchange and one collector; a context manager.

    Args:
        seed: of the market, of the lags and of what is missing.
        speed: of the exchange.
        streams: what is followed.
        start: exchange time at the start, ms; by default `AT_START` before a close.
        lies: errors (ms) of the first answers.
        lines: closed candles from before the start.
        rows: what else goes wrong, as `--chaos` has it.
    """

    def __init__(
        self, seed, speed, *, streams=STREAMS, start=None, lies=(), lines=3, rows=ROWS
    ):
        self.speed = speed
        self.streams = streams
        self.lines = lines
        self.liar = Liar(rows, seed)
        self.seen = Timed()
        self.samples = []
        self.spans = []
        """Monotonic seconds: the last lie of each burst, the end of looking on."""
        self._slept = [0.0]
        self._planned = 0
        self._over = threading.Event()
        self._stack = contextlib.ExitStack()
        self.server = Server(
            Synthetic(seed=seed, start=START),
            speed=speed,
            start=first_close_in(AT_START, speed) if start is None else start,
            chaos=self.liar,
            monotonic=lambda: time.monotonic() + self._slept[0],
        )
        self._first_lies = lies

    def __enter__(self):
        enter = self._stack.enter_context
        enter(self.server)
        self._arm(self._first_lies)
        self.began = time.monotonic()
        self.began_in = self.server.now()
        self._collector = enter(
            collecting(
                self.streams,
                self.seen,
                sim_venue(self.server.port),
                lines=self.lines,
                random=lambda: 0.05,
                slept=lambda: self._slept[0],
            )
        )
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        self._stack.callback(watching.join)
        self._stack.callback(self._over.set)
        return self

    def __exit__(self, *error):
        self._stack.__exit__(*error)

    def _watch(self):
        while not self._over.wait(SAMPLE):
            at, before = time.monotonic(), self.server.now()
            shown = self._collector.exchange_time()
            after = self.server.now()
            near = 1000 * RIGHT * self.speed
            right = shown is not None and before - near <= shown <= after + near
            self.samples.append(Sample(at, before, right))

    # What a leg does

    def _arm(self, errors):
        self._planned += len(errors)
        self.liar.next.extend(errors)

    def live(self):
        """Wait until candles flow."""
        assert self.seen.wait_for(
            lambda: self.seen.first(LinkState.LIVE, 0) and self.seen.candles, 60
        ), "no candle came"

    def cut(self):
        """Break the line."""
        self.server.disconnect_all()

    def break_frame(self):
        """Push a frame from the future, which is a reason to ask for the time."""
        self.liar.broken = 1

    def sleep(self, seconds):
        """Let the machine sleep, so that the line breaks and the exchange goes on."""
        self.cut()
        self._slept[0] += seconds

    def lie(self, errors, nudge, seconds, *, patience=45):
        """Tell lies, for which `nudge` makes the collector ask; then look on.

        Args:
            errors: of the next answers, ms.
            nudge: called until all are told.
            seconds: real ones, for which to look on.
            patience: real seconds until lies that were not told are taken back.
        """
        began = time.monotonic()
        self._arm(errors)
        nudge()
        self.told_all(nudge, patience)
        self.look_on(seconds, began)

    def told_all(self, nudge, patience=45):
        """Wait until all lies are told; taken back are those that were not."""
        until = time.monotonic() + patience
        while self.liar.next and time.monotonic() < until:
            if not self.seen.wait_for(lambda: not self.liar.next, 3):
                nudge()
        self.liar.next.clear()

    def look_on(self, seconds, since=0.0):
        """See for some real seconds what comes after the last lie, or after this
        moment if that is later."""
        told = [at for at, _ in self.liar.told[-1:]]
        began = max([self.began, since, *told])
        time.sleep(seconds)
        self.spans.append((began, time.monotonic()))

    # What came of it

    def figures(self):
        """What came out, beside the truth. The episode is over then."""
        self.ended = time.monotonic()
        self.ended_in = self.server.now()
        self.__exit__(None, None, None)
        found = Counter()
        late, outstanding = [], []
        for stream in self.streams:
            found.update(self._count(stream))
            for allowed, came, lateness in self._late(stream):
                if came is not None:
                    late.append(lateness)
                if came is None or came > allowed:
                    outstanding.append((allowed, came or self.ended))
        events = list(self.seen.events)
        found["gaps"] = sum(isinstance(e, GapEvent) and not e.filled for e in events)
        found["ended"] = sum(isinstance(e, EndedEvent) for e in events)
        found["revisions"] = sum(isinstance(e, RevisionEvent) for e in events)
        found["reconnects"] = self.seen.count(LinkState.WAITING)
        return {
            **found,
            "served": self.liar.counts["clock"],
            "lies": [error for _, error in self.liar.told],
            "planned": self._planned,
            "clock_s": max(map(self._clock_back, self.spans)),
            "closes_s": max(closes_back(span, outstanding) for span in self.spans),
            "late": late,
            "said": {
                event.reason
                for _, event in self.seen.links
                if event.link == "rest" and event.reason
            },
        }

    def _closed(self, stream):
        pairs = zip(self.seen.came, self.seen.candles, strict=False)
        return [(at, c) for at, c in list(pairs) if c.closed and c.stream == stream]

    def _bounds(self, stream):
        """The open times between which the first candle has to be: the start is when
        the collector first knows the time, or should."""
        latest = self.spans[0][0] + RECOVERY
        knew = next(
            (s.exchange for s in self.samples if s.right or s.at >= latest),
            self.ended_in,
        )
        back = self.lines * stream.interval.length
        soonest = self.began_in - int(1000 * SLACK * self.speed)
        return tuple(stream.interval.floor(time) - back for time in (soonest, knew))

    def _due(self, stream):
        """Open times of what has to be there in the end."""
        least, most = self._bounds(stream)
        times = [candle.open_time for _, candle in self._closed(stream)]
        first = max(least, min([most, *times[:1]]))
        length = stream.interval.length
        last = self.ended_in - 1000 * (FETCHED[0] + FETCHED[1] * self.speed)
        return range(first, int(last) - length + 1, length)

    def _gaps(self, stream):
        return [
            event
            for event in list(self.seen.events)
            if isinstance(event, GapEvent)
            and event.stream == stream
            and not event.filled
        ]

    def _count(self, stream):
        closed = self._closed(stream)
        least, _ = self._bounds(stream)
        times = [candle.open_time for _, candle in closed]
        truth = rows_of(self.server, stream, min(times), max(times)) if times else {}
        early = {
            candle.open_time
            for at, candle in closed
            if at < self._when(candle.close_time) - 0.002
        }
        gaps = self._gaps(stream)
        lacking = [
            at
            for at in set(self._due(stream)) - set(times)
            if not any(gap.start <= at < gap.end for gap in gaps)
        ]
        return {
            "closed": len(closed),
            "by_rest": sum(c.source is Source.REST for _, c in closed),
            "wrong": sum(
                c.open_time in early or not agree(c, truth.get(c.open_time))
                for _, c in closed
            ),
            "early": len(early),
            "doubles": sum(b <= a for a, b in itertools.pairwise(times)),
            "extra": sum(at < least for at in times),
            "holes": len(lacking),
        }

    def _when(self, exchange):
        """Monotonic seconds at which it was this exchange time, or will be."""
        index = bisect_left(self.samples, exchange, key=lambda s: s.exchange)
        if index == len(self.samples):
            after = Sample(self.ended, self.ended_in, False)
        else:
            after = self.samples[index]
        at = after.at - (after.exchange - exchange) / 1000 / self.speed
        return max(at, self.samples[index - 1].at) if index else at

    def _late(self, stream):
        """When each candle was to be there at the latest, when it was, and how many
        seconds after its close. One that waits for an earlier one is not late."""
        times = [candle.open_time for _, candle in self._closed(stream)]
        lacking = set(self._due(stream)) - set(times)
        found = [(c.open_time, at, c.source) for at, c in self._closed(stream)]
        found += [(at, None, Source.REST) for at in lacking]
        before = 0.0
        for open_time, came, source in sorted(found, key=lambda one: one[0]):
            closed_at = self._when(open_time + stream.interval.length)
            usual = PUSHED if source is Source.STREAM else FETCHED
            allowed = max(self.began, closed_at) + usual[0] / self.speed + usual[1]
            if came is not None:
                yield max(allowed, before + 1), came, came - max(self.began, closed_at)
                before = came
            else:
                yield max(allowed, before + 1), None, None

    def _clock_back(self, span):
        since, until = span
        off = [s.at for s in self.samples if since <= s.at <= until and not s.right]
        return max(off, default=since) - since


def closes_back(span, outstanding):
    """Seconds from the start of a span until nothing was outstanding any more.

    Args:
        span: its start and its end.
        outstanding: since when and until when candles were.
    """
    since, until = span
    ends = [min(b, until) for a, b in outstanding if a < until and b > since]
    return max(ends, default=since) - since


# The legs


class Plan(NamedTuple):
    """How long a leg takes, and how often it does what it does."""

    seed: int
    speed: float
    rounds: int
    """Bursts of lies, or starts."""
    after: float
    """Real seconds of looking on after each."""
    half_hour: float
    """Real seconds for which one answer in five is wrong."""
    random: Random
    """What else there is to decide."""

    def errors(self, *counts):
        """Bursts of errors, each as random as the next; bursts begin ahead of the
        exchange and behind it by turns."""
        sign = self.random.choice((-1, 1))
        for number, count in enumerate(counts):
            drawn = [clocks.error(self.random) for _ in range(count)]
            drawn[0] = abs(drawn[0]) * (sign if number % 2 else -sign)
            yield drawn


def quiet(plan):
    """No lie at all: what is usual."""
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        episode.look_on(plan.rounds * plan.after, time.monotonic())
        yield episode.figures()


def once(plan):
    """A lie while candles flow, in answer to a question about a broken frame."""
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        for errors in plan.errors(*[1] * plan.rounds):
            episode.lie(errors, episode.break_frame, plan.after)
        yield episode.figures()


def several(plan):
    """Two by the same error, and two, three and five one after the other."""
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        bursts = [*plan.errors(1, 1, 2, 3, 5)]
        for errors in bursts[:2]:
            errors *= 2
        for errors in bursts[: 1 if plan.rounds == 1 else None]:
            episode.lie(errors, episode.cut, plan.after)
        yield episode.figures()


def reconnect(plan):
    """A lie when the line is back."""
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        for errors in plan.errors(*[1] * plan.rounds):
            episode.lie(errors, episode.cut, plan.after)
        yield episode.figures()


def starting(lies, *, thin):
    """A leg of starts with lies at once, which from the third start on agree with one
    another: among streams that flow, or with one thin stream, which pushes nothing at
    first."""

    def leg(plan):
        for number, errors in enumerate(plan.errors(*[lies] * plan.rounds)):
            if number >= 2:
                errors = errors[:1] * lies
            yield started(plan, errors, plan.seed + number, thin=thin)

    return leg


def started(plan, errors, seed, *, thin=False, lines=3):
    options = {"streams": [THIN], "start": silence(seed)} if thin else {}
    with Episode(seed, plan.speed, lies=errors, lines=lines, **options) as episode:
        episode.told_all(episode.cut)
        episode.look_on(plan.after)
        return episode.figures()


def first_close_in(seconds, speed):
    """A time from which on it takes so many real seconds, or a whole candle, until a
    candle closes."""
    left = min(1000 * seconds * speed, MINUTE - 1)
    return START - START % MINUTE + MINUTE - int(left)


def silence(seed):
    """When the longest silence of the thin stream begins, of half a day."""
    rows = Synthetic(seed=seed, start=START).klines(THIN, START, None, 720, now=2**60)
    runs = itertools.groupby(rows, lambda row: row.count > 0)
    longest = max([list(run) for traded, run in runs if not traded], key=len)
    return longest[0].open_time + MINUTE // 6


def fifth(plan):
    """One answer in five is wrong for half an hour, in which the line breaks and broken
    frames come time and again, so that the time is asked for. If that brought no lie,
    one more break does."""
    pause = (3, 12) if plan.half_hour > 60 else (0.5, 3)
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        episode.liar.set_rate(0.2)
        until = time.monotonic() + plan.half_hour
        while time.monotonic() < until:
            plan.random.choice((episode.cut, episode.break_frame))()
            time.sleep(plan.random.uniform(*pause))
        episode.liar.set_rate(0)
        if episode.liar.told:
            episode.look_on(plan.after)
        else:
            episode.lie(next(plan.errors(1)), episode.cut, plan.after)
        yield episode.figures()


def waking(lies):
    """A leg of sleeps, after which the exchange's time truly jumps, and the first
    answers are wrong all the same."""

    def leg(plan):
        with Episode(plan.seed, plan.speed) as episode:
            episode.live()
            for errors in plan.errors(*[lies or 1] * plan.rounds):
                seconds = plan.random.uniform(6, 12 if plan.speed > 1 else 600)
                nudge = iter([lambda s=seconds: episode.sleep(s)])
                episode.lie(
                    errors if lies else [],
                    lambda nudge=nudge: next(nudge, episode.cut)(),
                    plan.after,
                )
            yield episode.figures()

    return leg


def three_hours_at_a_reconnect(plan):
    with Episode(plan.seed, plan.speed) as episode:
        episode.live()
        for _ in range(plan.rounds):
            episode.lie([3 * HOUR], episode.cut, plan.after)
        yield episode.figures()


def three_hours_at_the_start(by):
    return lambda plan: iter([started(plan, [by * 3 * HOUR], plan.seed)])


LEGS = {
    "no lie": quiet,
    "once": once,
    "several": several,
    "reconnect": reconnect,
    "start": starting(1, thin=False),
    "start, two": starting(2, thin=False),
    "start, thin": starting(1, thin=True),
    "start, thin, two": starting(2, thin=True),
    "one in five": fifth,
    "sleep": waking(0),
    "sleep, two": waking(2),
    "3 h ahead at a reconnect": three_hours_at_a_reconnect,
    "3 h ahead at the start": three_hours_at_the_start(1),
    "3 h behind at the start": three_hours_at_the_start(-1),
}


def plan_of(name, speed, seed, *, quick):
    """How a leg is played; what is decided in it follows from seed, name and speed."""
    random = Random(f"{seed}/{name}/{speed}")
    if quick:
        return Plan(seed, speed, 1, QUICK, 4, random)
    return (
        Plan(seed, speed, 4, 13, 30, random)
        if speed > 1
        else Plan(seed, speed, 3, 75, 480, random)
    )


def play(name, speed, seed, *, quick=False):
    """Play a leg; what came of it, first why it failed, if it did."""
    parts = [*LEGS[name](plan_of(name, speed, seed, quick=quick))]
    total = Counter()
    for part in parts:
        total.update({key: part[key] for key in COUNTED})
    lies = [error for part in parts for error in part["lies"]]
    served = sum(part["served"] for part in parts)
    planned = sum(part["planned"] for part in parts)
    back = {key: max(part[key] for part in parts) for key in ("clock_s", "closes_s")}
    failed = [f"{key} {total[key]}" for key in FATAL if total[key]]
    failed += [f"{key} {value:.1f}" for key, value in back.items() if value > RECOVERY]
    if served < max(planned, name not in LIELESS):
        failed.append(f"lies {served} of {max(planned, 1)}")
    return {
        "failed": failed,
        **total,
        **{key: round(value, 2) for key, value in back.items()},
        "late_s": spread([late for part in parts for late in part["late"]]),
        "lies": served,
        "lies_s": [round(error / 1000, 1) for error in lies],
        "said": sorted({words[:120] for part in parts for words in part["said"]})[:5],
    }


COUNTED = (
    *("closed", "by_rest", "wrong", "early", "extra", "doubles", "holes"),
    *("gaps", "ended", "revisions", "reconnects"),
)
FATAL = ("wrong", "extra", "doubles", "holes", "gaps", "ended")
"""What must not be. What is early is wrong as well."""

LIELESS = ("no lie", "sleep")
QUICK = 11.0
"""Real seconds of looking on in the quick form: a little more than `RECOVERY`."""
