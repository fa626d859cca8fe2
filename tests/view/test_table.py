"""The live table: what it says, and that it fits whatever the terminal is."""

import unicodedata
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval, Source, Stream
from klinetail.events import (
    CandleEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.stats import Stats
from klinetail.view import ladder
from klinetail.view.look import ASCII, UNICODE
from klinetail.view.table import REAL, Table
from tests.strategies import BTCUSDT_1M, candle, candles, runs

START = 1_700_000_040_000  # 2023-11-14 22:14 UTC
ETHUSDT_1M = Stream("ETHUSDT", Interval.M1)

ONE_STREAM = """\
 BTCUSDT 1m  100.05 ▼ -0.05%                      closes in 0:40   binance live

   UTC      open    high     low   close   vs open  volume  trades  state
 ✓ 22:14  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  closed
 ✓ 22:15  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  closed
 ↺ 22:16  100.10  100.90  100.00  100.50  ▲ +0.40%  12.500      42  by REST
 ◔ 22:17  100.10  100.90  100.00  100.05  ▼ -0.05%  12.500      42  forming




 ● live   closed 0   gaps 0   reconnects 0   2023-11-14 22:17:20 UTC
"""

MANY_STREAMS = """\
 3 streams 1m                                                      binance live

    symbol         close   vs open  last closes     high     low  closes in
    BTCUSDT       100.00  ▼ -0.10%  ▇▁            100.90  100.00       0:45
 !  ETHUSDT       100.50  ▲ +0.40%  ▄             100.90  100.00     closed
    币安人生USDT       –

  GAP  ethusdt@1m 22:13  1 missing: banned





 ◌ starting   closed 0   gaps 0   reconnects 0   2023-11-14 22:15:15 UTC
"""

hostile = st.text(
    st.characters(codec=None)
    | st.sampled_from("\x1b\x07\x00\r\n\t\x7f\x9b\u202e\u200b\u2028\ud800[]/")
    | st.sampled_from("币é"),
    min_size=1,
    max_size=60,
)
sizes = st.tuples(st.integers(1, 400), st.integers(1, 100)) | st.tuples(
    st.integers(1, 45), st.integers(1, 12)
)


def table_of(*streams, source=REAL, glyphs=UNICODE, tz=UTC):
    return Table(streams or [BTCUSDT_1M], tz=tz, source=source, glyphs=glyphs)


def plain(lines):
    return [line.plain.rstrip() for line in lines]


def filled_table(count=5, **kwargs):
    table = table_of(**kwargs)
    table.put(candle(START + k * MINUTE) for k in range(count))
    table.put([forming(START + count * MINUTE)])
    return table


def forming(open_time, *, stream=BTCUSDT_1M, close="100.50", at=10_000):
    prices = ("100.10", "100.90", "100.00", close)
    made = candle(open_time, stream=stream, prices=prices, closed=False)
    return at_event_time(made, open_time + at)


def at_event_time(made, event_time):
    return type(made)(
        **{
            name: getattr(made, name)
            for name in made.__struct_fields__
            if name != "event_time"
        },
        event_time=event_time,
    )


def assert_fits(lines, width, height):
    assert len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        for character in line.plain:
            assert unicodedata.category(character)[0] != "C"
            assert unicodedata.category(character) not in ("Zl", "Zp")


class TestOneStream:
    def test_at_80_columns(self):
        table = filled_table(2)
        table.put([candle(START + 2 * MINUTE, source=Source.REST)])
        table.put([forming(START + 3 * MINUTE, close="100.05", at=20_000)])
        stats = Stats()
        stats.apply(LinkEvent("a", LinkState.LIVE))
        table.status(stats, START + 3 * MINUTE + 20_000, 5.0)
        assert plain(table.render(80, 12)) == ONE_STREAM.splitlines()

    def test_at_40_columns(self):
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

    def test_only_its_price_is_left_of_a_narrow_row(self):
        assert plain(filled_table(1).render(6, 2)) == ["100.50", "100.50"]

    def test_a_closed_row_is_built_once(self, monkeypatch):
        built = []
        original = ladder.Ladder._closed_cells
        monkeypatch.setattr(
            ladder.Ladder,
            "_closed_cells",
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

    def test_a_closed_candle_is_shown_once(self):
        table = table_of()
        table.put([candle(START), candle(START)])
        table.mark(CandleEvent(candle(START)))
        assert sum("22:14" in line for line in plain(table.render(80, 24))) == 1

    def test_a_forming_row_does_not_go_back(self):
        table = table_of()
        table.put([forming(START, close="100.70", at=20_000)])
        table.put([forming(START, close="100.20", at=10_000)])
        assert "100.70" in plain(table.render(80, 24))[3]
        table.put([candle(START), forming(START, at=50_000)])
        assert "closed" in plain(table.render(80, 24))[3]
        assert not plain(table.render(80, 24))[4]

    def test_a_candle_whose_close_is_awaited_stays_above_the_next(self):
        table = table_of()
        table.put([forming(START, at=59_000), forming(START + MINUTE)])
        first, second = plain(table.render(80, 24))[3:5]
        assert first.startswith(" ◌ 22:14")
        assert first.endswith("closing")
        assert second.endswith("forming")

    def test_history_that_comes_late_goes_above(self):
        table = table_of()
        table.put([forming(START + 2 * MINUTE)])
        table.put([candle(START + MINUTE), candle(START)])
        rows = plain(table.render(80, 24))[3:6]
        assert [row[3:8] for row in rows] == ["22:14", "22:15", "22:16"]

    def test_a_gap_is_a_row_until_it_is_filled(self):
        table = table_of()
        table.put([candle(START), candle(START + 3 * MINUTE)])
        gap = GapEvent(BTCUSDT_1M, START + MINUTE, START + 3 * MINUTE, "418")
        table.mark(gap)
        rows = plain(table.render(80, 24))[3:7]
        assert rows[1] == "  GAP  22:15 → 22:16  2 missing: 418"
        late = tuple(candle(START + k * MINUTE, source=Source.REST) for k in (1, 2))
        table.mark(GapEvent(BTCUSDT_1M, gap.start, gap.end, "418", late))
        rows = plain(table.render(80, 24))[3:7]
        assert [row[1:8] for row in rows] == [
            "✓ 22:14",
            "↺ 22:15",
            "↺ 22:16",
            "✓ 22:17",
        ]

    def test_a_gap_takes_the_place_of_candles_that_never_closed(self):
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

    def test_a_revision_and_the_end_are_rows(self):
        table = table_of()
        table.put([candle(START), candle(START + MINUTE)])
        other = candle(START, prices=("100.10", "100.90", "100.00", "100.40"))
        table.mark(RevisionEvent(candle(START), other))
        table.mark(EndedEvent(BTCUSDT_1M, "SETTLING"))
        rows = plain(table.render(80, 24))[3:7]
        assert rows[1] == "  REVISED  22:14  close 100.50 → 100.40"
        assert rows[3] == "  ENDED  not traded any more: SETTLING"

    def test_a_new_day_is_ruled_off(self):
        midnight = 1_700_006_400_000
        table = table_of()
        table.put([candle(midnight - MINUTE), candle(midnight)])
        rows = plain(table.render(80, 24))[3:6]
        assert rows[1] == " ── Wed 2023-11-15 ──"
        table = table_of(tz=ZoneInfo("Asia/Tokyo"))
        table.put([candle(midnight - MINUTE), candle(midnight)])
        assert plain(table.render(80, 24))[3][3:8] == "08:59"
        assert plain(table.render(80, 24))[4][3:8] == "09:00"

    def test_digits_stay_and_the_points_are_in_line(self):
        table = table_of()
        table.put([candle(START, volumes=("0", "0", "0", "0"), count=0)])
        table.put([candle(START + MINUTE, volumes=("1234.5670", "1", "1", "1"))])
        header, first, second = plain(table.render(100, 24))[2:5]
        assert "1234.5670" in second
        point = second.index("1234.5670") + 4
        assert first[point - 1 : point + 1] == "0 "
        assert header.index("volume") + 6 == point + 5


class TestManyStreams:
    def test_at_80_columns(self):
        table = table_of(BTCUSDT_1M, ETHUSDT_1M, Stream("币安人生USDT", Interval.M1))
        table.put([candle(START), forming(START + MINUTE, close="100.00")])
        table.put([candle(START, stream=ETHUSDT_1M)])
        table.mark(GapEvent(ETHUSDT_1M, START - MINUTE, START, "banned"))
        table.status(Stats(), START + MINUTE + 15_000, 0.0)
        assert plain(table.render(80, 14)) == MANY_STREAMS.splitlines()

    def test_streams_that_do_not_fit_are_counted(self):
        streams = [Stream(f"S{k}USDT", Interval.M1) for k in range(1000)]
        lines = plain(table_of(*streams).render(80, 24))
        assert lines[3].split()[0] == "S0USDT"
        assert lines[21] == " +982 more"
        assert lines[0].startswith(" 1000 streams 1m")

    def test_different_intervals_have_a_column(self):
        lines = plain(
            table_of(BTCUSDT_1M, Stream("BTCUSDT", Interval.MO1)).render(80, 9)
        )
        assert lines[2].split()[:2] == ["BTCUSDT", "1m"]
        assert lines[3].split()[:2] == ["BTCUSDT", "1M"]

    def test_a_filled_gap_is_marked_no_more(self):
        table = table_of(BTCUSDT_1M, ETHUSDT_1M)
        gap = GapEvent(BTCUSDT_1M, START, START + MINUTE, "418")
        table.mark(gap)
        assert "btcusdt@1m 22:14  1 missing: 418" in str(plain(table.render(80, 24)))
        table.mark(GapEvent(BTCUSDT_1M, START, START + MINUTE, "418", (candle(START),)))
        assert "GAP" not in str(plain(table.render(80, 24)))

    def test_a_gap_is_not_crowded_out_by_lesser_notes(self):
        table = table_of(BTCUSDT_1M, ETHUSDT_1M)
        table.mark(GapEvent(BTCUSDT_1M, START, START + MINUTE, "418"))
        other = candle(START, stream=ETHUSDT_1M, count=43)
        for k in range(20):
            old = candle(START + k * MINUTE, stream=ETHUSDT_1M)
            table.mark(RevisionEvent(old, other))
        assert "GAP" in str(plain(table.render(80, 12)))

    def test_an_ended_stream_counts_down_no_more(self):
        table = table_of(BTCUSDT_1M, ETHUSDT_1M)
        table.put([forming(START)])
        table.mark(EndedEvent(BTCUSDT_1M, "SETTLING"))
        table.status(Stats(), START, 0.0)
        assert plain(table.render(80, 24))[3].endswith("ended")


class TestSource:
    @pytest.mark.parametrize("streams", [(BTCUSDT_1M,), (BTCUSDT_1M, ETHUSDT_1M)])
    @pytest.mark.parametrize("width", range(14, 121))
    def test_what_is_not_real_says_so_loudly(self, streams, width):
        lines = table_of(*streams, source="SIM (synthetic market)").render(width, 24)
        for line in (lines[0], lines[-1]):
            assert "SIM" in line.plain
            assert any("reverse" in str(span.style) for span in line.spans)

    def test_binance_live_is_quiet(self):
        lines = table_of().render(80, 24)
        assert lines[0].plain.rstrip().endswith("binance live")
        assert not any("reverse" in str(s.style) for line in lines for s in line.spans)

    def test_the_summary_says_so_too(self):
        table = filled_table(source="SIM (synthetic market)")
        lines = plain(table.summary(80, 6))
        assert "SIM (synthetic market)" in lines[0]
        assert len(lines) == 6
        assert "22:19" in lines[-1]


def test_nothing_is_summed_up_of_nothing():
    assert table_of().summary(80, 24) == []


def test_ascii_is_enough():
    table = table_of(Stream("币安人生USDT", Interval.M1), glyphs=ASCII)
    table.put([candle(START, stream=Stream("币安人生USDT", Interval.M1))])
    lines = table.render(80, 24)
    assert all(line.plain.isascii() for line in lines)
    assert lines[0].plain.startswith(" ????????USDT 1m  100.50 ^ +0.40%")


def test_the_wait_of_a_link_counts_down():
    table = table_of()
    stats = Stats()
    stats.apply(LinkEvent("a", LinkState.WAITING, "reset", 3, 8.0))
    table.status(stats, None, 100.0)
    assert "waiting 8s, attempt 3: reset" in table.render(80, 24)[-1].plain
    table.status(stats, None, 105.0)
    assert "waiting 3s, attempt 3: reset" in table.render(80, 24)[-1].plain
    table.status(stats, None, 200.0)
    assert "waiting 0s, attempt 3: reset" in table.render(80, 24)[-1].plain


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@given(
    runs=st.lists(runs(max_size=4), min_size=1, max_size=3),
    loose=st.lists(candles(), max_size=3),
    texts=st.lists(hostile, min_size=4, max_size=4),
    size=sizes,
    time=st.none() | st.integers(0, 253_402_300_799_999),
)
@settings(max_examples=60)
def test_fits_any_terminal_and_lets_nothing_out(glyphs, runs, loose, texts, size, time):
    source, symbol, reason, status = texts
    seen = [made for run in runs for made in run] + loose
    strange = Stream(symbol, Interval.M1)
    streams = [strange, *(made.stream for made in seen)]
    stats = Stats()
    stats.apply(LinkEvent("a", LinkState.WAITING, reason, 2, 4.0))
    for shown in ([strange], streams[-1:], streams):
        table = table_of(*shown, source=source, glyphs=glyphs)
        table.put(seen)
        table.put([candle(START, stream=strange)])
        for stream in shown:
            table.mark(GapEvent(stream, START, START + MINUTE, reason))
            table.mark(EndedEvent(stream, status))
        table.status(stats, time, 1.0)
        for _ in range(2):
            assert_fits(table.render(*size), *size)
            assert_fits(table.summary(*size), *size)


@given(run=runs(BTCUSDT_1M, min_size=1), size=sizes)
def test_the_newest_is_at_the_bottom(run, size):
    table = table_of()
    table.put(run)
    width, height = 200, size[1]
    bottom = [line for line in plain(table.render(width, height)) if line]
    newest = bottom[-1] if height < 3 else bottom[-2]
    assert run[-1].close_text in newest
    assert run[-1].volume_text in newest
