"""From one candle to several receivers: `fanout` hands out, `mailbox` and `latest` are
queues, programs subscribe to `bus`, `meter` and `stats` count, `notices` has words."""
