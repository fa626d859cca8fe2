"""Admission to the embedded exchange: programs on this machine may connect, but no web
pages from elsewhere. Pure.

A browser lets any page open a WebSocket to 127.0.0.1; the header Origin names the page.
The owner of a domain name can also point the name at 127.0.0.1, and direct requests of
the domain's pages here (DNS rebinding); the header Host names the domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from klinetail.errors import UsageError

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The names of this machine, always admitted."""

_HOST: Final = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_PORT: Final = r"(?::(?P<port>[0-9]{1,5}))?"
_authority: Final = re.compile(_HOST + _PORT).fullmatch
_origin: Final = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://{_HOST}{_PORT}"
).fullmatch
_USUAL: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}
"""The default port of each scheme."""


class Admission(NamedTuple):
    """The host names and web pages admitted besides the loopback names."""

    hosts: frozenset[str] = frozenset()
    """Admitted host names, in lower case, with any port."""
    origins: frozenset[str] = frozenset()
    """Admitted web pages, as `scheme://host`, with any port other than the scheme's
    default."""

    @classmethod
    def of(cls, hosts: Iterable[str], origins: Iterable[str]) -> Admission:
        """Return the admission chosen by a user.

        Args:
            hosts: host names like `exchange.test`.
            origins: web pages like `https://app.example` or `http://app.example:8080`.

        Raises:
            UsageError: a name is malformed.
        """
        return cls(frozenset(map(_name, hosts)), frozenset(map(_page, origins)))

    def refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        """Return why a request is refused, or None for an admitted request.

        Args:
            hosts: the values of the request's Host headers.
            origins: the values of the request's Origin headers. Programs send none, or
                the address of the server.
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
    """Return a host name in lower case.

    Raises:
        UsageError: the text is no host name, or has a port.
    """
    match = _authority(text)
    if match is None or match["port"] is not None:
        raise UsageError(
            f"--allow-host {text!r} is no host; it looks like exchange.test, without a"
            " port: any will do"
        )
    return match["host"].lower()


def _page(text: str) -> str:
    """Return an origin in normal form.

    Raises:
        UsageError: the text is no origin.
    """
    match = _origin(text)
    if match is None:
        raise UsageError(
            f"--allow-origin {text!r} is no origin; it looks like https://app.example,"
            " without a path"
        )
    return _normal(match)


def _normal(match: re.Match[str]) -> str:
    """Return an origin in lower case, without the scheme's default port."""
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    usual = port is None or port == _USUAL.get(scheme)
    return f"{scheme}://{host}" if usual else f"{scheme}://{host}:{port}"
