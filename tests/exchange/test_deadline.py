import errno
import socket
import ssl
import threading

import pytest

from klinetail.errors import Refused, Unreachable
from klinetail.exchange.deadline import Deadline, failure


def abort_soon(deadline):
    timer = threading.Timer(0.1, deadline.abort)
    timer.start()
    return timer


class TestDeadline:
    def test_shuts_what_it_guards_when_the_time_is_up(self):
        ours, theirs = socket.socketpair()
        with ours, theirs, Deadline(0.1) as deadline:
            deadline.guard(ours)
            assert ours.recv(1) == b""
            assert deadline.expired
            assert deadline.over
            assert not deadline.aborted

    def test_abort_ends_it_from_any_thread(self):
        ours, theirs = socket.socketpair()
        with ours, theirs, Deadline(60) as deadline:
            deadline.guard(ours)
            abort_soon(deadline)
            assert ours.recv(1) == b""
            assert deadline.aborted
            assert not deadline.expired

    def test_what_comes_too_late_to_be_guarded_is_shut_at_once(self):
        ours, theirs = socket.socketpair()
        with ours, theirs, Deadline(60) as deadline:
            deadline.abort()
            deadline.guard(ours)
            assert ours.recv(1) == b""

    def test_lets_go_of_what_outlives_it(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with Deadline(60) as deadline:
                deadline.guard(ours)
            deadline.abort()
            theirs.send(b"x")
            assert ours.recv(1) == b"x"

    def test_waits_for_what_is_done_elsewhere(self):
        done = []
        with Deadline(60) as deadline:

            def work():
                done.append(1)
                deadline.wake()

            threading.Timer(0.1, work).start()
            deadline.wait_for(lambda: bool(done))
            assert done
            assert not deadline.over

    @pytest.mark.parametrize("seconds", [0.1, 60])
    def test_does_not_wait_longer_than_it_runs(self, seconds):
        with Deadline(seconds) as deadline:
            if seconds == 60:
                abort_soon(deadline)
            deadline.wait_for(lambda: False)
            assert deadline.over


class TestFailure:
    def test_words(self):
        with Deadline(60) as deadline:
            words = failure(
                ConnectionResetError(errno.ECONNRESET, "reset"), deadline, "it"
            )
            assert str(words) == "reset, it"
            assert (words.cause, words.where) == ("reset", "it")
            assert str(failure(ValueError(), deadline, "it")) == "ValueError, it"
            deadline.abort()
            assert str(failure(OSError(), deadline, "it")) == "broken off, it"

    def test_a_certificate_below_other_errors(self):
        wrapped = ValueError("x")
        wrapped.__context__ = ssl.SSLCertVerificationError("bad")
        with Deadline(60) as deadline:
            assert isinstance(failure(wrapped, deadline, "it"), Refused)

    def test_an_expired_deadline_wins(self):
        with Deadline(0.01) as deadline:
            deadline.wait_for(lambda: False)
            found = failure(ssl.SSLCertVerificationError("bad"), deadline, "it")
            assert str(found) == "no answer in 0.01 s, it"
            assert isinstance(found, Unreachable)
