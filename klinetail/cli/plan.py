"""The plan of one run of `watch`: what was asked for, checked and looked up."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple

from klinetail.candle import Stream
from klinetail.exchange.proxy import Proxy
from klinetail.protocol.venues import Venue
from klinetail.sinks.registry import AnySink

if TYPE_CHECKING:
    from klinetail.cli.stats_file import StatsFile
    from klinetail.protocol.rest import Listing

ONE_SHOT: Final = 30.0
"""Seconds without an answer after which one that does not follow gives up."""


TABLE: Final = "table"
"""The name of the output that is no format of lines."""


class Plan(NamedTuple):
    """What was asked for."""

    streams: list[Stream]
    listed: list[Listing] | None
    """What the exchange lists, if it was asked already."""
    venue: Venue
    ws_proxy: Proxy | None
    rest_proxy: Proxy | None
    lines: int
    follow: bool
    limit: int | None
    updates: bool
    output: str
    """`TABLE`, or the name of a format of stdout."""
    header: bytes
    """What goes first to stdout."""
    sinks: list[AnySink]
    """What is recorded to beside; their workers close them."""
    zone: tzinfo
    color: str
    quiet: bool
    verbose: bool
    hold: float
    share: float
    strict: bool
    stats: StatsFile | None
    """Where the figures go as JSON."""
