"""Many cases in one test, of which a failure names the one that failed."""

from types import TracebackType


class Case:
    """`with Case("low", "NaN"):` adds these values to any failure inside.

    A parameter costs pytest some ten milliseconds, a case costs nothing: where hundreds
    of values say the same, they are cases of one test.
    """

    def __init__(self, *values: object) -> None:
        self._values = values

    def __enter__(self) -> None:
        """Nothing is done before something fails."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if problem is not None:
            shown = ", ".join(f"{value!r:.200}" for value in self._values)
            problem.add_note(f"in the case {shown}")
