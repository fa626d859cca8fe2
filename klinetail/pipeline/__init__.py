"""From one candle to several receivers: `fanout` hands out, `mailbox` queues, `bus` is
what programs subscribe to, `meter` and `stats` count, `notices` has the words for it."""
