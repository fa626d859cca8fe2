"""The registry of containers: the only list of the known containers."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from klinetail.recordings.containers.container import Container
from klinetail.recordings.containers.gzip import Gzip
from klinetail.recordings.containers.plain import Plain
from klinetail.recordings.containers.zstd import Zstd

CONTAINERS: Final[dict[str, Container]] = {
    each.suffix: each for each in (Gzip(), Zstd())
}
"""The containers of compressed recordings by suffix. A container is one entry here."""

PLAIN: Final[Container] = Plain(CONTAINERS.values())
"""The container of files that are not compressed."""


def container_of(path: str) -> tuple[Container, str]:
    """Return the container told by a path's suffix, and the path without that suffix:
    for `m.csv.zst` zstd and `m.csv`."""
    suffix = PurePath(path).suffix
    found = CONTAINERS.get(suffix.lower(), PLAIN)
    return found, path.removesuffix(suffix) if found is not PLAIN else path


def container_in(beginning: bytes) -> Container:
    """Return the container told by the first bytes of a file."""
    return next((c for c in CONTAINERS.values() if c.recognises(beginning)), PLAIN)
