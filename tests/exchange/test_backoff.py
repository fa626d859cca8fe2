"""How long to wait between attempts, and for how long to go on."""

from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import Forbidden, Refused, Unreachable
from klinetail.exchange.backoff import BACKOFF, backoff, insistence

fractions = st.floats(0, 1, exclude_max=True)


class TestBackoff:
    def test_grows_to_a_cap(self):
        assert [backoff(n, lambda: 1.0) for n in range(9)] == [
            0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0,
        ]  # fmt: skip

    @given(st.integers(0, 10**9), fractions)
    def test_lies_anywhere_below(self, failures, fraction):
        assert 0 <= backoff(failures, lambda: fraction) <= BACKOFF[1]


class TestInsistence:
    def test_what_may_pass_is_tried_for_ever(self):
        for error in (None, Unreachable("no"), ValueError()):
            assert insistence(error, 5.0, 9.0) == (None, float("inf"))

    def test_a_refusal_ends_it_at_once_and_a_forbidden_one_after_a_while(self):
        assert insistence(Refused("no"), None, 9.0) == (9.0, 0.0)
        since, left = insistence(Forbidden("not now"), None, 9.0)
        assert (since, left) == (9.0, Forbidden("not now").patience)
        assert insistence(Forbidden("not now"), since, 19.0) == (since, left - 10.0)
