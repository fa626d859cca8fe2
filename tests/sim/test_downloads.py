"""Dumps over a socket: whole, in part, or not there yet."""

import hashlib
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from websockets.datastructures import Headers

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Stream
from klinetail.formats.dump_names import day_of, month_of
from klinetail.sim.downloads import part_of
from klinetail.sim.dumps import published
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic

START = 1_767_250_855_000  # 2026-01-01 07:00:55 UTC, a Thursday
TODAY = START - START % DAY
BTC = Stream("BTCUSDT", Interval.H1)
DUMP = day_of(BTC, TODAY - 3 * DAY)
DEADLINE = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Synthetic(7, START)) as server:
        yield server


def ask(server, dump=DUMP, end="", method="GET", **headers):
    url = f"{server.venue.archive_url}{server.venue.paths.archive}/{quote(dump.path)}"
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url + end, headers=headers, timeout=DEADLINE)


def test_a_dump_and_its_checksum(server):
    answer, line = ask(server), ask(server, end=".CHECKSUM").text
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert line == f"{hashlib.sha256(answer.content).hexdigest()}  {DUMP.name}\n"
    assert server.requests(f"/data/futures/um/{DUMP.path}") >= 1


def test_dumps_cost_no_weight(server):
    ask(server)
    answer = requests.get(f"{server.rest_url}/fapi/v1/time", timeout=DEADLINE)
    assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) <= 2


def test_the_head_alone(server):
    whole, head = ask(server), ask(server, method="HEAD")
    assert head.content == b""
    same = ("ETag", "Last-Modified", "Content-Length", "Accept-Ranges")
    assert [head.headers[n] for n in same] == [whole.headers[n] for n in same]
    assert ask(server, method="POST").status_code == 405


def test_a_part(server):
    whole = ask(server)
    etag, size = whole.headers["ETag"], len(whole.content)
    part = ask(server, Range="bytes=100-", If_Range=etag)
    assert part.status_code == 206
    assert part.content == whole.content[100:]
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert part.headers["ETag"] == etag
    changed = ask(server, Range="bytes=100-", If_Range='"other"')
    assert (changed.status_code, changed.content) == (200, whole.content)
    over = ask(server, Range=f"bytes={size}-")
    assert (over.status_code, over.headers["Content-Range"]) == (416, f"bytes */{size}")


def test_a_symbol_of_any_script(server):
    dump = day_of(Stream("币安人生USDT", Interval.H1), TODAY - 2 * DAY)
    assert ask(server, dump).status_code == 200
    before = day_of(Stream("币安人生USDT", Interval.H1), TODAY - 4 * DAY)
    assert ask(server, before).status_code == 404


def test_a_dump_is_there_from_its_publication_on(market):
    real = [0.0]
    start = TODAY + 8 * HOUR + 34 * MINUTE
    yesterday = day_of(BTC, TODAY - DAY)
    with Server(market, start=start, monotonic=lambda: real[0]) as server:
        for end in ("", ".CHECKSUM"):
            assert ask(server, yesterday, end).status_code == 404
        assert ask(server, month_of(BTC, TODAY - DAY)).status_code == 404
        real[0] = 60
        assert ask(server, yesterday).status_code == 200
        assert ask(server, yesterday, ".CHECKSUM").status_code == 200
        month = month_of(BTC, TODAY - DAY)
        real[0] = (published(month) - start) / 1000 - 1
        assert ask(server, month).status_code == 404
        real[0] += 1
        assert ask(server, month).status_code == 200


@pytest.mark.parametrize("path", ["", "x", "daily/klines/BTCUSDT/1m/", "../../etc"])
def test_anything_else_is_not_found(server, path):
    answer = requests.get(f"{server.rest_url}/data/futures/um/{path}", timeout=DEADLINE)
    assert answer.status_code == 404


def test_many_at_once_get_the_same(server):
    dump = day_of(Stream("ETHUSDT", Interval.M1), TODAY - 2 * DAY)
    found = []

    def download():
        found.append(ask(server, dump).content)

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(found) == 4
    assert len({*found}) == 1


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({}, (200, 0, 50)),
        ({"Range": "bytes=0-"}, (206, 0, 50)),
        ({"Range": "bytes=7-9"}, (206, 7, 10)),
        ({"Range": "bytes=7-99"}, (206, 7, 50)),
        ({"Range": "bytes=-9"}, (206, 41, 50)),
        ({"Range": "bytes=-99"}, (206, 0, 50)),
        ({"Range": "bytes=50-"}, (416, 0, 0)),
        ({"Range": "bytes=9-7"}, (200, 0, 50)),
        ({"Range": "bytes=-"}, (200, 0, 50)),
        ({"Range": "bytes=1-2,4-5"}, (200, 0, 50)),
        ({"Range": "lines=1-2"}, (200, 0, 50)),
        ({"Range": "bytes=7-", "If-Range": '"a"'}, (206, 7, 50)),
        ({"Range": "bytes=7-", "If-Range": "then"}, (206, 7, 50)),
        ({"Range": "bytes=7-", "If-Range": '"b"'}, (200, 0, 50)),
    ],
)
def test_parts(asked, answer):
    known = {"ETag": '"a"', "Last-Modified": "then"}
    assert part_of(Headers(asked), known, 50) == answer
