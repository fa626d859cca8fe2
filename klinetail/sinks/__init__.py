"""Where candles are recorded to: `sink` has the protocol, `registry` tells which sink a
suffix or scheme asks for, `worker` writes one on a thread of its own; then one file a
sink. Files and stdout get whole lines only, always."""
