"""The stages are klinetail's own, and the short way is the one that is measured."""

from benchmarks import stages
from benchmarks.exchange import built, flood_feed
from klinetail.exchange.framing import cut
from klinetail.protocol.batches import decode_klines


def test_every_stage_costs_something():
    found = stages.measure(count=3_000, repeats=1)
    assert len(found) == 6
    assert all(line["cpu_us"] >= 0 for line in found)
    assert sum(line["cpu_us"] for line in found) > 0


def test_nearly_all_frames_take_the_short_way():
    feed = flood_feed(195)
    messages, end, odd = cut(b"".join(built(feed, 6_000)))
    assert (len(messages), odd) == (6_000, False)
    assert end > 1_500_000
    candles = decode_klines(messages)
    assert candles is not None
    assert stages._order(feed.streams, feed.first, [candles]) > 0.9 * len(messages)
