"""The table at stdout: opening the screen, and refreshing the table's status."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from klinetail.cli.outlets import TableOutlet
from klinetail.cli.plan import Plan
from klinetail.cli.stderr import STDERR
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.meter import Meter
from klinetail.view.screen import Screen
from klinetail.view.table import Table
from klinetail.view.terminal import coloured, glyphs_of


def open_table(
    plan: Plan,
    latest: Latest,
    meter: Meter,
    exchange_time: Callable[[], int | None],
    stack: contextlib.ExitStack,
) -> tuple[TableOutlet, Screen]:
    """Take over the terminal for a table; lines for stderr go to the screen from now.

    Args:
        plan: names the streams, the time zone and the colours of the table.
        latest: the candles and events of the table.
        meter: the figures of the table's status.
        exchange_time: returns the exchange time now (ms); None until the time is known.
        stack: gives the terminal back when it is closed.

    Raises:
        OutputError: the terminal cannot be written to.
    """
    table = Table(
        plan.streams,
        tz=plan.zone,
        source=plan.venue.name,
        real=plan.venue.real,
        glyphs=glyphs_of(sys.stdout),
    )
    color = coloured(os.environ, plan.color)  # type: ignore[arg-type]
    screen = stack.enter_context(Screen(sys.stdout, color=color))
    if sys.stderr is not None and sys.stderr.isatty():
        STDERR.through(screen.say)
        stack.callback(STDERR.through, None)

    def refresh(now: float) -> None:
        # The time is read first: the collector's threads take the collector's lock
        # before the meter's lock.
        time_now = exchange_time()
        with meter.lock:
            table.status(meter.stats, time_now, now)

    return TableOutlet(screen, table, latest, refresh), screen
