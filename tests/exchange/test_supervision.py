"""What a link does next: a pure function, whatever happens in whatever order."""

import math
import random as _random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import Forbidden, Refused
from klinetail.events import LinkState
from klinetail.exchange.actions import (
    DropNext,
    GiveUp,
    Hangup,
    Open,
    OpenNext,
    Ping,
    Subscribe,
    SubscribeAll,
    SubscribeNext,
    Swap,
    Tell,
    TellQuiet,
)
from klinetail.exchange.backoff import BACKOFF
from klinetail.exchange.inputs import (
    Acked,
    Admit,
    Again,
    Broken,
    Distrust,
    Doubt,
    Due,
    NextAcked,
    NextBroken,
    NextLater,
    NextOpened,
    Opened,
    Ponged,
    Served,
    Start,
    Stop,
)
from klinetail.exchange.status import (
    ACK_TIMEOUT,
    CONNECT_TIMEOUT,
    EARLY,
    FIRST_ANSWERS,
    FIRST_QUIET,
    LATER_QUIET,
    LIFETIME,
    LOOK,
    OVERLAP,
    PING_TIMEOUT,
    POLICY,
    POLICY_LIMIT,
    QUIET,
    STEADY,
    Renewal,
    Status,
)
from klinetail.exchange.supervision import connects, transition

IDLE, CONNECTING, SUBSCRIBING, LIVE, WAITING, STOPPED = LinkState
REFUSED = Refused("no")
FORBIDDEN = Forbidden("not now")

requests = st.frozensets(st.integers(1, 6), min_size=1)
inputs = st.one_of(
    st.just(Start()),
    st.just(Admit()),
    st.builds(Opened, requests),
    st.builds(Acked, st.integers(0, 7)),
    st.builds(
        Broken,
        st.just("why"),
        st.integers(0, 3),
        st.sampled_from([0.0, 17.0, 259_200.0]),
        st.sampled_from([None, REFUSED, FORBIDDEN]),
        st.sampled_from([None, 1001, POLICY]),
    ),
    st.builds(Due, st.integers(0, 3), st.integers(0, 1)),
    st.just(Ponged()),
    st.builds(NextOpened, requests),
    st.builds(NextAcked, st.integers(0, 7)),
    st.just(NextBroken()),
    st.builds(NextLater, st.floats(1000, 300_000)),
    st.just(Doubt()),
    st.just(Distrust("mute")),
    st.just(Again(("btcusdt@kline_1m",), "mute")),
    st.just(Served()),
    st.just(Stop()),
)
pauses = st.floats(0, 3600)
fractions = st.floats(0, 1, exclude_max=True)


class TestTransition:
    @given(st.lists(st.tuples(inputs, pauses, fractions), max_size=60), st.booleans())
    def test_whatever_happens(self, events, early):
        status, now = Status(early=early), 1000.0
        given_up = False
        for event, pause, fraction in events:
            now += pause
            before = status
            attempt = connects(status, event)
            status, actions = transition(status, event, now, lambda f=fraction: f)
            kinds = [type(action) for action in actions]
            if before.state is STOPPED:
                assert (status, actions) == (before, ())
            if type(event) is Stop and before.state is not STOPPED:
                assert status.state is STOPPED
            if status.state in (CONNECTING, SUBSCRIBING, WAITING, LIVE):
                # It never only hopes for news, and what is due is not due for ever.
                assert math.isfinite(status.due)
                if type(event) is Due:
                    assert status.due >= now
                    assert status.due > now or status.state is WAITING
                assert status.due - now <= 259_200 or status.state is not LIVE
            else:
                assert status.due == math.inf
            assert (Open in kinds) == (
                status.state is CONNECTING and before.state is not CONNECTING
            )
            assert (Open in kinds) == attempt
            if before.state in (CONNECTING, SUBSCRIBING, LIVE):
                left = status.state not in (CONNECTING, SUBSCRIBING, LIVE)
                assert (Hangup in kinds) == left
            assert (SubscribeAll in kinds) == (
                status.state is SUBSCRIBING and before.state is not SUBSCRIBING
            )
            assert (SubscribeNext in kinds) <= (status.renewal is Renewal.OPENING)
            if type(event) is Admit or not before.early:
                assert not status.early
            if status.early:
                assert status.state in (IDLE, CONNECTING, WAITING)
            served = type(event) is Served and before.state is not STOPPED
            assert status.succeeded == (
                before.succeeded or status.state is LIVE or served
            )
            if served:
                assert (status._replace(succeeded=before.succeeded), actions) == (
                    before,
                    (),
                )
            both = status.renewal is not Renewal.NONE
            assert both <= (status.state is LIVE)
            assert kinds.count(Swap) + kinds.count(DropNext) <= 1
            if {Swap, DropNext, OpenNext} & set(kinds):
                assert before.state is LIVE
            told = [action.state for action in actions if type(action) is Tell]
            if before.state is not status.state and GiveUp not in kinds:
                assert told == [status.state]
            if GiveUp in kinds:
                assert type(event) is Broken
                assert event.error is not None
                assert not before.succeeded
                assert not given_up
                if event.error is FORBIDDEN:
                    assert now - before.refused_since >= FORBIDDEN.patience
                given_up = True
            if type(event) is Broken and WAITING in told:
                assert status.due - now >= event.wait - 1e-6
            if status.succeeded or status.state is LIVE:
                assert all(a.patience == math.inf for a in actions if type(a) is Tell)
            if type(event) is Broken and before.state in (IDLE, WAITING):
                assert (status, actions) == (before, ())
            if status.failures < before.failures and status.state is not STOPPED:
                assert before.state is LIVE
                brought = before if type(event) is Distrust else event
                assert brought.candles > 0
                assert now - before.live_since >= STEADY

    def test_the_way_up(self):
        status, actions = transition(Status(), Start(), 0.0, lambda: 0.5)
        assert [type(action) for action in actions] == [Tell, Open]
        assert status.due >= CONNECT_TIMEOUT
        status, actions = transition(status, Opened(frozenset({1, 2})), 1, lambda: 0.5)
        assert (status.state, status.due) == (SUBSCRIBING, 1 + ACK_TIMEOUT)
        assert actions == (Tell(SUBSCRIBING), SubscribeAll())
        for request in (7, 2, 2):  # an unknown one, one, the same again
            status, actions = transition(status, Acked(request), 2, lambda: 0.5)
            assert (status.state, actions) == (SUBSCRIBING, ())
        status, actions = transition(status, Acked(1), 3, lambda: 0.5)
        assert (status.state, status.succeeded, status.live_since) == (LIVE, True, 3)
        assert (status.due, status.quiet_at) == (3 + LOOK, 3 + FIRST_QUIET)
        assert actions == (Tell(LIVE),)

    def test_an_early_one_connects_and_subscribes_once_it_may(self):
        status, actions = transition(Status(early=True), Start(), 0.0, half)
        assert [type(action) for action in actions] == [Tell, Open]
        status, actions = transition(status, Opened(frozenset({1, 2})), 1.0, half)
        assert (status.state, status.due, actions) == (CONNECTING, 1.0 + EARLY, ())
        status, actions = transition(status, Admit(), 2.0, half)
        assert (status.state, status.unacked) == (SUBSCRIBING, {1, 2})
        assert status.due == 2.0 + ACK_TIMEOUT
        assert actions == (Tell(SUBSCRIBING), SubscribeAll())

    def test_or_as_soon_as_it_is_connected(self):
        status, _ = transition(Status(early=True), Start(), 0.0, half)
        status, actions = transition(status, Admit(), 1.0, half)
        assert (status.state, actions) == (CONNECTING, ())
        status, actions = transition(status, Opened(frozenset({1})), 2.0, half)
        assert actions == (Tell(SUBSCRIBING), SubscribeAll())

    @pytest.mark.parametrize("event", [Broken("no"), Broken("", error=REFUSED), Due()])
    @pytest.mark.parametrize("opened", [False, True])
    def test_that_an_early_one_fails_counts_for_nothing(self, event, opened):
        status, _ = transition(Status(early=True), Start(), 0.0, half)
        if opened:
            status, _ = transition(status, Opened(frozenset({1})), 1.0, half)
        status, actions = transition(status, event, 2.0, half)
        assert status == Status(early=True)
        assert actions == (Hangup(), Tell(IDLE))
        status, actions = transition(status, Admit(), 3.0, half)
        assert [type(action) for action in actions] == [Tell, Open]
        status, actions = transition(status, Broken("", error=REFUSED), 4.0, half)
        assert actions == (Hangup(), GiveUp(REFUSED))

    def test_an_early_one_waits_as_long_as_the_exchange_asks(self):
        status, _ = transition(Status(early=True), Start(), 0.0, half)
        status, actions = transition(status, Broken("x", wait=120.0), 1.0, half)
        assert (status.state, status.due) == (WAITING, 121.0)
        status, actions = transition(status, Admit(), 2.0, half)
        assert (status.state, status.due, actions) == (WAITING, 121.0, ())
        status, actions = transition(status, Due(), 121.0, half)
        assert [type(action) for action in actions] == [Tell, Open]

    def test_a_subscription_not_acked(self):
        status = Status(SUBSCRIBING, unacked=frozenset({1}), due=10.0)
        status, actions = transition(status, Due(), 10.0, lambda: 0.5)
        assert status == Status(WAITING, 1, due=10.25)
        assert type(actions[0]) is Hangup
        assert actions[1].reason == "a subscription was not acked in 10 s"

    @pytest.mark.parametrize(
        ("candles", "after", "failures"),
        [
            (1, STEADY, 1),
            (1, STEADY - 0.1, 8),
            (0, STEADY, 8),
            (1000, 0.0, 8),
        ],
    )
    def test_pauses_start_afresh_only_after_candles_flowed(
        self, candles, after, failures
    ):
        status = Status(LIVE, 7, True, live_since=100.0)
        status, actions = transition(
            status, Broken("x", candles), 100.0 + after, lambda: 1.0
        )
        assert status.failures == failures
        assert actions[-1].delay == (0.5 if failures == 1 else 30.0)

    @pytest.mark.parametrize("state", [CONNECTING, SUBSCRIBING, LIVE])
    def test_a_refusal_is_fatal_before_the_first_success_only(self, state):
        broken = Broken("no", error=REFUSED)
        status, actions = transition(Status(state), broken, 5.0, lambda: 0.0)
        assert status.state is STOPPED
        assert actions == (Hangup(), GiveUp(REFUSED))
        status, actions = transition(
            Status(state, succeeded=True), broken, 5.0, lambda: 0.0
        )
        assert (status.state, status.due) == (WAITING, 5.0 + BACKOFF[1])
        assert actions == (Hangup(), Tell(WAITING, "no", 1, BACKOFF[1]))

    def test_what_is_forbidden_for_now_is_tried_for_a_while_and_told(self):
        broken = Broken("no", error=FORBIDDEN)
        status, now, told = Status(CONNECTING), 100.0, []
        while status.state is not STOPPED:
            status, actions = transition(status, broken, now, lambda: 0.9)
            told += [action for action in actions if type(action) is Tell]
            now = min(status.due, now + 99)
            status, _ = transition(status, Due(), now, lambda: 0.9)
        assert actions == (Hangup(), GiveUp(FORBIDDEN))
        assert [tell.delay for tell in told[:4]] == [0.45, 0.9, 1.8, 3.6]
        assert sum(tell.delay for tell in told) == pytest.approx(30)
        assert told[0] == Tell(WAITING, "no", 1, 0.45, patience=30.0)
        assert told[1].patience == pytest.approx(29.55)

    def test_the_third_close_for_policy_makes_it_slow(self):
        most, within, slow = POLICY_LIMIT
        status, now = Status(LIVE, 0, True), 1000.0
        delays = []
        for _ in range(most):
            now += within / most - 1
            broken = Broken("1008", 9, code=POLICY)
            status, actions = transition(status, broken, now, lambda: 0.5)
            delays.append(actions[-1].delay)
            status = status._replace(state=LIVE)
        assert max(delays[:-1]) < slow
        assert delays[-1] == slow
        assert "over a limit" in actions[-1].reason

    def test_a_quiet_line_is_asked_and_lives_if_it_answers(self):
        status = live()
        status, actions = transition(status, Due(), FIRST_QUIET, half)
        assert actions == (Ping(),)
        assert status.due == FIRST_QUIET + PING_TIMEOUT
        status, actions = transition(status, Ponged(), 12.0, half)
        assert actions == (TellQuiet(),)
        assert status.quiet_at == 12.0 + FIRST_QUIET
        status, _ = transition(status, Due(1), status.quiet_at, half)
        status, actions = transition(status, Due(1), status.quiet_at, half)
        assert actions == (Ping(),)
        status, actions = transition(status, Ponged(), 60.0, half)
        assert actions == (TellQuiet(),)
        assert status.quiet_at == 60.0 + FIRST_QUIET

    @pytest.mark.parametrize(("candles", "later"), [(0, LATER_QUIET), (9, QUIET)])
    def test_the_first_answers_in_a_silence_follow_soon_and_then_rarely(
        self, candles, later
    ):
        status = live()
        for _ in range(2):
            if candles:
                candles += 1
                status, _ = transition(status, Due(candles), status.due, half)
            pauses = []
            for _ in range(FIRST_ANSWERS + 2):
                now = status.quiet_at
                status, actions = transition(status, Due(candles), now, half)
                assert actions == (Ping(),)
                status, actions = transition(status, Ponged(), now, half)
                assert actions == (TellQuiet(),)
                pauses.append(status.quiet_at - now)
            if candles:
                assert pauses == [FIRST_QUIET] * (FIRST_ANSWERS - 1) + [later] * 3
        assert pauses[-3:] == [later] * 3

    def test_what_is_asked_again_is_told_if_there_is_a_reason(self):
        status = live()
        names = ("btcusdt@kline_1m",)
        again = transition(status, Again(names), 5.0, half)
        assert again == (status, (Subscribe(names),))
        told = transition(status, Again(names, "mute", "there"), 5.0, half)
        silent = status._replace(silent=True)
        tell = Tell(LIVE, "mute", 1, where="there")
        assert told == (silent, (Subscribe(names), tell))
        still = transition(silent, Due(0), 1.0, half)
        assert still[1] == ()
        heard, actions = transition(still[0], Due(1), 2.0, half)
        assert actions == (Tell(LIVE, "candles come again"),)
        assert transition(heard, Due(2), 3.0, half)[1] == ()

    @given(st.floats(0.01, 300))
    def test_silence_is_noticed_in_time_whenever_it_begins(self, last):
        """A candle every half second until `last`, and then no more."""
        status = live()
        while status.state is LIVE:
            now = status.due
            candles = int(min(now, last) * 2)
            status, _ = transition(status, Due(candles), now, half)
        last = int(last * 2) / 2
        limit = QUIET if last else FIRST_QUIET
        assert now - last <= limit + PING_TIMEOUT
        assert now - last >= limit + PING_TIMEOUT - LOOK

    def test_a_quiet_line_that_does_not_answer_is_dead(self):
        status, _ = transition(live(), Due(), FIRST_QUIET, half)
        status, actions = transition(status, Due(), status.due, half)
        assert status.state is WAITING
        assert "did not answer our ping" in actions[-1].reason

    def test_a_candle_is_an_answer_too(self):
        status, _ = transition(live(), Due(), FIRST_QUIET, half)
        status, actions = transition(status, Due(candles=1), status.due, half)
        assert (status.state, status.pinged, actions) == (LIVE, False, ())

    def test_a_line_that_talks_is_left_alone(self):
        status, now = live(), 0.0
        for number in range(1, 100):
            now = status.due
            status, actions = transition(status, Due(number), now, half)
            assert actions == ()
            assert status.due <= now + QUIET

    def test_pongs_nobody_asked_for_prove_nothing(self):
        status = live()
        assert transition(status, Ponged(), 5.0, half) == (status, ())

    def test_doubt_asks_at_once_and_distrust_connects_anew(self):
        status, actions = transition(live(), Doubt(), 1.0, half)
        assert (actions, status.due) == ((Ping(),), 1.0 + PING_TIMEOUT)
        assert transition(status, Doubt(), 2.0, half) == (status, ())
        status, actions = transition(live(), Distrust("mute"), 1.0, half)
        assert status.state is WAITING
        assert actions[0] == Hangup()
        assert actions[1].reason == "mute"

    @pytest.mark.parametrize(("candles", "failures"), [(0, 8), (9, 1)])
    def test_one_mute_stream_among_many_is_no_reason_to_wait_for_long(
        self, candles, failures
    ):
        status = live()._replace(failures=7, candles=candles)
        status, _ = transition(status, Distrust("mute"), STEADY, half)
        assert status.failures == failures

    def test_it_makes_before_it_breaks(self):
        status = live()._replace(quiet_at=math.inf)
        assert 0.97 * LIFETIME < status.renew_at < LIFETIME
        now = status.renew_at
        status, actions = transition(status, Due(9), now, half)
        assert actions == (OpenNext(),)
        status, actions = transition(status, NextOpened(frozenset({1})), now + 1, half)
        assert actions == (SubscribeNext(),)
        status, actions = transition(status, NextAcked(1), now + 2, half)
        assert (status.renewal, status.due, actions) == (Renewal.ACKED, now + 3, ())
        status, actions = transition(status, Due(9, 0), now + 3, half)
        assert (status.due, actions) == (now + 4, ())
        status, actions = transition(status, Due(9, 1), now + 4, half)
        assert actions == (Swap(), Tell(LIVE, "the connection was renewed"))
        assert status.renew_at > now + 0.97 * LIFETIME

    def test_quiet_symbols_do_not_keep_two_connections_for_ever(self):
        status = live()._replace(
            renewal=Renewal.ACKED, renewal_due=50.0, quiet_at=1000.0
        )
        assert transition(status, Due(), 49.0, half)[1] == ()
        assert transition(status, Due(), 50.0, half)[1][0] == Swap()

    @pytest.mark.parametrize("event", [NextBroken(), Due()])
    def test_a_renewal_that_fails_is_tried_again_and_costs_nothing(self, event):
        status = live()._replace(
            renewal=Renewal.OPENING, renewal_due=50.0, quiet_at=1000.0
        )
        status, actions = transition(status, event, 50.0, half)
        assert (status.state, status.renewal) == (LIVE, Renewal.NONE)
        assert actions == (DropNext(),)
        assert status.renew_at == 50.0 + OVERLAP

    def test_a_renewal_waits_for_its_turn(self):
        status = live()._replace(
            renewal=Renewal.OPENING, renewal_due=50.0, quiet_at=1000.0
        )
        status, _ = transition(status, NextLater(300.0), 20.0, half)
        assert (status.state, status.renewal) == (LIVE, Renewal.NONE)
        assert status.renew_at == 300.0
        status, actions = transition(status, Due(), 299.0, half)
        assert OpenNext() not in actions
        status, actions = transition(status, Due(), 300.0, half)
        assert (status.renewal, actions) == (Renewal.OPENING, (OpenNext(),))

    def test_if_the_first_breaks_the_second_takes_over(self):
        status = live()._replace(renewal=Renewal.ACKED, renewal_due=90.0)
        status, actions = transition(status, Broken("24 h"), 50.0, half)
        assert (status.state, status.renewal) == (LIVE, Renewal.NONE)
        assert actions[0] == Swap()

    def test_if_it_breaks_too_soon_both_are_dropped(self):
        status = live()._replace(renewal=Renewal.OPENING, renewal_due=90.0)
        status, actions = transition(status, Broken("24 h"), 50.0, half)
        assert (status.state, status.renewal) == (WAITING, Renewal.NONE)
        assert actions[0] == Hangup()

    def test_never_sooner_than_the_exchange_asks(self):
        status, _ = transition(
            Status(CONNECTING), Broken("x", wait=120.0), 0.0, lambda: 0.9
        )
        assert status.due == 120.0


def half():
    return 0.5


def live():
    """A link that has just gone live, at 0 s."""
    status = Status(SUBSCRIBING, unacked=frozenset({1}))
    return transition(status, Acked(1), 0.0, half)[0]


class Hour:
    """An hour of fake time against a server; counts the attempts."""

    def __init__(self, seed, play):
        self.attempts = []
        random = _random.Random(seed).random
        now = 0.0
        status, actions = transition(Status(), Start(), now, random)
        while now < 3600:
            if any(type(action) is Open for action in actions):
                self.attempts.append(now)
                events = play(now)
            else:
                events = [(status.due - now, Due())]
            for pause, event in events:
                now += pause
                status, actions = transition(status, event, now, random)

    def busiest(self, seconds=300.0):
        """The most attempts in any window of this length."""
        window, most = deque(), 0
        for at in self.attempts:
            window.append(at)
            while window[0] <= at - seconds:
                window.popleft()
            most = max(most, len(window))
        return most


def accept_then_close(now):
    return [(0.001, Opened(frozenset({1}))), (0.001, Broken("1011"))]


def ack_then_close(now):
    ids = frozenset({1})
    return [(0.001, Opened(ids)), (0.001, Acked(1)), (0.001, Broken("1011"))]


def candle_then_close(now):
    ids = frozenset({1})
    return [(0.001, Opened(ids)), (0.001, Acked(1)), (0.5, Broken("1011", 2))]


def steady_then_close(now):
    ids = frozenset({1})
    return [(0.001, Opened(ids)), (0.001, Acked(1)), (STEADY, Broken("1011", 9))]


def refuse(now):
    return [(0.001, Broken("refused"))]


def never_ack(now):
    return [(0.001, Opened(frozenset({1}))), (ACK_TIMEOUT, Due())]


class TestAnHour:
    @pytest.mark.parametrize(
        "server",
        [
            accept_then_close,
            ack_then_close,
            candle_then_close,
            steady_then_close,
            refuse,
            never_ack,
        ],
    )
    def test_has_no_storm(self, server):
        for seed in range(100):
            hour = Hour(seed, server)
            assert hour.busiest() <= 60
            assert hour.busiest(10.0) <= 12
            assert len(hour.attempts) >= 60  # nor does it go to sleep

    def test_a_server_that_comes_back_is_found_within_the_cap(self):
        for seed in range(100):
            hour = Hour(seed, refuse)
            gaps = [
                b - a for a, b in zip(hour.attempts, hour.attempts[1:], strict=False)
            ]
            assert max(gaps) <= BACKOFF[1] + 0.01
