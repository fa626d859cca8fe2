"""One stream: a row a candle, the newest at the bottom."""

from zoneinfo import ZoneInfo

from klinetail.candle import MINUTE, Source
from klinetail.events import (
    CandleEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)
from klinetail.pipeline.stats import Stats
from klinetail.view import candle_table
from tests.strategies import BTCUSDT_1M, candle
from tests.view.tables import START, filled_table, forming, plain, table_of

ONE_STREAM = """\
 BTCUSDT 1m  100.05 ▼ -0.05%                      closes in 0:40   binance live

   UTC      open    high     low   close   vs open  volume  trades  state
 ✓ 22:14  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  closed
 ✓ 22:15  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  closed
 ↺ 22:16  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  by REST
 ◔ 22:17  100.10  100.90  100.00  100.05  ▼ -0.05%  12.500      42  forming




 ● live   closed 0   gaps 0   reconnects 0   2023-11-14 22:17:20 UTC
"""


def test_at_80_columns():
    table = filled_table(2)
    table.put([candle(START + 2 * MINUTE, source=Source.REST)])
    table.put([forming(START + 3 * MINUTE, close="100.05", at=20_000)])
    stats = Stats()
    stats.apply(LinkEvent("a", LinkState.LIVE))
    table.status(stats, START + 3 * MINUTE + 20_000, 5.0)
    assert plain(table.render(80, 12)) == ONE_STREAM.splitlines()


def test_at_40_columns():
    assert plain(filled_table(1).render(40, 8)) == [
        " BTCUSDT 1m  100.50 ▲ +0.40%",
        "   UTC      close    vs open   volume",
        " ✓ 22:14   100.50   ▲ +0.40%   12.500",
        " ○ 22:15   100.50   ▲ +0.40%   12.500",
        "",
        "",
        "",
        " ◌ starting   closed 0   gaps 0",
    ]


def test_only_its_price_is_left_of_a_narrow_row():
    assert plain(filled_table(1).render(6, 2)) == ["100.50", "100.50"]


def test_a_closed_row_is_built_once(monkeypatch):
    built = []
    original = candle_table.CandleTable._closed_row
    monkeypatch.setattr(
        candle_table.CandleTable,
        "_closed_row",
        lambda self, c: built.append(c.open_time) or original(self, c),
    )
    table = filled_table(5)
    for update in range(50):
        table.put([forming(START + 5 * MINUTE, at=10_000 + update)])
        table.render(80, 24)
    assert built == [START + k * MINUTE for k in (4, 3, 2, 1, 0)]
    before = table.render(80, 24)
    table.put([candle(START + 5 * MINUTE)])
    after = table.render(80, 24)
    assert len(built) == 6
    assert all(
        mine is theirs for mine, theirs in zip(before[3:8], after[3:8], strict=True)
    )


def test_a_closed_candle_is_shown_once():
    table = table_of()
    table.put([candle(START), candle(START)])
    table.mark(CandleEvent(candle(START)))
    assert sum("22:14" in line for line in plain(table.render(80, 24))) == 1


def test_a_forming_row_does_not_go_back():
    table = table_of()
    table.put([forming(START, close="100.70", at=20_000)])
    table.put([forming(START, close="100.20", at=10_000)])
    assert "100.70" in plain(table.render(80, 24))[3]
    table.put([candle(START), forming(START, at=50_000)])
    assert "closed" in plain(table.render(80, 24))[3]
    assert not plain(table.render(80, 24))[4]


def test_a_candle_whose_close_is_awaited_stays_above_the_next():
    table = table_of()
    table.put([forming(START, at=59_000), forming(START + MINUTE)])
    first, second = plain(table.render(80, 24))[3:5]
    assert first.startswith(" ◌ 22:14")
    assert first.endswith("closing")
    assert second.endswith("forming")


def test_history_that_comes_late_goes_above():
    table = table_of()
    table.put([forming(START + 2 * MINUTE)])
    table.put([candle(START + MINUTE), candle(START)])
    rows = plain(table.render(80, 24))[3:6]
    assert [row[3:8] for row in rows] == ["22:14", "22:15", "22:16"]


def test_a_gap_is_a_row_until_it_is_filled():
    table = table_of()
    table.put([candle(START), candle(START + 3 * MINUTE)])
    gap = GapEvent(BTCUSDT_1M, START + MINUTE, START + 3 * MINUTE, "418")
    table.mark(gap)
    rows = plain(table.render(80, 24))[3:7]
    assert rows[1] == "  GAP  22:15 → 22:16  2 missing: 418"
    late = tuple(candle(START + k * MINUTE, source=Source.REST) for k in (1, 2))
    half = gap.start + MINUTE
    table.mark(GapEvent(BTCUSDT_1M, gap.start, half, "418", late[:1]))
    rows = plain(table.render(80, 24))[3:7]
    assert rows[2] == "  GAP  22:16  1 missing: 418"
    table.mark(GapEvent(BTCUSDT_1M, half, gap.end, "418", late[1:]))
    rows = plain(table.render(80, 24))[3:7]
    assert [row[1:8] for row in rows] == [
        "✓ 22:14",
        "↺ 22:15",
        "↺ 22:16",
        "✓ 22:17",
    ]


def test_a_gap_takes_the_place_of_candles_that_never_closed():
    table = table_of()
    table.put([candle(START), forming(START + MINUTE), forming(START + 3 * MINUTE)])
    table.mark(GapEvent(BTCUSDT_1M, START + MINUTE, START + 3 * MINUTE, "429"))
    rows = plain(table.render(80, 24))[3:7]
    assert [row[:8].strip() for row in rows] == [
        "✓ 22:14",
        "GAP  2",
        "○ 22:17",
        "",
    ]


def test_a_revision_and_the_end_are_rows():
    table = table_of()
    table.put([candle(START), candle(START + MINUTE)])
    other = candle(START, prices=("100.10", "100.90", "100.00", "100.40"))
    table.mark(RevisionEvent(candle(START), other))
    table.mark(EndedEvent(BTCUSDT_1M, "SETTLING"))
    rows = plain(table.render(80, 24))[3:7]
    assert rows[1] == "  REVISED  22:14  close 100.50 → 100.40"
    assert rows[3] == "  ENDED  not traded any more: SETTLING"


def test_a_revision_of_what_is_not_kept_is_a_row_in_its_place():
    table = table_of()
    table.put([candle(START), candle(START + 2 * MINUTE)])
    table.mark(RevisionEvent(None, candle(START + MINUTE)))
    rows = plain(table.render(80, 24))[3:6]
    assert rows[1].startswith("  REVISED  22:15  now close 100.50, high 100.90, low")


def test_a_stream_that_is_traded_again_has_no_such_row_any_more():
    table = table_of()
    table.put([candle(START)])
    before = plain(table.render(80, 24))
    for event, row in (
        (EndedEvent(BTCUSDT_1M, "SETTLING"), "  ENDED  not traded any more: SETTLING"),
        (PendingEvent(BTCUSDT_1M, 0), "  PENDING  not traded yet"),
    ):
        table.mark(event)
        assert row in plain(table.render(80, 24))
        table.mark(TradedEvent(BTCUSDT_1M))
        assert plain(table.render(80, 24)) == before


def test_a_new_day_is_ruled_off():
    midnight = 1_700_006_400_000
    table = table_of()
    table.put([candle(midnight - MINUTE), candle(midnight)])
    rows = plain(table.render(80, 24))[3:6]
    assert rows[1] == " ── Wed 2023-11-15 ──"
    table = table_of(tz=ZoneInfo("Asia/Tokyo"))
    table.put([candle(midnight - MINUTE), candle(midnight)])
    assert plain(table.render(80, 24))[3][3:8] == "08:59"
    assert plain(table.render(80, 24))[4][3:8] == "09:00"


def test_digits_stay_and_the_points_are_in_line():
    table = table_of()
    table.put([candle(START, volumes=("0", "0", "0", "0"), count=0)])
    table.put([candle(START + MINUTE, volumes=("1234.5670", "1", "1", "1"))])
    header, first, second = plain(table.render(100, 24))[2:5]
    assert "1234.5670" in second
    point = second.index("1234.5670") + 4
    assert first[point - 1 : point + 1] == "0 "
    assert header.index("volume") + 6 == point + 5


def test_a_mute_stream_is_a_row_until_a_frame_comes():
    table = filled_table(1)
    table.mark(MuteEvent(BTCUSDT_1M))
    rows = plain(table.render(80, 24))[3:6]
    assert rows[2].startswith("  MUTE  REST shows trades of which no frame came")
    table.mark(MuteEvent(BTCUSDT_1M, over=True))
    assert not plain(table.render(80, 24))[5]


def test_a_candle_that_is_being_confirmed_is_a_row_that_says_so():
    table = filled_table(1)  # 22:14 closed, 22:15 forming
    table.put([forming(START + 2 * MINUTE)])
    waits = UnconfirmedEvent(BTCUSDT_1M, START + MINUTE, START + 2 * MINUTE + 25_000)
    table.mark(waits)
    rows = plain(table.render(80, 24))[3:7]
    assert [row[3:8] for row in rows[:3]] == ["22:14", "22:15", "22:16"]
    assert "closing" in rows[1], "what is known of it is more than that"


def test_what_is_being_confirmed_goes_when_it_is_there_or_given_up():
    waits = UnconfirmedEvent(BTCUSDT_1M, START + MINUTE, START + 2 * MINUTE + 25_000)
    gap = GapEvent(BTCUSDT_1M, START + MINUTE, START + 2 * MINUTE, "429")
    closed = CandleEvent(candle(START + MINUTE, source=Source.REST))
    for end in (closed, gap, EndedEvent(BTCUSDT_1M, "SETTLING")):
        table = table_of()
        table.put([candle(START), forming(START + 2 * MINUTE)])
        table.mark(waits)
        table.status(Stats(), START + 2 * MINUTE + 10_500, 0.0)
        rows = plain(table.render(80, 24))[3:7]
        assert [row[3:8] for row in rows[:3]] == ["22:14", "22:15", "22:16"]
        assert rows[1] == " ◌ 22:15  being confirmed, 15 s more"
        table.status(Stats(), START + 2 * MINUTE + 30_000, 0.0)
        assert plain(table.render(80, 24))[4] == " ◌ 22:15  being confirmed"
        table.mark(end)
        assert "being confirmed" not in str(plain(table.render(80, 24)))
        if end is closed:
            table.mark(waits)
            shown = "\n".join(plain(table.render(80, 24)))
            assert "being confirmed" not in shown
            assert shown.count("22:15") == 1
