"""The table at stdout: a screen for it, and what its status is made of."""

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
    """Take over the terminal for a table. What is said goes to the screen behind it.

    Args:
        plan: which streams it shows, and how.
        latest: its candles and events.
        meter: its figures.
        exchange_time: exchange time now, ms; None until it is known.
        stack: what gives the terminal back.

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
        # Read first: the collector's threads take its lock before the meter's.
        time_now = exchange_time()
        with meter.lock:
            table.status(meter.stats, time_now, now)

    return TableOutlet(screen, table, latest, refresh), screen
