"""How a handshake fails."""

from collections import Counter

from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.handshakes import Way, failure_of

ADDRESS = "127.0.0.1:9"


def failures(spec, *, served=True):
    chaos = Chaos.parse(spec, seed=4)
    found = (failure_of(chaos, n, ADDRESS, served=served) for n in range(1, 1001))
    return [failure for failure in found if failure is not None]


def test_refused():
    found = failures("refused=1")
    assert len(found) == 1000
    assert {f.status for f in found} == {403, 404, 418, 429, 451, 500, 503}
    for failure in found:
        assert failure.way is Way.ANSWERED
        assert ("Retry-After" in failure.headers) is (failure.status in (418, 429))


def test_redirect():
    [headers] = {tuple(f.headers.items()) for f in failures("redirect=1")}
    assert headers == (("Location", f"http://{ADDRESS}/elsewhere"),)
    assert {f.status for f in failures("redirect=1")} == {302}


def test_strange():
    assert {f.way for f in failures("hangup=1")} == {Way.CUT, Way.CUT_AFTER}
    ways = {f.way for f in failures("handshake=1")}
    assert ways == {Way.SILENT, Way.DRIPPING, Way.MISKEYED}


def test_nobody_is_refused_for_good_before_a_first_candle():
    counts = Counter(f.fault for f in failures("all", served=False))
    assert counts.keys() == {"hangup", "handshake"}
    counts = Counter(f.fault for f in failures("all"))
    assert counts.keys() == {"refused", "redirect", "hangup", "handshake"}
    assert failures("refused=1", served=False)
    assert not failures("late")
