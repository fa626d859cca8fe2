"""Patterns: the streams of a glob over symbols, not looked up yet. Pure."""

from __future__ import annotations

import fnmatch

import msgspec

from klinetail.candle import Interval


class Pattern(msgspec.Struct, frozen=True):
    """Streams not looked up yet: a glob over symbols, in some intervals."""

    glob: str
    """The pattern in any case, with the wildcards `*`, `?` and `[ab]`."""
    intervals: tuple[Interval, ...]
    """The intervals of each matching symbol."""
    otherwise: str = ""
    """The message if no listed symbol matches. Set for a word without a wildcard that
    looks like an interval and could also be a symbol."""

    def matches(self, symbol: str) -> bool:
        """Return whether the pattern matches an upper-case symbol."""
        return fnmatch.fnmatchcase(symbol, self.glob.upper())


def is_glob(word: str) -> bool:
    """Return whether a word is a pattern with wildcards."""
    return any(character in "*?[" for character in word)
