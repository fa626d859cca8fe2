"""What can be called back: a plain function, since nobody awaits what it returns."""

from __future__ import annotations

import inspect


def check_callback(callback: object, name: str) -> None:
    """Refuse what cannot be called back, at once and not at the first candle.

    Args:
        callback: what was given.
        name: what the caller knows it as.

    Raises:
        TypeError: it cannot be called, or it is a coroutine function.
    """
    if not callable(callback):
        raise TypeError(f"{name} has to be a function, not {callback!r:.100}")
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        type(callback).__call__
    ):
        raise TypeError(
            f"{name} runs on a thread and cannot be a coroutine function;"
            " `async for candle in collector` serves event loops"
        )
