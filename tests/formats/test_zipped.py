"""The zip archive of a dump; tests/recordings/test_open.py has the damaged ones."""

import io
import zipfile

import pytest

from klinetail.errors import BadRecording
from klinetail.formats.zipped import MAX_ZIP, only_member


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def test_the_only_member():
    data = zipped("BTCUSDT-1m-2023-11-14.csv", b"x" * 1_000_000)
    name, pieces = only_member(data, "a.zip")
    assert name == "BTCUSDT-1m-2023-11-14.csv"
    assert b"".join(pieces) == b"x" * 1_000_000


def test_a_bomb():
    data = zipped("BTCUSDT-1m-2023-11-14.csv", bytes(MAX_ZIP + 1))
    with pytest.raises(BadRecording, match=r"a\.zip: a dump has at most 64 MiB"):
        b"".join(only_member(data, "a.zip")[1])
    with pytest.raises(BadRecording, match=r"a\.zip: a dump has at most 64 MiB"):
        only_member(bytes(MAX_ZIP + 1), "a.zip")


def test_no_archive():
    with pytest.raises(BadRecording, match=r"a\.zip: .*torn or damaged"):
        only_member(b"PK\x03\x04", "a.zip")
