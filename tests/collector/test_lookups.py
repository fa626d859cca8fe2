"""What is asked about silence, and what follows from the answers."""

from __future__ import annotations

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.lookups import Lookups
from klinetail.collector.shards import Shard
from klinetail.collector.silence import LASTING, SAMPLE
from klinetail.contract.series import Series
from klinetail.errors import Unreachable
from klinetail.events import MuteEvent
from klinetail.protocol.klines import BadRow, Row
from tests.collector.collecting import FakeRest
from tests.contract.minutes import T0, candle
from tests.states import Times, state_of

STREAMS = [Stream(name, Interval.M1) for name in ("AUSDT", "BUSDT", "CUSDT", "DUSDT")]
NOW = Moment(T0 + 4 * MINUTE, 240.0)


class FakeLink:
    """Takes note of what it is to do."""

    def __init__(self) -> None:
        self.again: list[str] = []
        self.reasons: list[str] = []
        self.wheres: list[str] = []
        self.candles = 0

    def subscribe_again(
        self, streams: list[str], reason: str = "", where: str = ""
    ) -> None:
        self.again += streams
        self.reasons += [reason] if reason else []
        self.wheres += [where] if reason else []

    def distrust(self, reason: str, where: str = "") -> None:
        self.reasons.append(reason)
        self.wheres.append(where)


class Asked:
    """Look-ups whose requests are sent when the test says so."""

    def __init__(self) -> None:
        self.rest = FakeRest()
        self.series = {stream: Series(stream) for stream in STREAMS}
        self.mute: list[MuteEvent] = []
        self.link = FakeLink()
        self.shard = Shard("link-0", STREAMS)
        state = state_of(self.series, self.rest, self.mute)
        self.jobs = state.backfill.jobs
        self.times = Times(self.rest.server_time)
        self.lookups = Lookups(state, self.times)

    def send(self) -> None:
        for _, _, job in self.jobs:
            job()
        self.jobs.clear()

    def look(self) -> None:
        self.lookups.silent_link(self.shard, self.link)
        self.send()


def test_a_mute_stream_is_subscribed_again_and_then_its_link_is_distrusted() -> None:
    asked = Asked()
    series = asked.series[STREAMS[1]]
    series.begin(Moment(T0, 0.0))
    series.resume(Moment(T0, 0.0))
    asked.link.candles = 1
    series.hearing.unheard_since = NOW.monotonic

    def mute(unheard: int, seconds: float) -> None:
        series.hearing.unheard = unheard
        now = Moment(NOW.exchange, series.hearing.unheard_since + seconds)
        asked.lookups.mute_stream(series, asked.link, now)

    mute(0, 0.0)
    assert (asked.link.again, asked.link.reasons, asked.mute) == ([], [], [])
    mute(1, 0.0)
    assert asked.link.again == ["busdt@kline_1m"]
    assert asked.mute == [MuteEvent(STREAMS[1])]
    mute(7, LASTING - 1.0)
    assert asked.link.reasons == []
    mute(7, LASTING)
    mute(8, 2 * LASTING)
    assert asked.link.again == ["busdt@kline_1m"]
    (reason, _) = asked.link.reasons
    assert "busdt@1m is mute" in reason
    mute(20, 1000.0)
    assert len(asked.link.reasons) == 2
    assert asked.mute == [MuteEvent(STREAMS[1])], "once"
    series.hearing.unheard_since += 1000.0
    mute(3, 0.0)
    assert len(asked.link.again) == 2, "it was heard meanwhile"
    assert len(asked.link.reasons) == 2


def test_a_mute_stream_of_a_link_without_any_candle_names_the_address() -> None:
    asked = Asked()
    series = asked.series[STREAMS[1]]
    for unheard in (1, 2):
        series.hearing.unheard = unheard
        asked.lookups.mute_stream(series, asked.link, NOW)
    assert asked.link.again == ["busdt@kline_1m"]
    assert len(asked.link.reasons) == 2
    assert all("no candle comes" in one for one in asked.link.reasons)
    assert asked.link.wheres == ["this one is wss://wrong.example"] * 2


def traded(asked: Asked, count: int) -> None:
    asked.rest.rows = [traded_row(stream, count) for stream in STREAMS]
    rows = {r.stream: r for r in asked.rest.rows}
    asked.rest.klines = lambda stream, *, start=None, limit: [rows[stream]]


def traded_row(stream: Stream, count: int) -> Candle:
    return candle(T0, count, source=Source.REST, stream=stream)


def test_a_link_is_looked_into_with_a_few_streams_and_before_all_else() -> None:
    asked = Asked()
    of: list[Stream] = []
    asked.rest.klines = lambda stream, **_: of.append(stream) or []
    asked.lookups.silent_link(asked.shard, asked.link)
    assert asked.jobs[0][:2] == (Urgency.TIME, SAMPLE + 1)
    asked.send()
    assert of == STREAMS[:SAMPLE]
    assert (asked.link.again, asked.link.reasons) == ([], [])


ALL = [f"{s.symbol.lower()}@kline_1m" for s in STREAMS]


def test_an_address_that_never_sent_a_candle_is_named_when_it_is_asked_again() -> None:
    asked = Asked()
    for count in (1, 1, 2, 3):
        traded(asked, count)
        assert asked.link.again == []
        asked.look()
    assert asked.link.again == ALL
    (reason,) = asked.link.reasons
    assert reason.startswith("no candle comes, though subscriptions are acked")
    assert asked.link.wheres == ["this one is wss://wrong.example"]
    assert asked.mute == [MuteEvent(stream) for stream in STREAMS[:SAMPLE]]
    for count in (4, 5):
        traded(asked, count)
        asked.look()
    assert asked.link.again == ALL
    assert asked.link.reasons == [reason] * 2


def test_a_link_that_fell_silent_is_asked_again_and_then_distrusted() -> None:
    asked = Asked()
    asked.link.candles = 1000
    for count in range(3):
        assert asked.link.reasons == []
        assert asked.mute == []
        traded(asked, count)
        asked.look()
    assert asked.link.again == ALL
    reason = "link-0 is mute: REST shows trades of which no frame came"
    assert asked.link.reasons == [reason], "whoever looks must know"
    assert asked.mute == [MuteEvent(stream) for stream in STREAMS[:SAMPLE]]
    for count in (3, 4):
        traded(asked, count)
        asked.look()
    assert asked.link.again == ALL
    assert asked.link.reasons == [reason] * 2


def test_a_frame_that_comes_during_the_look_spoils_it() -> None:
    asked = Asked()

    def klines(stream: Stream, *, start: int | None = None, limit: int) -> list[Candle]:
        asked.link.candles += 1
        return [traded_row(stream, asked.link.candles)]

    asked.rest.klines = klines
    for _ in range(9):
        asked.look()
    assert (asked.link.again, asked.link.reasons) == ([], [])


def test_a_bad_row_shows_no_trade() -> None:
    asked = Asked()

    def klines(stream: Stream, *, start: int | None = None, limit: int) -> list[Row]:
        return [traded_row(stream, 1), BadRow(T0 + MINUTE, "no number")]

    asked.rest.klines = klines
    for _ in range(9):
        asked.look()
    assert (asked.link.again, asked.link.reasons) == ([], [])


def test_a_look_that_fails_says_nothing() -> None:
    asked = Asked()
    traded(asked, 1)
    asked.look()
    asked.rest.failure = Unreachable("no route")
    asked.rest.klines = lambda stream, **_: FakeRest.klines(asked.rest, stream, limit=1)
    asked.times.read = lambda: T0
    asked.look()
    assert (asked.link.again, asked.link.reasons) == ([], [])
