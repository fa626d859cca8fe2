"""From the words of the command line to streams, with what must be looked up."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from klinetail.candle import Pattern, Stream
from klinetail.errors import UsageError

if TYPE_CHECKING:
    from klinetail.cli.exchange import Exchange
    from klinetail.cli.signals import Signals
    from klinetail.protocol.rest import Listing

_MOST: Final = 4 << 20
"""Characters of a file of words; a million streams fit."""


class Chosen(NamedTuple):
    """What is to be followed."""

    streams: list[Stream]
    listed: list[Listing] | None
    """What the exchange lists, if it had to be asked."""


def read_words(name: str) -> str:
    """The text of a file that names streams; `-` is stdin.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("@-: stdin is closed")
            if sys.stdin.isatty():
                from klinetail.cli import complain

                complain("type what to follow; Ctrl-D on an empty line ends it")
            data = sys.stdin.buffer.read(_MOST + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(_MOST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"@{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"@{name}: it is not UTF-8 text") from None
    if len(data) > _MOST:
        raise UsageError(f"@{name}: more than {_MOST >> 20} MiB")
    return text


def choose(
    wanted: Sequence[Stream | Pattern],
    exchange: Exchange,
    signals: Signals,
    *,
    quote: str | None,
    most: int,
    patience: float,
    quiet: bool,
) -> Chosen | None:
    """The streams that are wanted; None if a signal asked to stop before they were
    known.

    Args:
        wanted: of patterns the exchange is asked what there is.
        exchange: which one.
        signals: entered already.
        quote: the asset that the symbols of patterns have to be quoted in.
        most: how many streams may be followed.
        patience: seconds without an answer before giving up.
        quiet: say nothing about failures that pass.

    Raises:
        UsageError: there is no such symbol, or they are too many.
        ExchangeError: the exchange refuses, or it did not answer in time.
    """
    if all(isinstance(one, Stream) for one in wanted):
        chosen = Chosen([one for one in wanted if isinstance(one, Stream)], None)
    else:
        listed = _listed(exchange, signals, patience=patience, quiet=quiet)
        if listed is None:
            return None
        from klinetail.collector.symbols import resolve

        chosen = Chosen(resolve(wanted, listed, quote), listed)
    if (count := len(chosen.streams)) > most:
        raise UsageError(
            f"{count:,} streams are asked for, more than --max-streams {most}"
        )
    return chosen


def _listed(
    exchange: Exchange, signals: Signals, *, patience: float, quiet: bool
) -> list[Listing] | None:
    from klinetail.cli import complain
    from klinetail.collector.inquiry import Inquiry
    from klinetail.events import LinkEvent
    from klinetail.exchange.rest import BinanceRest
    from klinetail.notices import Notices

    notices = Notices(patience=patience)

    def say(event: LinkEvent) -> None:
        if not quiet:
            for line in notices.lines(event):
                complain(line)

    rest = BinanceRest(exchange.route.rest_url, proxy=exchange.rest_proxy)
    inquiry = Inquiry(rest, say, patience=patience)
    inquiry.answer.add_done_callback(signals.wake)
    inquiry.start()
    try:
        poller = select.poll()
        poller.register(signals.fd, select.POLLIN)
        while signals.stop is None and not inquiry.answer.done():
            poller.poll()
            signals.clear()
            if signals.suspended:
                signals.suspend()
    finally:
        inquiry.stop()
    return None if signals.stop is not None else inquiry.answer.result()
