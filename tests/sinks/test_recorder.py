"""The recorder: a recording goes on where it stopped, whole, whatever fails."""

import errno
import threading
from itertools import pairwise
from random import Random

import pytest

from klinetail.candle import Interval, Stream
from klinetail.errors import ExitCode, KlinetailError, OutputError, UsageError
from klinetail.events import EndedEvent, GapEvent
from klinetail.pipeline.notices import utc
from klinetail.recordings.policy import FileOptions, Resume
from klinetail.sinks import news
from klinetail.sinks.appender import CALLS
from klinetail.sinks.file import FileSink, Replaced
from tests.sinks.pipes import candles
from tests.sinks.recording_fakes import PATIENCE, Exchange, Recording, Run, until
from tests.strategies import BTCUSDT_1M, candle

ETHUSDT_1M = Stream("ETHUSDT", Interval.M1)
FULL = OSError(errno.ENOSPC, "No space left on device")


def foreign(number, start=0):
    """Candles of another market."""
    prices = ("1", "3", "1", "2")
    return [candle(one.open_time, prices=prices) for one in candles(number, start)]


def eth(number, start=0):
    return [candle(one.open_time, stream=ETHUSDT_1M) for one in candles(number, start)]


def time(number):
    """The open time of a candle."""
    return candles(1, number)[0].open_time


class TestStart:
    """A recording that holds candles 0 to 4; exchange time is in candle 10."""

    def test_a_new_recording_takes_what_comes_and_fetches_nothing(self):
        with Run() as run:
            run.put(candles(3, 7))
            run.wrote(candles(3, 7))
            assert run.end() is None
        assert run.exchange.calls.empty()
        assert (run.said, run.notes) == ([], [])

    def test_a_hole_is_compared_fetched_and_filled_before_live_candles(self):
        with Run(candles(5), now=10) as run:
            run.put(candles(2, 10))
            call = run.exchange.call()
            assert call.starts == {BTCUSDT_1M: time(2)}
            run.handled()
            run.wrote(candles(5))
            call.records(candles(8, 2))
            run.wrote(candles(12))
            where = f"after {utc(time(5))} (btcusdt@1m)"
            assert run.notes == [f"m.csv: goes on {where}; 5 candles are missing"]
            assert run.end() is None
            assert call.stopped
        assert run.said == []
        assert run.exchange.calls.empty()

    def test_nothing_is_missing(self):
        with Run(candles(10), now=10) as run:
            run.exchange.call().records(candles(3, 7))
            run.put(candles(1, 10))
            run.wrote(candles(11))
            assert run.notes[0].endswith("; no candle is missing")
            assert run.end() is None

    @pytest.mark.parametrize("live", [False, True])
    def test_another_market_is_refused_and_nothing_is_written(self, live):
        with Run(candles(5), now=10) as run:
            if live:
                run.put(candles(1, 10))
            run.exchange.call().records(foreign(8, 2))
            error = run.ended.get(timeout=PATIENCE)
            assert isinstance(error, UsageError)
            assert error.exit_code is ExitCode.USAGE
            assert "another market's recording? Choose another file" in str(error)
            run.put(candles(1, 11))
        assert run.kept == candles(5)
        assert run.sink.writes == []

    def test_a_revision_is_said_and_the_recorded_candle_stays(self):
        with Run(candles(5), now=10) as run:
            asked = [*candles(2, 2), *foreign(1, 4), *candles(5, 5)]
            run.exchange.call().records(asked)
            run.wrote(candles(10))
            assert len(run.said) == 1
            assert run.said[0].startswith("m.csv: the exchange has revised btcusdt@1m")

    def test_while_the_exchange_is_away_nothing_is_written(self):
        with Run(candles(5), now=10) as run:
            run.put(candles(2, 9))
            call = run.exchange.call()
            for _ in range(3):
                call.trouble("no route")
            run.handled()
            assert run.kept == candles(5)
            assert run.said == [
                "m.csv: the missing candles cannot be fetched yet: no route"
            ]
            call.records(candles(8, 2))
            run.wrote(candles(11))
            call.trouble("no route")  # a new trouble, said anew
            run.handled()
            assert len(run.said) == 2

    def test_with_gap_the_hole_is_announced_and_not_fetched(self):
        with Run(candles(5), now=10, resume=Resume.GAP) as run:
            run.put(candles(1, 10))
            call = run.exchange.call()
            call.records(candles(8, 2))
            run.wrote(candles(5) + candles(1, 10))
            until(lambda: run.gaps)
            ((name, gap),) = run.gaps
            assert (name, gap.start, gap.end) == ("m.csv", time(5), time(10))
            assert call.stopped
            assert run.notes[0].endswith(
                "5 candles are missing, and not fetched (--resume gap)"
            )
            assert run.end() is None

    @pytest.mark.parametrize("how", ["trouble", "end"])
    def test_with_gap_an_exchange_that_is_away_is_not_waited_for(self, how):
        with Run(candles(5), now=10, resume=Resume.GAP) as run:
            run.put(candles(1, 10))
            call = run.exchange.call()
            if how == "trouble":
                call.trouble("no route")
            else:
                call.end(KlinetailError("no route"))
            run.wrote(candles(5) + candles(1, 10))
            assert run.said == [
                "m.csv: not compared with the exchange, which does not answer"
            ]
            until(lambda: len(run.gaps) == 1)
            assert run.end() is None

    @pytest.mark.parametrize("error", [None, UsageError("a start in the future")])
    def test_a_recording_of_the_future_is_refused(self, error):
        with Run(candles(5), now=3) as run:
            call = run.exchange.call()
            call.end(error)
            refusal = run.ended.get(timeout=PATIENCE)
            assert isinstance(refusal, UsageError)
            assert "opens in the future" in str(refusal)
        assert run.sink.writes == []

    def test_streams_that_the_run_does_not_follow_are_named_alone(self):
        held = candles(5) + eth(3)
        with Run(held, now=6) as run:
            call = run.exchange.call()
            assert [*call.starts] == [BTCUSDT_1M]
            call.records(candles(4, 2))
            run.wrote(held + candles(1, 5))
            assert run.notes[1] == (
                f"m.csv: also holds ethusdt@1m until {utc(time(3))}, not continued"
            )
            run.put(candles(1, 6))
            assert run.end() is None
        assert run.kept == held + candles(2, 5)

    def test_a_new_stream_begins_behind_the_comparison(self):
        with Run(candles(5), now=5, streams=(BTCUSDT_1M, ETHUSDT_1M)) as run:
            run.put(eth(3, 2))
            call = run.exchange.call()
            run.handled()
            run.wrote(candles(5))
            call.records(candles(3, 2))
            run.wrote(candles(5) + eth(3, 2))
            assert run.end() is None

    def test_rows_that_the_exchange_lost_make_a_gap(self):
        """The rows begin later: no fetch could ever bring the candles before."""
        with Run(candles(5), now=10) as run:
            call = run.exchange.call()
            run.put(candles(1, 10))
            call.records(candles(2, 8))
            run.wrote(candles(5) + candles(3, 8))
            ((_, gap),) = run.gaps
            assert (gap.start, gap.end) == (time(5), time(8))
            assert run.said[0].endswith("which has none of the last candles")
            assert run.end() is None
        assert run.exchange.calls.empty()

    def test_lines_from_before_the_start_are_not_fetched_twice(self):
        with Run(candles(5), now=7, lines=3) as run:
            call = run.exchange.call()
            call.records(candles(3, 2))
            call.end(None)
            run.put(candles(3, 4))
            run.wrote(candles(7))
            assert run.end() is None
        assert run.exchange.calls.empty()


class TestFetches:
    def test_more_streams_than_compared_are_fetched_afterwards(self):
        streams = [Stream(f"A{n}USDT", Interval.M1) for n in range(5)]
        held = [candle(time(n), stream=s) for n in range(5) for s in streams]
        with Run(held, now=8, streams=streams) as run:
            call = run.exchange.call()
            assert len(call.starts) == 3
            some = [candle(time(n), stream=s) for n in range(2, 8) for s in call.starts]
            call.records(some)
            rest = run.exchange.call()
            assert rest.starts == {s: time(5) for s in streams if s not in call.starts}
            run.recorder.close()  # the end waits for the fetch
            more = [candle(time(n), stream=s) for n in range(5, 8) for s in rest.starts]
            rest.records(more)
            assert run.ended.get(timeout=PATIENCE) is None
        for stream in streams:
            kept = [one.open_time for one in run.kept if one.stream == stream]
            assert kept == [time(n) for n in range(8)]

    @pytest.mark.parametrize("live", [False, True])
    def test_the_end_waits_for_the_fill(self, live):
        """`live=False` is the cron job that asks for no line."""
        with Run(candles(5), now=10) as run:
            if live:
                run.put(candles(1, 10))
            call = run.exchange.call()
            call.records(candles(4, 2))
            run.recorder.close()
            run.handled()
            assert run.ended.empty()
            call.records(candles(4, 6))
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(11 if live else 10)

    def test_an_end_that_is_urgent_does_not_wait(self):
        with Run(candles(5), now=10) as run:
            run.put(candles(1, 10))
            call = run.exchange.call()
            call.records(candles(4, 2))
            run.wrote(candles(6))
            run.recorder.abandon()
            assert run.ended.get(timeout=PATIENCE) is None
            assert call.stopped
        assert run.kept == candles(6)
        assert run.notes[-1].endswith("started again, it goes on there")

    def test_an_urgent_end_takes_no_more_of_a_fetch_that_never_stops(self):
        with Run(candles(5), now=10**6, most=10**6) as run:
            call = run.exchange.call()
            call.records(candles(3, 2))
            stop = threading.Event()

            def pour():
                at = 5
                while not stop.is_set() and at < 10**6:
                    call.records(candles(1, at))
                    at += 1

            thread = threading.Thread(target=pour, daemon=True)
            thread.start()
            until(lambda: len(run.kept) > 10)
            run.recorder.abandon()
            assert run.ended.get(timeout=PATIENCE) is None
            stop.set()
            thread.join(PATIENCE)
        assert run.kept == candles(len(run.kept))

    @pytest.mark.parametrize("stage", ["comparison", "fill"])
    def test_a_failed_fetch_is_tried_again_after_30_seconds(self, stage):
        with Run(candles(5), now=10) as run:
            run.put(candles(1, 10))
            call = run.exchange.call()
            if stage == "fill":
                call.records(candles(4, 2))
            call.end(KlinetailError("refused"))
            run.handled()
            run.later(29.0)
            run.handled()
            assert run.exchange.calls.empty()
            run.later(1.0)
            call = run.exchange.call()
            assert call.starts == {BTCUSDT_1M: time(6 if stage == "fill" else 2)}
            call.records(candles(8, 2))
            run.wrote(candles(11))
            assert len(run.said) == 1
            assert run.end() is None

    @pytest.mark.parametrize("stage", ["comparison", "fill"])
    def test_a_fetch_without_candles_that_failed_once_is_not_forgotten(self, stage):
        """Nothing live shows the hole."""
        with Run(candles(5), now=10) as run:
            call = run.exchange.call()
            if stage == "fill":
                call.records(candles(4, 2))
            call.end(KlinetailError("refused"))
            run.handled()
            run.recorder.close()
            run.handled()
            assert run.ended.empty()
            run.later(30.0)
            run.exchange.call().records(candles(8, 2))
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(10)

    def test_a_fetch_that_fails_after_the_end_is_an_error(self):
        with Run(candles(5), now=10) as run:
            call = run.exchange.call()
            run.recorder.close()
            call.end(KlinetailError("refused"))
            assert str(run.ended.get(timeout=PATIENCE)) == "m.csv: refused"

    @pytest.mark.parametrize(
        "fault", [KlinetailError("no"), RuntimeError("can't start new thread")]
    )
    def test_a_fetch_that_cannot_begin_is_tried_again(self, fault):
        run = Run(candles(5), now=10)
        run.exchange.faults = [fault]
        with run:
            until(lambda: run.said)
            run.later(30.0)
            run.exchange.call().records(candles(8, 2))
            run.wrote(candles(10))
            assert run.end() is None

    def test_a_bug_of_the_fetcher_ends_the_recording(self):
        run = Run(candles(5), now=10)
        run.exchange.faults = [KeyError("bug")]
        with run:
            assert "KeyError" in str(run.ended.get(timeout=PATIENCE))
        assert run.sink.writes == []

    def test_a_gap_of_the_fetch_is_announced_once(self):
        with Run(candles(5), now=10) as run:
            run.put(candles(1, 10))
            call = run.exchange.call()
            call.records(candles(4, 2))
            call.records([GapEvent(BTCUSDT_1M, time(6), time(8), "not answered")])
            call.records(candles(2, 8))
            run.wrote(candles(6) + candles(3, 8))
            assert run.end() is None
        ((_, gap),) = run.gaps
        assert (gap.start, gap.end) == (time(6), time(8))

    def test_a_gap_of_the_live_candles_is_passed_and_not_announced(self):
        gap = GapEvent(BTCUSDT_1M, time(2), time(4), "why")
        filled = GapEvent(BTCUSDT_1M, time(2), time(4), "why", tuple(candles(2, 2)))
        with Run() as run:
            run.put(candles(2))
            assert run.recorder.tell(gap, 0.0)
            assert run.recorder.tell(filled, 0.0)
            assert not run.recorder.tell(EndedEvent(BTCUSDT_1M, "CLOSE"), 0.0)
            run.put(candles(1, 4))
            run.wrote(candles(2) + candles(1, 4))
            assert run.end() is None
        assert run.gaps == []
        assert run.exchange.calls.empty()

    def test_what_the_exchange_does_not_have_is_not_asked_for_without_an_end(self):
        """A stream that is not traded any more: its rows end."""
        with Run(candles(5), now=10) as run:
            call = run.exchange.call()
            call.records(candles(4, 2))
            run.wrote(candles(6))
            call.end(None)
            run.recorder.close()
            run.handled()
            run.later(1.0)
            run.exchange.call().end(None)
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(6)

    def test_fetches_in_vain_come_ever_later(self):
        with Run(candles(5), now=5) as run:
            call = run.exchange.call()
            call.records(candles(3, 2))
            call.end(None)
            run.put(candles(1, 9))
            begun = []
            while len(begun) < 8 and run.clock[0] < 5_000.0:
                run.later(0.5)
                run.handled()
                if not run.exchange.calls.empty():
                    begun.append(run.clock[0])
                    run.exchange.call().end(None)
                    run.handled()
            pauses = [b - a for a, b in pairwise(begun)]
            assert pauses == sorted(pauses)
            assert pauses[0] <= 2.0
            assert pauses[-1] >= 30.0
            run.recorder.abandon()


class TestQueue:
    def test_a_queue_that_is_too_long_is_forgotten_and_fetched_again(self):
        sink = Recording()
        go = threading.Event()
        write = sink.write

        def stuck(batch):
            go.wait(PATIENCE)
            write(batch)

        sink.write = stuck
        with Run(sink=sink, now=100, most=20) as run:
            for n in range(100):
                run.put(candles(1, n))
            assert run.said == [news.behind("m.csv")]
            go.set()
            call = run.exchange.call()
            (start,) = call.starts.values()
            first = next(n for n in range(100) if time(n) == start)
            run.recorder.close()  # no later candle shows the hole
            run.feed(call, first, 100, 5)
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(100)
        assert run.said[1:] == ["m.csv has caught up"]

    def test_live_candles_that_wait_for_hours_take_little_memory(self):
        with Run(candles(5), now=2_000, most=50) as run:
            call = run.exchange.call()
            call.trouble("no route")
            for n in range(5, 2_000):
                run.put(candles(1, n))
                if n % 40 == 0:
                    run.handled()
            run.handled()
            run.recorder.close()
            run.feed(call, 2, 2_000, 40)
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(2_000)

    def test_records_of_a_fetch_that_were_forgotten_are_fetched_again(self):
        sink = Recording(candles(5))
        with Run(sink=sink, now=200, most=30) as run:
            call = run.exchange.call()
            call.records(candles(3, 2))
            until(lambda: run.notes)
            sink.broken = FULL
            for at in range(5, 200, 20):
                call.records(candles(min(20, 200 - at), at))
            until(lambda: call.stopped)  # while the disk is full
            sink.broken = None
            run.clock[0] += 60.0
            run.later(1.0)
            again = run.exchange.call()
            (start,) = again.starts.values()
            call.records(candles(20, 100))  # of a fetch that was stopped
            at = next(n for n in range(200) if time(n) == start)
            run.recorder.close()
            run.feed(again, at, 200, 20)
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(200)
        assert run.gaps == []

    def test_the_first_candles_of_a_new_stream_are_not_forgotten(self):
        run = Run(now=100, most=10)
        run.put(candles(60))  # before the thread begins
        with run:
            call = run.exchange.call()
            assert call.starts == {BTCUSDT_1M: time(1)}
            run.recorder.close()
            run.feed(call, 1, 60, 5)
            assert run.ended.get(timeout=PATIENCE) is None
        assert run.kept == candles(60)

    def test_forming_candles_are_left_out_before_closed_ones_are_forgotten(self):
        run = Run(now=100, most=10, updates=True)
        run.put(candles(2))
        for count in range(50):
            run.put([candle(time(2), closed=False, count=count)])
        with run:
            assert run.end() is None
        assert run.said == []
        assert [one for one in run.kept if one.closed] == candles(2)
        assert run.kept[-1].count == 49

    def test_nothing_is_queued_after_the_end(self):
        with Run(most=5) as run:
            run.sink.faults = [ValueError("bug")]
            run.put(candles(1))
            assert "ValueError" in str(run.ended.get(timeout=PATIENCE))
            run.put(candles(50))
        assert run.said == []


class TestFaults:
    def test_a_disk_that_is_full_for_long_loses_nothing_and_is_said_once(self):
        with Run(candles(5), now=5) as run:
            run.exchange.call().records(candles(3, 2))
            until(lambda: run.notes)
            run.sink.broken = FULL
            for n in range(5, 40):
                run.put(candles(1, n))
                run.clock[0] += 60.0
            until(lambda: run.said)
            run.sink.broken = None
            run.wrote(candles(40))
            assert run.end() is None
        assert run.said[0] == "m.csv: No space left on device; tried again"
        assert run.said[1].startswith("m.csv: works again after ")
        assert len(run.said) == 2

    def test_an_error_after_the_end_is_exit_code_5(self):
        with Run() as run:
            run.sink.broken = FULL
            run.put(candles(1))
            error = run.end()
        assert isinstance(error, OutputError)
        assert error.exit_code is ExitCode.OUTPUT
        assert str(error) == "m.csv: No space left on device"

    def test_the_end_makes_one_more_attempt(self):
        with Run(random=1.0) as run:
            run.sink.faults = [FULL]
            run.put(candles(1))
            until(lambda: run.said)  # and no time passes
            assert run.end() is None
        assert run.kept == candles(1)

    @pytest.mark.parametrize(
        "fault", [ValueError("bug"), OutputError("m.csv: gone"), MemoryError()]
    )
    def test_any_other_error_ends_the_recording_at_once(self, fault):
        with Run() as run:
            run.sink.faults = [fault]
            run.put(candles(1))
            error = run.ended.get(timeout=PATIENCE)
        assert isinstance(error, OutputError)
        assert str(error).startswith("m.csv: ")

    def test_what_cannot_be_prepared_ends_the_recording(self):
        sink = Recording()

        def prepare(one):
            if one.open_time == time(2):
                raise KeyError("two")
            return one

        sink.prepare = prepare
        with Run(sink=sink) as run:
            run.put(candles(2))
            run.put(candles(1, 2))
            run.put(candles(1, 3))
            assert "KeyError" in str(run.ended.get(timeout=PATIENCE))
        assert run.kept == candles(2)

    def test_a_failed_close_is_an_error(self):
        sink = Recording()

        def close():
            sink.closed = True
            raise OutputError("m.csv: lost")

        sink.close = close
        with Run(sink=sink) as run:
            assert str(run.end()) == "m.csv: lost"

    def test_a_sink_that_another_recording_replaced_goes_on_there(self):
        with Run() as run:
            run.put(candles(3))
            run.wrote(candles(3))
            run.sink.kept, run.sink.reached = candles(2), {BTCUSDT_1M: time(2)}
            run.sink.faults = [Replaced(errno.ESTALE, "other")]
            run.put(candles(1, 3))
            call = run.exchange.call()
            assert call.starts == {BTCUSDT_1M: time(2)}
            call.records(candles(2, 2))
            run.wrote(candles(4))
            assert run.end() is None
        assert run.said == []

    def test_a_sync_that_is_due_is_made_though_nothing_comes(self):
        class Due(Recording):
            @property
            def due(self):
                return 1005.0 if not self.flushes else float("inf")

        with Run(sink=Due()) as run:
            run.handled()
            assert run.sink.flushes == 0
            run.later(5.0)
            until(lambda: run.sink.flushes == 1)


class TestFiles:
    """A recorder of a real file whose disk fails."""

    @pytest.mark.parametrize("live", [False, True])
    def test_after_a_failed_sync_all_since_the_last_is_written_again(
        self, tmp_path, live
    ):
        """`live`: a later candle shows the hole; else the end alone does."""
        path, faults, now = tmp_path / "a.jsonl", [], [1000.0]

        def fdatasync(fd):
            if faults:
                raise faults.pop()
            CALLS.fdatasync(fd)

        sink = FileSink(
            str(path),
            options=FileOptions(sync=60.0),
            calls=CALLS._replace(fdatasync=fdatasync),
            monotonic=lambda: now[0],
        )
        with closing(sink, now) as run:
            for n in range(3):  # only the first is synced
                run.put(candles(1, n))
                until(lambda n=n: len(path.read_bytes().splitlines()) == n + 1)
            faults.append(OSError(errno.EIO, "broken"))
            now[0] += 60.0
            run.recorder.look_again()
            until(lambda: run.said)
            if live:
                run.put(candles(1, 3))
            run.recorder.close()
            until(lambda: not faults)
            now[0] += 30.0
            run.recorder.look_again()
            call = run.exchange.call()
            assert call.starts == {BTCUSDT_1M: time(1)}
            call.records(candles(2, 1))
            assert run.ended.get(timeout=PATIENCE) is None
        assert [*times(path)] == [time(n) for n in range(4 if live else 3)]

    def test_a_moved_file_goes_on_without_a_hole(self, tmp_path):
        path, now = tmp_path / "a.jsonl", [1000.0]
        with closing(FileSink(str(path), monotonic=lambda: now[0]), now) as run:
            run.put(candles(3))
            until(lambda: len(path.read_bytes().splitlines()) == 3)
            path.rename(tmp_path / "b.jsonl")
            run.recorder.look_again()
            until(path.exists)
            run.put(candles(3, 3))
            assert run.end() is None
        assert [*times(tmp_path / "b.jsonl")] == [time(n) for n in range(3)]
        assert [*times(path)] == [time(n) for n in range(3, 6)]


def times(path):
    from klinetail.recordings import read

    return (one.open_time for one in read.read(path))


class closing(Run):  # noqa: N801 - reads as a function
    """A run with a real file as the sink, and the file's clock."""

    def __init__(self, sink, clock):
        super().__init__(sink=sink)
        self.clock = clock

    def __exit__(self, *error):
        self.recorder.abandon()
        self.recorder.join(PATIENCE)
        assert not self.recorder.is_alive()


class BadDisk(Recording):
    """Writes parts of batches, and loses what was written since the last sync."""

    def __init__(self, random, held):
        super().__init__(held)
        self.random = random
        self.synced = len(self.kept)
        self.works = False

    def write(self, batch):
        dice = 1.0 if self.works else self.random.random()
        if dice < 0.1:
            super().write(batch[: self.random.randrange(len(batch) + 1)])
            raise FULL
        if dice < 0.2:
            super().write(batch)
            lost, self.kept = self.kept[self.synced :], self.kept[: self.synced]
            for one in reversed(lost):
                self.reached[one.stream] = one.open_time
            raise OSError(errno.EIO, "broken")
        super().write(batch)
        if dice < 0.6:
            self.synced = len(self.kept)


class BadExchange(Exchange):
    """Answers on threads of its own, in pages, not always to the end."""

    def __init__(self, random, now):
        super().__init__(time(now))
        self.random = random
        self.now = now

    def __call__(self, starts, on_records, on_trouble, on_end):
        if self.random.random() < 0.1:
            raise KlinetailError("refused")
        call = super().__call__(starts, on_records, on_trouble, on_end)
        page, fails = self.random.randrange(1, 40), self.random.random() < 0.2
        pages = self.random.randrange(4) if fails else 10**6

        def answer():
            now = self.now
            places = {
                stream: next(n for n in range(now + 1) if time(n) >= start)
                for stream, start in starts.items()
            }
            for _ in range(pages):
                for stream, at in places.items():
                    some = candles(max(0, min(page, now - at)), at)
                    if some:
                        on_records([candle(c.open_time, stream=stream) for c in some])
                        places[stream] += len(some)
                if call.stopped:
                    return
                if min(places.values()) >= now:
                    break
            on_end(KlinetailError("away") if fails else None)

        threading.Thread(target=answer, daemon=True).start()
        return call


@pytest.mark.parametrize("seed", range(25))
def test_whatever_fails_the_recording_is_whole_and_in_order(seed):
    random = Random(seed)
    streams = [Stream(f"A{n}USDT", Interval.M1) for n in range(random.randrange(1, 5))]
    held = [
        candle(time(n), stream=stream)
        for n in range(3, 3 + random.randrange(5))
        for stream in streams
    ]
    begins = 3 if held else 20
    now, most = 20, random.choice([30, 100, 1000])
    exchange = BadExchange(Random(seed), now)
    disk = BadDisk(Random(seed), held)
    run = Run(streams=streams, most=most, sink=disk, exchange=exchange)
    with run:
        for n in range(now, now + 120):
            exchange.now = n + 1  # the exchange closes a candle before it sends it
            exchange.time = time(n + 1)
            some = [candle(time(n), stream=stream) for stream in streams]
            random.shuffle(some)
            run.put(some)
            run.later(random.random())
            if random.random() < 0.2:
                run.handled()
        disk.works = True
        wanted = [time(n) for n in range(begins, now + 120)]

        def times(stream):
            return [one.open_time for one in [*disk.kept] if one.stream == stream]

        def whole():
            run.later(1.0)
            return all(times(stream)[-1:] == wanted[-1:] for stream in streams)

        until(whole)
        assert run.end() is None
    for stream in streams:
        assert times(stream) == wanted
    assert run.gaps == []
