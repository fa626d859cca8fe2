"""Cursor: the place in a recording from which each stream goes on. Pure.

The recording itself is the only memory of its progress: the last closed candle of each
stream is searched for from the end of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import BadRecording
from klinetail.formats import Format
from klinetail.recordings.compare import CANDLES, STREAMS

SEARCHED: Final = 1 << 30
"""Bytes of text that are searched at most. A stream that is not found there begins as
new."""

NEAR: Final = 64 << 10
"""Bytes at the end of which every line is decoded. Before them only the lines of
streams not found yet are decoded, and the others are looked at as a block."""

_A_BIT_MORE: Final = 16 << 20
"""Bytes that are searched for more candles to compare, once every stream is found."""

_BLOCK: Final = 64 << 10
"""Bytes of lines that are looked at together."""

_FEW: Final = 8
"""Streams that are searched for one by one; more streams are searched for line by
line, which takes as long for any number."""


class BadTail(BadRecording):
    """A line near the end of a recording holds no candle, or is out of order.

    Args:
        reason: why, in words.
        size: bytes of text from the beginning of the faulty line to the end.
    """

    def __init__(self, reason: str, size: int) -> None:
        super().__init__(reason)
        self.size = size
        """Bytes of text from the beginning of the faulty line to the end."""


class Tail:
    """What the end of a recording tells."""

    def __init__(self) -> None:
        self.latest: dict[Stream, list[Candle]] = {}
        """By stream, the last closed candles, oldest first."""
        self.forming = False
        """Whether there are forming candles among the last `NEAR` bytes."""
        self.begins = True
        """Whether the search reached the beginning of the recording."""

    def points(self) -> dict[Stream, int]:
        """Return by stream the open time (ms) of the first candle missing."""
        return {
            stream: candles[-1].close_time + 1
            for stream, candles in self.latest.items()
        }


def read_tail(
    pieces: Iterable[bytes],
    form: Format,
    wanted: Collection[Stream],
    *,
    most: int = SEARCHED,
    near: int = NEAR,
) -> Tail:
    """Return what the end of a recording tells about the wanted streams.

    Args:
        pieces: the text of the recording in pieces of any size, the last piece first.
            The text consists of whole lines.
        form: the format of the recording.
        wanted: the streams to search for.
        most: bytes to search at most.
        near: bytes at the end of which every line is decoded.

    Raises:
        BadTail: a searched line holds no candle, or the closed candles of a stream are
            not in order.
    """
    tail = Tail()
    search = _Search(tail, form, wanted)
    shape: _Shape | None = None
    seen = 0
    for block in blocks_backwards(pieces):
        if seen >= near and shape is None:
            shape = _Shape(form, wanted)
        if shape is not None and shape.fits(block):
            lines = shape.lines(block, search.wanting)
        else:
            lines = reversed(block.removesuffix(b"\n").split(b"\n"))
        for line in lines:
            try:
                search.take(line)
            except BadRecording as error:
                raise BadTail(
                    str(error), seen + len(block) - _offset(block, line)
                ) from None
            if shape is not None and search.done(seen):
                break
        seen += len(block)
        if (search.done(seen) and seen >= near) or seen >= most:
            tail.begins = False
            break
    for candles in tail.latest.values():
        candles.reverse()
    return tail


def _offset(block: bytes, line: bytes) -> int:
    """Return the offset of a line in a block of whole lines."""
    return (b"\n" + block + b"\n").rindex(b"\n" + line + b"\n")


class _Search:
    """Collects the candles of a search from the end."""

    def __init__(self, tail: Tail, form: Format, wanted: Collection[Stream]) -> None:
        self.wanting = set(wanted)
        """The streams of which another candle is needed."""
        self._tail = tail
        """What was found."""
        self._decode = form.decoder(None)
        """Makes a candle of a line."""
        self._header = form.HEADER.rstrip()
        """The header, which is no candle; empty for a format without a header."""
        self._missing = set(wanted)
        """The wanted streams not found yet."""
        self._compared: set[Stream] = set()
        """The streams of which `CANDLES` candles are needed, to be compared."""
        self._found_at: int | None = None
        """Where every wanted stream was found, in bytes from the end; None before."""
        self._oldest: dict[Stream, int] = {}
        """By stream, the open time (ms) of the oldest closed candle seen."""

    def take(self, line: bytes) -> None:
        """Take a line from before the lines taken so far.

        Raises:
            BadRecording: the line holds no candle, or the candle is out of order.
        """
        line = line.strip(b" \t\r\n")
        if not line or (self._header and line.startswith(self._header)):
            return
        candle = self._decode(line)
        if not candle.closed:
            self._tail.forming = True
            return
        stream, time = candle.stream, candle.open_time
        oldest = self._oldest.get(stream)
        if oldest is not None and time >= oldest:
            what = "is there twice" if time == oldest else "is out of order"
            raise BadRecording(f"the candle {time} of {stream} {what}")
        self._oldest[stream] = time
        latest = self._tail.latest.setdefault(stream, [])
        if len(latest) < CANDLES:
            latest.append(candle)
        if stream not in self.wanting:
            return
        self._missing.discard(stream)
        if len(self._compared) < STREAMS:
            self._compared.add(stream)
        if len(latest) == CANDLES or stream not in self._compared:
            self.wanting.discard(stream)

    def done(self, seen: int) -> bool:
        """Return whether nothing more has to be found.

        Args:
            seen: bytes searched so far.
        """
        if self._missing:
            return False
        if self._found_at is None:
            self._found_at = seen
        return not self.wanting or seen - self._found_at >= _A_BIT_MORE


_TIME: Final = 1_234_567_890_123
"""An open time that is found again in a line."""


class _Shape:
    """The shape of a format's lines: finds the lines of some streams in a block without
    decoding the others.

    Args:
        form: the format.
        wanted: the streams that may be searched for.
    """

    def __init__(self, form: Format, wanted: Collection[Stream]) -> None:
        self._prefixes = {stream: _prefix(form, stream) for stream in wanted}
        """The bytes with which each line of a stream begins, by stream."""
        symbol = "SYMBOL"
        stream = Stream(symbol, Interval.M1)
        closed, forming = _line(form, stream, True), _line(form, stream, False)
        self._commas = closed.count(b",")
        """The commas of a line."""
        before, _, after = _prefix(form, stream).partition(symbol.encode())
        self._before = b"\n" + before
        """The bytes with which each line begins, before the symbol, after a break."""
        self._between = after.partition(Interval.M1.encode())[0]
        """The bytes between the symbol and the interval."""
        same = next(n for n, (a, b) in enumerate(zip(closed, forming)) if a != b)  # noqa: B905
        self._mark = closed[same - 1 : same + 2]
        """Bytes that the lines of closed candles hold, and other lines do not."""
        self._fields = _prefix(form, stream).count(b",")
        """The commas in the beginning that tells the stream."""
        self._usable = (
            self._fields > 0
            and self._mark not in forming
            and all(
                stream.symbol.encode() in prefix and prefix.count(b",") == self._fields
                for stream, prefix in self._prefixes.items()
            )
        )
        """Whether the lines of the format begin with the stream."""

    def fits(self, block: bytes) -> bool:
        """Return whether the lines of a block look like lines of the format. Lines of
        other programs, and damaged lines, are to be decoded one by one.

        Args:
            block: whole lines.
        """
        lines = block.count(b"\n")
        return (
            self._usable
            and block.count(b",") == lines * self._commas
            and b"\0" not in block
            and b"\\" not in block
            and (
                b'"' not in block
                if self._before == b"\n"
                else block.startswith(self._before[1:])
                and block.count(self._before) == lines - 1
                and block.count(self._between) == lines
            )
        )

    def lines(self, block: bytes, streams: Collection[Stream]) -> Iterator[bytes]:
        """Yield the lines of closed candles of some streams, each stream's last line
        first.

        Args:
            block: whole lines, which `fits` has looked at.
            streams: the streams; a stream may leave the set when a line was yielded.
        """
        if len(streams) <= _FEW:
            for stream in [*streams]:
                yield from self._lines_of(block, stream, streams)
            return
        mark, prefixes = self._mark, {self._prefixes[stream] for stream in streams}
        fields = self._fields
        for line in reversed(block.split(b"\n")):
            if mark in line:
                end = 0
                for _ in range(fields):
                    end = line.index(b",", end) + 1
                if line[:end] in prefixes:
                    yield line

    def _lines_of(
        self, block: bytes, stream: Stream, streams: Collection[Stream]
    ) -> Iterator[bytes]:
        prefix, mark, end = self._prefixes[stream], self._mark, len(block)
        pattern = b"\n" + prefix
        while stream in streams:
            start = block.rfind(pattern, 0, end) + 1
            if not start and not block.startswith(prefix):
                return
            line = block[start : block.index(b"\n", start)]
            if mark in line:
                yield line
            end = start
            if not start:
                return


def _line(form: Format, stream: Stream, closed: bool) -> bytes:
    zeros = ("0", "0", "0", "0", "0")
    return form.line(
        Candle(stream, _TIME, *zeros, 0, "0", 0, "0", "0", closed)
    ).encode()


def _prefix(form: Format, stream: Stream) -> bytes:
    """Return the bytes with which each line of a stream begins, up to the last comma
    before the open time."""
    line = _line(form, stream, True)
    before = line[: max(line.rfind(str(_TIME).encode()), 0)]
    return before[: before.rfind(b",") + 1]


def blocks_backwards(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a text in blocks of whole lines, the last block first. A block has about
    64 KiB at most, or is a single line.

    Args:
        pieces: the text in pieces of any size, the last piece first.
    """
    parts: list[bytes] = []
    """The pieces behind the last line break that is known, the last piece first."""
    for piece in pieces:
        cut = piece.find(b"\n") + 1
        if cut:
            yield from _cut(piece[cut:] + b"".join(reversed(parts)))
            parts = []
        # Only the piece before tells whether a line begins at the piece's beginning.
        parts.append(piece[: cut or len(piece)])
    yield from _cut(b"".join(reversed(parts)))


def _cut(text: bytes) -> Iterator[bytes]:
    """Yield whole lines in blocks, the last block first."""
    end = len(text)
    while end:
        start = end - _BLOCK
        start = text.rfind(b"\n", 0, start) + 1 if start > 0 else 0
        yield text[start:end]
        end = start
