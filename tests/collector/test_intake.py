"""From frames to what a collector delivers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail import DataCollector
from klinetail.candle import Interval, Stream
from klinetail.errors import (
    Unreachable,
)
from klinetail.events import (
    Drop,
    DropEvent,
    LinkEvent,
    RevisionEvent,
)
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.frames import encode_kline
from tests.collector.collecting import (
    BTC,
    START,
    FakeManager,
    FakeRest,
    Seen,
    never,
)
from tests.strategies import candle as made_up
from tests.venue import eventually


def test_messages_of_any_kind_never_leave_the_handler() -> None:
    seen = Seen()
    rest = FakeRest()
    collector = DataCollector(
        [BTC], seen.candle, on_event=seen.event, rest=rest, connect=never
    )
    collector.start()
    try:
        seen.wait(lambda: bool(seen.events))
        manager = FakeManager()
        for message in (b"", b"\xce", "null", '{"result":null,"id":1}', b"[" * 10_000):
            collector._handle_kline_message(manager, message)
        assert len(manager.replies) == 1
        bad = [e for e in seen.events if isinstance(e, DropEvent) and e.why is Drop.BAD]
        assert len(bad) == 4
    finally:
        collector.stop()
    assert rest.closed


def test_frames_for_which_there_is_no_memory_together_are_taken_one_by_one() -> None:
    class Many(list[bytes]):
        together = True

        def __iter__(self) -> Iterator[bytes]:
            if Many.together:
                Many.together = False
                raise MemoryError
            return super().__iter__()

    seen, rest = Seen(), FakeRest()
    collector = DataCollector([BTC], seen.candle, rest=rest, connect=never)
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        some = made_up(START - START % 60_000, closed=False)
        frames = Many()
        for n in range(3):
            pushed = msgspec.structs.replace(some, event_time=START + n)
            frame = encode_kline(pushed, first_trade=1, last_trade=2, combined=False)
            frames.append(frame.encode())
        collector._handle_kline_messages(FakeManager(), frames)
        assert [c.event_time for c in seen.candles] == [START, START + 1, START + 2]
    finally:
        collector.stop()


BTC_5M = Stream("BTCUSDT", Interval.M5)


KINDS = ("forming", "forming", "forming", "closed", "garbage", "reply", "foreign")


@st.composite
def lines(draw: st.DrawFn) -> list[list[bytes]]:
    """Frames of two streams as they come over a bad line, as the reads bring them."""
    made: list[bytes] = []
    for _ in range(draw(st.integers(0, 40))):
        kind = draw(st.sampled_from(KINDS))
        if kind == "garbage":
            made.append(
                draw(st.sampled_from([b"", b"\xce", b"null", b'{"e":"kline"}']))
            )
            continue
        if kind == "reply":
            made.append(b'{"result":null,"id":1}')
            continue
        stream = draw(st.sampled_from([BTC, BTC, BTC_5M]))
        length = stream.interval.length or 0
        open_time = START - START % length + draw(st.integers(-1, 3)) * length
        age = draw(st.sampled_from([0, 1, 5, 900, length - 1, length + 200, 90_000]))
        if kind == "foreign":
            stream = Stream("ETHUSDT", stream.interval)
        some = made_up(
            open_time, stream=stream, closed=kind == "closed", count=len(made)
        )
        some = msgspec.structs.replace(some, event_time=open_time + age)
        frame = encode_kline(some, first_trade=1, last_trade=2, combined=False)
        made.append(frame.encode())
    reads, at = [], 0
    while at < len(made):
        size = draw(st.integers(1, 12))
        reads.append(made[at : at + size])
        at += size
    return reads


class Two(FakeRest):
    """Knows no row but the newest, so that nothing comes but by the line."""

    def klines(self, stream: Stream, *, start: int | None = None, limit: int) -> list:
        if start is not None:
            raise Unreachable("nothing there")
        return super().klines(stream, limit=limit)

    def listings(self) -> list[Listing]:
        return [Listing("BTCUSDT", "TRADING")]


def delivered(reads: list[list[bytes]], *, together: bool) -> list[object]:
    """All that a collector makes of frames, but what it says of REST and its links."""
    out: list[object] = []
    collector = DataCollector(
        [BTC, BTC_5M],
        on_candles=out.extend,
        on_event=out.append,
        hold=math.inf,
        rest=Two(),
        connect=never,
        monotonic=lambda: 1000.0,
        listed=[Listing("BTCUSDT", "TRADING")],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        manager = FakeManager()
        for messages in reads:
            if together:
                collector._handle_kline_messages(manager, messages)
                continue
            for message in messages:
                collector._handle_kline_message(manager, message)
        out.append((manager.candles, len(manager.replies)))
    finally:
        collector.stop()
    return [one for one in out if not isinstance(one, LinkEvent)]


@settings(max_examples=60)
@given(lines())
def test_what_comes_together_is_taken_as_one_by_one(reads: list[list[bytes]]) -> None:
    assert delivered(reads, together=True) == delivered(reads, together=False)


def test_closes_that_come_together_are_delivered_together() -> None:
    """At an hour's end a callback for each would cost more than all else."""
    streams = [Stream(f"N{n}USDT", Interval.M1) for n in range(8)]
    batches: list[list[tuple[str, bool]]] = []
    collector = DataCollector(
        streams,
        on_candles=lambda some: batches.append(
            [(c.stream.symbol, c.closed) for c in some]
        ),
        rest=Two(),
        connect=never,
        monotonic=lambda: 1000.0,
        listed=[Listing(stream.symbol, "TRADING") for stream in streams],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        opens = START - START % 60_000
        for closed in (False, True):
            frames = []
            for stream in streams:
                some = made_up(opens, stream=stream, closed=closed, count=3)
                after = opens + (60_500 if closed else 30_000)
                some = msgspec.structs.replace(some, event_time=after)
                frames.append(
                    encode_kline(
                        some, first_trade=1, last_trade=2, combined=False
                    ).encode()
                )
            collector._handle_kline_messages(FakeManager(), frames)
    finally:
        collector.stop()
    assert batches == [
        [(s.symbol, closed) for s in streams] for closed in (False, True)
    ]


def test_a_revision_of_what_left_the_buffer_is_told_once() -> None:
    out: list[object] = []
    now = [1000.0]
    collector = DataCollector(
        [BTC],
        on_event=out.append,
        keep=1,
        rest=Two(),
        connect=never,
        monotonic=lambda: now[0],
        listed=[Listing(BTC.symbol, "TRADING")],
    )
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        opens = START - START % 60_000
        now[0] += 100.0
        event_time = opens + 120_500
        for minute, count in ((0, 3), (1, 3), (0, 3), (0, 4), (0, 4)):
            some = made_up(opens + minute * 60_000, stream=BTC, count=count)
            some = msgspec.structs.replace(some, event_time=event_time)
            frame = encode_kline(some, first_trade=1, last_trade=2, combined=False)
            collector._handle_kline_message(FakeManager(), frame.encode())
        assert [one.count for one in collector.buffer[BTC]] == [3]
    finally:
        collector.stop()
    revised = made_up(opens, stream=BTC, count=4, delay=event_time - opens - 59_999)
    duplicate = DropEvent(Drop.DUPLICATE, BTC)
    assert [one for one in out if not isinstance(one, LinkEvent)] == [
        duplicate,
        RevisionEvent(None, revised),
        duplicate,
    ]
