"""From the words of the command line to streams, with what must be looked up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from klinetail.candle import Pattern, Stream
from klinetail.errors import BadMessage, ExchangeError, UsageError

if TYPE_CHECKING:
    from klinetail.cli.exchange import Exchange
    from klinetail.cli.signals import Signals
    from klinetail.events import DropEvent, LinkEvent
    from klinetail.protocol.rest import Listing
    from klinetail.sinks.output import Outputs

_MOST: Final = 4 << 20
"""Characters of a file of words; a million streams fit."""
DOUBTING: Final = 2.0
"""Seconds for which an exchange that cannot be reached is asked again whether it lists
what looks like an interval; then the word is taken for a misspelt one."""


class Chosen(NamedTuple):
    """What is to be followed."""

    streams: list[Stream]
    listed: list[Listing] | None
    """What the exchange lists, if it had to be asked."""


def read_words(name: str, outputs: Outputs) -> str:
    """The text of a file that names streams.

    Args:
        name: of the file; `-` is stdin.
        outputs: none of these may lead to the file.

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
                outputs.note(file.fileno(), f"@{name}")
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
        doubt = _only_doubt(wanted)
        if doubt is not None:
            patience, quiet = min(patience, DOUBTING), True
        try:
            listed = ask(exchange, signals, patience=patience, quiet=quiet)
        except (ExchangeError, BadMessage):
            if doubt is not None:
                raise UsageError(doubt) from None
            raise
        if listed is None:
            return None
        from klinetail.collector.symbols import resolve

        chosen = Chosen(resolve(wanted, listed, quote), listed)
    if (count := len(chosen.streams)) > most:
        raise UsageError(
            f"{count:,} streams are asked for, more than --max-streams {most}"
        )
    return chosen


def _only_doubt(wanted: Sequence[Stream | Pattern]) -> str | None:
    """What to say about the first word that looks like an interval, if the exchange is
    asked what it lists because of such words alone."""
    patterns = [one for one in wanted if isinstance(one, Pattern)]
    if not all(one.otherwise for one in patterns):
        return None
    return patterns[0].otherwise


def teller(*, quiet: bool = False) -> Callable[[LinkEvent | DropEvent], None]:
    """What says on stderr why the exchange cannot be asked, and that it can again."""
    from klinetail.cli import complain
    from klinetail.pipeline.notices import Notices

    notices = Notices()

    def say(event: LinkEvent | DropEvent) -> None:
        if not quiet:
            for line in notices.lines(event):
                complain(line)

    return say


def ask(
    exchange: Exchange, signals: Signals, *, patience: float, quiet: bool
) -> list[Listing] | None:
    """What the exchange lists; None if a signal asked to stop before it answered.

    Args:
        exchange: which one.
        signals: entered already.
        patience: seconds without an answer before giving up.
        quiet: say nothing about failures that pass.

    Raises:
        ExchangeError: the exchange refuses, or it did not answer in time.
    """
    from klinetail.collector.listings_request import ListingsRequest
    from klinetail.exchange.rest_client import PATIENCE, BinanceRest

    rest = BinanceRest(
        exchange.venue,
        patience=min(PATIENCE, patience),
        proxy=exchange.rest_proxy,
    )
    inquiry = ListingsRequest(rest, teller(quiet=quiet), patience=patience)
    inquiry.answer.add_done_callback(signals.wake)
    inquiry.start()
    try:
        while signals.stop is None and not inquiry.answer.done():
            signals.wait()
    finally:
        inquiry.stop()
    return None if signals.stop is not None else inquiry.answer.result()
