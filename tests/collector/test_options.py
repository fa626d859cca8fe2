import math
from decimal import Decimal

import pytest

from klinetail.collector.options import real, seconds, whole
from klinetail.errors import UsageError


class Index:
    def __index__(self):
        return 7


@pytest.mark.parametrize("value", [0, 7, 10**9, Index()])
def test_whole_numbers(value):
    number = whole("lines", value, 0)
    assert type(number) is int
    assert number == (7 if isinstance(value, Index) else value)


@pytest.mark.parametrize("value", ["7", 7.0, math.nan, None, [7], Decimal(7)])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match=r"^lines has to be a whole number, not"):
        whole("lines", value, 0)


@pytest.mark.parametrize(("value", "least"), [(-1, 0), (0, 1), (-(10**9), 0)])
def test_a_whole_number_that_is_too_small(value, least):
    with pytest.raises(UsageError, match=f"^lines has to be {least} or more, not"):
        whole("lines", value, least)


@pytest.mark.parametrize("value", [0, 30, 0.5, math.inf, Decimal("2.5")])
def test_seconds(value):
    assert seconds("hold", value) == float(value)


@pytest.mark.parametrize("value", [-1, -0.1, math.nan, -math.inf])
def test_seconds_that_cannot_be(value):
    with pytest.raises(UsageError, match=r"^hold has to be 0 seconds or more"):
        seconds("hold", value)


@pytest.mark.parametrize("value", ["30", None, [], 1j])
def test_what_is_no_number(value):
    for check in (seconds, real):
        with pytest.raises(TypeError, match=r"^hold has to be a number"):
            check("hold", value)
