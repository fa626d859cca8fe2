"""Recordings: files of candles on disk, plain or in frames of gzip or zstd."""
