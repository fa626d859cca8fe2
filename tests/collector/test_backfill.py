"""Questions asked side by side, on threads that end."""

from __future__ import annotations

import threading
import time

import pytest

from klinetail.collector.backfill import WORKERS, Backfill
from klinetail.collector.budget import Budget
from klinetail.errors import Unreachable

PATIENCE = 60.0


@pytest.fixture
def backfill():
    backfill = Backfill(Budget(1.0), time.monotonic)
    backfill.start()
    yield backfill
    for thread in backfill.stop():
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_questions_are_asked_side_by_side_and_answered_in_order(backfill):
    together = threading.Barrier(WORKERS, timeout=PATIENCE)

    def question(number):
        together.wait()
        return number

    questions = [lambda n=n: question(n) for n in range(WORKERS)]
    assert backfill.ask(questions) == list(range(WORKERS))


def test_more_questions_than_threads(backfill):
    assert backfill.ask([lambda n=n: n for n in range(50)]) == list(range(50))


def test_what_a_question_raises_is_its_answer(backfill):
    error = Unreachable("no")

    def fail():
        raise error

    assert backfill.ask([lambda: 1, fail, lambda: 3]) == [1, error, 3]


def test_a_stop_ends_the_waiting():
    backfill = Backfill(Budget(1.0), time.monotonic)
    backfill.start()
    asked, answer = threading.Event(), threading.Event()
    answers = []

    def question():
        asked.set()
        answer.wait(PATIENCE)

    asking = threading.Thread(
        target=lambda: answers.extend(backfill.ask([question] * (WORKERS + 1)))
    )
    asking.start()
    assert asked.wait(PATIENCE)
    threads = backfill.stop()
    asking.join(PATIENCE)
    assert [type(one) for one in answers] == [Unreachable] * (WORKERS + 1)
    answer.set()
    for thread in threads:
        thread.join(PATIENCE)
