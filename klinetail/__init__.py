"""`tail -F` for Binance futures candles: every closed candle exactly once, or it
tells you which one is missing.

The names below are the public interface. A name is loaded at its first use, so
that `import klinetail` costs next to nothing.
"""

# Python itself loads these three modules before the first line. A further import here
# would take time, and a signal in this time would find the interpreter's own handlers.
import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False  # the constant of `typing`, without loading `typing`

_ENDINGS = {
    _signal.SIGINT: 0,
    _signal.SIGTERM: 0,
    _signal.SIGHUP: 129,
    _signal.SIGQUIT: 130,
}
"""The exit codes, by signal, of a process asked to stop before its work began."""


def _end_when_asked() -> None:
    """Let a stop signal end the process at once, without a traceback.

    Nothing is opened yet. A command with work to finish handles the signals itself.
    """
    for number in _ENDINGS:
        # nohup ignores SIGHUP, and a shell's background job ignores SIGINT: an ignored
        # signal stays ignored.
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda number, _: os._exit(_ENDINGS[number]))


def _is_the_program() -> bool:
    """Return whether the process was started as `klinetail` or `python -m klinetail`.

    Otherwise a program imports klinetail, and the signals are the program's own.
    """
    name = next(iter(getattr(sys, "argv", ())), "")
    if name != "-m":  # the value while Python looks for the module to run
        return os.path.basename(name) == "klinetail"
    words = sys.orig_argv
    option = words[words.index("klinetail") - 1] if "klinetail" in words else ""
    return option.startswith("-") and option.endswith("m")


try:
    if _is_the_program():
        _end_when_asked()
except KeyboardInterrupt:  # the signal came before `_end_when_asked`
    if _is_the_program():
        os._exit(_ENDINGS[_signal.SIGINT])
    raise

if TYPE_CHECKING:
    from klinetail.candle import Candle as Candle
    from klinetail.candle import Interval as Interval
    from klinetail.candle import Source as Source
    from klinetail.candle import Stream as Stream
    from klinetail.collector import DataCollector as DataCollector
    from klinetail.errors import KlinetailError as KlinetailError
    from klinetail.errors import Refused as Refused
    from klinetail.errors import SlowConsumer as SlowConsumer
    from klinetail.errors import UsageError as UsageError
    from klinetail.events import CandleEvent as CandleEvent
    from klinetail.events import DropEvent as DropEvent
    from klinetail.events import EndedEvent as EndedEvent
    from klinetail.events import Event as Event
    from klinetail.events import GapEvent as GapEvent
    from klinetail.events import LinkEvent as LinkEvent
    from klinetail.events import LinkState as LinkState
    from klinetail.events import MuteEvent as MuteEvent
    from klinetail.events import PendingEvent as PendingEvent
    from klinetail.events import PreviewEvent as PreviewEvent
    from klinetail.events import RevisionEvent as RevisionEvent
    from klinetail.events import TradedEvent as TradedEvent
    from klinetail.events import UnconfirmedEvent as UnconfirmedEvent
    from klinetail.pipeline.bus import EventBus as EventBus
    from klinetail.pipeline.mailbox import Mailbox as Mailbox

__version__ = "0.1.0"

_HOME = {
    "EventBus": "pipeline.bus",
    "Candle": "candle",
    "Interval": "candle",
    "Source": "candle",
    "Stream": "candle",
    "DataCollector": "collector",
    "KlinetailError": "errors",
    "Refused": "errors",
    "SlowConsumer": "errors",
    "UsageError": "errors",
    "CandleEvent": "events",
    "DropEvent": "events",
    "EndedEvent": "events",
    "Event": "events",
    "GapEvent": "events",
    "LinkEvent": "events",
    "LinkState": "events",
    "MuteEvent": "events",
    "PendingEvent": "events",
    "PreviewEvent": "events",
    "RevisionEvent": "events",
    "TradedEvent": "events",
    "UnconfirmedEvent": "events",
    "Mailbox": "pipeline.mailbox",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"klinetail.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
