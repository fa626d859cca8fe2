"""A file as a sink: a single writer at a time appends whole lines or frames."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeAlias

from klinetail.candle import Candle, Stream
from klinetail.errors import OutputError, UsageError
from klinetail.formats import joined, whole_lines
from klinetail.recordings.cursor import Tail
from klinetail.recordings.frames import PLAIN
from klinetail.recordings.policy import Resume
from klinetail.recordings.tail import Recorded, kind_of
from klinetail.sinks.output import OutputFile, Outputs, take_back
from klinetail.sinks.sink import NO_RETRY, Retry, Sink

Line: TypeAlias = tuple[str, Candle]
"""A candle's whole line, and the candle."""

_TOGETHER: Final = 4_096
"""Bytes of whole lines written together: a kill leaves no line torn."""

_FRAME: Final = 4 << 20
"""Bytes of whole lines in a frame at most."""

_LOOK: Final = 1.0
"""Seconds between two looks at the name of the file."""

CLOSED: Final = 0.0
"""Seconds between two syncs that stand for: after each batch with a closed candle."""


class FileOptions(NamedTuple):
    """How files are written and continued."""

    resume: Resume = Resume.FILL
    """What becomes of candles that a file lacks."""
    sync: float | None = CLOSED
    """Seconds between two syncs to the disk; `CLOSED` after each batch with a closed
    candle, None for never."""


class Replaced(OSError):
    """Another recording has taken the place of the file: its own content counts."""


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
        fdatasync: writes the data of a descriptor to the disk.

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
        fdatasync: Callable[[int], object] = os.fdatasync,
    ) -> None:
        self.name = path
        """The path as given."""
        self.written = 0
        """The number of candles written."""
        self.retry = Retry((OSError,))
        """Every error of the system is tried again: a disk can be freed."""
        self.resumes = True
        """Whether the file goes on where it stopped; a pipe or a device does not."""
        self._parts: list[tuple[str, int]] = []
        """The names and candles of files that were moved away in the run."""
        self._options = options or FileOptions()
        """How the file is written and continued."""
        self._say = say
        """Is told of everything that happens to the file."""
        self._monotonic = monotonic
        """Local seconds."""
        self._fdatasync = fdatasync
        """Writes the data of a descriptor to the disk."""
        self._container, self._format = kind_of(path)
        """How the bytes hold the lines; the format of the lines."""
        self._together = _TOGETHER if updates else 1
        """Bytes of whole lines written together."""
        if self._container is not PLAIN:
            self._together = _FRAME
        self._reached: dict[Stream, int] = {}
        """By stream, the resume point: see `Sink.resume_points`."""
        self._size = 0
        """The size of the file after the last write, bytes."""
        self._torn = 0
        """The bytes at the end of the file that are cut off before the first write."""
        self._empty = True
        """Whether the file holds no whole line."""
        self._synced = _Synced(0, 0)
        """The state that is surely on the disk."""
        self._unsynced: dict[Stream, int] = {}
        """By stream written since the last sync, the resume point before."""
        self._sync_at = 0.0
        """When the next sync is due, monotonic seconds."""
        self._looked_at = monotonic()
        """When the name was looked at last, monotonic seconds."""
        try:
            # To read, too: the present content has to be a recording to continue.
            self._file = OutputFile(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error
        try:
            if outputs is not None:
                outputs.take(self._file.fd, f"--out {path}")
            self._begin()
        except OSError as error:
            self._file.close()
            raise OutputError(f"{path}: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise

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

    def _begin(self) -> None:
        """Lock the open file, and check that the file can go on."""
        found = os.fstat(self._file.fd)
        if not stat.S_ISREG(found.st_mode):
            self.resumes, self.retry = False, NO_RETRY
            self._append(self._container.pack(self._format.HEADER))
            return
        self._lock(found)
        recorded = Recorded(self.name, self._file.fd)
        self._size, self._empty = recorded.end, recorded.empty
        self._torn = recorded.size - recorded.end
        self._synced = _Synced(self._size, 0)
        if not recorded.size:
            self._write_header()

    def _write_header(self) -> None:
        """Write the header of a new file."""
        self._append(self._container.pack(self._format.HEADER))
        self._empty = False
        self._synced = _Synced(self._size, self.written)

    def _lock(self, found: os.stat_result) -> None:
        try:
            fcntl.flock(self._file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self.name}: another process{_writer(found)} is writing to it"
            ) from error
        except OSError:
            self._say(
                f"{self.name}: this file system has no locks; no other program may"
                " write to the file"
            )

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

    def _cut_tail(self) -> None:
        """Cut off the torn end of the file, before the first write."""
        if self._torn:
            os.ftruncate(self._file.fd, self._size)
            what = "line" if self._container is PLAIN else "frame"
            self._say(f"{self.name}: cut {self._torn:,} bytes of a torn last {what}")
            self._torn = 0
        if self._empty:
            self._write_header()

    # Writing

    def prepare(self, candle: Candle) -> Line:
        """Return the candle's line, and the candle."""
        return self._format.line(candle), candle

    def write(self, batch: Sequence[Line]) -> None:
        """Append whole lines.

        Raises:
            OSError: a line could not be written; the file still ends in a whole line.
                `resume_points` tells what the file holds.
            OutputError: something that is no recording has taken the file's place.
        """
        self._look()
        self._cut_tail()
        rest = joined([line for line, _ in batch])
        done = 0
        while rest:
            part = whole_lines(rest, self._together)
            self._append(self._container.pack(part))
            rest = rest[len(part) :]
            before, done = done, done + part.count(b"\n")
            self.written += done - before
            for _, candle in batch[before:done]:
                if candle.closed:
                    self._reach(candle)
        self._sync_if_due()

    def _reach(self, candle: Candle) -> None:
        """Note that a closed candle is written."""
        stream = candle.stream
        self._unsynced.setdefault(stream, self._reached.get(stream, 0))
        self._reached[stream] = candle.close_time + 1

    def _append(self, data: bytes) -> None:
        """Append bytes as a whole, or not at all.

        Raises:
            OSError: the bytes could not be written, and are not in the file.
        """
        fd, written = self._file.fd, 0
        try:
            while written < len(data):
                written += os.write(fd, data[written:])
        except OSError:
            if written:
                take_back(fd, written, os.lseek(fd, 0, os.SEEK_CUR))
            raise
        self._size += len(data)

    def _sync_if_due(self) -> None:
        every = self._options.sync
        if every is None or not self._unsynced or not self.resumes:
            return
        now = self._monotonic()
        if every and now < self._sync_at:
            return
        self._sync_at = now + every
        self._sync()

    def _sync(self) -> None:
        """Write the file's data to the disk.

        After a failure the system may take unwritten data for written. Therefore the
        file is opened anew, and all since the last good sync is written again.

        Raises:
            OSError: the data cannot be written; the file is cut back.
        """
        try:
            self._fdatasync(self._file.fd)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                return  # a file system without syncs
            self._reopen()
            raise
        self._synced = _Synced(self._size, self.written)
        self._unsynced.clear()

    def _reopen(self) -> None:
        """Open the file anew, and cut back to what is surely on the disk."""
        fresh = OutputFile(self.name, os.O_RDWR | os.O_APPEND)
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = fresh
        os.ftruncate(fresh.fd, self._synced.size)
        self._lock(os.fstat(fresh.fd))
        self._size, self.written = self._synced
        self._take_back_points()

    def _take_back_points(self) -> None:
        """Set the resume points back to the last good sync."""
        for stream, point in self._unsynced.items():
            if point:
                self._reached[stream] = point
            else:
                self._reached.pop(stream, None)
        self._unsynced.clear()

    def flush(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def resume_points(self, streams: Collection[Stream]) -> Mapping[Stream, int]:
        """Return the file's progress in the run; see `Sink.resume_points`."""
        return {
            stream: self._reached[stream]
            for stream in streams
            if stream in self._reached
        }

    def wrote(self) -> list[tuple[str, int]]:
        """Return the names of the files, with the candles written to each."""
        before = sum(count for _, count in self._parts)
        return [*self._parts, (self.name, self.written - before)]

    # Renames, removals, cuts

    def look_again(self) -> None:
        """Have the next write look at the name of the file, as after a SIGHUP."""
        self._looked_at = float("-inf")

    def _look(self) -> None:
        """See once a second whether the name still leads to the open file.

        Raises:
            OSError: the file cannot be opened again.
            Replaced: another recording has taken the file's place.
            OutputError: something else has taken the file's place.
        """
        if not self.resumes:
            return
        mine = os.fstat(self._file.fd)
        if mine.st_size < self._size:
            self._go_on_after_a_cut(mine.st_size)
        now = self._monotonic()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        try:
            found = os.stat(self.name)
        except FileNotFoundError:
            found = None
        if found is None or not os.path.samestat(found, mine):
            self._go_on_in_a_new_file(mine)

    def _go_on_in_a_new_file(self, mine: os.stat_result) -> None:
        """Finish the file under its new name, and open a new file."""
        fresh = OutputFile(self.name, os.O_RDWR | os.O_APPEND)
        old, self._file = self._file, fresh
        where = _path_of(old.fd) if mine.st_nlink else ""
        with contextlib.suppress(OSError):
            self._fdatasync(old.fd)
        with contextlib.suppress(OSError):
            old.close()
        before = sum(count for _, count in self._parts)
        name = where or f"{self.name} (removed)"
        self._parts.append((name, self.written - before))
        self._unsynced.clear()
        self._size = self._torn = 0
        happened = f"was moved to {where}" if where else "was removed"
        self._say(f"{self.name} {happened}; going on in a new {self.name}")
        self._take_over()

    def _go_on_after_a_cut(self, size: int) -> None:
        """Go on in a file that somebody has cut."""
        self._say(
            f"{self.name} was cut to {size:,} bytes; candles written between a copy and"
            " the cut may be missing in both: use logrotate's create, not copytruncate"
        )
        self._unsynced.clear()
        self._size = 0
        self._take_over()

    def _take_over(self) -> None:
        """Begin with the file that the name leads to now.

        Raises:
            Replaced: the file holds records already; the resume points are the file's.
            OutputError: the file is no recording.
        """
        try:
            self._begin()
            if self._size and not self._empty:
                tail = self.tail([*self._reached])
                if tail.latest:
                    self._reached.update(tail.points())
                    raise Replaced(f"{self.name} holds records already")
        except UsageError as error:
            raise OutputError(str(error)) from None

    def close(self) -> None:
        """Close the file; a file made for nothing is removed again.

        Raises:
            OutputError: some of the written bytes are not in the file.
        """
        try:
            if self._unsynced and self._options.sync is not None and self.resumes:
                self._fdatasync(self._file.fd)
        except OSError as problem:
            raise OutputError(f"{self.name}: {problem.strerror}") from problem
        finally:
            if not self.written:
                unused = self._container.pack(self._format.HEADER)
                self._file.remove_unused(unused)
            try:
                self._file.close()
            except OSError as problem:
                raise OutputError(f"{self.name}: {problem.strerror}") from problem


class _Synced(NamedTuple):
    """A state of the file that is surely on the disk."""

    size: int
    """The size of the file, bytes."""
    written: int
    """The number of candles written by then."""


def _writer(found: os.stat_result) -> str:
    """Return the process that holds a file's lock, in words; empty if unknown."""
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    wanted = f"{device}:{found.st_ino}"
    with contextlib.suppress(OSError), open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[5] == wanted:
                return f" ({words[4]})"
    return ""


def _path_of(fd: int) -> str:
    """Return the path that a descriptor's file has now; empty if unknown."""
    with contextlib.suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{fd}")
        return os.path.relpath(path) if not path.startswith("/proc") else ""
    return ""
