"""Frames of the folder of data in the exchange's spelling."""

import json


def recorded(directory, name):
    """The frames of one recording, with what is told about each."""
    lines = (directory / "ws_klines" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def recorded_klines(directory):
    """All recorded frames that hold a candle of a stream."""
    notes = [
        note
        for name in (
            "um_kline_1m_2021-07-22_cryptofeed.jsonl",
            "cm_kline_1m_2021-07-22_cryptofeed.jsonl",
            "spot_like_kline_1m_cryptofeed.jsonl",
            "single_frames.jsonl",
        )
        for note in recorded(directory, name)
    ]
    assert len(notes) > 30
    return [
        note["raw"]
        for note in notes
        if note.get("kind") not in ("um_prod_continuous_open", "spot_1s_closed_empty")
    ]
