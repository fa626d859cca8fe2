"""Files in memory, and the reading of them through a container."""

from __future__ import annotations

import io
import random

import pytest

from klinetail.formats import csv
from klinetail.recordings.containers.container import Container, Frame
from klinetail.recordings.containers.registry import CONTAINERS, PLAIN
from tests.strategies import candle

GZIP, ZSTD = CONTAINERS[".gz"], CONTAINERS[".zst"]
ALL = [PLAIN, GZIP, ZSTD]
every_container = pytest.mark.parametrize("container", ALL, ids=lambda c: c.name)
compressed = pytest.mark.parametrize("container", [GZIP, ZSTD], ids=lambda c: c.name)

NULS = (1, 2, 7, 300, 4096, 70_000)


class Reads:
    """A file in memory that counts what is read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.bytes = 0

    def __call__(self, offset: int, size: int) -> bytes:
        assert 0 <= offset <= len(self.content)
        assert size >= 0
        data = self.content[offset : offset + size]
        self.bytes += len(data)
        return data


def end(container: Container, content: bytes) -> int:
    return container.end(Reads(content), len(content))


def backwards(container: Container, content: bytes) -> list[Frame]:
    return [*container.backwards(Reads(content), len(content))]


def joined_backwards(container: Container, content: bytes) -> bytes:
    return b"".join(frame.data for frame in reversed(backwards(container, content)))


def forwards(container: Container, content: bytes) -> bytes:
    return b"".join(container.forwards(io.BytesIO(content).read))


def rows(count: int, first: int = 0) -> bytes:
    return csv.encode([candle(60_000 * (first + n)) for n in range(count)])


def lines(random_: random.Random, size: int) -> bytes:
    """Lines of digits that hardly compress."""
    digits = random_.randbytes(size // 3).hex()
    return "".join(
        f"{digits[n : n + 70]}\n" for n in range(0, len(digits), 70)
    ).encode()


def model_end(content: bytes, whole: bytes, ends: list[int]) -> int:
    """The last end of a frame up to which the content is as it was written."""
    return max(e for e in (0, *ends) if content[:e] == whole[:e] and len(content) >= e)
