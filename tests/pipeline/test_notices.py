import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import LAST_TIME, MINUTE, Interval, Source, Stream
from klinetail.escape import LINE, brief
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
)
from klinetail.kinds import ANNOUNCED, Kind
from klinetail.pipeline.notices import (
    Notices,
    kind_of,
    receipt,
    summed_up,
    utc,
)
from klinetail.pipeline.stats import Stats
from tests.strategies import BTCUSDT_1M, candle

START = 1_700_000_040_000
END = START + 120_000
GAP = GapEvent(BTCUSDT_1M, START, END, "no answer")


def link(state, reason="", attempt=0, delay=0.0, name="link-0"):
    return LinkEvent(name, state, reason, attempt, delay)


links = st.builds(
    link,
    st.sampled_from(LinkState),
    st.just("why"),
    st.sampled_from([0, 0, 1]),
    name=st.sampled_from(["link-0", "link-1"]),
)


def said(events, *, verbose=False):
    notices = Notices(verbose=verbose)
    return [line for event in events for line in notices.lines(event)]


class TestNotices:
    def test_candles_are_data_and_not_news(self):
        assert said([CandleEvent(candle())], verbose=True) == []

    def test_gaps(self):
        filled = GapEvent(BTCUSDT_1M, START, END, "late", (candle(),))
        assert said([GAP, filled]) == [
            (
                "gap: btcusdt@1m 2023-11-14 22:14Z to before 2023-11-14 22:16Z is"
                " missing: no answer"
            ),
            (
                "gap filled: btcusdt@1m 2023-11-14 22:14Z to before 2023-11-14 22:16Z"
                " (not in order)"
            ),
        ]

    def test_a_gap_that_ends_with_time_itself(self):
        last = GapEvent(BTCUSDT_1M, LAST_TIME - 59_999, LAST_TIME + 1, "x")
        assert "9998-12-31 23:59Z to before 9999-01-01 00:00Z" in said([last])[0]

    def test_revisions(self):
        revised = candle(prices=("100.10", "100.90", "100.00", "100.70"))
        assert said([RevisionEvent(candle(), revised)]) == [
            "revised: btcusdt@1m 2023-11-14 22:14Z: close 100.50 is now 100.70"
        ]

    def test_a_revision_in_other_digits_too(self):
        revised = candle(volumes=("12.5", "1255.62500", "0", "0.00000000"), count=43)
        (line,) = said([RevisionEvent(candle(), revised)])
        assert line == (
            "revised: btcusdt@1m 2023-11-14 22:14Z: count 42 is now 43,"
            " taker_buy_volume 6.250 is now 0,"
            " taker_buy_quote_volume 627.81250 is now 0.00000000"
        )

    def test_a_revision_of_what_is_not_kept_any_more(self):
        (line,) = said([RevisionEvent(None, candle())])
        assert line == (
            "revised: btcusdt@1m 2023-11-14 22:14Z: now open 100.10, high 100.90,"
            " low 100.00, close 100.50, volume 12.500, quote_volume 1255.62500,"
            " count 42, taker_buy_volume 6.250, taker_buy_quote_volume 627.81250"
            " (the values delivered are not kept any more)"
        )

    def test_the_end_of_a_symbol(self):
        assert said([EndedEvent(BTCUSDT_1M, "SETTLING")]) == [
            "ended: btcusdt@1m is not traded any more (SETTLING)"
        ]

    def test_a_symbol_that_is_not_traded_yet_and_then_is(self):
        events = [
            PendingEvent(BTCUSDT_1M, 1_700_000_040_000),
            PendingEvent(BTCUSDT_1M, 0),
            TradedEvent(BTCUSDT_1M),
        ]
        assert said(events) == [
            "pending: btcusdt@1m is not traded yet, from 2023-11-14 22:14Z",
            "pending: btcusdt@1m is not traded yet",
            "traded: btcusdt@1m is traded now",
        ]

    def test_an_odd_list_of_symbols_is_said_once_and_again_if_it_is_another(self):
        one, other = (DropEvent(Drop.LISTING, None, word) for word in ("one", "other"))
        bad = DropEvent(Drop.BAD, None, "xyz")
        said_of = ["one", "dropped a message: xyz", "other", "one"]
        assert said([one, one, bad, one, other, one]) == said_of
        assert said([one, one], verbose=True) == ["one", "one"]

    def test_a_link_that_comes_and_goes_is_one_line_each_way(self):
        flap = [
            link(LinkState.CONNECTING),
            link(LinkState.SUBSCRIBING),
            link(LinkState.LIVE),
            link(LinkState.WAITING, "the server closed", 1, 0.25),
            link(LinkState.CONNECTING, attempt=1),
            link(LinkState.WAITING, "refused", 2, 1.5),
            link(LinkState.CONNECTING, attempt=2),
            link(LinkState.WAITING, "refused", 3, 4.0),
            link(LinkState.SUBSCRIBING),
            link(LinkState.LIVE),
        ]
        once = [
            "the server closed; trying again in 0.2 s, and on until it works",
            "connected again",
        ]
        assert said(flap) == once
        assert said(flap * 3) == once * 3
        assert said([*flap, link(LinkState.STOPPED)]) == once

    def test_an_address_without_candles_is_named_once(self):
        named = link(LinkState.LIVE, "acks and sends no candle", 1)
        assert said([link(LinkState.LIVE), named]) == ["acks and sends no candle"]
        renewed = [link(LinkState.CONNECTING), link(LinkState.LIVE)]
        assert said([named, *renewed, named]) == [named.reason]
        other = link(LinkState.LIVE, "acks and sends no candle", 1, name="link-1")
        assert said([named, other]) == [named.reason] * 2
        assert said([named] * 3, verbose=True) == [named.reason] * 3

    def test_candles_that_come_again_are_said(self):
        named = link(LinkState.LIVE, "no candle comes", 1)
        heard = link(LinkState.LIVE, "candles come again")
        assert said([named, heard, heard]) == ["no candle comes", "candles come again"]

    def test_the_cause_comes_before_the_address(self):
        event = LinkEvent("a", LinkState.WAITING, "refused", 1, 1.0, "connecting to x")
        assert said([event]) == [
            "refused, connecting to x; trying again in 1.0 s, and on until it works"
        ]

    def test_a_mute_stream_is_only_for_the_curious(self):
        events = [MuteEvent(BTCUSDT_1M), MuteEvent(BTCUSDT_1M, over=True)]
        assert said(events) == []
        assert said(events, verbose=True) == [
            "mute: btcusdt@1m: REST shows trades of which no frame came",
            "frames of btcusdt@1m come again",
        ]

    def test_a_link_that_never_was_up(self):
        events = [link(LinkState.WAITING, "no route", n, 30.0) for n in range(9)]
        assert said(events) == [
            "no route; trying again in 30.0 s, and on until it works"
        ]

    def test_an_outage_that_lasts_is_said_once_more_as_it_is_now(self):
        outage = [
            link(LinkState.WAITING, "the connection broke", 1, 0.4),
            link(LinkState.WAITING, "no route", 2, 9.9),
            link(LinkState.WAITING, "refused (HTTP 403)", 3, 30.0),
            link(LinkState.WAITING, "no route", 4, 1.0),
            link(LinkState.WAITING, "refused (HTTP 403)", 5, 30.0),
            link(LinkState.LIVE),
        ]
        lines = [
            "the connection broke; trying again in 0.4 s, and on until it works",
            "refused (HTTP 403); trying again in 30.0 s, and on until it works",
        ]
        assert said(outage) == [*lines, "connected"]
        assert (
            said([link(LinkState.LIVE), *outage * 2])
            == [
                *lines,
                "connected again",
            ]
            * 2
        )

    def test_what_may_be_given_up_is_said_at_once_and_for_how_long(self):
        def limited(attempt, left, name="link-0"):
            return LinkEvent(
                name, LinkState.WAITING, "HTTP 403", attempt, 0.4, patience=left
            )

        trial = [limited(1, 30.0), limited(2, 29.6), limited(3, 12.0)]
        line = "HTTP 403; trying again in 0.4 s, and on for 30 s more"
        assert said(trial) == [line]
        # Even if it is down already; and again when it is up and down anew.
        outage = link(LinkState.WAITING, "no route", 1, 1.0)
        lines = said([outage, *trial, link(LinkState.LIVE)] * 2)
        assert lines[1::3] == [line] * 2
        assert len(lines) == 6

    @pytest.mark.parametrize(
        ("delay", "words"), [(0.0, "at once"), (0.049, "at once"), (0.06, "in 0.1 s")]
    )
    def test_no_pause_is_said_to_be_none(self, delay, words):
        (line,) = said([link(LinkState.WAITING, "refused", 1, delay)])
        assert line == f"refused; trying again {words}, and on until it works"

    def test_who_waits_is_told_how_far_it_is_once(self):
        slow = link(LinkState.CONNECTING, "still looking up the name")
        down = link(LinkState.WAITING, "no answer in 10 s", 1, 1.0)
        assert said([link(LinkState.CONNECTING), slow, slow]) == [slow.reason]
        assert said([slow, link(LinkState.LIVE), slow]) == [slow.reason] * 2
        assert len(said([slow, down, slow, down])) == 2
        assert said([slow] * 2, verbose=True) == [slow.reason] * 2

    def test_each_link_has_its_own_lines(self):
        down = [
            link(LinkState.WAITING, f"{name} is down", 1, 1.0, name)
            for name in ("link-0", "link-1", "rest")
        ]
        up = [link(LinkState.LIVE), link(LinkState.IDLE, name="rest")]
        lines = said([*down, *up])
        assert len(lines) == 5
        assert lines[3:] == ["connected", "REST answers again"]

    def test_a_link_that_waits_for_its_turn_to_subscribe_is_not_connected(self):
        """Asked to be left alone, it was told to wait; then it has no work."""
        waits = [link(LinkState.WAITING, "HTTP 429", 1, 5.0), link(LinkState.IDLE)]
        assert said(waits) == ["HTTP 429; trying again in 5.0 s, and on until it works"]
        assert said([*waits, link(LinkState.LIVE)])[1:] == ["connected"]

    @given(st.lists(links, max_size=40))
    def test_a_reconnect_is_told_if_and_only_if_it_is_counted(self, events):
        assert said(events).count("connected again") == stats_of(*events).reconnects

    def test_the_first_connection_after_a_failure_is_no_reconnect(self):
        started = [link(LinkState.WAITING, "no connection in time", 1, 0.1)]
        started.append(link(LinkState.LIVE))
        assert said(started)[1:] == ["connected"]
        assert stats_of(*started).reconnects == 0

    def test_verbose_says_each_change(self):
        events = [
            link(LinkState.CONNECTING),
            link(LinkState.WAITING, "refused", 1, 1.0),
            link(LinkState.WAITING, "refused", 2, 2.0),
            link(LinkState.LIVE),
            link(LinkState.STOPPED),
        ]
        assert said(events, verbose=True) == [
            "link-0: connecting",
            "refused; trying again in 1.0 s, and on until it works",
            "refused; trying again in 2.0 s, and on until it works",
            "connected",
            "link-0: stopped",
        ]

    def test_the_first_bad_message_is_shown_and_the_rest_counted(self):
        bad = [DropEvent(Drop.BAD, None, f"no kline {n}") for n in range(3)]
        assert said(bad) == ["dropped a message: no kline 0"]
        assert len(said(bad, verbose=True)) == 3

    @pytest.mark.parametrize("why", [Drop.DUPLICATE, Drop.STALE])
    def test_other_drops_are_only_for_the_curious(self, why):
        event = DropEvent(why, BTCUSDT_1M)
        assert said([event]) == []
        assert said([event], verbose=True) == [f"dropped: {why} btcusdt@1m"]

    @pytest.mark.parametrize(
        "event",
        [
            GapEvent(BTCUSDT_1M, START, END, "x" * 4_000_000 + "!"),
            EndedEvent(BTCUSDT_1M, "x" * 4_000_000 + "!"),
            link(LinkState.WAITING, "x" * 4_000_000 + "!", 1, 30.0),
        ],
    )
    def test_a_long_reason_hides_no_other_word(self, event):
        (short,) = said([msgspec.structs.replace(event, **reason_of(event, "!"))])
        (line,) = said([event])
        assert len(line) < LINE
        before, after = short.split("!")
        assert line.startswith(before + "x")
        assert line.endswith("x!" + after)


def reason_of(event, text):
    return {"status" if isinstance(event, EndedEvent) else "reason": text}


class TestKinds:
    def test_each_event_has_its_own(self):
        events = {
            Kind.GAP: GAP,
            Kind.FILLED: GapEvent(BTCUSDT_1M, START, END, "x", (candle(),)),
            Kind.ENDED: EndedEvent(BTCUSDT_1M, "SETTLING"),
            Kind.REVISED: RevisionEvent(candle(), candle()),
            Kind.DROPPED: DropEvent(Drop.BAD),
            Kind.LINK: link(LinkState.LIVE),
            Kind.OWN: CandleEvent(candle()),
        }
        assert {kind: kind_of(event) for kind, event in events.items()} == {
            kind: kind for kind in events
        }


class TestSummedUp:
    def gaps(self, number, *, reason="418", filled=False):
        streams = [Stream(f"S{n}USDT", Interval.M1) for n in range(number)]
        candles = (candle(),) if filled else ()
        return [
            GapEvent(stream, START + n * MINUTE, END + n * MINUTE, reason, candles)
            for n, stream in enumerate(streams)
        ]

    def test_gaps_have_their_number_streams_range_and_reason(self):
        assert summed_up(Kind.GAP, self.gaps(3)) == (
            "gap: 3 more within a second, 2023-11-14 22:14Z to before 2023-11-14"
            " 22:18Z: 6 candles of 3 streams (s0usdt@1m, s1usdt@1m, s2usdt@1m) are"
            " missing: 418"
        )

    def test_of_many_streams_the_first_are_named(self):
        line = summed_up(Kind.GAP, self.gaps(12_000))
        assert "24,000 candles of 12,000 streams (s0usdt@1m, " in line
        assert "s7usdt@1m and 11,992 more)" in line

    def test_a_stream_with_several_gaps_is_named_once(self):
        assert "4 candles of 1 stream (btcusdt@1m)" in summed_up(Kind.GAP, [GAP, GAP])

    def test_filled_gaps(self):
        assert summed_up(Kind.FILLED, self.gaps(2, filled=True)) == (
            "gap filled: 2 more within a second, 2023-11-14 22:14Z to before 2023-11-14"
            " 22:17Z: 4 candles of 2 streams (s0usdt@1m, s1usdt@1m) (not in order)"
        )

    def test_ends(self):
        ends = [EndedEvent(gap.stream, "SETTLING") for gap in self.gaps(2)]
        assert summed_up(Kind.ENDED, ends) == (
            "ended: 2 more within a second: 2 streams (s0usdt@1m, s1usdt@1m) are not"
            " traded any more (SETTLING)"
        )

    def test_reasons_that_differ_are_counted(self):
        gaps = [*self.gaps(2), *self.gaps(1, reason="no answer"), *self.gaps(2)]
        line = summed_up(Kind.GAP, gaps)
        assert line.endswith(": 418, and 1 other reason")

    @pytest.mark.parametrize("kind", ANNOUNCED)
    def test_long_reasons_and_names_hide_no_other_word(self, kind):
        long = [Stream(f"{n:02}{'币' * 38}", Interval.MO1) for n in range(12_000)]
        why = "x" * 4_000_000
        events = [GapEvent(one, 0, MINUTE, why) for one in long]
        if kind is Kind.ENDED:
            events = [EndedEvent(one, why) for one in long]
        line = brief(f"klinetail: {summed_up(kind, events)}")
        assert len(line) <= LINE
        assert "12,000 streams" in line
        assert kind is Kind.ENDED or " 1970-01-01 00:00Z to before 1970-01" in line


def stats_of(*events):
    stats = Stats()
    for event in events:
        stats.apply(event)
    return stats


class TestReceipt:
    def test_of_nothing(self):
        assert receipt(Stats(), [], "live") == (
            "0 candles, 0 gaps, 0 duplicates dropped, 0 reconnects; from live"
        )

    def test_of_one_of_each(self):
        stats = stats_of(
            CandleEvent(candle(delay=1_200)),
            CandleEvent(candle(closed=False)),
            GAP,
            DropEvent(Drop.DUPLICATE, BTCUSDT_1M),
            DropEvent(Drop.BAD),
            DropEvent(Drop.STALE),
            RevisionEvent(candle(), candle()),
            link(LinkState.LIVE),
            link(LinkState.WAITING, "closed", 1, 1.0),
            link(LinkState.LIVE),
        )
        assert receipt(stats, [("a.csv", 1)], "the sim") == (
            "1 candle, 1 gap (2 candles still missing), 1 duplicate dropped, 1 bad"
            " message dropped, 1 revision, 1 reconnect, closes 1.2 s late (median;"
            " 1.2 s at most), wrote a.csv (1); from the sim"
        )

    def test_of_many(self):
        events = [CandleEvent(candle(source=Source.REST))] * 1_500
        events += [CandleEvent(candle(delay=200))] * 3
        events += [CandleEvent(candle(delay=30_000))]
        events += [GAP, GAP, GapEvent(BTCUSDT_1M, START, END, "x", (candle(),))]
        events += [DropEvent(Drop.BAD)] * 2
        files = [("a.csv", 1_504), ("b.jsonl", 3)]
        assert receipt(stats_of(*events), files, "live") == (
            "1,504 candles (1,500 by REST), 2 gaps (3 candles still missing), 0"
            " duplicates dropped, 2 bad messages dropped, 0 reconnects, closes 0.2 s"
            " late (median; 30.0 s at most), wrote a.csv (1,504), wrote b.jsonl (3);"
            " from live"
        )

    def test_says_what_is_down(self):
        live, down = link(LinkState.LIVE), link(LinkState.WAITING, "refused", 1, 1.0)
        other = link(LinkState.CONNECTING, attempt=2, name="link-1")
        rest = link(LinkState.WAITING, "no answer", 1, 1.0, "rest")
        clock = link(LinkState.WAITING, "nothing agrees", 1, 1.0, "clock")
        first = link(LinkState.CONNECTING)
        mute = link(LinkState.LIVE, "acks and sends no candle", 1)
        for events, part in [
            ([live, down], ", 1 connection down, "),
            ([down, other, rest], ", 2 connections down, REST down, "),
            ([live, rest], ", REST down, "),
            ([live, clock], ", the exchange's clock in doubt, "),
        ]:
            assert part in receipt(stats_of(*events), [], "live")
        back = link(LinkState.IDLE, name="rest")
        for events in ([first], [mute], [down, live, rest, back]):
            assert "down" not in receipt(stats_of(*events), [], "live")

    def test_is_one_line(self):
        assert "\n" not in receipt(stats_of(GAP), [("x", 1)], "live")


def test_a_clock_in_doubt_is_said_once_and_when_that_is_over():
    notices = Notices()
    doubts = [
        link(LinkState.WAITING, "nothing agrees", n, 1.0, "clock") for n in (1, 2)
    ]
    said = [
        notices.lines(event) for event in (*doubts, link(LinkState.IDLE, name="clock"))
    ]
    assert said == [
        ["nothing agrees; trying again in 1.0 s, and on until it works"],
        [],
        ["the exchange's clock can be believed again"],
    ]


class TestUtc:
    @pytest.mark.parametrize(
        ("time", "text"),
        [
            (0, "1970-01-01 00:00Z"),
            (START, "2023-11-14 22:14Z"),
            (LAST_TIME + 1, "9999-01-01 00:00Z"),
        ],
    )
    def test_text(self, time, text):
        assert utc(time) == text
