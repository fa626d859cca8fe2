"""Several streams: a row each, what happened to them below."""

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.events import (
    CandleEvent,
    EndedEvent,
    GapEvent,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)
from klinetail.pipeline.stats import Stats
from tests.strategies import BTCUSDT_1M, candle
from tests.view.tables import ETHUSDT_1M, START, forming, plain, table_of

MANY_STREAMS = """\
 3 streams 1m                                                      binance live

    symbol         close   vs open  last closes     high     low  closes in
    BTCUSDT       100.00  ▼ -0.10%  ▇▁            100.90  100.00       0:45
 !  ETHUSDT       100.50  ▲ +0.40%  ▄             100.90  100.00     closed
    币安人生USDT       –

  GAP  ethusdt@1m 22:13  1 missing: banned





 ◌ starting   closed 0   gaps 0   reconnects 0   2023-11-14 22:15:15 UTC
"""


def test_at_80_columns():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M, Stream("币安人生USDT", Interval.M1))
    table.put([candle(START), forming(START + MINUTE, close="100.00")])
    table.put([candle(START, stream=ETHUSDT_1M)])
    table.mark(GapEvent(ETHUSDT_1M, START - MINUTE, START, "banned"))
    table.status(Stats(), START + MINUTE + 15_000, 0.0)
    assert plain(table.render(80, 14)) == MANY_STREAMS.splitlines()


def test_streams_that_do_not_fit_are_counted():
    streams = [Stream(f"S{k}USDT", Interval.M1) for k in range(1000)]
    lines = plain(table_of(*streams).render(80, 24))
    assert lines[3].split()[0] == "S0USDT"
    assert lines[21] == " +982 more"
    assert lines[0].startswith(" 1000 streams 1m")


def test_different_intervals_have_a_column():
    lines = plain(table_of(BTCUSDT_1M, Stream("BTCUSDT", Interval.MO1)).render(80, 9))
    assert lines[2].split()[:2] == ["BTCUSDT", "1m"]
    assert lines[3].split()[:2] == ["BTCUSDT", "1M"]


def test_a_filled_gap_is_marked_no_more():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.mark(GapEvent(BTCUSDT_1M, START, START + 2 * MINUTE, "418"))
    late, end = candle(START + MINUTE), START + 2 * MINUTE
    table.mark(GapEvent(BTCUSDT_1M, START + MINUTE, end, "418", (late,)))
    assert "btcusdt@1m 22:14  1 missing: 418" in str(plain(table.render(80, 24)))
    table.mark(GapEvent(BTCUSDT_1M, START, START + MINUTE, "418", (candle(START),)))
    assert "GAP" not in str(plain(table.render(80, 24)))


def test_a_gap_is_not_crowded_out_by_lesser_notes():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.mark(GapEvent(BTCUSDT_1M, START, START + MINUTE, "418"))
    other = candle(START, stream=ETHUSDT_1M, count=43)
    for k in range(20):
        old = candle(START + k * MINUTE, stream=ETHUSDT_1M)
        table.mark(RevisionEvent(old, other))
    assert "GAP" in str(plain(table.render(80, 12)))


def test_a_revision_of_what_is_not_kept_is_marked_too():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.mark(RevisionEvent(None, candle(START, stream=ETHUSDT_1M)))
    assert "ethusdt@1m 22:14  now close 100.50" in str(plain(table.render(80, 24)))


def test_a_flood_of_revisions_hides_neither_a_gap_nor_an_end():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.mark(GapEvent(BTCUSDT_1M, START, START + MINUTE, "418"))
    table.mark(EndedEvent(ETHUSDT_1M, "SETTLING"))
    for k in range(500):
        for stream in (BTCUSDT_1M, ETHUSDT_1M):
            old = candle(START + k * MINUTE, stream=stream)
            table.mark(RevisionEvent(old, candle(START, stream=stream, count=43)))
    btc, eth = plain(table.render(80, 24))[3:5]
    assert btc.startswith(" !  BTCUSDT")
    assert eth.startswith(" ×  ETHUSDT")
    assert eth.endswith("ended")
    assert "GAP" in str(plain(table.render(80, 24)))


def test_a_row_says_that_its_stream_ended_however_many_notes_there_are():
    streams = [Stream(f"S{k}USDT", Interval.M1) for k in range(120)]
    table = table_of(*streams)
    table.put(forming(START, stream=stream) for stream in streams)
    table.status(Stats(), START, 0.0)
    for stream in streams:
        table.mark(MuteEvent(stream))
    assert all(row.endswith("mute") for row in plain(table.render(100, 200))[3:123])
    for stream in streams:
        table.mark(EndedEvent(stream, "SETTLING"))
    assert all(row.endswith("ended") for row in plain(table.render(100, 200))[3:123])


def test_a_stream_that_is_traded_again_is_marked_no_more():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.put([forming(START)])
    table.status(Stats(), START, 0.0)
    before = plain(table.render(80, 24))
    for event in (EndedEvent(BTCUSDT_1M, "SETTLING"), PendingEvent(BTCUSDT_1M, 0)):
        table.mark(event)
        assert plain(table.render(80, 24)) != before
        table.mark(TradedEvent(BTCUSDT_1M))
        assert plain(table.render(80, 24)) == before


def test_an_ended_stream_counts_down_no_more():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.put([forming(START)])
    table.mark(EndedEvent(BTCUSDT_1M, "SETTLING"))
    table.status(Stats(), START, 0.0)
    assert plain(table.render(80, 24))[3].endswith("ended")


def test_a_mute_stream_says_so_in_its_row_until_a_frame_comes():
    table = table_of(BTCUSDT_1M, ETHUSDT_1M)
    table.put([forming(START)])
    before = plain(table.render(100, 24))[3]
    table.mark(MuteEvent(BTCUSDT_1M))
    lines = plain(table.render(100, 24))
    assert lines[3].startswith(" ◌   BTCUSDT")
    assert lines[3].endswith("mute")
    assert "  MUTE  btcusdt@1m REST shows trades of which no frame came" in str(lines)
    table.mark(MuteEvent(BTCUSDT_1M, over=True))
    assert plain(table.render(100, 24))[3] == before


def test_a_candle_that_is_being_confirmed_is_a_mark_until_it_is_there():
    waits = UnconfirmedEvent(BTCUSDT_1M, START, START + MINUTE + 25_000)
    gap = GapEvent(BTCUSDT_1M, START, START + MINUTE, "429")
    ended = EndedEvent(BTCUSDT_1M, "SETTLING")
    for end in (CandleEvent(candle(START)), gap, ended):
        table = table_of(BTCUSDT_1M, ETHUSDT_1M)
        table.put([forming(START + MINUTE)])
        assert plain(table.render(100, 24))[3].startswith("     BTCUSDT")
        table.mark(waits)
        assert plain(table.render(100, 24))[3].startswith(" ◌   BTCUSDT")
        earlier = START - MINUTE
        late = (candle(earlier),)
        table.mark(GapEvent(BTCUSDT_1M, earlier, START, "429"))
        table.mark(GapEvent(BTCUSDT_1M, earlier, START, "", late))
        assert plain(table.render(100, 24))[3].startswith(" ◌   BTCUSDT")
        table.mark(end)
        assert not plain(table.render(100, 24))[3].startswith(" ◌")
