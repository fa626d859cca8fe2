"""The registry of sinks: finds the sink for a file's suffix or a URL's scheme.

A package adds a sink by an entry point of the group `klinetail.sinks`: the entry
point's name is a scheme, `redis`, or a suffix, `.parquet`; its value is an `Opener`.

Files in the formats of `klinetail.formats.registry` need no look at the installed
packages; the look would take a good part of klinetail's start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, cast

from klinetail.errors import KlinetailError, OutputError, UsageError
from klinetail.formats.registry import FORMATS, either, suffixes
from klinetail.recordings.containers.registry import container_of
from klinetail.recordings.policy import FileOptions
from klinetail.sinks.file import FileSink
from klinetail.sinks.output import Outputs
from klinetail.sinks.sink import Sink, WrittenOn, words

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "klinetail.sinks"
"""The group of the entry points."""

AnySink: TypeAlias = Sink[Any, Any]
"""A sink with any prepared form of a candle."""

_SCHEME: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>//)?")


class Opening(NamedTuple):
    """The facts for a sink's opening. New fields come at the end."""

    updates: bool
    """Whether the sink gets forming candles too, several a second and stream."""
    outputs: Outputs
    """The files of the run's other outputs; a sink that writes files adds the files."""
    options: FileOptions = FileOptions()
    """How files are written and continued."""
    say: Callable[[str], object] = lambda _: None
    """Is told of everything that a person should know of the sink."""


class Opener(Protocol):
    """An opener of a sink: a function, or a class derived from `Sink`."""

    def __call__(self, target: str, opening: Opening, /) -> AnySink:
        """Open a sink.

        Args:
            target: a path or a URL, as given to `--out`.
            opening: the further facts.

        Raises:
            UsageError: the target cannot exist.
            OutputError: the sink cannot be opened.
        """


def _installed() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


class Sinks:
    """Opens sinks: the sinks of klinetail and the sinks of installed packages.

    Args:
        installed: the entry points of the group; called at most once, and not for a
            file in a known format.
    """

    def __init__(
        self, installed: Callable[[], Iterable[EntryPoint]] = _installed
    ) -> None:
        self._installed = installed
        self._points: dict[str, list[EntryPoint]] | None = None
        """The entry points by name; None until read."""

    def open(self, target: str, opening: Opening) -> AnySink:
        """Open the sink for a path or a URL.

        Raises:
            UsageError: no sink exists for the target, or the sink refuses the target.
            OutputError: the sink cannot be opened.
        """
        scheme = _SCHEME.match(target)
        if scheme is not None:
            name = scheme["name"].lower()
            if name in self._entry_points():
                return self._open(name, f"{name}:", target, opening)
            if scheme["slashes"]:
                known = sorted(n for n in self._entry_points() if n[0] != ".")
                there_are = f"there is {either(known)}" if known else "there is none"
                raise UsageError(
                    f"--out {name}://: no sink is installed for it ({there_are});"
                    f" for a file the suffix tells the format, {either(suffixes())}"
                )
        suffix = PurePath(target).suffix.lower()
        if PurePath(container_of(target)[1]).suffix[1:].lower() in FORMATS:
            return FileSink(
                target,
                updates=opening.updates,
                outputs=opening.outputs,
                options=opening.options,
                say=opening.say,
            )
        if suffix in self._entry_points():
            return self._open(suffix, target, target, opening)
        more = sorted(n for n in self._entry_points() if n[0] == ".")
        raise UsageError(
            f"{target}: name it {either([*suffixes(), *more])}, the suffix tells the"
            " format"
        )

    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        if self._points is None:
            self._points = {}
            for point in self._installed():
                same = self._points.setdefault(point.name.lower(), [])
                # A package twice on the path counts as a single package.
                if all(point.value != other.value for other in same):
                    same.append(point)
        return self._points

    def _open(self, name: str, shown: str, target: str, opening: Opening) -> AnySink:
        """Open a sink of a package.

        Args:
            name: the name of the entry point.
            shown: the target for messages; a URL can hold a password.
            target: the target as given.
            opening: the further facts.
        """
        point, *others = self._entry_points()[name]
        if others:
            packages = sorted(_package(one) for one in (point, *others))
            raise UsageError(
                f"--out {shown}: {' and '.join(packages)} both take it; uninstall one"
            )
        try:
            opener = point.load()
        except Exception as error:
            raise UsageError(
                f"--out {shown}: the sink of {_package(point)} cannot be loaded:"
                f" {error!r}"
            ) from error
        try:
            sink = opener(target, opening)
        except KlinetailError:
            raise
        except Exception as error:
            raise OutputError(f"--out {shown}: {words(error)}") from error
        if fault := _fault(sink):
            raise OutputError(f"--out {shown}: a bug of {_package(point)}: {fault}")
        return cast("AnySink", sink)


def _package(point: EntryPoint) -> str:
    """Return the name of an entry point's package."""
    return point.value if point.dist is None else point.dist.name


def _fault(sink: Any) -> str:
    """Return the reason why an opened object is unusable as a sink; empty if usable."""
    if not isinstance(sink, Sink):
        return f"{type(sink).__name__} lacks what a Sink has"
    lacking = [name for name in ("name", "written") if not hasattr(sink, name)]
    if lacking:
        return f"{type(sink).__name__} has no {' and no '.join(lacking)}"
    if sink.written_on is not WrittenOn.WORKER:
        return "only stdout is written on the thread that delivers"
    return ""


SINKS: Final = Sinks()
"""The sinks of `--out`."""
