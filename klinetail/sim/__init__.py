"""The embedded exchange: a market, and a loopback server that speaks Binance's own
protocol about it. Nothing here ever talks to the real exchange."""
