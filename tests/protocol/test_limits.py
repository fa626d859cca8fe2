"""The exchange's limits."""

import pytest

from klinetail.protocol.limits import (
    LISTINGS_WEIGHT,
    MAX_NAMES,
    MAX_ROWS,
    MAX_STREAMS,
    MESSAGES_PER_SECOND,
    TIME_WEIGHT,
    WEIGHT_PER_MINUTE,
    klines_weight,
)


@pytest.mark.parametrize(
    ("limit", "weight"),
    [
        (None, 5),
        (1, 1),
        (99, 1),
        (100, 1),
        (101, 2),
        (500, 2),
        (501, 5),
        (1000, 5),
        (1001, 10),
        (1500, 10),
        (1501, 10),  # refused, and costs as much
    ],
)
def test_a_klines_request_weighs_what_was_measured(limit, weight):
    assert klines_weight(limit) == weight


def test_more_rows_never_weigh_less():
    weights = [klines_weight(limit) for limit in range(1, MAX_ROWS + 1)]
    assert weights == sorted(weights)


def test_the_limits_are_the_exchanges():
    assert (MAX_STREAMS, MAX_NAMES, MESSAGES_PER_SECOND) == (1024, 200, 10)
    assert (MAX_ROWS, WEIGHT_PER_MINUTE) == (1500, 2400)
    assert (TIME_WEIGHT, LISTINGS_WEIGHT) == (1, 1)
