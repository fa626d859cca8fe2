import contextlib
import errno
import json
import queue
import threading
import time

import pytest

from klinetail.errors import RateLimited, Refused, Unavailable, Unreachable
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.backoff import BACKOFF
from klinetail.exchange.client import connector
from klinetail.exchange.link import Link
from klinetail.exchange.pacing import ATTEMPT_APART, ConnectPacing
from klinetail.protocol import venues
from klinetail.protocol.frames import Candle, Rejection, Reply, decode
from klinetail.sim.limits import MessageRate
from tests.venue import (
    CLOSE,
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


class Fake:
    """A `connect` that a test steers, and the connections it made."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        """Errors to raise, or None to connect; the last one for ever."""
        self.opened = queue.Queue()
        self.attempts = 0
        self.times = []

    def __call__(self, handlers, deadline):
        self.attempts += 1
        self.times.append(time.monotonic())
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
        self.pings = queue.Queue()
        self.requests = queue.Queue()
        self.stopped = threading.Event()
        self.broken = None
        self.sent = []
        self.before = None

    def subscribe(self, stream, id):  # noqa: A002
        self.sent.append(time.monotonic())
        if self.before is not None:
            self.before(PATIENCE)
        if self.broken is not None:
            raise self.broken
        self.requests.put((id, stream))

    def ping(self, payload):
        self.sent.append(time.monotonic())
        self.pings.put(payload)

    def stop(self, timeout):
        self.stopped.set()

    def ack(self):
        number, names = self.requests.get(timeout=PATIENCE)
        self.handlers.on_reply(Reply(number, None))
        return number, names


class Prompt(ConnectPacing):
    """Nobody waits for a turn."""

    def attempt(self, now):
        return now


class Running:
    """A link under way, and all that it says. It need not wait for its turn to connect,
    unless a test wants it to."""

    def __init__(self, connect, streams=("btcusdt@kline_1m",), **options):
        self.events = queue.Queue()
        self.refused = queue.Queue()
        self.quiet = queue.Queue()
        self.messages = queue.Queue()
        self.seen = []
        self.link = Link(
            options.pop("name", "link-0"),
            streams,
            connect,
            on_message=options.pop("on_message", self._on_message),
            on_event=options.pop("on_event", self.events.put),
            on_refused=self.refused.put,
            on_quiet=options.pop("on_quiet", lambda: self.quiet.put(None)),
            monotonic=time.monotonic,
            random=options.pop("random", lambda: 0.0),
            pacing=options.pop("pacing", Prompt()),
            **options,
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
        assert time.monotonic() - began < 15, "stopping takes 2 s at most"

    def until(self, state):
        """The next event of this state; those before it are skipped."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            self.seen.append(event.state)
            if event.state is state:
                return event


class TestEarly:
    def test_connects_and_subscribes_to_nothing_before_it_may(self):
        connect = Fake(None)
        with Running(connect, early=True) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            with pytest.raises(queue.Empty):
                connection.requests.get(timeout=0.1)
            running.link.admit()
            connection.ack()
            running.until(LIVE)
            assert running.seen == [CONNECTING, SUBSCRIBING, LIVE]

    def test_a_stop_ends_the_waiting_and_the_connection(self):
        connect = Fake(None)
        with Running(connect, early=True):
            connection = connect.opened.get(timeout=PATIENCE)
        assert connection.stopped.is_set()
        assert connection.requests.empty()

    def test_a_failure_is_not_told_and_made_up_for(self):
        connect = Fake(Unreachable("no"), None)
        with Running(connect, early=True) as running:
            running.until(IDLE)
            running.link.admit()
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)
            assert WAITING not in running.seen
            assert connect.attempts == 2


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

    def test_what_it_sends_keeps_to_the_exchange_s_rate(self):
        names = [f"s{n}usdt@kline_1m" for n in range(1024)]
        connect, rate = Fake(None), MessageRate()
        with Running(connect, names) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            for _ in range(6):
                connection.ack()
            running.until(LIVE)
            running.link.subscribe_again(names)
            for _ in range(9):
                running.link.doubt()
            for _ in range(6):
                connection.ack()
            assert len(connection.sent) >= 12
        assert all(rate.admits(at) for at in connection.sent)
        busiest = max(
            sum(a <= b < a + 0.99 for b in connection.sent) for a in connection.sent
        )
        assert busiest < venues.LIVE.limits.messages_per_second

    def test_mute_streams_share_a_request(self):
        connect = Fake(None)
        with Running(connect, ["a", "b", "c"]) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            connection.ack()
            running.until(LIVE)
            held = threading.Event()
            connection.before = held.wait
            running.link.subscribe_again(["a"])
            for name in ("b", "c", "b"):
                running.link.subscribe_again([name])
            held.set()
            asked = []
            while len(asked) < 3:
                asked += connection.ack()[1]
            assert asked == ["a", "b", "c"]
            assert connection.requests.empty()
            assert len(connection.sent) <= 3

    def test_links_connect_one_after_another(self):
        pacing, connect = ConnectPacing(), Fake(Unreachable("nobody there"))
        links = [Running(connect, pacing=pacing, random=lambda: 0.01) for _ in range(4)]
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            for link in links:
                stack.enter_context(link)
            eventually(lambda: connect.attempts >= 6)
        for number, at in enumerate(sorted(connect.times)):
            assert at - began > number * ATTEMPT_APART - 0.01

    def test_one_link_waits_for_its_turn_too(self):
        connect = Fake(Unreachable("nobody there"))
        with Running(connect, pacing=None):
            eventually(lambda: connect.attempts >= 2)
        first, second, *_ = connect.times
        assert second - first > ATTEMPT_APART - 0.01

    def test_two_links_are_not_renewed_within_a_minute(self):
        pacing, opened = ConnectPacing(), []
        with contextlib.ExitStack() as stack:
            for name in ("one", "other"):
                connect = Fake(None)
                running = Running(connect, name=name, pacing=pacing, lifetime=0.5)
                stack.enter_context(running)
                connect.opened.get(timeout=PATIENCE).ack()
                running.until(LIVE)
                opened.append((connect, running))
            (first, one), (second, _) = opened
            renewed = first.opened.get(timeout=PATIENCE)
            renewed.ack()
            renewed.candles = 1
            assert one.until(LIVE).reason == "the connection was renewed"
            assert second.opened.empty()
            assert pacing.renewal("a third", 0.0) > 2 * 60

    def test_it_stops_while_it_waits_for_its_turn(self):
        pacing = ConnectPacing()
        while pacing.attempt(time.monotonic()) < time.monotonic() + 600:
            pass
        connect = Fake(None)
        with Running(connect, pacing=pacing):
            pass
        assert connect.attempts == 0

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
            connection.handlers.on_exit("closed", None)
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

    def test_only_the_answer_to_our_own_ping_proves_life(self):
        connect = Fake(None)
        with Running(connect) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            connection.ack()
            running.until(LIVE)
            running.link.doubt()
            payload = connection.pings.get(timeout=PATIENCE)
            connection.handlers.on_pong(b"")
            connection.handlers.on_pong(payload + b"x")
            assert running.quiet.empty()
            connection.handlers.on_pong(payload)
            running.quiet.get(timeout=PATIENCE)

    def test_a_connection_that_is_not_trusted_is_made_anew(self):
        connect = Fake(None)
        with Running(connect) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            running.link.subscribe_again(["btcusdt@kline_1m"])
            assert first.ack() == (2, ["btcusdt@kline_1m"])
            running.link.distrust("it is mute")
            assert running.until(WAITING).reason == "it is mute"
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)
            assert first.stopped.is_set()

    def test_it_is_renewed_without_a_moment_in_between(self):
        connect = Fake(None)
        with Running(connect, lifetime=0.3) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            second = connect.opened.get(timeout=PATIENCE)
            assert not first.stopped.is_set()
            second.ack()
            second.candles = 1
            assert running.until(LIVE).reason == "the connection was renewed"
            assert WAITING not in running.seen
            eventually(first.stopped.is_set)
            assert not second.stopped.is_set()

    def test_a_second_connection_that_fails_leaves_the_first_alone(self):
        connect = Fake(None, Unreachable("no more"))
        with Running(connect, lifetime=0.3) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            eventually(lambda: connect.attempts == 2)
            assert not first.stopped.is_set()
            assert running.events.empty()

    def test_late_words_of_an_old_connection_are_not_heard(self):
        connect = Fake(None)
        with Running(connect) as running:
            old = connect.opened.get(timeout=PATIENCE)
            old.handlers.on_exit("first", None)
            running.until(WAITING)
            new = connect.opened.get(timeout=PATIENCE)
            old.handlers.on_exit("again", None)
            old.handlers.on_reply(Reply(1, None))
            old.handlers.on_reply(Rejection(2, "late"))
            running.until(SUBSCRIBING)
            new.ack()
            running.until(LIVE)
            old.handlers.on_exit("and again", None)
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
        with Running(connect, random=lambda: 0.125) as running:
            first = BACKOFF[0] / 8
            for expected in (first, 2 * first, 4 * first):  # for it is not steady
                connection = connect.opened.get(timeout=PATIENCE)
                connection.ack()
                running.until(LIVE)
                connection.candles = 5
                connection.handlers.on_exit("closed", None)
                event = running.until(WAITING)
                assert event.delay == expected


NO_THREAD = RuntimeError("can't start new thread")
NO_FILE = OSError(errno.EMFILE, "Too many open files")
SHORTAGES = [NO_THREAD, MemoryError(), NO_FILE, ZeroDivisionError("a bug")]


class Failing:
    """A call that raises a few times, and then does what it should."""

    def __init__(self, error, times, then):
        self.error = error
        self.left = times
        self.then = then

    def __call__(self, *args):
        if self.left:
            self.left -= 1
            raise self.error
        return self.then(*args)


class Obliging(Fake):
    """Its connections ack whatever is asked for."""

    def __call__(self, handlers, deadline):
        connection = super().__call__(handlers, deadline)
        connection.subscribe = lambda stream, id: handlers.on_reply(Reply(id, None))  # noqa: A006
        return connection


class TestWhateverAnActionRaises:
    """A link goes on, whatever one of its actions raises: a thread, memory or a file
    descriptor may be lacking, for a while."""

    @pytest.mark.parametrize("error", SHORTAGES, ids=repr)
    def test_a_connection_that_cannot_be_made(self, error):
        connect = Fake(*[error] * 3, None)
        with Running(connect) as running:
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)
        assert connect.attempts == 4

    @pytest.mark.parametrize("state", [CONNECTING, SUBSCRIBING, LIVE, WAITING])
    def test_news_that_cannot_be_told(self, state):
        tell = Failing(NO_THREAD, 2, lambda event: running.events.put(event))

        def on_event(event):
            (tell if event.state is state else running.events.put)(event)

        connect = Obliging(None, *[Unreachable("no")] * 3, None)
        with Running(connect, on_event=on_event) as running:
            first = connect.opened.get(timeout=PATIENCE)
            if state is WAITING:
                running.until(LIVE)
            first.handlers.on_exit("closed", None)
            running.until(LIVE)
            while tell.left:
                running.until(LIVE)
            last = list(connect.opened.queue)[-1]
            assert not last.stopped.is_set()

    def test_a_connection_that_cannot_be_ended(self):
        connect = Fake(None)
        with Running(connect) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            first.stop = Failing(NO_THREAD, 99, None)
            first.handlers.on_exit("closed", None)
            assert running.until(WAITING).reason == "closed"
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)

    def test_a_request_that_cannot_be_sent(self):
        connect = Fake(None)
        with Running(connect) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            first.ping = Failing(NO_THREAD, 1, None)
            running.link.doubt()
            assert "ping could not be sent" in running.until(WAITING).reason
            connect.opened.get(timeout=PATIENCE).ack()
            running.until(LIVE)

    def test_a_silence_that_cannot_be_looked_into(self):
        looked = queue.Queue()
        connect = Fake(None)
        look = Failing(NO_THREAD, 1, lambda: looked.put(None))
        with Running(connect, on_quiet=look) as running:
            connection = connect.opened.get(timeout=PATIENCE)
            connection.ack()
            running.until(LIVE)
            for _ in range(2):
                running.link.doubt()
                payload = connection.pings.get(timeout=PATIENCE)
                connection.handlers.on_pong(payload)
            looked.get(timeout=PATIENCE)
            assert not connection.stopped.is_set(), "it lives, which was all to know"

    def test_a_renewal_that_cannot_be_done(self):
        class Lacking(Prompt):
            renewal = Failing(NO_THREAD, 1, lambda link, now: now)

        connect = Fake(None)
        with Running(connect, lifetime=0.2, pacing=Lacking()) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            running.until(LIVE)
            eventually(lambda: not Lacking.renewal.left)
            running.link.doubt()
            first.pings.get(timeout=PATIENCE)
            assert not first.stopped.is_set()

    def test_an_old_connection_that_cannot_be_ended_after_a_renewal(self):
        connect = Fake(None)
        with Running(connect, lifetime=0.2) as running:
            first = connect.opened.get(timeout=PATIENCE)
            first.ack()
            first.stop = Failing(NO_THREAD, 99, None)
            second = connect.opened.get(timeout=PATIENCE)
            second.ack()
            second.candles = 1
            while running.until(LIVE).reason != "the connection was renewed":
                pass
            running.link.doubt()
            second.pings.get(timeout=PATIENCE)
            assert not second.stopped.is_set()


def acked(*ids):
    """Steps: the handshake, then the acks of requests."""
    steps = [Ack()]
    for number in ids:
        steps += [Heed(TEXT), Text(json.dumps({"result": None, "id": number}))]
    return steps


GOODBYE = Heed(CLOSE)
"""A step: hang up when the link does, which then need not wait for the answer."""


class TestAgainstAVenue:
    def test_subscribes_and_hears_candles(self):
        with (
            Venue([*acked(1), Text(CANDLE), GOODBYE]) as venue,
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
            Venue(first, [*acked(1), Text(CANDLE), GOODBYE]) as venue,
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
            Venue(script, [*acked(1), GOODBYE]) as venue,
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
                for _ in range(20):
                    running.until(WAITING)
                threads = [t for t in threading.enumerate() if "socket" in t.name]
                assert len(threads) <= 2
            eventually(lambda: all(peer.gone.is_set() for peer in venue.peers))


@pytest.mark.parametrize("admitted", [True, False])
def test_a_slow_connection_is_told_of_once_it_counts(admitted):
    release = threading.Event()

    def connect(handlers, deadline):
        deadline.doing, deadline.where = "connecting", "connecting to ws://slow"
        assert release.wait(PATIENCE)
        raise Unreachable("no")

    with Running(connect, early=True) as running:
        if admitted:
            running.link.admit()
        else:
            release.set()
        events = [running.events.get(timeout=PATIENCE) for _ in range(2)]
        release.set()
    reason, where = "still connecting", "connecting to ws://slow"
    slow = LinkEvent("link-0", LinkState.CONNECTING, reason, where=where)
    assert (slow in events) is admitted
