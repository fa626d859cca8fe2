"""Hypothesis strategies for our vocabulary; what they build is valid."""

import string
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from klinetail.candle import DAY, Candle, Interval, Source, Stream

SYMBOLS = ("BTCUSDT", "1000PEPEUSDT", "BTCUSDT_261225", "币安人生USDT", "ÉTÉUSDT")

FIRST_TIME = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 1000
LAST_TIME = int(datetime(2035, 12, 31, tzinfo=UTC).timestamp()) * 1000

BTCUSDT_1M = Stream("BTCUSDT", Interval.M1)

times = st.integers(FIRST_TIME, LAST_TIME)
intervals = st.sampled_from(Interval)
symbols = st.sampled_from(SYMBOLS) | st.text(
    string.ascii_uppercase + string.digits + "_", min_size=1, max_size=40
)
streams = st.builds(Stream, symbols, intervals)
counts = st.just(0) | st.integers(0, 2**53 - 1)


@st.composite
def decimals(draw, max_whole=10**18 - 1):
    """A decimal as the exchange writes one, trailing zeros and all: `0.000`, `42`."""
    whole = draw(st.integers(0, min(max_whole, 99_999)) | st.integers(0, max_whole))
    places = draw(st.text(string.digits, max_size=18))
    return f"{whole}.{places}" if places else str(whole)


@st.composite
def open_times(draw, interval):
    """When a candle of `interval` can open, 2017 to 2035; 3d on any day."""
    time = draw(times)
    return time - time % DAY if interval is Interval.D3 else interval.floor(time)


@st.composite
def candles(draw, stream=None, open_time=None, closed=None, source=None):
    """A candle without fault. What is given is a value, the rest is drawn."""
    if stream is None:
        stream = draw(streams)
    if open_time is None:
        open_time = draw(open_times(stream.interval))
    if source is None:
        source = draw(st.sampled_from(Source))
    if closed is None:
        closed = source is Source.REST or draw(st.booleans())
    close_time = stream.interval.close_time(open_time)
    low, *inner, high = sorted((draw(decimals()) for _ in range(4)), key=Decimal)
    first, last = draw(st.permutations(inner))
    event_time = 0
    if source is Source.STREAM:
        event_time = draw(
            st.integers(close_time + 1, close_time + 30_000)
            if closed
            else st.integers(open_time, close_time)
        )
    return Candle(
        stream,
        open_time,
        first,
        high,
        low,
        last,
        draw(decimals()),
        close_time,
        draw(decimals()),
        draw(counts),
        draw(decimals()),
        draw(decimals()),
        closed,
        source,
        event_time,
    )


@st.composite
def runs(draw, stream=None, min_size=0, max_size=8, source=Source.REST):
    """Consecutive closed candles of one stream, ascending."""
    if stream is None:
        stream = draw(streams)
    open_time = draw(open_times(stream.interval))
    run = []
    for _ in range(draw(st.integers(min_size, max_size))):
        run.append(draw(candles(stream, open_time, closed=True, source=source)))
        open_time = run[-1].close_time + 1
    return run


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
"""What `json.dumps` can write and any JSON reader can read."""


def candle(
    open_time=1_700_000_040_000,
    *,
    stream=BTCUSDT_1M,
    prices=("100.10", "100.90", "100.00", "100.50"),
    volumes=("12.500", "1255.62500", "6.250", "627.81250"),
    count=42,
    closed=True,
    source=Source.STREAM,
    delay=200,
):
    """One made-up candle; `prices` are open, high, low, close, `volumes` base, quote,
    taker's base and quote, `delay` is from its close to its event time."""
    close_time = stream.interval.close_time(open_time)
    return Candle(
        stream,
        open_time,
        *prices,
        volumes[0],
        close_time,
        volumes[1],
        count,
        volumes[2],
        volumes[3],
        closed,
        source,
        close_time + delay if source is Source.STREAM else 0,
    )
