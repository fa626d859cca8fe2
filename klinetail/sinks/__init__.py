"""Where records go, one file a kind: stdout, a file. Whole lines only, always."""
