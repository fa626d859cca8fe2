import functools

import pytest

from klinetail.callbacks import check_callback
from klinetail.pipeline.bus import EventBus


async def coroutine(event):
    pass


class Awaited:
    async def __call__(self, event):
        pass


class Called:
    def __call__(self, event):
        pass


@pytest.mark.parametrize(
    "callback",
    [print, [].append, Called(), lambda event: None, functools.partial(print)],
)
def test_what_can_be_called_back(callback):
    check_callback(callback, "it")


@pytest.mark.parametrize(
    "callback", [coroutine, Awaited(), functools.partial(coroutine), Awaited().__call__]
)
def test_a_coroutine_function_is_refused_with_what_serves_instead(callback):
    with pytest.raises(TypeError, match=r"on_event .*coroutine.*async for candle in"):
        check_callback(callback, "on_event")
    with pytest.raises(TypeError, match="coroutine"):
        EventBus().subscribe(callback)


@pytest.mark.parametrize("callback", [3, "print", ["x"], {}])
def test_what_cannot_be_called_is_refused(callback):
    with pytest.raises(TypeError, match="on_event has to be a function"):
        check_callback(callback, "on_event")
