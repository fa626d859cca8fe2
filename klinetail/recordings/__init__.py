"""Recordings: files of candles on disk."""
