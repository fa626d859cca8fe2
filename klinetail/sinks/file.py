"""A file as a sink: a single writer at a time appends whole lines or frames."""

from __future__ import annotations

import contextlib
import enum
import errno
import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

from klinetail.candle import Candle, Stream
from klinetail.errors import OutputError, UsageError
from klinetail.formats import joined, whole_lines
from klinetail.recordings.containers.registry import PLAIN
from klinetail.recordings.cursor import Tail
from klinetail.recordings.policy import FileOptions, Resume
from klinetail.recordings.tail import Recorded, kind_of
from klinetail.sinks.appender import CALLS, Appender, Calls, WasCut, path_of
from klinetail.sinks.output import Outputs
from klinetail.sinks.progress import Progress
from klinetail.sinks.sink import NO_RETRY, Retry, Sink

Line: TypeAlias = tuple[str, Candle]
"""A candle's whole line, and the candle."""

_TOGETHER: Final = 4_096
"""Bytes of whole lines written together: a kill leaves no line torn."""

_FRAME: Final = 4 << 20
"""Bytes of whole lines in a frame at most."""

_LOOK: Final = 1.0
"""Seconds between two looks at the name of the file."""


class Replaced(OSError):
    """Another recording has taken the place of the file: its own content counts."""


class _State(enum.Enum):
    """What has to be done before the next line is written."""

    READY = enum.auto()
    """Nothing."""
    UNBEGUN = enum.auto()
    """The content of the open file has to be read: the file is new to the sink."""
    DOUBTFUL = enum.auto()
    """A sync failed: the file has to be opened anew, and cut to the last good sync."""


class FileSink(Sink[Candle, Line]):
    """Appends candles to a file. A line or frame not written as a whole is taken back.

    A regular file goes on where the recording stopped, see `tail`. The file is looked
    at by its name once a second: after a rename, a removal or a cut the sink goes on in
    a new file of the name.

    A context manager; the open file is locked.

    Args:
        path: the name of the file; the suffixes tell the format and the compression.
        updates: whether many lines are to come; many lines are written together.
        outputs: the outputs of the run; no output may be the same file.
        options: how the file is written and continued.
        say: is told of everything that happens to the file.
        monotonic: local seconds.
        calls: the calls to the system that change the file.

    Raises:
        UsageError: the suffix tells no format, the file is no recording of the format,
            or another output leads to the file.
        OutputError: the file cannot be opened, or another process writes to the file.
    """

    def __init__(
        self,
        path: str,
        *,
        updates: bool = False,
        outputs: Outputs | None = None,
        options: FileOptions | None = None,
        say: Callable[[str], object] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
        calls: Calls = CALLS,
    ) -> None:
        self.name = path
        """The path as given."""
        self.written = 0
        """The number of candles written."""
        self._progress = Progress(path)
        """The candles in the file, and the candles surely on the disk."""
        self.retry = Retry((OSError,))
        """Every error of the system is tried again: a disk can be freed."""
        self.resumes = True
        """Whether the file goes on where it stopped; a pipe or a device does not."""
        self._options = options or FileOptions()
        """How the file is written and continued."""
        self._say = say
        """Is told of everything that happens to the file."""
        self._monotonic = monotonic
        """Local seconds."""
        self._calls = calls
        """The calls to the system that change the file."""
        self._container, self._format = kind_of(path)
        """How the bytes hold the lines; the format of the lines."""
        self._header = self._container.pack(self._format.HEADER)
        """The bytes of a file without candles."""
        self._together = _TOGETHER if updates else 1
        """Bytes of whole lines written together."""
        if self._container is not PLAIN:
            self._together = _FRAME
        self._state = _State.UNBEGUN
        """What has to be done before the next line is written."""
        self._empty = True
        """Whether the file holds no whole line."""
        self._sync_at = 0.0
        """When the next sync is due, monotonic seconds."""
        self._looked_at = monotonic()
        """When the name was looked at last, monotonic seconds."""
        try:
            self._file = self._opened(outputs)
            try:
                self._begin()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error

    def _opened(self, outputs: Outputs | None = None) -> Appender:
        """Open and lock the file of the name."""

        def opened(fd: int) -> None:
            if outputs is not None:
                outputs.take(fd, f"--out {self.name}")

        return Appender(self.name, opened=opened, say=self._say, calls=self._calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See `close`."""
        self.close()

    # The beginning

    def _begin(self, *, took_over: bool = False) -> None:
        """Read the open file, and check that the file can go on.

        Args:
            took_over: whether the name led to another file before in the run.

        Raises:
            UsageError: the file is no recording.
            OSError: the file cannot be read, or the header cannot be written.
            Replaced: the file holds records already; the resume points are the file's.
        """
        file = self._file
        if not file.regular:
            if took_over:
                raise UsageError(f"{self.name}: its place was taken by no regular file")
            self.resumes, self.retry = False, NO_RETRY
            file.append(self._header)
            self._state = _State.READY
            return
        recorded = Recorded(self.name, file.fd)
        known = self._progress.streams()
        points = recorded.tail(known).points() if took_over else {}
        self._progress.replace(points)
        self._empty = recorded.empty
        file.size, file.torn = recorded.end, recorded.size - recorded.end
        self._progress.confirm(file.size)
        self._state = _State.READY
        if not recorded.size:
            self._empty = not file.append_if_room(self._header)
        if points:
            raise Replaced(errno.ESTALE, "it holds records already")

    def _write_header(self) -> None:
        """Write the header of a new file."""
        self._file.append(self._header)
        self._empty = False

    def tail(self, streams: Collection[Stream]) -> Tail:
        """Return what the end of the file tells about the streams, before anything is
        written.

        Raises:
            UsageError: the file cannot go on, or must not go on.
            OutputError: the file cannot be read.
        """
        try:
            tail = Recorded(self.name, self._file.fd).tail(streams)
        except OSError as error:
            raise OutputError(f"{self.name}: {error.strerror}") from error
        if tail.latest and self._options.resume is Resume.NEVER:
            raise UsageError(
                f"{self.name}: it holds records, and --resume never continues none;"
                " choose another file"
            )
        return tail

    # Writing

    def prepare(self, candle: Candle) -> Line:
        """Return the candle's line, and the candle."""
        return self._format.line(candle), candle

    def write(self, batch: Sequence[Line]) -> None:
        """Append whole lines.

        Raises:
            OSError: a line could not be written; the file still ends in a whole line.
                `resume_points` tells what the file holds.
            OutputError: something that is no recording has taken the file's place, or
                the descriptor of the file is closed.
        """
        try:
            self._get_ready()
            self._append(batch)
            self._sync_if_due()
        except WasCut as error:
            raise Replaced(*error.args) from error
        except OSError as error:
            if error.errno == errno.EBADF:  # another file may get the number
                raise OutputError(f"{self.name}: {error.strerror}") from error
            raise

    def _append(self, batch: Sequence[Line]) -> None:
        """Append lines to a file that is ready, and note what is written."""
        rest = joined([line for line, _ in batch])
        done = 0
        while rest:
            part = whole_lines(rest, self._together)
            self._file.append(self._container.pack(part))
            rest = rest[len(part) :]
            before, done = done, done + part.count(b"\n")
            self._progress.add([candle for _, candle in batch[before:done]])
            self.written = self._progress.written

    def _get_ready(self) -> None:
        """Do what has to be done before a line is written.

        Raises:
            OSError: the file is not ready.
            Replaced: another recording has taken the file's place.
            OutputError: something that is no recording has taken the file's place.
        """
        if not self.resumes:
            return
        if self._state is _State.DOUBTFUL:
            self._file.reopen(self._progress.size)
            self._empty = self._empty or not self._progress.size
            self._state = _State.READY
        self._look()
        if self._state is _State.UNBEGUN:
            try:
                self._begin(took_over=True)
            except UsageError as error:
                raise OutputError(str(error)) from None
        if torn := self._file.cut():
            what = "line" if self._container is PLAIN else "frame"
            self._say(f"{self.name}: cut {torn:,} bytes of a torn last {what}")
        if self._empty:
            self._write_header()

    # Syncs

    @property
    def due(self) -> float:
        """When `flush` has to be called, monotonic seconds; infinite if nothing waits
        for a sync."""
        syncs = self.resumes and self._options.sync is not None
        return self._sync_at if syncs and self._progress.unsynced else math.inf

    def flush(self) -> None:
        """Write the data to the disk if a sync is due; errors as of `write`."""
        self.write(())

    def _sync_if_due(self) -> None:
        if (now := self._monotonic()) >= self.due:
            self._sync_at = now + (self._options.sync or 0.0)
            self._sync()

    def _sync(self) -> None:
        """Write the file's data to the disk.

        After a failure the system may take unwritten data for written. Therefore the
        file is opened anew before the next line, and all since the last good sync is
        written again.

        Raises:
            OSError: the data cannot be written.
        """
        try:
            self._file.sync()
        except OSError:
            self._state = _State.DOUBTFUL
            self._progress.take_back()
            self.written = self._progress.written
            raise
        self._progress.confirm(self._file.size)

    def resume_points(self, streams: Collection[Stream]) -> Mapping[Stream, int]:
        """Return the file's progress in the run; see `Sink.resume_points`."""
        return self._progress.points(streams)

    def wrote(self) -> list[tuple[str, int]]:
        """Return the names of the files, with the candles written to each."""
        return self._progress.wrote()

    # Renames, removals, cuts

    def look_again(self) -> None:
        """Have the next write look at the name of the file, as after a SIGHUP."""
        self._looked_at = -math.inf

    def _look(self) -> None:
        """See whether the file was cut, and once a second whether the name still leads
        to the open file.

        Raises:
            OSError: the file cannot be opened again.
            OutputError: another process writes to the new file.
        """
        mine = os.fstat(self._file.fd)
        if (now := self._monotonic()) - self._looked_at >= _LOOK:
            try:
                found = os.stat(self.name)
            except FileNotFoundError:
                found = None
            if found is None or not os.path.samestat(found, mine):
                self._go_on_in_a_new_file(mine)
                mine = os.fstat(self._file.fd)
            self._looked_at = now
        if self._state is _State.READY and mine.st_size < self._file.size:
            self._note_cut(mine.st_size)

    def _go_on_in_a_new_file(self, mine: os.stat_result) -> None:
        """Finish the file under its new name, and open a new file."""
        if mine.st_nlink and self.due < math.inf:
            self._sync()
        fresh = self._opened()
        old, self._file = self._file, fresh
        where = path_of(old.fd) if mine.st_nlink else ""
        with contextlib.suppress(OSError):
            old.close()
        self._progress.move(where or f"{self.name} (removed)")
        happened = f"was moved to {where}" if where else "was removed"
        self._say(f"{self.name} {happened}; going on in a new {self.name}")
        self._begin_anew()

    def _note_cut(self, size: int) -> None:
        """Note that somebody has cut the file."""
        self._say(
            f"{self.name} was cut to {size:,} bytes; candles written between a copy and"
            " the cut may be missing in both: use logrotate's create, not copytruncate"
        )
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Have the content of the open file read before the next line is written."""
        self._progress.begin_anew()
        self._file.size = self._file.torn = 0
        self._empty = True
        self._state = _State.UNBEGUN

    def close(self) -> None:
        """Close the file; a file made for nothing is removed again.

        Raises:
            OutputError: some of the written bytes are not in the file.
        """
        try:
            if self._state is _State.DOUBTFUL:
                self._file.reopen(self._progress.size)
            elif self.due < math.inf:
                self._sync()
        except OSError as problem:
            raise OutputError(f"{self.name}: {problem.strerror}") from problem
        finally:
            if not self.written:
                self._file.remove_unused(self._header)
            try:
                self._file.close()
            except OSError as problem:
                raise OutputError(f"{self.name}: {problem.strerror}") from problem
