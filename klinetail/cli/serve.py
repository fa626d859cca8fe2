"""`klinetail serve`: the embedded exchange on its own."""

from __future__ import annotations


def serve() -> None:
    """A local exchange over recordings or a synthetic market (127.0.0.1 only)."""
    raise SystemExit(1)
