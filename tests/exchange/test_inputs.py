import pytest

from klinetail.errors import Forbidden, RateLimited, Refused, Unavailable, Unreachable
from klinetail.exchange.inputs import (
    Acked,
    Broken,
    NextAcked,
    NextBroken,
    NextOpened,
    Opened,
    Ponged,
    broken_by,
    of_second,
)


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        (Opened(frozenset({1})), NextOpened(frozenset({1}))),
        (Acked(2), NextAcked(2)),
        (Broken("why"), NextBroken()),
        (Ponged(), None),
    ],
)
def test_what_happens_to_the_second_connection_is_told_apart(event, meant):
    assert of_second(event) == meant


@pytest.mark.parametrize("error", [Refused("no"), Forbidden("not now")])
def test_a_refusal_is_kept_as_such(error):
    error.where = "somewhere"
    assert broken_by(error) == Broken("no" if type(error) is Refused else "not now",
                                      error=error, where="somewhere")  # fmt: skip


@pytest.mark.parametrize("error", [Unreachable("gone"), Unavailable("gone")])
def test_what_may_pass_is_only_told(error):
    assert broken_by(error) == Broken("gone")


def test_the_exchange_s_own_wait_is_kept():
    assert broken_by(RateLimited("slowly", retry_after=17.0)) == Broken(
        "slowly", wait=17.0
    )
