"""From one candle to several receivers: the fan-out, and what is counted on the way."""
