import json
import math
import queue
import random as _random
import threading
import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import RateLimited, Refused, Unavailable, Unreachable
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.client import connector
from klinetail.exchange.link import (
    ACK_TIMEOUT,
    BACKOFF,
    CONNECT_TIMEOUT,
    STEADY,
    Acked,
    Broken,
    Due,
    GiveUp,
    Hangup,
    Link,
    Open,
    Opened,
    Start,
    Status,
    Stop,
    Tell,
    backoff,
    transition,
)
from klinetail.protocol.frames import Candle, Rejection, Reply, decode
from tests.venue import (
    PATIENCE,
    TEXT,
    Ack,
    Answer,
    Close,
    Heed,
    Reset,
    Stall,
    Text,
    Until,
    Venue,
    eventually,
)

IDLE, CONNECTING, SUBSCRIBING, LIVE, WAITING, STOPPED = LinkState
REFUSED = Refused("no")
CANDLE = (
    '{"e":"kline","E":1700000100200,"s":"BTCUSDT","k":{"t":1700000040000,'
    '"T":1700000099999,"s":"BTCUSDT","i":"1m","f":1,"L":2,"o":"1","c":"1","h":"1",'
    '"l":"1","v":"1","n":2,"x":true,"q":"1","V":"1","Q":"1","B":"0"}}'
)

requests = st.frozensets(st.integers(1, 6), min_size=1)
inputs = st.one_of(
    st.just(Start()),
    st.builds(Opened, requests),
    st.builds(Acked, st.integers(0, 7)),
    st.builds(
        Broken,
        st.just("why"),
        st.integers(0, 3),
        st.sampled_from([0.0, 17.0, 259_200.0]),
        st.none() | st.just(REFUSED),
    ),
    st.just(Due()),
    st.just(Stop()),
)
pauses = st.floats(0, 3600)
fractions = st.floats(0, 1, exclude_max=True)


class TestBackoff:
    def test_grows_to_a_cap(self):
        assert [backoff(n, lambda: 1.0) for n in range(9)] == [
            0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0,
        ]  # fmt: skip

    @given(st.integers(0, 10**9), fractions)
    def test_lies_anywhere_below(self, failures, fraction):
        assert 0 <= backoff(failures, lambda: fraction) <= BACKOFF[1]


class TestTransition:
    @given(st.lists(st.tuples(inputs, pauses, fractions), max_size=60))
    def test_whatever_happens(self, events):
        status, now = Status(), 1000.0
        given_up = False
        for event, pause, fraction in events:
            now += pause
            before = status
            status, actions = transition(status, event, now, lambda f=fraction: f)
            kinds = [type(action) for action in actions]
            if before.state is STOPPED:
                assert (status, actions) == (before, ())
            if type(event) is Stop and before.state is not STOPPED:
                assert status.state is STOPPED
            if status.state in (CONNECTING, SUBSCRIBING, WAITING):
                # It never only hopes for news, and what is due is not due for ever.
                assert math.isfinite(status.due)
                if type(event) is Due:
                    assert status.due >= now
                    assert status.due > now or status.state is WAITING
            else:
                assert status.due == math.inf
            assert (Open in kinds) == (
                status.state is CONNECTING and before.state is not CONNECTING
            )
            if before.state in (CONNECTING, SUBSCRIBING, LIVE):
                left = status.state not in (CONNECTING, SUBSCRIBING, LIVE)
                assert (Hangup in kinds) == left
            assert status.succeeded == (before.succeeded or status.state is LIVE)
            told = [action.state for action in actions if type(action) is Tell]
            if before.state is not status.state and GiveUp not in kinds:
                assert told == [status.state]
            if GiveUp in kinds:
                assert type(event) is Broken
                assert event.error is not None
                assert not before.succeeded
                assert not given_up
                given_up = True
            if type(event) is Broken and WAITING in told:
                assert status.due - now >= event.wait - 1e-6
            if type(event) is Broken and before.state in (IDLE, WAITING):
                assert (status, actions) == (before, ())
            if status.failures < before.failures and status.state is not STOPPED:
                assert before.state is LIVE
                assert event.candles > 0
                assert now - before.live_since >= STEADY

    def test_the_way_up(self):
        status, actions = transition(Status(), Start(), 0.0, lambda: 0.5)
        assert [type(action) for action in actions] == [Tell, Open]
        assert status.due >= CONNECT_TIMEOUT
        status, actions = transition(status, Opened(frozenset({1, 2})), 1, lambda: 0.5)
        assert (status.state, status.due) == (SUBSCRIBING, 1 + ACK_TIMEOUT)
        assert actions == (Tell(SUBSCRIBING),)
        for request in (7, 2, 2):  # an unknown one, one, the same again
            status, actions = transition(status, Acked(request), 2, lambda: 0.5)
            assert (status.state, actions) == (SUBSCRIBING, ())
        status, actions = transition(status, Acked(1), 3, lambda: 0.5)
        assert status == Status(LIVE, succeeded=True, live_since=3)
        assert actions == (Tell(LIVE),)

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

    def test_never_sooner_than_the_exchange_asks(self):
        status, _ = transition(
            Status(CONNECTING), Broken("x", wait=120.0), 0.0, lambda: 0.9
        )
        assert status.due == 120.0


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


class Fake:
    """A `connect` that a test steers, and the connections it made."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        """Errors to raise, or None to connect; the last one for ever."""
        self.opened = queue.Queue()
        self.attempts = 0

    def __call__(self, handlers, deadline):
        self.attempts += 1
        outcome = self.outcomes[0]
        if len(self.outcomes) > 1:
            del self.outcomes[0]
        if outcome is not None:
            raise outcome
        connection = FakeConnection(handlers)
        self.opened.put(connection)
        return connection


class FakeConnection:
    def __init__(self, handlers):
        self.handlers = handlers
        self.candles = 0
        self.requests = queue.Queue()
        self.stopped = threading.Event()
        self.broken = None

    def subscribe(self, stream, id):  # noqa: A002
        if self.broken is not None:
            raise self.broken
        self.requests.put((id, stream))

    def stop(self, timeout):
        self.stopped.set()

    def ack(self):
        number, names = self.requests.get(timeout=PATIENCE)
        self.handlers.on_reply(Reply(number, None))
        return number, names


class Running:
    """A link under way, and all that it says."""

    def __init__(self, connect, streams=("btcusdt@kline_1m",), **options):
        self.events = queue.Queue()
        self.refused = queue.Queue()
        self.messages = queue.Queue()
        self.seen = []
        self.link = Link(
            "link-0",
            streams,
            connect,
            on_message=options.pop("on_message", self._on_message),
            on_event=self.events.put,
            on_refused=self.refused.put,
            monotonic=time.monotonic,
            random=options.pop("random", lambda: 0.0),
        )

    def _on_message(self, manager, message):
        decoded = decode(message)
        if isinstance(decoded, Candle):
            manager.candles += 1
            self.messages.put(decoded)
        else:
            manager.on_reply(decoded)

    def __enter__(self):
        self.link.start()
        return self

    def __exit__(self, *_):
        self.link.ask_to_stop()
        began = time.monotonic()
        self.link.join(PATIENCE)
        assert not self.link.is_alive()
        assert time.monotonic() - began < 2 + 1, "stopping takes 2 s at most"

    def until(self, state):
        """The next event of this state; those before it are skipped."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            self.seen.append(event.state)
            if event.state is state:
                return event


class TestLink:
    def test_asks_for_all_streams_200_at_a_time_and_says_when_it_is_live(self):
        names = [f"s{n}usdt@kline_1m" for n in range(1024)]
        connect = Fake(None)
        with Running(connect, names) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            asked = [connection.ack() for _ in range(6)]
            running.until(LIVE)
        assert running.seen == [CONNECTING, SUBSCRIBING, LIVE]
        assert [number for number, _ in asked] == [1, 2, 3, 4, 5, 6]
        assert all(isinstance(chunk, list) for _, chunk in asked)
        assert [len(chunk) for _, chunk in asked] == [200] * 5 + [24]
        assert [name for _, chunk in asked for name in chunk] == names
        assert running.until(STOPPED) == LinkEvent("link-0", STOPPED)
        assert connection.stopped.is_set()

    def test_more_streams_than_the_exchange_allows(self):
        with pytest.raises(ValueError, match="1025 streams"):
            Running(Fake(None), ["x"] * 1025)

    def test_tries_again_whatever_goes_wrong(self):
        connect = Fake(
            Unreachable("no route"),
            Unavailable("503"),
            RuntimeError("can't start new thread"),
            None,
        )
        with Running(connect) as running:
            assert running.until(WAITING).reason == "no route"
            assert running.until(WAITING).attempt == 2
            assert "can't start new thread" in running.until(WAITING).reason
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)
        assert running.refused.empty()

    def test_waits_as_long_as_the_exchange_asks(self):
        with Running(Fake(RateLimited("slower", 3600.0))) as running:
            assert running.until(WAITING).delay == 3600.0

    def test_gives_up_when_refused_before_it_was_ever_live(self):
        error = Refused("451")
        connect = Fake(Unreachable("x"), error)
        with Running(connect) as running:
            assert running.refused.get(timeout=PATIENCE) is error
            running.link.join(PATIENCE)
            assert not running.link.is_alive()
        assert connect.attempts == 2

    def test_does_not_give_up_afterwards(self):
        connect = Fake(None, Refused("403"))
        with Running(connect) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            connection.ack()
            running.until(LIVE)
            connection.handlers.on_exit("closed")
            assert running.until(WAITING).reason == "closed"
            event = running.until(WAITING)
            assert (event.reason, event.delay) == ("403", BACKOFF[1])
        assert running.refused.empty()

    def test_a_rejection_breaks_the_connection(self):
        connect = Fake(None)
        with Running(connect) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.handlers.on_reply(Rejection(4, "Too many subscriptions", 1))
            reason = running.until(WAITING).reason
            assert reason == "the exchange refuses: Too many subscriptions (code 4)"
            assert first.stopped.is_set()
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)

    def test_replies_to_nothing_are_nothing(self):
        connect = Fake(None)
        with Running(connect) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            for number in (None, 0, 2, 99):
                connection.handlers.on_reply(Reply(number, None))
            running.until(SUBSCRIBING)
            assert running.events.empty()
            connection.ack()
            running.until(LIVE)

    def test_late_words_of_an_old_connection_are_not_heard(self):
        connect = Fake(None)
        with Running(connect) as running:
            old = connect.opened.get(timeout=PATIENCE)
            old.handlers.on_exit("first")
            running.until(WAITING)
            new = connect.opened.get(timeout=PATIENCE)
            old.handlers.on_exit("again")
            old.handlers.on_reply(Reply(1, None))
            old.handlers.on_reply(Rejection(2, "late"))
            running.until(SUBSCRIBING)
            new.ack()
            running.until(LIVE)
            old.handlers.on_exit("and again")
        running.until(STOPPED)
        assert running.seen[-4:] == [CONNECTING, SUBSCRIBING, LIVE, STOPPED]

    def test_a_subscription_that_cannot_be_sent(self):
        class Breaking(Fake):
            def __call__(self, handlers, deadline):
                connection = super().__call__(handlers, deadline)
                if self.attempts == 1:
                    connection.broken = OSError("broken pipe")
                return connection

        connect = Breaking(None)
        with Running(connect) as running:
            assert "broken pipe" in running.until(WAITING).reason
            connect.opened.get(timeout=PATIENCE)
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)

    def test_an_ended_connection_counts_its_candles(self):
        connect = Fake(None)
        with Running(connect, random=lambda: 1.0) as running:
            for expected in (0.5, 1.0, 2.0):  # not steady, so each pause is longer
                connection = connect.opened.get(timeout=PATIENCE)
                connection.ack()
                running.until(LIVE)
                connection.candles = 5
                connection.handlers.on_exit("closed")
                event = running.until(WAITING)
                assert event.delay == expected
                if expected == 2.0:
                    break


def acked(*ids):
    """Steps: the handshake, then the acks of requests."""
    steps = [Ack()]
    for number in ids:
        steps += [Heed(TEXT), Text(json.dumps({"result": None, "id": number}))]
    return steps


class TestAgainstAVenue:
    def test_subscribes_and_hears_candles(self):
        with (
            Venue([*acked(1), Text(CANDLE), Stall()]) as venue,
            Running(connector(venue.ws_url)) as running,
        ):
            running.until(LIVE)
            assert running.messages.get(timeout=PATIENCE).symbol == "BTCUSDT"
            payload = venue.peer().frame(TEXT)[1]
        assert json.loads(payload) == {
            "method": "SUBSCRIBE",
            "params": ["btcusdt@kline_1m"],
            "id": 1,
        }

    @pytest.mark.parametrize(
        ("end", "reason"),
        [
            (Close(1001, b"bye"), "the server closed the connection: 1001 bye"),
            (Close(1008, b"\x1b[2J"), "the server closed the connection: 1008 \x1b[2J"),
            (Close(None), "the server closed the connection without a code"),
            (Reset(), "the connection broke"),
        ],
    )
    def test_comes_back_and_subscribes_again(self, end, reason):
        go = threading.Event()
        first = [*acked(1), Text(CANDLE), Until(go), end]
        with (
            Venue(first, [*acked(1), Text(CANDLE), Stall()]) as venue,
            Running(connector(venue.ws_url)) as running,
        ):
            running.until(LIVE)
            running.messages.get(timeout=PATIENCE)
            go.set()
            assert running.until(WAITING).reason.startswith(reason)
            running.until(LIVE)
            running.messages.get(timeout=PATIENCE)
            assert venue.peer(1).frame() is not None
            assert len(venue.peers) == 2

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (2, "Invalid request: unknown variant"),
            (3, "Invalid JSON: expected value"),
            (4, "Too many subscriptions"),
        ],
    )
    @pytest.mark.parametrize("nested", [True, False])
    def test_a_rejection(self, code, message, nested):
        error = {"code": code, "msg": message}
        body = json.dumps({"error": error, "id": 1} if nested else error)
        script = [Ack(), Heed(TEXT), Text(body), Close(1008, b"Invalid request")]
        with (
            Venue(script, [*acked(1), Stall()]) as venue,
            Running(connector(venue.ws_url)) as running,
        ):
            reason = running.until(WAITING).reason
            assert reason == f"the exchange refuses: {message} (code {code})"
            running.until(LIVE)

    def test_a_refusal_of_the_handshake_is_fatal_at_first(self):
        with Venue([Answer(451)]) as venue:
            with Running(connector(venue.ws_url)) as running:
                assert "HTTP 451" in str(running.refused.get(timeout=PATIENCE))
                running.link.join(PATIENCE)
            assert len(venue.peers) == 1

    def test_too_many_requests_are_not_repeated(self):
        with Venue([Answer(429, headers=("Retry-After: 99",))]) as venue:
            with Running(connector(venue.ws_url)) as running:
                assert running.until(WAITING).delay == 99.0
            assert len(venue.peers) == 1

    @pytest.mark.parametrize(
        ("script", "state"),
        [
            ([Stall()], CONNECTING),
            ([Ack(drip=0.5)], CONNECTING),
            ([Ack(), Stall()], SUBSCRIBING),
            ([*acked(1), Stall()], LIVE),
            ([*acked(1), Close(1000)], WAITING),
            ([], WAITING),
        ],
    )
    def test_stops_within_2_s_in_every_state(self, script, state):
        with (
            Venue(script) as venue,
            Running(connector(venue.ws_url), random=lambda: 0.99) as running,
        ):
            running.until(state)
            if state is CONNECTING:
                venue.peer()
        assert running.until(STOPPED)

    def test_stops_within_2_s_while_a_name_is_looked_up(self, monkeypatch):
        release = threading.Event()
        looking = threading.Event()

        def getaddrinfo(*_, **__):
            looking.set()
            release.wait()
            return ()

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        try:
            with Running(connector("ws://slow.invalid")):
                assert looking.wait(PATIENCE)
        finally:
            release.set()

    def test_many_reconnects_leave_nothing(self):
        with Venue([*acked(1), Close(1000)]) as venue:
            with Running(connector(venue.ws_url)) as running:
                for _ in range(60):
                    running.until(WAITING)
                threads = [t for t in threading.enumerate() if "socket" in t.name]
                assert len(threads) <= 2
            eventually(lambda: all(peer.gone.is_set() for peer in venue.peers))
