"""`tail -F` for Binance futures candles: every closed candle exactly once, or it
tells you which one is missing.

The names below are the public interface; they are loaded when first used, so
that `import klinetail` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klinetail.bus import EventBus as EventBus
    from klinetail.candle import Candle as Candle
    from klinetail.candle import Interval as Interval
    from klinetail.candle import Source as Source
    from klinetail.candle import Stream as Stream
    from klinetail.collector import DataCollector as DataCollector
    from klinetail.errors import KlinetailError as KlinetailError
    from klinetail.events import CandleEvent as CandleEvent
    from klinetail.events import DropEvent as DropEvent
    from klinetail.events import EndedEvent as EndedEvent
    from klinetail.events import GapEvent as GapEvent
    from klinetail.events import LinkEvent as LinkEvent
    from klinetail.events import MuteEvent as MuteEvent
    from klinetail.events import PreviewEvent as PreviewEvent
    from klinetail.events import RevisionEvent as RevisionEvent
    from klinetail.events import UnconfirmedEvent as UnconfirmedEvent

__version__ = "0.1.0"

_HOME = {
    "EventBus": "bus",
    "Candle": "candle",
    "Interval": "candle",
    "Source": "candle",
    "Stream": "candle",
    "DataCollector": "collector",
    "KlinetailError": "errors",
    "CandleEvent": "events",
    "DropEvent": "events",
    "EndedEvent": "events",
    "GapEvent": "events",
    "LinkEvent": "events",
    "MuteEvent": "events",
    "PreviewEvent": "events",
    "RevisionEvent": "events",
    "UnconfirmedEvent": "events",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"klinetail.{home}"), name)
