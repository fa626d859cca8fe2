"""The plan of one run of `watch`: the options, checked, with streams looked up."""

from __future__ import annotations

import math
from datetime import tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple

from klinetail.candle import Stream
from klinetail.exchange.proxy import Proxy
from klinetail.protocol.venues import Venue
from klinetail.recordings.policy import Resume

if TYPE_CHECKING:
    from klinetail.cli.stats_file import StatsFile
    from klinetail.protocol.exchange_info import Listing
    from klinetail.recordings.cursor import Tail
    from klinetail.sinks.registry import AnySink

ONE_SHOT: Final = 30.0
"""Seconds without an answer after which a run with `--no-follow` gives up."""


TABLE: Final = "table"
"""The name of the only output that is no format of lines."""


class Recordings(NamedTuple):
    """The recordings of a run."""

    sinks: list[AnySink]
    """The sinks beside stdout; each sink's worker closes the sink."""
    tails: list[Tail | None]
    """For each sink, the end of the recording; None for a sink without a record of its
    progress."""
    resume: Resume
    """The fate of candles that a recording lacks."""


class Plan(NamedTuple):
    """One run of `watch`, with every option resolved."""

    streams: list[Stream]
    """The streams to follow."""
    listed: list[Listing] | None
    """The exchange's list of symbols; None if the list was not needed yet."""
    venue: Venue
    """The exchange."""
    ws_proxy: Proxy | None
    """The proxy for WebSocket connections; None without a proxy."""
    rest_proxy: Proxy | None
    """The proxy for REST requests; None without a proxy."""
    lines: int
    """Closed candles of each stream from before the start."""
    follow: bool
    """Whether the run goes on after the history."""
    limit: int | None
    """Closed candles in all after which the run ends; None without a limit."""
    updates: bool
    """Whether stdout and the recordings get forming candles too."""
    output: str
    """`TABLE`, or the name of the format of stdout."""
    header: bytes
    """The first bytes for stdout: a format's header line, or nothing."""
    recordings: Recordings
    zone: tzinfo
    """The time zone of the table and of plain lines."""
    color: str
    """The value of `--color`."""
    quiet: bool
    """Whether only errors and gaps are told on stderr."""
    verbose: bool
    """Whether each dropped message and each change of a link is told on stderr."""
    hold: float
    """Seconds that candles wait for an earlier candle that cannot be fetched."""
    share: float
    """The part of the exchange's REST limit to use at most, from 0 to 1."""
    strict: bool
    """Whether the first gap ends the run."""
    stats: StatsFile | None
    """The file for the figures as JSON; None without `--stats`."""

    @property
    def patience(self) -> float:
        """Seconds without an answer after which a history is given up: without an end
        for a run that follows."""
        return math.inf if self.follow else ONE_SHOT
