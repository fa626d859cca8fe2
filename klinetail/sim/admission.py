"""Who may talk to the embedded exchange, pure: programs on this machine, and no web
page from elsewhere.

A browser lets any page open a WebSocket to 127.0.0.1; the header Origin gives such a
page away. And the owner of a name can point it at 127.0.0.1, so that the requests of
that name's pages come here (DNS rebinding); the header Host gives these away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from klinetail.errors import UsageError

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The names of this machine that are always allowed."""

_HOST: Final = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_PORT: Final = r"(?::(?P<port>[0-9]{1,5}))?"
_authority: Final = re.compile(_HOST + _PORT).fullmatch
_origin: Final = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://{_HOST}{_PORT}"
).fullmatch
_USUAL: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}


class Admission(NamedTuple):
    """The names by which the exchange may be asked, and the pages that may ask it."""

    hosts: frozenset[str] = frozenset()
    """In lower case, besides LOOPBACK; with any port."""
    origins: frozenset[str] = frozenset()
    """As `scheme://host`, with a port that is not the scheme's usual one; besides those
    whose host is in LOOPBACK."""

    @classmethod
    def of(cls, hosts: Iterable[str], origins: Iterable[str]) -> Admission:
        """What a user allows besides the loopback names.

        Args:
            hosts: names such as `exchange.test`.
            origins: such as `https://app.example` or `http://app.example:8080`.

        Raises:
            UsageError: one is no such name.
        """
        return cls(frozenset(map(_name, hosts)), frozenset(map(_page, origins)))

    def refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        """Why a request is refused, or None if it is not.

        Args:
            hosts: the values of all its headers Host.
            origins: the values of all its headers Origin; programs send none, or one
                that names the address they ask.
        """
        asked = _authority(hosts[0]) if len(hosts) == 1 else None
        if asked is None or asked["host"].lower() not in LOOPBACK | self.hosts:
            return "this Host is not allowed here; serve --allow-host NAME allows one"
        if not origins:
            return None
        page = _origin(origins[0]) if len(origins) == 1 else None
        if page is not None:
            if page["host"].lower() in LOOPBACK:
                return None
            if _normal(page) in self.origins:
                return None
        return "this Origin is not allowed here; serve --allow-origin URL allows one"


def _name(text: str) -> str:
    match = _authority(text)
    if match is None or match["port"] is not None:
        raise UsageError(
            f"--allow-host {text!r} is no host; it looks like exchange.test, without a"
            " port: any will do"
        )
    return match["host"].lower()


def _page(text: str) -> str:
    match = _origin(text)
    if match is None:
        raise UsageError(
            f"--allow-origin {text!r} is no origin; it looks like https://app.example,"
            " without a path"
        )
    return _normal(match)


def _normal(match: re.Match[str]) -> str:
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    usual = port is None or port == _USUAL.get(scheme)
    return f"{scheme}://{host}" if usual else f"{scheme}://{host}:{port}"
