"""Files come whole or go on, over real sockets, from servers of all manners."""

import threading

import pytest

from klinetail.errors import Forbidden, RateLimited, Refused, Unavailable, Unreachable
from klinetail.exchange.files import BREAKS, Files, TooLarge
from klinetail.exchange.part import Part
from klinetail.exchange.proxy import Proxy
from tests.proxy import ConnectProxy
from tests.venue import PATIENCE, Answer, Request, Reset, Send, Stall, Venue

ETAG = 'ETag: "abc"'
DATA = bytes(range(256)) * 64  # 16 KiB
MOST = 1 << 20


def head(status, *headers):
    return Send("\r\n".join([f"HTTP/1.1 {status} So", *headers, "", ""]).encode())


def cut(size, *, etag=ETAG, end=None):
    """The beginning of the file, and the end of the connection."""
    length = f"Content-Length: {len(DATA)}"
    steps = [Request(), head(200, etag, length), Send(DATA[:size])]
    return steps if end is None else [*steps, end]


def rest(start, *headers):
    """The end of the file."""
    given = f"Content-Range: bytes {start}-{len(DATA) - 1}/{len(DATA)}"
    return [Answer(206, DATA[start:], (given, *headers)), Stall()]


@pytest.fixture
def final(tmp_path):
    return tmp_path / "A.zip"


def filled(venue, final, patience=PATIENCE, most=MOST):
    """The downloaded bytes, or None if the server has no such file."""
    files = Files(venue.rest_url, patience, None)
    try:
        with Part(final) as part:
            if not files.fill("/a b/币.zip", part, most):
                return None
            part.finish()
            return final.read_bytes()
    finally:
        files.close()


def asked(venue, number=0):
    """The lines of a request."""
    return venue.peer(number).requests.get(timeout=PATIENCE).split("\r\n")


def test_a_file(final):
    with Venue([Answer(200, DATA, (ETAG,)), Stall()]) as venue:
        assert filled(venue, final) == DATA
        lines = asked(venue)
    assert lines[0] == "GET /a%20b/%E5%B8%81.zip HTTP/1.1"
    assert "User-Agent: klinetail" in lines
    assert "Accept-Encoding: identity" in lines
    assert not [line for line in lines if line.startswith(("Range", "If-Range"))]


def test_requests_share_a_connection():
    answers = [Answer(200, b"one"), Answer(404, b"no"), Answer(200, b"two"), Stall()]
    with Venue(answers) as venue:
        files = Files(venue.rest_url, PATIENCE, None)
        assert [files.content("/x", 9) for _ in range(3)] == [b"one", None, b"two"]
        files.close()
        assert len(venue.peers) == 1


@pytest.mark.parametrize("end", [None, Reset()])
def test_a_download_that_broke_off_goes_on(final, end):
    """After a reset the last bytes may be lost, but what came is right."""
    with Venue(cut(5000, end=end), [Request(), Stall()]) as venue:
        with pytest.raises(Unreachable):
            filled(venue, final, patience=0.5)
        lines = asked(venue, 1)
        size = final.with_name("A.zip.part").stat().st_size
    assert 0 < size <= 5000
    assert f"Range: bytes={size}-" in lines
    assert 'If-Range: "abc"' in lines
    with Venue(rest(size)) as venue:
        assert filled(venue, final) == DATA
        assert f"Range: bytes={size}-" in asked(venue)


def test_another_version_begins_afresh(final):
    other = DATA[::-1]
    with Venue(cut(5000), [Answer(200, other, ('ETag: "other"',)), Stall()]) as venue:
        assert filled(venue, final) == other


def test_without_a_version_all_comes_again(final):
    again = [Answer(200, DATA), Stall()]
    with Venue(cut(5000, etag="X: y"), again) as venue:
        assert filled(venue, final) == DATA
        assert not [line for line in asked(venue, 1) if line.startswith("Range")]


@pytest.mark.parametrize(
    "odd",
    [
        Answer(206, b"wrong", ("Content-Range: bytes 3-7/16384",)),
        Answer(206, b"wrong"),
        Answer(416, b"", ("Content-Range: bytes */99",)),
    ],
)
def test_an_answer_that_does_not_join_is_not_taken(final, odd):
    with Venue(cut(5000), [odd], [Answer(200, DATA), Stall()]) as venue:
        assert filled(venue, final) == DATA


def test_a_file_that_was_whole_already(final):
    with Part(final) as part:
        part.restart('"abc"')
        part.append(DATA)
    answer = Answer(416, b"", (f"Content-Range: bytes */{len(DATA)}",))
    with Venue([answer, Stall()]) as venue:
        assert filled(venue, final) == DATA


def test_a_slow_file_comes_by_several_requests(final):
    scripts = [
        [*cut(4096), Stall()],
        [
            Request(),
            head(206, "Content-Range: bytes 4096-16383/16384", "Content-Length: 12288"),
            Send(DATA[4096:12_288]),
            Stall(),
        ],
        rest(12_288),
    ]
    with Venue(*scripts) as venue:
        assert filled(venue, final, patience=0.4) == DATA
        assert len(venue.peers) == 3


def test_not_for_ever(final):
    with Venue(cut(4096, etag="X: y")) as venue:
        with pytest.raises(Unreachable, match=f"broke off {BREAKS} times, asking http"):
            filled(venue, final)
        assert len(venue.peers) == BREAKS


def test_nothing_comes(final):
    with Venue([Request(), Stall()]) as venue:
        with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
            filled(venue, final, patience=0.5)
        assert not final.with_name("A.zip.part").exists()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(302, b"", ("Location: http://localhost:1/",)), Refused),
        (Answer(403, b"<Error/>"), Forbidden),
        (Answer(429, b"", ("Retry-After: 7",)), RateLimited),
        (Answer(503, b""), Unavailable),
        (Answer(204, b""), Unavailable),
    ],
)
def test_errors(final, answer, kind):
    with Venue([answer]) as venue, pytest.raises(kind) as caught:
        filled(venue, final)
    assert "asking http://127.0.0.1" in str(caught.value)


def test_no_such_file(final):
    with Venue([Answer(404, b"<Error/>"), Stall()]) as venue:
        assert filled(venue, final) is None
    assert not final.exists()


def test_too_many_bytes(final):
    with Venue([Answer(200, DATA), Stall()]) as venue, pytest.raises(TooLarge):
        filled(venue, final, most=len(DATA) - 1)
    with Venue([Answer(200, DATA), Stall()]) as venue:
        assert filled(venue, final, most=len(DATA)) == DATA
    with Venue([Answer(200, b"1234"), Stall()]) as venue:
        files = Files(venue.rest_url, PATIENCE, None)
        with pytest.raises(TooLarge):
            files.content("/x", 3)
        files.close()


def test_close_ends_a_request(final):
    caught = []
    with Venue([Request(), Stall()]) as venue:
        files = Files(venue.rest_url, PATIENCE, None)

        def download():
            try:
                files.content("/x", 9)
            except Unreachable as error:
                caught.append(str(error))

        thread = threading.Thread(target=download)
        thread.start()
        asked(venue)
        files.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        with pytest.raises(Unreachable, match="closed"):
            files.content("/x", 9)
    assert caught[0].startswith("broken off, asking http://")


def test_through_a_proxy():
    with ConnectProxy() as proxy, Venue([Answer(200, b"one"), Stall()]) as venue:
        files = Files(venue.rest_url, PATIENCE, Proxy.parse(proxy.url))
        assert files.content("/x", 9) == b"one"
        files.close()
        assert proxy.targets() == [f"127.0.0.1:{venue.port}"]
