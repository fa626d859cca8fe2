"""The status line: one line of text, made from the figures of a run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from klinetail.candle import Stream
from klinetail.events import CLOCK, REST, Drop, LinkEvent, LinkState
from klinetail.pipeline.stats import Stats
from klinetail.view.theme import (
    GOOD,
    LOUD,
    QUIET,
    TITLE,
    TROUBLE,
    Cell,
    Glyphs,
    Line,
    clipped,
    line,
)

_REASON: Final = 2
"""The rank of a reason, which may also be cut."""

_ATTEMPT: Final = 3

_SHORTEST_REASON: Final = 10
"""The least width of a reason; with less room, the reason is left out."""

_NAMES: Final = {REST: "REST", CLOCK: "the clock"}
"""The names of REST and the clock on the line."""


class Piece(msgspec.Struct, frozen=True):
    """A part of the status line."""

    rank: int
    """The piece with the greatest rank is dropped first; rank 0 is never dropped."""
    cells: tuple[Cell, ...]
    """The texts of the piece and their styles."""
    before: str = "   "
    """The text that separates the piece from the previous piece."""

    @property
    def text(self) -> Line:
        """The piece as a line of its own."""
        return line(*self.cells)

    @property
    def width(self) -> int:
        """The width of the piece, `before` included."""
        return len(self.before) + self.text.cell_len


def pieces_of(
    stats: Stats,
    *,
    glyphs: Glyphs,
    badge: str = "",
    waited: Mapping[str, float] | None = None,
    delay: tuple[float, float] | None = None,
    clock: str = "",
) -> list[Piece]:
    """Return the pieces of the status line from left to right.

    Args:
        stats: the figures of the run.
        glyphs: the symbols for the encoding of the terminal.
        badge: a word that comes first and loud; "" for none.
        waited: seconds since the latest event of each link, for countdowns.
        delay: `stats.close_delay`, which takes time to compute.
        clock: the exchange's time as text, which comes last; "" for none.
    """
    return [
        *([Piece(0, ((f" {badge} ", LOUD),))] if badge else []),
        *_links(stats, waited or {}, glyphs),
        *_figures(stats, delay),
        *([Piece(6, ((clock, QUIET),))] if clock else []),
    ]


def status_line(pieces: Sequence[Piece], width: int, glyphs: Glyphs) -> Line:
    """Return the line of the pieces; the least important are dropped to fit `width`."""
    text = line((" ", ""))
    for index, piece in enumerate(_fitting(pieces, width + 2, glyphs)):
        before = (piece.before if index else "", "")
        text += line(before, *piece.cells)
    return clipped(text, width, glyphs)


def _fitting(pieces: Sequence[Piece], width: int, glyphs: Glyphs) -> list[Piece]:
    kept = list(pieces)
    while (excess := sum(piece.width for piece in kept) - width) > 0:
        least = max(kept, key=lambda piece: piece.rank)
        if least.rank == 0:
            break
        index = kept.index(least)
        room = least.text.cell_len - excess
        if least.rank == _REASON and room >= _SHORTEST_REASON:
            ((reason, style),) = least.cells
            cut = ((glyphs.crop(reason, room), style),)
            kept[index] = Piece(least.rank, cut, least.before)
        else:
            del kept[index]
    return kept


def _figures(stats: Stats, delay: tuple[float, float] | None) -> list[Piece]:
    pieces = [_figure(3, "closed", str(stats.closed))]
    if stats.missing > 0:
        pieces.append(Piece(1, ((f" {_count(stats.gaps, 'GAP')} ", LOUD),)))
    else:
        pieces.append(
            _figure(4, "gaps", f"{stats.gaps}{', filled' * bool(stats.gaps)}")
        )
    if number := len(stats.unconfirmed):
        pieces.append(_figure(4, "being confirmed", str(number)))
    for label, number in (
        ("revised", stats.revisions),
        ("bad messages", stats.dropped[Drop.BAD]),
        ("ended", stats.ended),
    ):
        if number:
            pieces.append(_figure(5, label, str(number), TITLE))
    pieces.append(_figure(7, "reconnects", str(stats.reconnects)))
    if delay is not None:
        shown = f"{delay[0]:.1f}s, at most {delay[1]:.1f}s"
        pieces.append(_figure(8, "close delay", shown))
    duplicates = str(stats.dropped[Drop.DUPLICATE])
    pieces.append(_figure(9, "duplicates dropped", duplicates))
    return pieces


def _figure(rank: int, label: str, shown: str, style: str = "") -> Piece:
    return Piece(rank, ((f"{label} ", QUIET), (shown, style)))


def _links(stats: Stats, waited: Mapping[str, float], glyphs: Glyphs) -> list[Piece]:
    """Return the pieces about connections, then about REST and the clock."""
    events = stats.links.values()
    others = [event for event in events if not event.connection]
    pieces = []
    if connections := [event for event in events if event.connection]:
        pieces = _connections(connections, stats.mute, waited, glyphs)
    elif not others:
        pieces = [Piece(0, ((f"{glyphs.busy} starting", TITLE),))]
    for event in others:
        pieces += _troubled(event, _NAMES[event.link], waited, glyphs)
    return pieces


def _connections(
    links: Collection[LinkEvent],
    mute: Collection[Stream],
    waited: Mapping[str, float],
    glyphs: Glyphs,
) -> list[Piece]:
    troubled = [
        link for link in links if link.state is not LinkState.LIVE or link.attempt
    ]
    if troubled:
        worst = max(troubled, key=lambda link: (link.attempt, link.delay))
        share = ""
        if len(links) > 1:
            share = f"{len(links) - len(troubled)} of {len(links)} links live,"
        return _troubled(worst, share, waited, glyphs)
    if mute:
        names = [glyphs.label(str(stream)) for stream in mute]
        which = f"{names[0]} is" if len(names) == 1 else f"{len(names)} streams are"
        reason = "REST shows trades of which no frame came"
        return [
            Piece(0, ((f"{glyphs.down_link} {which} mute", TROUBLE),)),
            Piece(_REASON, ((reason, ""),), ": "),
        ]
    live = "live" if len(links) == 1 else f"{len(links)} links live"
    return [Piece(0, ((f"{glyphs.live} ", GOOD), (live, TITLE)))]


def _troubled(
    link: LinkEvent, name: str, waited: Mapping[str, float], glyphs: Glyphs
) -> list[Piece]:
    """Return the pieces about the state of a link and the reason for the state.

    The address is left out, because it would take the room that the reason needs.

    Args:
        link: the latest event of the link.
        name: the name of the link; "" if only one link can be meant.
        waited: seconds since the latest event of each link.
        glyphs: the symbols for the encoding of the terminal.
    """
    mark, style = glyphs.down_link, TROUBLE
    match link.state:
        case LinkState.WAITING:
            seconds = math.ceil(link.delay - waited.get(link.link, 0.0))
            text = f"waiting {seconds}s" if seconds > 0 else "trying again"
        case LinkState.STOPPED:
            text = "stopped"
        case LinkState.LIVE:
            text = "silent"
        case _:
            text = link.state.value
            mark, style = glyphs.busy, TITLE
    words = f"{mark} {name} {text}" if name else f"{mark} {text}"
    pieces = [Piece(0, ((words, style),))]
    if link.attempt > 1:
        attempt = f"attempt {link.attempt}"
        pieces.append(Piece(_ATTEMPT, ((attempt, style),), ", "))
    if link.reason:
        pieces.append(Piece(_REASON, ((glyphs.label(link.reason), ""),), ": "))
    return pieces


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}S"
