"""What a sink is: stdout, a file and a package's own all are, and say so as data."""

import errno

import pytest

from klinetail.errors import OutputError, UsageError
from klinetail.events import GapEvent
from klinetail.sinks.file import FileSink
from klinetail.sinks.output import Outputs
from klinetail.sinks.registry import Opening
from klinetail.sinks.sink import NO_RETRY, Retry, Sink, WrittenOn, words
from klinetail.sinks.stdout import StdoutSink
from tests.sinks.pipes import pipe
from tests.sinks.toy import Toy
from tests.strategies import BTCUSDT_1M


def test_stdout_and_files_are_sinks_like_all_others(tmp_path):
    opening = Opening(updates=False, outputs=Outputs())
    with pipe() as (_, writing):
        sinks = [
            StdoutSink(writing),
            FileSink(str(tmp_path / "a.csv")),
            Toy(f"toy:{tmp_path / 'a'}", opening),
        ]
        delivery, worker = WrittenOn.DELIVERY, WrittenOn.WORKER
        assert [sink.written_on for sink in sinks] == [delivery, worker, worker]
        assert [sink.events for sink in sinks] == [(), (), (GapEvent,)]
        again = Retry((OSError,))
        assert [sink.retry for sink in sinks] == [NO_RETRY, again, NO_RETRY]
        for sink in sinks:
            assert isinstance(sink, Sink)
            assert sink.name
            assert sink.written == 0
            assert sink.resume_points([BTCUSDT_1M]) == {}
            sink.flush()
            sink.close()


def test_what_lacks_a_part_is_no_sink():
    class NoClose:
        written_on, events, retry = WrittenOn.WORKER, (), NO_RETRY
        name, written = "a", 0
        prepare = write = flush = resume_points = None

    assert not isinstance(NoClose(), Sink)
    with pytest.raises(TypeError, match="abstract"):
        type("NoWrite", (Sink,), {"prepare": None})()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OutputError("a: full"), "a: full"),
        (UsageError("a: no"), "a: no"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (ConnectionResetError(), "ConnectionResetError"),
        (TimeoutError("timed out"), "timed out"),
        (OSError(errno.EMFILE, "Too many open files"), "this machine lacks a resource"),
        (MemoryError(), "this machine has no memory left"),
        (KeyError("x"), "a bug: KeyError('x')"),
    ],
)
def test_what_ended_a_sink_in_words(error, said):
    assert words(error).startswith(said)
