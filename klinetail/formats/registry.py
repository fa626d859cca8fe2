"""The registry of formats: the only list of the known formats.

A format of recordings is one module of this package and one line in `FORMATS`. `-o`,
`--out`, `serve` and `recordings.read` take their choices from the registry, and the
words of their help and errors.

Listing the names imports nothing, to keep `--help` fast: the module of a format is
imported at the first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final, TypeVar, cast

if TYPE_CHECKING:
    from klinetail.formats import Format, Output, Reader

Value = TypeVar("Value")


class Registry(Mapping[str, Value]):
    """Values by name, in the order of their registration.

    Args:
        places: where to import each value from: `MODULE`, or `MODULE:NAME` for a name
            in the module.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        """Where to import the built-in values from, by name."""
        self._values: dict[str, Value | None] = dict.fromkeys(places)
        """The values by name; None for a value not imported yet."""

    def add(self, name: str, value: Value) -> None:
        """Register a value. The `klinetail` command sees only values registered before
        `klinetail.cli.app` is imported.

        Args:
            name: lower-case ASCII letters and digits: the word for `-o`, and for a
                format of recordings also the suffix of its files.
            value: the value to register.

        Raises:
            ValueError: the name is taken or not valid.
        """
        if name in self._values:
            raise ValueError(f"there is a format {name!r} already")
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise ValueError(f"{name!r} is no name of lower-case letters and digits")
        self._values[name] = value

    def __getitem__(self, name: str) -> Value:
        value = self._values[name]
        if value is None:
            module, _, within = self._places[name].partition(":")
            found = importlib.import_module(module)
            value = cast("Value", getattr(found, within) if within else found)
            self._values[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._values  # the inherited method would import the value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


FORMATS: Final[Registry[Format]] = Registry(
    {
        "jsonl": "klinetail.formats.jsonl",
        "csv": "klinetail.formats.csv",
    }
)
"""The formats of recordings, which are written and read again. The name is the word for
`-o` and the suffix of a file for `--out`."""

DUMPS: Final[Registry[Reader]] = Registry({"dump": "klinetail.formats.dump"})
"""The formats of other programs, read but never written."""

PROSE: Final[Registry[Callable[[tzinfo], Output]]] = Registry(
    {"plain": "klinetail.formats.plain:Plain"}
)
"""The formats for people, each made for a time zone and written to stdout alone."""


def output_names() -> list[str]:
    """Return the names of the line formats available on stdout."""
    return [*FORMATS, *PROSE]


def output(name: str, zone: tzinfo) -> Output:
    """Return the writer of the lines on stdout.

    Args:
        name: a name from `output_names()`.
        zone: the reader's time zone.
    """
    return PROSE[name](zone) if name in PROSE else FORMATS[name]


def suffixes() -> list[str]:
    """Return the suffixes of recordings: `.jsonl` and the like."""
    return [f".{name}" for name in FORMATS]


def readers() -> dict[str, Reader]:
    """Return the readable formats, in the order in which a file is tried.

    Dumps come first: their lines are the shortest, and hold nothing but numbers.
    """
    return {**DUMPS, **FORMATS}


def either(words: Sequence[str]) -> str:
    """Return a choice among words: `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
