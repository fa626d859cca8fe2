"""Checks of callbacks: a callback is a plain function, since no caller awaits it."""

from __future__ import annotations

import inspect


def check_callback(callback: object, name: str) -> None:
    """Refuse an unusable callback at once, rather than at the first candle.

    Args:
        callback: the value given by a program.
        name: the name of the parameter, for the message.

    Raises:
        TypeError: the value cannot be called, or is a coroutine function.
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
