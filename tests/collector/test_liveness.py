"""What keeps a collector's lines alive, over real sockets where it matters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from klinetail import DataCollector
from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.events import (
    CLOCK,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PendingEvent,
    TradedEvent,
)
from klinetail.exchange.rest_client import BinanceRest
from klinetail.pipeline.stats import Stats
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.venues import own_venue, sim_venue
from klinetail.sim.history import Afterlife
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    START,
    THIN,
    FakeRest,
    Seen,
    collect,
    never,
    whole,
)
from tests.held import Held
from tests.toxic import Toxic, same
from tests.venue import eventually

ETH = Stream("ETHUSDT", Interval.M1)


def reasons(seen: Seen) -> list[str]:
    return [e.reason for e in seen.events if isinstance(e, LinkEvent)]


def test_renewals_lose_nothing_and_are_no_reconnects(exchange: Server) -> None:
    seen = Seen()
    collector = collect(exchange, [BTC, THIN], seen, lines=3, lifetime=1.0)
    collector.start()
    try:
        seen.wait(lambda: reasons(seen).count("the connection was renewed") >= 3)
        known = len(seen.closed(BTC))
        seen.wait(
            lambda: sum(c.closed and c.stream == BTC for c in seen.candles) > known + 5
        )
        assert exchange.connections <= 2
    finally:
        collector.stop()
    states = [e.state for e in seen.events if isinstance(e, LinkEvent) and e.connection]
    assert LinkState.WAITING not in states
    assert not [e for e in seen.events if isinstance(e, DropEvent)]
    for stream in (BTC, THIN):
        whole(exchange, seen, stream)


def test_an_address_that_acks_and_stays_silent_is_named_and_rest_goes_on() -> None:
    seen = Seen()
    with Server(Synthetic(seed=7, start=START), speed=60) as server:
        silent = own_venue(
            f"ws://127.0.0.1:{server.port}", sim_venue(server.port).rest_url
        )
        collector = DataCollector(
            [BTC], seen.candle, on_event=seen.event, venue=silent, lines=1
        )
        collector.start()
        try:
            words = "no candle comes"
            seen.wait(lambda: any(words in reason for reason in reasons(seen)))
            seen.wait(lambda: sum(c.closed for c in seen.candles) > 3)
            seen.wait(lambda: MuteEvent(BTC) in seen.events)
        finally:
            collector.stop()
        stats = Stats()
        for event in seen.events:
            stats.apply(event)
        assert stats.mute == {BTC}, "once, and no frame ended it"
        closed = whole(server, seen, BTC)
        assert {c.source for c in closed} == {Source.REST}


def recorded(stream: Stream, minutes: int) -> list[Candle]:
    volumes = ("7", START - START % MINUTE + MINUTE - 1, "7", 3, "1", "1")
    first = START - START % MINUTE
    return [
        Candle(
            stream,
            first + n * MINUTE,
            "5.0",
            "5.5",
            "4.5",
            "5.1",
            volumes[0],
            first + (n + 1) * MINUTE - 1,
            *volumes[2:],
            True,
            Source.REST,
        )
        for n in range(minutes)
    ]


def test_a_symbol_that_is_not_traded_any_more_ends_without_a_gap() -> None:
    seen = Seen()
    market = Recorded([*recorded(BTC, 4000), *recorded(ETH, 2010)])
    with Server(market, speed=600) as server:
        collector = collect(server, [BTC, ETH], seen, lines=2)
        collector.start()
        try:
            seen.wait(lambda: any(isinstance(e, EndedEvent) for e in seen.events))
            known = len(seen.closed(BTC))
            seen.wait(
                lambda: (
                    sum(c.closed and c.stream == BTC for c in seen.candles) > known + 5
                )
            )
        finally:
            collector.stop()
        (ended,) = [e for e in seen.events if isinstance(e, EndedEvent)]
        assert ended == EndedEvent(ETH, "SETTLING")
        assert not [e for e in seen.events if isinstance(e, GapEvent)]
        last = whole(server, seen, ETH)[-1]
        assert last.open_time == recorded(ETH, 2010)[-1].open_time


def test_when_all_streams_have_ended_so_has_the_collector() -> None:
    seen = Seen()
    market = Recorded([*recorded(BTC, 4000), *recorded(ETH, 2010)])
    with Server(market, speed=600) as server:
        collector = collect(server, [ETH], seen, lines=2)
        collector.start()
        try:
            assert collector.ended.exception(2 * PATIENCE) is None
        finally:
            collector.stop()


SETTLED = START - START % MINUTE + 3 * MINUTE
INFO = "/fapi/v1/exchangeInfo"
LISTED = [Listing(name, "TRADING") for name in ("BTCUSDT", "ETHUSDT")]
"""What is known at the start, so that nobody has to ask."""


def settling(**changes: object) -> Synthetic:
    """A market in which ETHUSDT has its last trade three minutes from now, and nobody
    knows."""
    usual = {"end": SETTLED, "afterlife": Afterlife.PUSHES, "announced": 1 << 50}
    return Synthetic(seed=7, start=START, changes={"ETHUSDT": usual | changes})


def ends_of(seen: Seen) -> list[EndedEvent]:
    return [e for e in seen.events if isinstance(e, EndedEvent)]


@pytest.mark.parametrize("afterlife", [Afterlife.PUSHES, Afterlife.ROWS])
def test_candles_stop_when_a_symbol_has_settled_and_it_is_said(
    afterlife: Afterlife,
) -> None:
    """Whether its closes are pushed for ever or rows are made for ever."""
    seen = Seen()
    market = settling(afterlife=afterlife)
    clock = Held()
    with Server(market, speed=600, monotonic=clock) as server:
        collector = collect(server, [BTC, ETH], seen, lines=2, listed=LISTED)
        collector.start()
        try:
            seen.wait_live()
            clock.let_go()
            seen.wait(lambda: bool(ends_of(seen)))
            at_end, known = len(seen.closed(ETH)), len(seen.closed(BTC))
            seen.wait(lambda: len(seen.closed(BTC)) > known + 10)
        finally:
            collector.stop()
        assert server.requests(INFO) == 1
        assert ends_of(seen) == [EndedEvent(ETH, "SETTLING")]
        closed = whole(server, seen, ETH)
        assert len(closed) == at_end, "none after it"
        flat = [c for c in closed if c.open_time >= SETTLED]
        assert {c.count for c in flat} <= {0}
        whole(server, seen, BTC)


def test_the_last_candle_of_a_long_interval_comes_though_it_has_ended() -> None:
    seen = Seen()
    hourly = Stream("ETHUSDT", Interval.H1)
    hour = Interval.H1.floor(START)
    market = settling(end=hour + 48 * MINUTE)
    clock = Held()
    with Server(market, speed=600, start=hour + 45 * MINUTE, monotonic=clock) as server:
        collector = collect(server, [ETH, hourly], seen, lines=1)
        collector.start()
        try:
            seen.wait_live()
            clock.let_go()
            assert collector.ended.exception(2 * PATIENCE) is None
        finally:
            collector.stop()
        assert ends_of(seen) == [EndedEvent(s, "SETTLING") for s in (ETH, hourly)]
        closed = whole(server, seen, hourly)
        assert closed[-1].open_time == hour
        assert closed[-1].count > 0


def test_a_date_that_was_known_at_the_start_decides_at_once() -> None:
    seen = Seen()
    clock = Held()
    with Server(settling(announced=0), speed=60, monotonic=clock) as server:
        streams = [BTC, ETH, Stream("SOLUSDT", Interval.H1)]
        rest = BinanceRest(server.venue)
        listed = rest.listings()
        rest.close()
        collector = collect(server, streams, seen, lines=1, listed=listed)
        collector.start()
        try:
            seen.wait_live()
            clock.let_go()
            seen.wait(lambda: bool(ends_of(seen)))
        finally:
            collector.stop()
        assert server.requests(INFO) == 2, "one of them before the start"
        assert ends_of(seen) == [EndedEvent(ETH, "SETTLING")]
        whole(server, seen, ETH)


def test_a_market_that_is_closed_for_hours_is_asked_about_once_and_does_not_end() -> (
    None
):
    seen = Seen()
    market = settling(afterlife=Afterlife.ROWS, statuses=((0, "TRADING"),))
    clock = Held()
    with Server(market, speed=600, monotonic=clock) as server:
        collector = collect(server, [BTC, ETH], seen, lines=1, listed=LISTED)
        collector.start()
        try:
            seen.wait_live()
            clock.let_go()
            over = SETTLED + 15 * MINUTE
            seen.wait(lambda: any(c.open_time > over for c in seen.closed(ETH)))
        finally:
            collector.stop()
        assert server.requests(INFO) == 1
        assert ends_of(seen) == []
        whole(server, seen, ETH)


def test_what_is_not_traded_yet_is_awaited() -> None:
    seen = Seen()
    first = START - START % MINUTE + 20 * MINUTE
    market = Synthetic(7, START, {"ETHUSDT": {"first": first}})
    clock = Held()
    with Server(market, speed=600, monotonic=clock) as server:
        collector = collect(server, [ETH], seen, lines=5)
        collector.start()
        try:
            seen.wait_live()
            clock.let_go()
            collector._state.lifecycle.history.result(PATIENCE)
            seen.wait(lambda: TradedEvent(ETH) in seen.events)
            assert server.now() >= first
            seen.wait(lambda: len([c for c in seen.candles if c.closed]) > 3)
        finally:
            collector.stop()
        assert ends_of(seen) == []
        told = [e for e in seen.events if isinstance(e, PendingEvent)]
        assert told == [PendingEvent(ETH, first)]
        assert server.requests("/fapi/v1/klines") < 20
        assert whole(server, seen, ETH)[0].open_time == first


@pytest.mark.parametrize("asleep", [0.0, 3600.0])
def test_after_a_sleep_the_time_is_read_again(asleep: float) -> None:
    seen = Seen()
    rest = FakeRest()
    slept = [0.0]
    read: list[int] = []

    def server_time() -> int:
        read.append(rest.time)
        return rest.time

    rest.server_time = server_time  # type: ignore[method-assign]
    collector = DataCollector(
        [BTC],
        seen.candle,
        on_event=seen.event,
        rest=rest,
        connect=never,
        slept=lambda: slept[0],
    )
    collector.start()
    try:
        seen.wait(lambda: bool(seen.events))
        slept[0] += asleep
        rest.time += int(asleep * 1000)
        if asleep:
            seen.wait(lambda: len(read) > 2)
            asleep_until = START + asleep * 1000
            eventually(lambda: collector.exchange_time() >= asleep_until, "the leap")
        else:
            seen.wait(lambda: len(seen.events) > 6)
            assert len(read) == 2, "at the start it is read twice"
    finally:
        collector.stop()


HOURS = 3 * 3_600_000


def lying(by: int) -> Callable[[bytes], bytes]:
    """Changes the exchange's time in what passes."""
    return lambda data: re.sub(
        rb'("serverTime":)(\d{13})',
        lambda found: found[1] + b"%d" % (int(found[2]) + by),
        data,
    )


@pytest.mark.parametrize(("by", "lines"), [(HOURS, 0), (-HOURS, 3)])
def test_a_start_on_a_wrong_time_waits_says_so_and_is_whole(
    by: int, lines: int
) -> None:
    """3 h ahead, nothing came and nothing was said; 3 h behind, 182 candles for 3."""
    seen = Seen()
    with (
        Server(Synthetic(seed=7, start=START), speed=200) as server,
        Toxic(server.port) as rest,
    ):
        rest.down = lying(by)
        there = own_venue(sim_venue(server.port).ws_url, rest.rest_url)
        collector = DataCollector(
            [BTC, THIN], seen.candle, on_event=seen.event, venue=there, lines=lines
        )
        collector.start()
        try:
            seen.wait(lambda: waits_for(CLOCK, seen))
            assert seen.candles == []
            assert collector.exchange_time() is None
            told_at = server.now()
            rest.down = same
            seen.wait(lambda: all(len(seen.closed(s)) > lines for s in (BTC, THIN)))
        finally:
            collector.stop()
        for stream in (BTC, THIN):
            first = whole(server, seen, stream)[0]
            assert first.open_time >= told_at - told_at % MINUTE - lines * MINUTE
    ended = [
        e.state for e in seen.events if isinstance(e, LinkEvent) and e.link == CLOCK
    ]
    assert ended[-1] is LinkState.IDLE


def test_a_line_that_comes_back_before_the_time_is_known_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = Seen()
    with (
        Server(Synthetic(seed=7, start=START), speed=200) as server,
        Toxic(server.port) as rest,
    ):
        rest.down = lying(HOURS)
        there = own_venue(sim_venue(server.port).ws_url, rest.rest_url)
        collector = DataCollector(
            [BTC], seen.candle, on_event=seen.event, venue=there, lines=2
        )
        collector.start()
        try:
            for times in (1, 2, 3):
                seen.wait(lambda times=times: lives_of(seen) >= times)
                if times == 1:
                    rest.refuse()
                server.disconnect_all()
            seen.wait(lambda: lives_of(seen) >= 4)
            assert collector.exchange_time() is None
            rest.heal()
            seen.wait(lambda: len(seen.closed(BTC)) > 4)
        finally:
            collector.stop()
        whole(server, seen, BTC)
    assert caplog.records == []


def lives_of(seen: Seen) -> int:
    """How many times a connection has become live."""
    return sum(
        isinstance(e, LinkEvent) and e.connection and e.state is LinkState.LIVE
        for e in seen.events
    )


def waits_for(link: str, seen: Seen) -> bool:
    return any(
        isinstance(e, LinkEvent) and e.link == link and e.state is LinkState.WAITING
        for e in seen.events
    )


@pytest.mark.parametrize("by", [HOURS, -45_000])
def test_a_wrong_time_at_a_reconnect_changes_nothing(by: int) -> None:
    """Two of five closed candles were unfinished rows."""
    seen = Seen()
    with (
        Server(Synthetic(seed=7, start=START), speed=200) as server,
        Toxic(server.port) as line,
        Toxic(server.port) as rest,
    ):
        there = own_venue(f"{line.ws_url}/market", rest.rest_url)
        collector = DataCollector(
            [BTC, THIN],
            seen.candle,
            on_event=seen.event,
            venue=there,
            lines=1,
            random=lambda: 0.05,
        )
        collector.start()
        try:
            seen.wait(lambda: all(len(seen.closed(s)) > 1 for s in (BTC, THIN)))
            # Until then the clock of an exchange that runs fast is far behind.
            eventually(lambda: collector._state.clock.pace > 50, "the pace is learnt")
            rest.down = lying(by)
            line.cut()
            seen.wait_live(2)
            known = {stream: len(seen.closed(stream)) for stream in (BTC, THIN)}
            seen.wait(lambda: all(len(seen.closed(s)) > known[s] + 1 for s in known))
            off = collector.exchange_time() - server.now()
            assert abs(off) < HOURS / 2, "it is as predicted"
            rest.down = same
            known = {stream: len(seen.closed(stream)) for stream in (BTC, THIN)}
            seen.wait(lambda: all(len(seen.closed(s)) > known[s] + 1 for s in known))
        finally:
            collector.stop()
        for stream in (BTC, THIN):
            whole(server, seen, stream)
