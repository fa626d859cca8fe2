"""Closed candles beside the exchange's own."""


def rows_of(server, stream, first, last):
    """The exchange's own candles that open in [first, last], by their open times; one
    that is not there yet lacks."""
    length = stream.interval.length
    truth = {}
    for start in range(first, last + 1, 1000 * length):
        rows = server.market.klines(stream, start, last, 1000, now=server.now())
        truth |= {row.open_time: row for row in rows}
    return truth


def agree(candle, truth):
    """Whether a closed candle has the final values."""
    if truth is None or not truth.closed:
        return False
    return (candle.texts, candle.count) == (truth.texts, truth.count)
