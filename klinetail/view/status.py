"""The status line: figures in, one line out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from rich.text import Text

from klinetail.events import Drop, LinkEvent, LinkState
from klinetail.stats import Stats
from klinetail.view.columns import Cell
from klinetail.view.look import (
    GOOD,
    LOUD,
    QUIET,
    TITLE,
    TROUBLE,
    Glyphs,
    clipped,
    line,
)

_BETWEEN = "   "


class Piece(msgspec.Struct, frozen=True):
    """A part of the line; the greatest rank is dropped first."""

    rank: int
    cells: tuple[Cell, ...]

    @property
    def text(self) -> Text:
        return line(*self.cells)


def status_line(
    stats: Stats,
    *,
    width: int,
    glyphs: Glyphs,
    badge: str = "",
    waited: Mapping[str, float] | None = None,
    clock: str = "",
) -> Text:
    """What a glance must tell: is it live, and is anything missing.

    Args:
        stats: the run's figures.
        width: cells there are.
        glyphs: what the terminal can show.
        badge: shown first and loud; "" for none.
        waited: seconds since each link's latest event, for a wait's countdown.
        clock: exchange time, shown last.
    """
    pieces = [
        *([Piece(0, ((f" {badge} ", LOUD),))] if badge else []),
        Piece(1, _link(stats.links.values(), waited or {}, glyphs)),
        *_figures(stats),
        *([Piece(5, ((clock, QUIET),))] if clock else []),
    ]
    while len(pieces) > 1 and _width(pieces) > width:
        pieces.remove(max(pieces, key=lambda piece: piece.rank))
    text = line((" ", ""))
    for index, piece in enumerate(pieces):
        text.append(_BETWEEN if index else "")
        text.append_text(piece.text)
    return clipped(text, width, glyphs)


def _width(pieces: list[Piece]) -> int:
    inner = sum(piece.text.cell_len for piece in pieces)
    return 1 + inner + len(_BETWEEN) * (len(pieces) - 1)


def _figures(stats: Stats) -> list[Piece]:
    pieces = [Piece(3, (("closed ", QUIET), (str(stats.closed), "")))]
    if (missing := stats.gaps - stats.gaps_filled) > 0:
        pieces.append(Piece(2, ((f" {_count(missing, 'GAP')} ", LOUD),)))
    elif stats.gaps:
        pieces.append(Piece(4, (("gaps ", QUIET), (f"{stats.gaps}, filled", ""))))
    else:
        pieces.append(Piece(4, (("gaps ", QUIET), ("0", ""))))
    if stats.revisions:
        pieces.append(Piece(4, (("revised ", QUIET), (str(stats.revisions), TITLE))))
    if bad := stats.dropped[Drop.BAD]:
        pieces.append(Piece(4, (("bad messages ", QUIET), (str(bad), TITLE))))
    if stats.ended:
        pieces.append(Piece(4, (("ended ", QUIET), (str(stats.ended), TITLE))))
    reconnects = str(stats.reconnects)
    pieces.append(Piece(6, (("reconnects ", QUIET), (reconnects, ""))))
    if (delay := stats.close_delay) is not None:
        typical, worst = delay
        shown = f"{typical:.1f}s, at most {worst:.1f}s"
        pieces.append(Piece(7, (("close delay ", QUIET), (shown, ""))))
    duplicates = str(stats.dropped[Drop.DUPLICATE])
    pieces.append(Piece(8, (("duplicates dropped ", QUIET), (duplicates, ""))))
    return pieces


def _link(
    links: Collection[LinkEvent], waited: Mapping[str, float], glyphs: Glyphs
) -> tuple[Cell, ...]:
    if not links:
        return ((f"{glyphs.busy} starting", TITLE),)
    troubled = [link for link in links if link.state is not LinkState.LIVE]
    if len(links) == 1:
        return _one_link(next(iter(links)), waited, glyphs)
    if not troubled:
        return ((f"{glyphs.live} ", GOOD), (f"{len(links)} links live", TITLE))
    worst = max(troubled, key=lambda link: (link.attempt, link.delay))
    live = f"{len(links) - len(troubled)} of {len(links)} links live"
    return (
        (f"{glyphs.down_link} {live}", TROUBLE),
        ("  ", ""),
        *_one_link(worst, waited, glyphs),
    )


def _one_link(
    link: LinkEvent, waited: Mapping[str, float], glyphs: Glyphs
) -> tuple[Cell, ...]:
    match link.state:
        case LinkState.LIVE:
            return ((f"{glyphs.live} ", GOOD), ("live", TITLE))
        case LinkState.WAITING:
            seconds = max(link.delay - waited.get(link.link, 0.0), 0.0)
            text = f"waiting {seconds:.0f}s"
            if link.attempt > 1:
                text += f", attempt {link.attempt}"
            head: Cell = (f"{glyphs.down_link} {text}", TROUBLE)
        case LinkState.STOPPED:
            head = (f"{glyphs.down_link} stopped", TROUBLE)
        case LinkState.IDLE | LinkState.CONNECTING | LinkState.SUBSCRIBING:
            attempt = f", attempt {link.attempt + 1}" if link.attempt else ""
            head = (f"{glyphs.busy} {link.state}{attempt}", TITLE)
    return (head, (f": {glyphs.label(link.reason)}", "")) if link.reason else (head,)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}S"
