"""What a program that is written a little wrongly, or shortly, gets."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from klinetail import Candle, DataCollector, EventBus
from klinetail.candle import Stream
from klinetail.errors import Refused, UnknownSymbol, UsageError
from klinetail.events import GapEvent
from klinetail.protocol.venues import LIVE, TESTNET, sim_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    START,
    THIN,
    FakeRest,
    never,
)
from tests.venue import eventually


def addresses(server: Server) -> dict[str, str]:
    return {"ws_url": server.ws_url, "rest_url": server.rest_url}


def run(main: Callable[[], object]) -> object:
    return asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_the_block_starts_and_stops_it(exchange: Server) -> None:
    async def main() -> None:
        async with DataCollector(
            ["btcusdt@1m"], lines=3, **addresses(exchange)
        ) as collector:
            assert exchange.connections == 1
            await collector.history()
            assert len(collector.buffer["btcusdt@1m"]) >= 3
        assert collector.ended.done()

    run(main)
    eventually(lambda: exchange.connections == 0)


def test_a_block_that_cannot_start_raises_and_leaves_nothing(exchange: Server) -> None:
    async def main() -> None:
        with pytest.raises(UnknownSymbol):
            async with DataCollector(["btcusd@1m"], **addresses(exchange)):
                pytest.fail("it began")

    run(main)


def test_what_a_block_raises_goes_first_and_then_what_ended_the_collector(
    exchange: Server,
) -> None:
    async def main(error: Exception | None) -> None:
        async with DataCollector([BTC], **addresses(exchange)) as collector:
            collector._state.lifecycle.fail(Refused("not any more"))
            if error is not None:
                raise error

    with pytest.raises(Refused, match="not any more"):
        run(lambda: main(None))
    with pytest.raises(ZeroDivisionError):
        run(lambda: main(ZeroDivisionError()))


def test_closed_candles_alone_from_those_in_the_buffer_on(exchange: Server) -> None:
    async def main() -> list[Candle]:
        got: list[Candle] = []
        async with DataCollector(
            [BTC, THIN], lines=20, **addresses(exchange)
        ) as collector:
            await collector.history()
            before = [c for s in collector.buffer.values() for c in s if c.closed]
            assert len(before) >= 40
            enough = Counter([BTC, THIN] * 5) + Counter(c.stream for c in before)
            async for candle in collector.closed_candles():
                got.append(candle)
                if len(got) == len(before):
                    assert [c.close_time for c in got] == sorted(
                        c.close_time for c in got
                    )
                if Counter(c.stream for c in got) >= enough:
                    return got
        raise AssertionError

    got = run(main)
    assert all(candle.closed for candle in got)
    for stream in (BTC, THIN):
        times = [c.open_time for c in got if c.stream == stream]
        assert times == [*range(times[0], times[-1] + 1, 60_000)]


def test_a_history_alone_is_iterated_to_its_end() -> None:
    late_in_a_minute = START - START % 60_000 + 40_000

    async def main(server: Server) -> list[Candle]:
        async with DataCollector(
            [BTC, THIN], lines=50, follow=False, **addresses(server)
        ) as collector:
            return [candle async for candle in collector.closed_candles()]

    with Server(Synthetic(seed=7, start=late_in_a_minute)) as server:
        got = run(lambda: main(server))
        assert server.connections == 0
    for stream in (BTC, THIN):
        times = [c.open_time for c in got if c.stream == stream]
        last = late_in_a_minute - 40_000
        assert times == [*range(last - 50 * 60_000, last, 60_000)]


def test_the_bus_ends_with_the_collector_and_its_error() -> None:
    bus, rest = EventBus(), FakeRest()
    mailbox = bus.subscribe()
    rest.failure = Refused("not from here")
    collector = DataCollector([BTC], on_event=bus.publish, rest=rest, connect=never)
    collector.ended.add_done_callback(lambda ended: bus.close(ended.exception()))
    collector.start()
    try:
        with pytest.raises(Refused, match="not from here"):
            list(mailbox)
        assert mailbox.done
    finally:
        collector.stop()


@pytest.mark.parametrize("through_a_bus", [False, True])
def test_what_keeps_it_from_connecting_is_logged_if_nobody_listens(
    caplog: pytest.LogCaptureFixture, through_a_bus: bool
) -> None:
    caplog.set_level(logging.WARNING, "klinetail")
    collector = DataCollector(
        [BTC],
        on_event=EventBus().publish if through_a_bus else None,
        rest=FakeRest(),
        connect=never,
        random=lambda: 0.0,
    )
    collector.start()
    try:
        eventually(lambda: any("no line" in m for m in caplog.messages), "a warning")
    finally:
        collector.stop()
    [said] = [r for r in caplog.records if "no line" in r.getMessage()]
    assert (said.name, said.levelname) == ("klinetail", "WARNING")
    assert "trying again" in said.getMessage()


def test_a_gap_is_logged_if_nobody_listens_and_not_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "klinetail")
    heard: list[object] = []
    gap = GapEvent(BTC, 0, 60_000, "why")
    for on_event in (None, heard.append):
        collector = DataCollector(
            [BTC], print, on_event=on_event, rest=FakeRest(), connect=never
        )
        collector._state.tell(gap)
    assert heard == [gap]
    assert [m.split(":")[0] for m in caplog.messages] == ["gap"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lines": -1}, UsageError, "lines has to be 0 or more, not -1"),
        ({"lines": 2.5}, TypeError, "lines has to be a whole number, not 2.5"),
        ({"lines": "10"}, TypeError, "lines has to be a whole number"),
        ({"keep": 0}, UsageError, "keep has to be 1 or more"),
        ({"keep": math.inf}, TypeError, "keep has to be a whole number"),
        ({"hold": math.nan}, UsageError, "hold has to be 0 seconds or more, not nan"),
        ({"hold": -1}, UsageError, "hold has to be 0 seconds or more"),
        ({"hold": "30"}, TypeError, "hold has to be a number, not '30'"),
        ({"patience": math.nan}, UsageError, "patience has to be 0 seconds or more"),
        ({"lifetime": math.nan}, UsageError, "lifetime has to be 0 seconds or more"),
        ({"share": math.nan}, UsageError, "share"),
        ({"share": "20"}, TypeError, "share has to be a number"),
        ({"share": 20}, UsageError, "not above 0 and up to 1"),
        ({"on_event": 3}, TypeError, "on_event has to be a function"),
        ({"on_candles": [print]}, TypeError, "on_candles has to be a function"),
        ({"env": "prod"}, UsageError, "there is no env 'prod'"),
        ({"env": "sim"}, UsageError, "embedded_exchange"),
        ({"ws_url": "ws://a:1"}, UsageError, "ws_url without rest_url"),
        ({"env": "live", "venue": LIVE}, UsageError, "two exchanges"),
        ({"ws_url": "ws://a", "venue": LIVE}, UsageError, "two exchanges"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        DataCollector([BTC], **options)
    assert "klinetail-keeper" not in {t.name for t in threading.enumerate()}


@pytest.mark.parametrize(
    "streams", ["btcusdt@1m", BTC, [("btcusdt", "1m")], {"btcusdt": "1m"}, None, 3]
)
def test_what_is_no_list_of_streams(streams: object) -> None:
    with pytest.raises(TypeError, match="stream"):
        DataCollector(streams)


def test_a_symbol_and_its_interval_are_not_two_streams() -> None:
    with pytest.raises(UsageError, match="'1m' is an interval without a symbol"):
        DataCollector(["btcusdt", "1m"])


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, "fstream.binance.com"),
        ({"env": "live"}, "fstream.binance.com"),
        ({"env": "testnet"}, "demo-fstream.binance.com"),
        ({"venue": TESTNET}, "demo-fstream.binance.com"),
        ({"venue": sim_venue(1)}, "127.0.0.1"),
        ({"ws_url": "ws://[::1]:1", "rest_url": "http://[::1]:1"}, "[::1]"),
    ],
)
def test_which_exchange(options: dict[str, object], host: str) -> None:
    collector = DataCollector([BTC], **options)
    assert host in collector._state.venue.ws_url.split("/")[2]
    collector.stop()


def test_streams_are_told_apart_by_name(exchange: Server) -> None:
    collector = DataCollector([BTC, "algousdt@1m"], **addresses(exchange))
    assert collector.streams == (BTC, THIN)
    assert "algousdt@1m" in collector.buffer
    assert Stream.parse("algousdt@1m") in collector.buffer
    assert "algousdt@5m" not in collector.buffer
