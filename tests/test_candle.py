"""The vocabulary: candles, intervals and streams."""

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import (
    DAY,
    LAST_TIME,
    MAX_SYMBOL,
    Candle,
    Interval,
    Source,
    Stream,
    streams_of,
    symbol_fault,
)
from klinetail.errors import UsageError
from tests.cases import Case
from tests.strategies import (
    SYMBOLS,
    candle,
    candles,
    decimals,
    intervals,
    open_times,
    streams,
    times,
)

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def to_datetime(time):
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)


def to_ms(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def slow_length(interval):
    return timedelta(**{UNITS[interval[-1]]: int(interval[:-1])})


def slow_floor(interval, moment):
    """When the candle that `moment` falls in opened, by the calendar."""
    midnight = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if interval == "1M":
        return midnight.replace(day=1)
    if interval == "1w":
        return midnight - timedelta(days=midnight.weekday())
    if interval in ("1d", "3d"):
        return midnight
    candle_of_day = (moment - midnight) // slow_length(interval)
    return midnight + candle_of_day * slow_length(interval)


def slow_next(interval, moment):
    """When the candle after the one that opens at `moment` opens."""
    if interval == "1M":
        return (moment + timedelta(days=31)).replace(day=1)
    return moment + slow_length(interval)


calendar_intervals = intervals.filter(lambda interval: interval is not Interval.D3)


class TestInterval:
    def test_is_spelled_like_the_exchange_spells_it(self):
        names = "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M"
        assert list(Interval) == names.split()

    @pytest.mark.parametrize("name", ["1s", "1H", "1D", "1mo", "60m", "", " 1m", "m1"])
    def test_knows_no_other_names(self, name):
        with pytest.raises(ValueError):
            Interval(name)

    @given(calendar_intervals, times)
    @example(Interval.W1, 1_704_067_200_000)  # Monday, 2024-01-01
    @example(Interval.W1, 1_704_067_199_999)
    @example(Interval.MO1, 1_709_251_199_999)  # the last of 2024-02-29
    def test_floor_is_the_calendars(self, interval, time):
        expected = slow_floor(interval, to_datetime(time))

        assert to_datetime(interval.floor(time)) == expected
        assert interval.opens_at(time) == (to_datetime(time) == expected)

    @given(intervals, times, st.integers(-40, 40))
    def test_shift_counts_candles_one_by_one(self, interval, time, steps):
        start = slow_floor(interval, to_datetime(time))
        moment = start
        for _ in range(steps):
            moment = slow_next(interval, moment)
        for _ in range(-steps):
            before = moment - timedelta(milliseconds=1)
            moment = (
                moment - timedelta(days=3)
                if interval is Interval.D3
                else slow_floor(interval, before)
            )

        assert to_datetime(interval.shift(to_ms(start), steps)) == moment
        assert interval.steps(to_ms(start), to_ms(moment)) == steps

    @given(intervals, times)
    def test_a_candle_closes_a_millisecond_before_the_next_opens(self, interval, time):
        start = slow_floor(interval, to_datetime(time))
        after = slow_next(interval, start)

        assert interval.close_time(to_ms(start)) == to_ms(after) - 1

    def test_months_open_on_the_1st_of_each_month_of_2017_to_2035(self):
        opens = [
            to_ms(datetime(year, month, 1, tzinfo=UTC))
            for year in range(2017, 2036)
            for month in range(1, 13)
        ]
        for open_time, after in pairwise(opens):
            assert Interval.MO1.shift(open_time, 1) == after
            assert Interval.MO1.shift(after, -1) == open_time
            assert Interval.MO1.floor(after - 1) == open_time
            assert Interval.MO1.opens_at(after)
            assert not Interval.MO1.opens_at(after - DAY)
        assert Interval.MO1.steps(opens[0], opens[-1]) == len(opens) - 1

    def test_weeks_open_on_each_monday_of_2017_to_2035(self):
        day = datetime(2017, 1, 1, tzinfo=UTC)
        while day.year < 2036:
            assert Interval.W1.opens_at(to_ms(day)) == (day.weekday() == 0), day
            day += timedelta(days=1)

    @given(times, times)
    def test_three_days_count_from_any_known_open_time(self, time, known):
        anchor = known - known % DAY
        opened = Interval.D3.floor(time, anchor)

        assert opened <= time < opened + 3 * DAY
        assert (to_datetime(opened) - to_datetime(anchor)).days % 3 == 0
        assert Interval.D3.opens_at(opened)

    @given(st.integers(-(10**18), 10**18), st.integers(-(10**9), 10**9))
    @example(253_402_300_800_000, 1)  # the year 10000, where datetime ends
    @example(0, -30_000)  # before the year 1, where it begins
    def test_no_time_is_too_far_for_the_calendar(self, time, steps):
        opened = Interval.MO1.floor(time)

        assert opened <= time <= Interval.MO1.close_time(opened)
        assert Interval.MO1.steps(opened, Interval.MO1.shift(opened, steps)) == steps

    @given(intervals, times)
    def test_its_parts_agree(self, interval, time):
        opened = interval.floor(time)

        assert opened <= time <= interval.close_time(opened)
        assert interval.floor(opened) == opened
        assert interval.opens_at(opened)
        assert interval.steps(opened, interval.close_time(opened) + 1) == 1
        assert interval.floor(interval.close_time(opened)) == opened


class TestStream:
    @given(streams)
    def test_symbols_come_in_any_case(self, stream):
        for symbol in (stream.symbol, stream.symbol.lower()):
            assert Stream.of(symbol, stream.interval.value) == stream

    @given(streams)
    def test_reads_like_the_command_line_takes_it(self, stream):
        symbol, _, interval = str(stream).partition("@")

        assert symbol == symbol.lower()
        assert Stream.of(symbol, interval) == stream
        assert Stream.parse(str(stream)) == stream

    def test_a_name_without_an_interval_is_of_minutes(self):
        assert Stream.parse("btcusdt") == Stream("BTCUSDT", Interval.M1)

    @pytest.mark.parametrize(
        "word",
        ["BTC/USDT:USDT", "BTCUSDT.P", "BINANCE:btcusdt.p", "binanceusdm:BTC/USDT"],
    )
    def test_understands_what_can_only_be_the_perpetual(self, word):
        assert Stream.parse(f"{word}@5m") == Stream("BTCUSDT", Interval.M5)

    @pytest.mark.parametrize("word", ["BTC/USDT", "BTC-USDT", "binance:btcusdt"])
    def test_does_not_guess_where_a_spot_pair_could_be_meant(self, word):
        with pytest.raises(UsageError, match=r"spot pair elsewhere.* 'btcusdt'"):
            Stream.parse(f"{word}@5m")

    @pytest.mark.parametrize("name", ["", "@1m", "btcusdt@7m", "btcusdt@1m@1m", "a b"])
    def test_a_name_of_no_stream_is_a_usage_error(self, name):
        with pytest.raises(UsageError):
            Stream.parse(name)

    @pytest.mark.parametrize(
        "symbol", ["币安人生usdt", "btcusdt_261225", "a", "9" * 40]
    )
    def test_takes_what_the_exchange_lists(self, symbol):
        assert Stream.of(symbol, "1m").symbol == symbol.upper()

    @pytest.mark.parametrize(
        "symbol",
        [
            "",
            " ",
            "BTC USDT",
            "BTCUSDT ",
            "BTC/USDT",
            "..",
            "../X",
            "A.B",
            "A\\B",
            "A-B",
            "A:B",
            "A@1M",
            "=A",
            "+A",
            'A"B',
            "A,B",
            "A\x00",
            "A\n",
            "\x1b[2J",
            "A\x7f",
            "A\x9b",
            "A\u200bB",  # zero width
            "A\u202eB",  # right-to-left override
            "A\u2066B",  # isolate
            "A\u2028B",  # line separator
            "A\u00a0B",
            "A\u3000B",
            "\ufeffA",
            "BTC\u3164USDT",  # letters that nothing is drawn for
            "A\u115f",
            "\uffa0A",
            "A\ue000",  # private
            "A\ud800",  # lone surrogate
            "A\u0378",  # unassigned
            "E\u0301TE",  # not composed
            "₿",  # a symbol, but not of this kind
            "🚀",
            "A" * (MAX_SYMBOL + 1),
            "ß",  # upper case is another word
            "ﬁL",
            "\u212a",  # Kelvin
            "ı",
            "İ",
            "ŉ",
            "ſ",
            "ß" * 21,  # too long in upper case
        ],
    )
    def test_refuses_what_cannot_be_a_symbol(self, symbol):
        with pytest.raises(UsageError, match="symbol"):
            Stream.of(symbol, "1m")

    @pytest.mark.parametrize("interval", ["1s", "1H", "", "1m ", "7m", "１m", "\x1b"])
    def test_refuses_what_is_no_interval_and_names_those_there_are(self, interval):
        with pytest.raises(UsageError, match=r"1m, 3m, .*, 1w, 1M"):
            Stream.of("BTCUSDT", interval)

    @given(st.text(max_size=45))
    @example("ǅ")
    @example("ας")
    def test_any_text_is_a_stream_or_a_usage_error(self, text):
        try:
            stream = Stream.of(text, "1m")
        except UsageError:
            return
        assert symbol_fault(stream.symbol) is None
        assert stream.symbol.lower() == text.lower()
        assert Stream.of(stream.symbol.lower(), "1m") == stream

    def test_of_all_characters_only_upper_case_letters_and_digits_pass(self):
        passed = [c for c in map(chr, range(0x110000)) if symbol_fault(c) is None]

        assert {unicodedata.category(c)[0] for c in passed if c != "_"} == {"L", "N"}
        assert all(c == c.upper() and c == c.lower().upper() for c in passed)
        assert all(unicodedata.is_normalized("NFC", c) for c in passed)
        assert all(Stream.of(c.lower(), "1m").symbol == c for c in passed)

    @pytest.mark.parametrize("symbol", ["btcusdt", "BTCusdt", "币安人生usdt"])
    def test_a_symbol_in_lower_case_is_at_fault(self, symbol):
        assert symbol_fault(symbol) == "a symbol is upper case"

    def test_sorts_by_symbol_then_interval(self):
        names = ["B@1m", "A@1m", "A@1d"]
        ordered = sorted(Stream.of(*name.split("@")) for name in names)
        assert list(map(str, ordered)) == ["a@1d", "a@1m", "b@1m"]


class TestCandle:
    @given(candles())
    def test_built_by_the_strategies_is_without_fault(self, candle):
        assert candle.fault() is None

    @given(candles())
    def test_reads_its_digits_as_exact_decimals(self, candle):
        numbers = [
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            candle.quote_volume,
            candle.taker_buy_volume,
            candle.taker_buy_quote_volume,
        ]
        assert all(type(number) is Decimal for number in numbers)
        assert [format(number, "f") for number in numbers] == list(candle.texts)

    def test_knows_its_stream(self):
        assert (candle().symbol, candle().interval) == ("BTCUSDT", Interval.M1)

    def test_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            candle().close_text = "1"

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"open_time": -60_000, "close_time": -1}, "out of range"),
            ({"open_time": 1_700_000_100_000}, "out of range"),  # after the close
            ({"open_time": 10**15, "close_time": 10**15 + 59_999}, "out of range"),
            ({"open_time": 10**400, "close_time": 10**400}, "out of range"),
            ({"open_time": 1_700_000_040_001}, "no 1m candle opens"),
            ({"close_time": 1_700_000_100_000}, "does not close"),
            ({"close_time": 1_700_000_159_999}, "does not close"),
            ({"count": -1}, "number of trades"),
            ({"count": 2**53}, "number of trades"),
            ({"low_text": "100.11"}, "outside low to high"),
            ({"low_text": "100.51"}, "outside low to high"),
            ({"high_text": "100.49"}, "outside low to high"),
            ({"high_text": "99"}, "outside low to high"),
            ({"open_text": "99.99"}, "outside low to high"),
            ({"open_text": "100.91"}, "outside low to high"),
            ({"close_text": "99.99"}, "outside low to high"),
            ({"close_text": "100.91"}, "outside low to high"),
        ],
    )
    def test_names_what_cannot_be(self, changes, fault):
        assert fault in msgspec.structs.replace(candle(), **changes).fault()

    @pytest.mark.parametrize(
        "digits",
        [
            "",
            "-1",
            "+1",
            "1e2",
            "1E2",
            "NaN",
            "Infinity",
            "1_000",
            " 100.50",
            "100.50 ",
            "100.50\n",
            "0100.50",
            "00",
            ".5",
            "100.",
            "1,5",
            "1.5.5",
            "０",
            "١٢٣",
            "0x1",
            "1" * 19,
            "0." + "1" * 19,
            "9" * 400,
        ],
    )
    def test_takes_plain_decimals_only(self, digits):
        names = [name for name in Candle.__struct_fields__ if name.endswith("_text")]
        assert len(names) == 8
        for name in names:
            bad = msgspec.structs.replace(candle(), **{name: digits})
            with Case(name):
                assert bad.fault() == "a price or volume is not a plain decimal"

    @pytest.mark.parametrize("digits", ["0", "0.000", "9" * 18 + "." + "9" * 18])
    def test_takes_the_smallest_and_the_longest_decimals(self, digits):
        assert candle(prices=(digits,) * 4, volumes=(digits,) * 4).fault() is None

    @given(intervals, st.data())
    def test_takes_no_open_time_off_the_calendar(self, interval, data):
        good = data.draw(candles(Stream("BTCUSDT", interval)))
        time = data.draw(times)
        moved = msgspec.structs.replace(
            good, open_time=time, close_time=interval.close_time(time)
        )
        grid = slow_floor(interval, to_datetime(time))
        assert (moved.fault() is None) == (to_datetime(time) == grid)

    def test_believes_times_as_long_as_a_calendar_can_show_what_follows(self):
        stream = Stream("BTCUSDT", Interval.MO1)
        last = candle(to_ms(datetime(9998, 12, 1, tzinfo=UTC)), stream=stream)

        assert last.close_time == LAST_TIME
        assert last.fault() is None
        assert candle(last.close_time + 1, stream=stream).fault() is not None


class TestSameValues:
    @given(candles(), st.data())
    def test_trailing_zeros_do_not_matter(self, one, data):
        def padded(text):
            zeros = "0" * data.draw(st.integers(0, 5))
            return text + (zeros if "." in text else f".{zeros}" if zeros else "")

        texts = [n for n in Candle.__struct_fields__ if n.endswith("_text")]
        changes = {name: padded(getattr(one, name)) for name in texts}
        other = msgspec.structs.replace(one, **changes)

        assert one.same_values(other)
        assert other.same_values(one)

    def test_zero_is_zero_however_it_is_written(self):
        assert candle(volumes=("0",) * 4).same_values(candle(volumes=("0.000",) * 4))

    @given(candles(), decimals(), st.integers(0, 7))
    def test_another_number_anywhere_matters(self, one, digits, place):
        name = [n for n in Candle.__struct_fields__ if n.endswith("_text")][place]
        other = msgspec.structs.replace(one, **{name: digits})
        equal = Decimal(digits) == Decimal(getattr(one, name))
        assert one.same_values(other) == equal

    @pytest.mark.parametrize("name", ["open_time", "close_time", "count"])
    def test_another_time_or_count_matters(self, name):
        one = candle()
        other = msgspec.structs.replace(one, **{name: getattr(one, name) + 1})
        assert not one.same_values(other)

    def test_where_it_came_from_does_not_matter(self):
        assert candle(source=Source.REST).same_values(candle(source=Source.STREAM))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_symbols_of_the_strategies_are_symbols(symbol):
    assert symbol_fault(symbol) is None


@given(intervals, st.data())
def test_the_open_times_of_the_strategies_are_open_times(interval, data):
    assert interval.opens_at(data.draw(open_times(interval)))


class TestStreamsOf:
    def test_streams_and_names_each_once_in_order(self):
        btc, eth = Stream.parse("btcusdt@1m"), Stream.parse("ethusdt@5m")
        wanted = ["ethusdt@5m", btc, "BTCUSDT@1m", "btcusdt", eth]
        assert streams_of(iter(wanted)) == (eth, btc)
        assert streams_of([]) == ()

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ("btcusdt@1m", r"has to be a list: \['btcusdt@1m'\]"),
            (Stream.parse("btcusdt@1m"), r"has to be a list: \['btcusdt@1m'\]"),
            (b"btcusdt@1m", "has to be a list of names"),
            ({"btcusdt": "1m"}, "has to be a list of names"),
            (None, "has to be a list of names"),
            ([("btcusdt", "1m")], r"Stream.of\('btcusdt', '1m'\)"),
            ([None], "None is no stream"),
            ([b"btcusdt@1m"], "is no stream"),
        ],
    )
    def test_what_is_no_list_of_streams(self, wanted, message):
        with pytest.raises(TypeError, match=message):
            streams_of(wanted)

    @pytest.mark.parametrize("wanted", [("btcusdt", "1m"), ["1M"], [Interval.M1]])
    def test_an_interval_alone_is_no_stream(self, wanted):
        with pytest.raises(UsageError, match="interval without a symbol"):
            streams_of(wanted)
