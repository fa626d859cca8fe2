"""What is on disk already: files of candles."""
