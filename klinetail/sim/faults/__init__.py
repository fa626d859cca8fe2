"""Faults of the embedded exchange, injected on request; equal seeds give equal faults.

Decisions are pure; only `line` does I/O, to disturb open connections.
"""
