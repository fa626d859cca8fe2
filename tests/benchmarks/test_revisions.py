"""The figures of revisions are taken of what they say."""

from benchmarks import revisions


def test_every_way_costs_something():
    found = list(revisions.measure_hour(150, repeats=1))
    assert len(found) == 3
    assert all(line["close_us"] > 0 for line in found)


def test_a_day_is_remembered_and_counted():
    a_day = sum((1440, 480, 288, 96, 48, 24, 12, 6, 4, 3, 2, 1, 1, 1, 1))
    found = revisions.measure_memory(30)
    assert 2 * a_day <= found["hashes"] <= 2 * a_day + 30
