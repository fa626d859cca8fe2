"""The table of listed symbols, which `klinetail symbols` prints once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.table import Table
from rich.text import Text

from klinetail.protocol.exchange_info import Listing
from klinetail.view.printed import printed
from klinetail.view.terminal import glyphs_of
from klinetail.view.theme import TITLE, Glyphs


def rendered(
    listings: Sequence[Listing], stdout: TextIO, environ: Mapping[str, str]
) -> bytes:
    """Return the table of the listed symbols in the encoding of the terminal.

    The table has one row for each symbol. Text from the exchange is escaped.

    Args:
        listings: the symbols in the order of the rows.
        stdout: the terminal.
        environ: see `printed`.
    """
    return printed(stdout, environ, _table(listings, glyphs_of(stdout)))


def _table(listings: Sequence[Listing], glyphs: Glyphs) -> Table:
    table = Table(box=None, pad_edge=False, header_style=TITLE)
    for name in ("SYMBOL", "CONTRACT", "BASE", "QUOTE"):
        table.add_column(name, no_wrap=True)
    for name in ("TICK", "STEP", "LISTED"):
        table.add_column(name, no_wrap=True, justify="right")
    for one in listings:
        words = (one.symbol, one.contract_type, one.base, one.quote)
        sizes = (one.tick_size, one.step_size, _date(one.onboard_time))
        table.add_row(
            *(Text(glyphs.label(word or glyphs.none)) for word in words + sizes)
        )
    return table


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d}" if time else ""
