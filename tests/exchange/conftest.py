"""Every test here leaves the process as it found it."""

import gc
import logging
import os
import threading

import pytest
import trustme

from tests.venue import eventually


@pytest.fixture(autouse=True)
def nothing_left(capfd):
    """No thread, no descriptor, no word on stderr, no handler on the root logger."""
    threads = set(threading.enumerate())
    handlers = list(logging.getLogger().handlers)
    descriptors = _descriptors()
    yield
    eventually(lambda: not set(threading.enumerate()) - threads, "the threads' end")
    gc.collect()
    eventually(lambda: _descriptors() <= descriptors, "the closing of descriptors")
    assert logging.getLogger().handlers == handlers
    assert capfd.readouterr().err == ""


def _descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """A certificate authority that the client is told to trust, and no other."""
    authority = trustme.CA()
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return authority
