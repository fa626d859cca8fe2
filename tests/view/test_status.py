"""The status line: the worst first, and the least important dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Stream
from klinetail.escape import printable
from klinetail.events import (
    CLOCK,
    REST,
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    RevisionEvent,
    UnconfirmedEvent,
)
from klinetail.pipeline.stats import Stats
from klinetail.view.status import pieces_of, status_line
from klinetail.view.theme import UNICODE
from tests.strategies import BTCUSDT_1M, candle

START = 1_700_000_040_000

GAP = GapEvent(BTCUSDT_1M, START, START + MINUTE, "418")
FILLED = GapEvent(BTCUSDT_1M, START, START + MINUTE, "418", (candle(START),))
LIVE = LinkEvent("a", LinkState.LIVE)
WAITING = LinkEvent("b", LinkState.WAITING, "connection reset by peer", 3, 8.0)


def stats_of(*events):
    stats = Stats()
    for event in events:
        stats.apply(event)
    return stats


def line_of(*events, width=200, **kwargs):
    stats = stats_of(*events)
    pieces = pieces_of(stats, glyphs=UNICODE, delay=stats.close_delay, **kwargs)
    return status_line(pieces, width, UNICODE)


def shown(*events, width=200, **kwargs):
    return line_of(*events, width=width, **kwargs).plain


def test_before_anything():
    assert shown() == (
        " ◌ starting   closed 0   gaps 0   reconnects 0   duplicates dropped 0"
    )


def test_all_there_can_be():
    assert shown(
        LIVE,
        CandleEvent(candle()),
        GAP,
        DropEvent(Drop.BAD),
        DropEvent(Drop.DUPLICATE),
        RevisionEvent(candle(), candle()),
        EndedEvent(BTCUSDT_1M, "SETTLING"),
        badge="SIM",
        clock="12:00:00 UTC",
    ) == (
        "  SIM    ● live   closed 1    1 GAP    revised 1   bad messages 1   ended 1"
        "   reconnects 0   close delay 0.2s, at most 0.2s   duplicates dropped 1"
        "   12:00:00 UTC"
    )


def test_links():
    assert shown(LIVE, LinkEvent("b", LinkState.LIVE)).startswith(" ● 2 links live ")
    assert shown(LinkEvent("a", LinkState.CONNECTING, attempt=4)).startswith(
        " ◌ connecting, attempt 4 "
    )
    assert shown(WAITING).startswith(
        " ○ waiting 8s, attempt 3: connection reset by peer "
    )
    assert shown(LIVE, WAITING, waited={"b": 3.0}).startswith(
        " ○ 1 of 2 links live, waiting 5s, attempt 3: connection reset by peer "
    )
    assert shown(LinkEvent("a", LinkState.STOPPED)).startswith(" ○ stopped ")


def test_what_is_being_confirmed_is_counted_until_it_is_there():
    waits = UnconfirmedEvent(BTCUSDT_1M, START, START + MINUTE)
    assert "gaps 0   being confirmed 1   " in shown(LIVE, waits, waits)
    for end in (CandleEvent(candle()), GAP, EndedEvent(BTCUSDT_1M, "SETTLING")):
        assert "confirmed" not in shown(LIVE, waits, end)


def test_a_link_that_lives_and_brings_no_candle_is_not_live():
    silent = LinkEvent("a", LinkState.LIVE, "REST shows trades", 1)
    assert shown(silent).startswith(" ○ silent: REST shows trades ")
    assert shown(silent, LIVE).startswith(" ● live "), "candles come again"
    both = shown(silent, LinkEvent("b", LinkState.LIVE))
    assert both.startswith(" ○ 1 of 2 links live, silent: REST shows trades ")


def test_a_mute_stream_is_not_live():
    mute, other = MuteEvent(BTCUSDT_1M), Stream("ETHUSDT", BTCUSDT_1M.interval)
    assert shown(LIVE, mute, mute).startswith(
        " ○ btcusdt@1m is mute: REST shows trades of which no frame came "
    )
    assert shown(LIVE, mute, MuteEvent(other)).startswith(" ○ 2 streams are mute: ")
    assert shown(LIVE, WAITING, mute).startswith(" ○ 1 of 2 links live, waiting ")
    for over in (MuteEvent(BTCUSDT_1M, over=True), EndedEvent(BTCUSDT_1M, "X")):
        assert shown(LIVE, mute, over).startswith(" ● live ")


def test_only_connections_count_as_links():
    rest = LinkEvent(REST, LinkState.WAITING, "HTTP 500", 1, 1.0)
    clock = LinkEvent(CLOCK, LinkState.WAITING, "nothing agrees", 1, 60.0)
    assert shown(LIVE, rest).startswith(" ● live   ○ REST waiting 1s: HTTP 500 ")
    assert shown(LIVE, clock).startswith(
        " ● live   ○ the clock waiting 60s: nothing agrees "
    )
    assert shown(rest).startswith(" ○ REST waiting 1s: HTTP 500 ")
    assert shown(WAITING, rest).startswith(
        " ○ waiting 8s, attempt 3: connection reset by peer   ○ REST waiting 1s: "
    )


def test_the_cause_is_shown_without_the_address_and_while_it_tries_again():
    where = "connecting to wss://fstream.binance.com/market"
    down = LinkEvent("a", LinkState.WAITING, "Connection refused", 2, 8.0, where)
    full = " ○ waiting 8s, attempt 2: Connection refused   closed 0"
    assert shown(down, width=len(full)) == full
    assert shown(down, width=38) == " ○ waiting 8s: Connection refused"
    again = LinkEvent("a", LinkState.CONNECTING, attempt=2)
    text = " ◌ connecting: Connection refused"
    assert shown(down, again, width=38) == text
    slow = LinkEvent("a", LinkState.CONNECTING, "still connecting", 2, where=where)
    assert shown(down, again, slow, width=38) == text


def test_how_far_a_slow_link_is_is_shown_until_it_is_further():
    slow = LinkEvent("a", LinkState.CONNECTING, "still looking up the name")
    assert shown(slow).startswith(" ◌ connecting: still looking up the name   closed")
    assert shown(slow, LinkEvent("a", LinkState.SUBSCRIBING)).startswith(
        " ◌ subscribing   closed"
    )


def test_gaps_are_loud_until_all_are_filled():
    assert "1 GAP " in shown(GAP)
    assert "2 GAPS " in shown(GAP, GAP)
    assert "gaps 1, filled" in shown(GAP, FILLED)
    line = line_of(GAP)
    assert any("reverse" in style for _, style in line.cells)


def test_a_reason_is_cut_before_a_gap_is_dropped():
    assert shown(WAITING, GAP, width=45) == (
        " ○ waiting 8s: connection reset by…    1 GAP "
    )
    assert shown(WAITING, GAP, width=30) == " ○ waiting 8s    1 GAP "


@pytest.mark.parametrize("state", LinkState)
@given(reason=st.text(), width=st.integers(1, 250), badge=st.sampled_from(["", "SIM"]))
def test_fits(state, reason, width, badge):
    link = LinkEvent("a", state, reason, 3, 8.0)
    line = line_of(link, GAP, width=width, badge=badge, clock="2026-11-20 12:00 UTC")
    assert line.cell_len <= width
    assert line.plain == printable(line.plain)
    assert width < 7 or badge in line.plain
