"""What the live exchange allows."""

import pytest

from klinetail.protocol.venues import LIVE

LIMITS = LIVE.limits


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
    assert LIMITS.klines_weight(limit) == weight


def test_more_rows_never_weigh_less():
    weights = [LIMITS.klines_weight(limit) for limit in range(1, LIMITS.rows + 1)]
    assert weights == sorted(weights)


def test_a_page_has_nearly_the_most_rows_for_its_weight():
    best = max(n / LIMITS.klines_weight(n) for n in range(1, LIMITS.rows + 1))
    assert best - 1 <= LIMITS.page / LIMITS.klines_weight(LIMITS.page) <= best


def test_the_limits_are_the_exchanges():
    assert (LIMITS.streams, LIMITS.names, LIMITS.messages_per_second) == (1024, 200, 10)
    assert (LIMITS.rows, LIMITS.rows_by_default) == (1500, 500)
    assert LIMITS.weight_per_minute == 2400
    assert (LIMITS.time_weight, LIMITS.listings_weight) == (1, 1)
