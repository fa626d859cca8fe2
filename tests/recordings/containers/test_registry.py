"""The suffix or the content tells the container."""

from __future__ import annotations

from klinetail.formats import csv
from klinetail.recordings.containers.container import Container
from klinetail.recordings.containers.registry import PLAIN, container_in, container_of
from tests.recordings.containers.files import ALL, GZIP, ZSTD, every_container, rows
from tests.recordings.containers.foreign import gzip_member, skippable


def test_the_suffix_tells_the_container() -> None:
    assert container_of("a.gz/m.csv.zst") == (ZSTD, "a.gz/m.csv")
    assert container_of("m.jsonl.GZ") == (GZIP, "m.jsonl")
    assert container_of("m.csv") == (PLAIN, "m.csv")
    assert container_of("zst") == (PLAIN, "zst")
    assert [each.name for each in ALL] == ["plain", "gzip", "zstd"]


@every_container
def test_the_content_tells_the_container(container: Container) -> None:
    for data in (rows(1), csv.HEADER, b"{}\n"):
        packed = container.pack(data)
        assert container_in(packed) is container
        assert [each.recognises(packed) for each in ALL] == [
            c is container for c in ALL
        ]
        assert container_in(packed[:1]) is container
    assert container_in(b"") is PLAIN
    assert container_in(skippable(b"")) is ZSTD
    assert container_in(gzip_member(b"")) is GZIP
