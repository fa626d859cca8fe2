"""What is done about streams that trade and say nothing."""

from __future__ import annotations

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.collector.silence import LASTING, Remedy, SilentLink, remedy_for

BTC = Stream("BTCUSDT", Interval.M1)


def row(minute: int, count: int, stream: Stream = BTC) -> Candle:
    start = minute * MINUTE
    end = start + MINUTE - 1
    volumes = ("0", end, "0", count, "0", "0")
    return Candle(stream, start, "1", "1", "1", "1", *volumes, True, Source.REST)


def test_a_mute_stream_is_subscribed_again_then_reconnected_ever_more_rarely() -> None:
    remedies = {n: remedy_for(n - 1, n, (n - 1) * 60.0) for n in range(1, 200)}
    acted = {n: done for n, done in remedies.items() if done is not Remedy.NONE}
    assert acted == {
        1: Remedy.SUBSCRIBE,
        2: Remedy.RECONNECT,
        8: Remedy.RECONNECT,
        32: Remedy.RECONNECT,
        128: Remedy.RECONNECT,
    }


def test_candles_that_come_together_count_together() -> None:
    assert remedy_for(0, 0, 0.0) is Remedy.NONE
    assert remedy_for(0, 5, 0.0) is Remedy.SUBSCRIBE, "first it is asked again"
    assert remedy_for(5, 7, 60.0) is Remedy.NONE
    assert remedy_for(5, 20, 60.0) is Remedy.RECONNECT


def test_what_a_fast_clock_shows_within_seconds_is_no_reason_to_reconnect() -> None:
    assert remedy_for(1, 20, LASTING - 0.1) is Remedy.NONE
    assert remedy_for(1, 20, LASTING) is Remedy.RECONNECT


def test_one_look_proves_nothing() -> None:
    assert not SilentLink().show([])
    assert not SilentLink().show([row(0, 50)])
    assert not SilentLink().show([row(0, 50), row(1, 50)])


def test_no_new_trade_is_no_reason() -> None:
    link = SilentLink()
    assert not link.show([row(0, 5)])
    assert not link.show([row(0, 5)])
    assert not link.show([])
    assert not link.show([row(0, 5), row(1, 0)])
    assert not link.show([row(2, 0), row(3, 0)])


def test_trades_in_silence_are_a_reason() -> None:
    for later in ([row(0, 6)], [row(0, 6), row(1, 0)], [row(1, 1)], [row(2, 1)]):
        link = SilentLink()
        link.show([row(-1, 9), row(0, 5)])
        assert link.show(later)


def test_what_is_older_than_what_was_shown_is_no_reason() -> None:
    link = SilentLink()
    link.show([row(1, 5)])
    assert not link.show([row(0, 9), row(1, 5)])


def test_streams_are_not_mixed_up() -> None:
    link = SilentLink()
    link.show([row(0, 5)])
    assert not link.show([row(0, 6, Stream("ETHUSDT", Interval.M1))])


def looked(link: SilentLink, candles: int, rows: list[Candle]) -> Remedy:
    link.look(candles)
    return link.judge(candles, traded=link.show(rows))


def test_a_frame_in_between_makes_the_looks_incomparable() -> None:
    link = SilentLink()
    for n in range(100):
        assert looked(link, n, [row(0, n)]) is Remedy.NONE


def test_a_frame_during_the_look_spoils_it() -> None:
    link = SilentLink()
    for n in range(100):
        link.look(n)
        assert link.judge(n + 1, traded=link.show([row(0, n)])) is Remedy.NONE


def test_one_trade_whose_frame_is_on_its_way_proves_nothing() -> None:
    link = SilentLink()
    remedies = [looked(link, 7, [row(0, n)]) for n in (5, 6, 6, 6, 6)]
    assert set(remedies) == {Remedy.NONE}
    assert looked(link, 7, [row(0, 7)]) is Remedy.SUBSCRIBE


def test_first_it_asks_again_then_it_connects_anew() -> None:
    link = SilentLink()
    acted = [looked(link, 0, [row(0, n)]) for n in range(9)]
    assert [one for one in acted if one is not Remedy.NONE] == [
        Remedy.SUBSCRIBE,
        Remedy.RECONNECT,
        Remedy.SUBSCRIBE,
        Remedy.RECONNECT,
    ]
    assert acted[2] is Remedy.SUBSCRIBE


def test_a_new_connection_is_asked_again_first() -> None:
    link = SilentLink()
    assert [looked(link, 0, [row(0, n)]) for n in range(3)][-1] is Remedy.SUBSCRIBE
    link.heard()
    acted = [looked(link, 0, [row(0, n)]) for n in range(3, 8)]
    assert acted[2:] == [Remedy.SUBSCRIBE, Remedy.NONE, Remedy.RECONNECT]
