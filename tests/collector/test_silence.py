"""What is done about streams that trade and say nothing."""

from __future__ import annotations

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.collector.silence import QuietLink, Remedy, remedy_for

BTC = Stream("BTCUSDT", Interval.M1)


def row(minute: int, count: int, stream: Stream = BTC) -> Candle:
    start = minute * MINUTE
    end = start + MINUTE - 1
    volumes = ("0", end, "0", count, "0", "0")
    return Candle(stream, start, "1", "1", "1", "1", *volumes, True, Source.REST)


def test_a_mute_stream_is_subscribed_again_then_reconnected_ever_more_rarely() -> None:
    remedies = {n: remedy_for(n - 1, n) for n in range(1, 200)}
    acted = {n: done for n, done in remedies.items() if done is not Remedy.NONE}
    assert acted == {
        1: Remedy.SUBSCRIBE,
        2: Remedy.RECONNECT,
        8: Remedy.RECONNECT,
        32: Remedy.RECONNECT,
        128: Remedy.RECONNECT,
    }


def test_candles_that_come_together_count_together() -> None:
    assert remedy_for(0, 5) is Remedy.RECONNECT
    assert remedy_for(5, 7) is Remedy.NONE
    assert remedy_for(5, 20) is Remedy.RECONNECT


def test_one_look_proves_nothing() -> None:
    assert not QuietLink().show(row(0, 50))


def test_no_new_trade_is_no_reason() -> None:
    link = QuietLink()
    assert not link.show(row(0, 5))
    assert not link.show(row(0, 5))
    assert not link.show(row(1, 0))
    assert not link.show(row(3, 0))


def test_trades_in_silence_are_a_reason() -> None:
    same, next_one = QuietLink(), QuietLink()
    same.show(row(0, 5))
    assert same.show(row(0, 6))
    next_one.show(row(0, 5))
    assert next_one.show(row(1, 1))


def test_a_frame_in_between_makes_the_looks_incomparable() -> None:
    link = QuietLink()
    link.show(row(0, 5))
    link.heard()
    assert not link.show(row(0, 6))


def test_streams_are_not_mixed_up() -> None:
    link = QuietLink()
    link.show(row(0, 5))
    assert not link.show(row(0, 6, Stream("ETHUSDT", Interval.M1)))


def test_first_it_asks_again_then_it_connects_anew() -> None:
    link = QuietLink()
    assert [link.strike() for _ in range(4)] == [
        Remedy.SUBSCRIBE,
        Remedy.RECONNECT,
        Remedy.SUBSCRIBE,
        Remedy.RECONNECT,
    ]
