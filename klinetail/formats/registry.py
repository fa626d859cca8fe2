"""The registry of formats: the one place that knows which formats there are.

A format of recordings is one file in this folder and one line in `FORMATS`; `-o`,
`--out`, `serve` and `recordings.read` take their choices, and the words of their help
and errors, from here.

The names cost nothing, so that `--help` can list them: the module of a format is
imported when the format is first asked for.
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
    """Values by their names, in the order in which they were added.

    Args:
        places: of each value, where it is: `MODULE`, or `MODULE:NAME` for a name in it.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        """Where the values are that nobody has asked for yet."""
        self._values: dict[str, Value | None] = dict.fromkeys(places)
        """None for a value that is not imported yet."""

    def add(self, name: str, value: Value) -> None:
        """Add a value. For the command it has to be added before `klinetail.cli.app` is
        imported.

        Args:
            name: lower-case letters and digits; the word for `-o`, and of a format of
                recordings the suffix of its files.
            value: what is known by that name.

        Raises:
            ValueError: the name is taken already, or is none.
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
"""The formats of others, which are read alone."""

PROSE: Final[Registry[Callable[[tzinfo], Output]]] = Registry(
    {"plain": "klinetail.formats.plain:Plain"}
)
"""The formats for people of a time zone, which are written to stdout alone."""


def output_names() -> list[str]:
    """The names of the formats that stdout can have, as lines."""
    return [*FORMATS, *PROSE]


def output(name: str, zone: tzinfo) -> Output:
    """What writes the lines of stdout.

    Args:
        name: one of `output_names()`.
        zone: the time zone of people who read the lines.
    """
    return PROSE[name](zone) if name in PROSE else FORMATS[name]


def suffixes() -> list[str]:
    """The suffixes of recordings: `.jsonl` and so on."""
    return [f".{name}" for name in FORMATS]


def readers() -> dict[str, Reader]:
    """The formats that can be read, in the order in which a file is tried: dumps first,
    whose lines are the shortest and have nothing but numbers."""
    return {**DUMPS, **FORMATS}


def either(words: Sequence[str]) -> str:
    """A choice among words: `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
