"""Turns: the exchange's limits hold, whatever the links do."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from klinetail.exchange.backoff import BACKOFF, backoff
from klinetail.exchange.pacing import (
    ATTEMPT_APART,
    ATTEMPTS,
    RENEWAL_APART,
    ConnectPacing,
    TokenBucket,
    message_rate,
)
from klinetail.protocol.venues import LIVE
from klinetail.sim.limits import MessageRate

TINY = 1e-6
gaps = st.lists(
    st.floats(0, 0.1) | st.floats(0, 400) | st.just(0.0), min_size=1, max_size=200
)


def most(times, seconds):
    """The most of these times, ascending, in any span of so many seconds."""
    found, first = 0, 0
    for index, at in enumerate(times):
        while times[first] < at - seconds:
            first += 1
        found = max(found, index - first + 1)
    return found


class TestRate:
    @given(st.integers(1, 20), st.floats(0.05, 5), gaps, st.floats(0.01, 100))
    def test_never_more_than_it_allows_and_never_later_than_it_must(
        self, burst, period, gaps, span
    ):
        rate = TokenBucket(burst, period)
        asked = list(itertools.accumulate(gaps))
        booked = [rate.book(now) for now in asked]
        assert booked == sorted(booked)
        assert all(at >= now for at, now in zip(booked, asked, strict=True))
        assert most(booked, span - TINY) <= burst + span / period
        for index, (at, now) in enumerate(zip(booked, asked, strict=True)):
            if at > now + TINY:  # only because all turns are really taken
                recent = [b for b in booked[:index] if b > at - burst * period - TINY]
                assert len(recent) >= burst

    def test_a_connection_is_subscribed_within_the_exchange_s_own_limit(self):
        rate, theirs = message_rate(LIVE.limits.messages_per_second), MessageRate()
        sent = [rate.book(0.0) for _ in range(6)]  # 1,024 streams
        assert sent[-1] < 0.5
        assert all(theirs.admits(at) for at in sent)

    @given(gaps)
    def test_with_a_pong_they_are_ten_a_second_at_most(self, gaps):
        rate = message_rate(LIVE.limits.messages_per_second)
        sent = [rate.book(now) for now in itertools.accumulate(gaps)]
        assert most(sent, 1 - TINY) + 1 <= LIVE.limits.messages_per_second


class TestAttempts:
    def test_twelve_links_come_up_in_a_few_seconds(self):
        pacing = ConnectPacing()
        at = [pacing.attempt(100.0) for _ in range(12)]
        assert at[0] == 100.0
        assert at[-1] < 103.0
        assert all(b - a >= ATTEMPT_APART - TINY for a, b in itertools.pairwise(at))

    def test_whatever_the_number_of_links_there_is_no_storm(self):
        assert ATTEMPTS[0] + 300 / ATTEMPTS[1] + 300 / RENEWAL_APART <= 190

    @given(st.integers(1, 40), st.integers(0, 1 << 32))
    def test_an_hour_of_refusals(self, links, seed):
        """Every link waits its own pause and then its turn."""
        pacing, chance = ConnectPacing(), random.Random(seed).random
        ready = [(0.0, 0)] * links
        made = []
        while True:
            now, failures = min(ready)
            if now > 3600:
                break
            ready.remove((now, failures))
            at = pacing.attempt(now)
            made.append(at)
            ready.append((at + backoff(failures, chance), failures + 1))
        assert most(made, 300) <= 181
        if links == 1:
            assert most(made[10:], 300) <= 60
        assert max(b - a for a, b in itertools.pairwise(made)) <= BACKOFF[1] + TINY


class TestRenewals:
    @given(
        st.lists(
            st.tuples(st.sampled_from("abcdefghijkl"), st.floats(0, 90)), min_size=1
        )
    )
    def test_no_two_links_within_a_minute(self, asks):
        pacing, now = ConnectPacing(), 0.0
        promised = {}
        opened = []

        def ask(link, now):
            at = pacing.renewal(link, now)
            assert at >= now
            if at == now:
                promised.pop(link, None)
                opened.append((now, link))
            else:
                assert promised.get(link, at) == at, "what was said once stands"
                promised[link] = at

        for link, gap in asks:
            now += gap
            while promised and min(promised.values()) <= now:
                due = min(promised, key=promised.__getitem__)
                ask(due, promised[due])
            ask(link, now)
        while promised:
            due = min(promised, key=promised.__getitem__)
            ask(due, promised[due])
        assert {link for _, link in opened} == {link for link, _ in asks}
        for (a, one), (b, other) in itertools.pairwise(opened):
            assert b - a >= RENEWAL_APART - TINY or one == other

    def test_a_promise_that_was_not_used_is_none_any_more(self):
        pacing = ConnectPacing()
        assert pacing.renewal("a", 0.0) == 0.0
        assert pacing.renewal("b", 1.0) == RENEWAL_APART
        assert pacing.renewal("a", 9_990.0) == 9_990.0
        assert pacing.renewal("b", 10_000.0) == 9_990.0 + RENEWAL_APART
