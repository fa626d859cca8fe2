"""From the words of the command line to streams, by asking the exchange if needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from klinetail.candle import Stream
from klinetail.errors import BadMessage, ExchangeError, UsageError
from klinetail.pattern import Pattern

if TYPE_CHECKING:
    from klinetail.cli.exchange import Exchange
    from klinetail.cli.signals import Signals
    from klinetail.events import DropEvent, LinkEvent
    from klinetail.protocol.exchange_info import Listing
    from klinetail.sinks.output import Outputs

_MOST: Final = 4 << 20
"""Bytes of a file of words, at most; a million streams fit."""
DOUBTING: Final = 2.0
"""Seconds of trying to ask the exchange whether a word like `60m` is a symbol; without
an answer, the word is taken for a misspelt interval."""


class Chosen(NamedTuple):
    """The chosen streams."""

    streams: list[Stream]
    """The streams to follow."""
    listed: list[Listing] | None
    """The exchange's list of symbols; None if the list was not needed."""


def read_words(name: str, outputs: Outputs) -> str:
    """Return the text of a file that names streams.

    Args:
        name: the name of the file; `-` is stdin.
        outputs: the outputs of the run; an output that leads to the file is refused
            later.

    Raises:
        UsageError: the file cannot be read, is too large or is not UTF-8.
    """
    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("@-: stdin is closed")
            if sys.stdin.isatty():
                from klinetail.cli import complain

                complain(
                    "type the streams to follow; Ctrl-D on an empty line ends the list"
                )
            data = sys.stdin.buffer.read(_MOST + 1)
        else:
            with open(name, "rb") as file:
                outputs.note(file.fileno(), f"@{name}")
                data = file.read(_MOST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"@{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"@{name}: the file is not UTF-8 text") from None
    if len(data) > _MOST:
        raise UsageError(f"@{name}: the file has more than {_MOST >> 20} MiB")
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
    """Return the wanted streams; None if a signal asked to stop before the answer.

    Args:
        wanted: streams and patterns; for a pattern the exchange is asked for its list
            of symbols.
        exchange: the exchange to ask.
        signals: the process's signals, entered already.
        quote: the quote asset of the symbols that match a pattern; None for any asset.
        most: the largest number of streams that may be followed.
        patience: seconds without an answer before giving up.
        quiet: whether temporary failures are not told on stderr.

    Raises:
        UsageError: no symbol matches, or the streams are too many.
        ExchangeError: the exchange refuses, or does not answer in time.
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
    """Return the error about the first word that looks like an interval.

    The result is None if another word needs the exchange's list of symbols anyway.
    """
    patterns = [one for one in wanted if isinstance(one, Pattern)]
    if not all(one.otherwise for one in patterns):
        return None
    return patterns[0].otherwise


def teller(*, quiet: bool = False) -> Callable[[LinkEvent | DropEvent], None]:
    """Return a function that tells failures and recoveries of REST on stderr.

    Args:
        quiet: whether the function says nothing.
    """
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
    """Return the exchange's list of symbols; None if a signal asked to stop before the
    answer.

    Args:
        exchange: the exchange to ask.
        signals: the process's signals, entered already.
        patience: seconds without an answer before giving up.
        quiet: whether temporary failures are not told on stderr.

    Raises:
        ExchangeError: the exchange refuses, or does not answer in time.
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
