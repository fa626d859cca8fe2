"""Lines are traced back to their frames."""

import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.market import FIRST_NUMBER
from benchmarks.paced import Lags, lags


def line(i):
    return b'{"k":{"Q":"%d.12345","B":"0"}}\n' % (FIRST_NUMBER + i)


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(0, 3))
def test_a_line_is_there_when_its_end_is(cuts, skip):
    sent = [1_000_000 * i for i in range(10)]
    data = b"".join(map(line, range(10)))
    blocks, at, whole = [], 0, {}
    for n, cut in enumerate([*cuts, len(data)]):
        block, at = data[at : at + cut], at + cut
        blocks.append((50_000_000 + n * 1_000_000, block))
        for i in range(data[:at].count(b"\n")):
            whole.setdefault(i, blocks[-1][0])
    expected = sorted((whole[i] - sent[i]) / 1e6 for i in range(skip, 10))
    found = lags(blocks, sent, skip)
    assert (found.lines, found.missing) == (10 - skip, 0)
    assert found.p50 == expected[-(-(10 - skip) // 2) - 1]
    assert found.p999 == expected[-1]


def test_a_frame_without_a_line_lags_for_ever():
    found = lags([(2_000_000, line(1) + b"other\n")], [1_000_000, 1_000_000], 0)
    assert found == Lags(1.0, math.inf, math.inf, 1, 1)


def test_nothing_that_was_read_is_no_error():
    assert lags([], [1, 2, 3], 1) == Lags(math.inf, math.inf, math.inf, 0, 2)
