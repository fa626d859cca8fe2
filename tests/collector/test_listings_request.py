"""Asking what is listed, for as long as it takes."""

import queue
import threading

import pytest

from klinetail.collector.listings_request import ListingsRequest
from klinetail.collector.symbols import oddity
from klinetail.errors import BadMessage, Forbidden, RateLimited, Refused, Unreachable
from klinetail.events import LinkState
from klinetail.protocol.exchange_info import Listing, decode_listings

PATIENCE = 15.0
LISTED = [Listing("BTCUSDT", "TRADING")]


class Scripted:
    """A REST side that fails as told, then answers; the last outcome for ever."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = 0
        self.closed = threading.Event()

    def listings(self):
        self.asked += 1
        outcome = self.outcomes[0]
        if len(self.outcomes) > 1:
            del self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def under_way(self):
        return "", ""

    def close(self):
        self.closed.set()


class Clock:
    """Seconds that pass with each look."""

    def __init__(self, step=0.0):
        self.now = 0.0
        self.step = step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def requested():
    started = []

    def start(rest, on_event=lambda _: None, **options):
        options = {"monotonic": Clock(), "random": lambda: 0.0, **options}
        asked = ListingsRequest(rest, on_event, **options)
        started.append((asked, rest))
        asked.start()
        return asked

    yield start
    for asked, rest in started:
        asked.stop()
        assert rest.closed.is_set()
    names = [thread.name for thread in threading.enumerate()]
    assert "klinetail-listings" not in names


def test_an_answer(requested):
    assert requested(Scripted(LISTED)).answer.result(PATIENCE) == LISTED


def test_it_is_asked_again_until_there_is_one_and_said_once_each_way(requested):
    failures = [Unreachable("no way"), BadMessage("html"), RateLimited("easy", 0.01)]
    events = queue.Queue()
    rest = Scripted(*failures, LISTED)
    assert requested(rest, events.put).answer.result(PATIENCE) == LISTED
    states = [events.get(timeout=PATIENCE) for _ in range(4)]
    assert [event.state for event in states] == [LinkState.WAITING] * 3 + [
        LinkState.IDLE
    ]
    assert [event.attempt for event in states] == [1, 2, 3, 0]
    assert states[2].delay == 0.01


def test_an_answer_that_cannot_be_read_in_full_is_told(requested):
    odd = decode_listings(b'{"symbols":[{"symbol":"BTCUSDT","status":"TRADING"},7]}')
    events = queue.Queue()
    assert requested(Scripted(odd), events.put).answer.result(PATIENCE) == LISTED
    assert [events.get(timeout=PATIENCE)] == oddity(odd)
    requested(Scripted(LISTED), events.put).answer.result(PATIENCE)
    assert events.empty()


def test_a_refusal_ends_it(requested):
    rest = Scripted(Refused("refused (HTTP 451)"))
    with pytest.raises(Refused, match="451"):
        requested(rest).answer.result(PATIENCE)
    assert rest.asked == 1


def test_what_is_forbidden_for_now_is_asked_for_again(requested):
    events = queue.Queue()
    rest = Scripted(Forbidden("refused (HTTP 403)"), LISTED)
    assert requested(rest, events.put).answer.result(PATIENCE) == LISTED
    assert events.get(timeout=PATIENCE).patience == 30.0


def test_what_is_forbidden_for_long_ends_it(requested):
    rest = Scripted(Forbidden("refused (HTTP 403)"))
    with pytest.raises(Forbidden):
        requested(rest, monotonic=Clock(7.0)).answer.result(PATIENCE)
    assert rest.asked == 6


def test_patience_ends(requested):
    rest = Scripted(Unreachable("no way"))
    with pytest.raises(Unreachable):
        requested(rest, patience=30.0, monotonic=Clock(7.0)).answer.result(PATIENCE)
    assert rest.asked == 5


def test_a_ban_that_outlasts_the_patience_is_not_sat_out(requested):
    rest = Scripted(RateLimited("banned", 60.0), LISTED)
    with pytest.raises(RateLimited):
        requested(rest, patience=30.0).answer.result(PATIENCE)
    assert rest.asked == 1


def test_a_ban_is_kept_to_the_end(requested):
    events = queue.Queue()
    requested(Scripted(RateLimited("banned", 600.0)), events.put)
    assert events.get(timeout=PATIENCE).delay == 600.0  # and stopping does not wait


def test_a_bug_is_heard_of(requested):
    with pytest.raises(Exception, match="a bug"):
        requested(Scripted(ValueError("oops"))).answer.result(PATIENCE)
