"""The live table: what it says, and that it fits whatever the terminal is."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.events import (
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
)
from klinetail.pipeline.stats import Stats
from klinetail.protocol.venues import LIVE
from klinetail.view.theme import ASCII, UNICODE
from tests.cases import Case
from tests.strategies import BTCUSDT_1M, candle, candles, runs
from tests.view.tables import ETHUSDT_1M, START, filled_table, plain, table_of

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


def assert_fits(lines, width, height):
    assert len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        for character in line.plain:
            assert unicodedata.category(character)[0] != "C"
            assert unicodedata.category(character) not in ("Zl", "Zp")


class TestSource:
    @pytest.mark.parametrize("streams", [(BTCUSDT_1M,), (BTCUSDT_1M, ETHUSDT_1M)])
    def test_what_is_not_real_says_so_loudly(self, streams):
        for width in range(14, 121):
            table = table_of(*streams, source="SIM (synthetic market)")
            lines = table.render(width, 24)
            for line in (lines[0], lines[-1]):
                with Case(width):
                    assert "SIM" in line.plain
                    assert any("reverse" in style for _, style in line.cells)

    def test_binance_live_is_quiet(self):
        lines = table_of().render(80, 24)
        assert lines[0].plain.rstrip().endswith("binance live")
        assert not any("reverse" in style for line in lines for _, style in line.cells)

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
    assert "trying again, attempt 3: reset" in table.render(80, 24)[-1].plain


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


def test_while_it_only_takes_long_that_is_shown_in_full():
    table, stats = table_of(), Stats()
    where = "connecting to ws://127.0.0.1:9/market"
    stats.apply(LinkEvent("a", LinkState.CONNECTING, "still connecting", where=where))
    table.status(stats, None, 1.0)
    assert plain(table.render(100, 12))[3].startswith(f" still connecting, {where}")


@pytest.mark.parametrize("source", [LIVE.name, "ws://127.0.0.1:9/market"])
def test_while_there_is_nothing_the_cause_comes_first_and_an_address_once(source):
    table = table_of(source=source)
    where = "connecting to ws://127.0.0.1:9/market"
    stats = Stats()
    stats.apply(LinkEvent("a", LinkState.WAITING, "refused", 1, 8.0, where))
    stats.apply(LinkEvent("a", LinkState.CONNECTING, attempt=1))
    table.status(stats, None, 1.0)
    lines = plain(table.render(100, 12))
    shown = "\n".join(lines)
    assert shown.count("127.0.0.1") == 1
    assert lines[3].startswith(" refused")
    assert "connecting: refused" in lines[-1]
