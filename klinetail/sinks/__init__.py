"""The places where candles are recorded: `sink` has the protocol, `registry` finds the
sink for a suffix or scheme, `worker` writes a sink on a thread of its own; each further
module has a sink. Files and stdout always get whole lines only."""
