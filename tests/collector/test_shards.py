"""Shards: streams share as few connections as the exchange allows."""

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.collector.shards import shards
from klinetail.protocol.venues import LIVE


def streams(number):
    """So many streams."""
    return [Stream(f"S{n}USDT", Interval.M1) for n in range(number)]


@given(st.integers(1, 50), st.integers(1, 9))
def test_each_stream_is_in_one_and_no_group_is_larger_than_needed(number, most):
    made = shards(streams(number), most)
    sizes = [len(shard.streams) for shard in made]
    assert sorted(s for shard in made for s in shard.streams) == sorted(streams(number))
    assert len(made) == -(-number // most)
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert [shard.name for shard in made] == [f"link-{n}" for n in range(len(made))]


def test_one_more_than_a_connection_takes_are_two_links():
    most = LIVE.limits.streams
    assert len(shards(streams(most), most)) == 1
    assert len(shards(streams(most + 1), most)) == 2
