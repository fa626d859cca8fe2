"""The proxy of a connection, and the request to the proxy. Pure.

A proxy gets a CONNECT request for every kind of address. So only one path exists, and
with TLS the proxy sees nothing but the name of the exchange. User names and passwords
appear in the request alone, and in no other text of this module.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from klinetail.errors import ExchangeError, Refused, Unreachable, UsageError

_SECURE: Final = {"ws": False, "wss": True, "http": False, "https": True}
_VARIABLES: Final = {
    False: ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    True: ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}
_HOST: Final = re.compile(r"[\w.-]+").fullmatch
_HOST_AND_PORT: Final = re.compile(r"(\[.+\]|[^:]+):([0-9]{1,5})").fullmatch
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://").match
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?![0-9])").match


class Proxy(msgspec.Struct, frozen=True):
    """A proxy that understands CONNECT. `str` shows no user name and no password."""

    secure: bool
    """Whether the connection to the proxy uses TLS."""
    host: str
    """The name or address of the proxy."""
    port: int
    """The port of the proxy."""
    _credentials: bytes | None = None
    """User name and password, joined by a colon, or None."""

    def __repr__(self) -> str:
        return f"Proxy(secure={self.secure}, host={self.host!r}, port={self.port})"

    @classmethod
    def parse(cls, url: str, name: str = "--proxy") -> Self:
        """Return the proxy of an address; `http://` may be left out.

        Args:
            url: `http://user:password@host:port`, special characters percent-encoded.
            name: the name of the option or variable with the address, for the error.

        Raises:
            UsageError: the address is malformed, or the kind of proxy is not supported.
                The text does not repeat the address: the address may hold a password.
        """
        scheme = _SCHEME(url)
        if scheme is None:
            url = f"http://{url}"
        elif scheme[1].lower().startswith("socks"):
            raise UsageError(
                f"{name} is a SOCKS proxy, and klinetail does not speak SOCKS; give the http://"
                " address of a proxy that knows CONNECT: many serve both"
            )
        malformed = UsageError(
            f"{name} is no proxy's address; it looks like http://host:port or"
            " http://user:password@host:port, special characters percent-encoded"
        )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            user = unquote_to_bytes(parts.username or "")
            password = unquote_to_bytes(parts.password or "")
        except ValueError:
            raise malformed from None
        secure = parts.scheme == "https"
        rest = parts.path.strip("/") or parts.query or parts.fragment
        known = parts.scheme in ("http", "https") and port != 0 and not rest
        if not known or not (_HOST(host) or _address(host)):
            raise malformed
        credentials = b"%b:%b" % (user, password) if "@" in parts.netloc else None
        return cls(secure, host, port or (443 if secure else 80), credentials)

    def __str__(self) -> str:
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{_joined(self.host, self.port)}"

    def request(self, host: str, port: int) -> bytes:
        """Return the CONNECT request for a connection to a host."""
        target = _joined(host.encode("idna").decode(), port)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._credentials is not None:
            encoded = base64.b64encode(self._credentials).decode()
            lines.append(f"Proxy-Authorization: Basic {encoded}")
        return "\r\n".join([*lines, "", ""]).encode()


def proxy_for(url: str, given: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to use for an address, or None for a direct connection.

    A given proxy is used for every address. Otherwise the variables HTTPS_PROXY (for
    `https` and `wss`) or HTTP_PROXY, and ALL_PROXY, name the proxy; connections to this
    machine, and to hosts in NO_PROXY, are direct. Variables in lower case come first;
    empty variables count as unset.

    Args:
        url: a `ws`, `wss`, `http` or `https` address.
        given: the address of the proxy to use in any case, or None.
        environ: the environment.

    Raises:
        UsageError: the address of the proxy is malformed.
    """
    if given is not None:
        return Proxy.parse(given)
    parts = urlsplit(url)
    secure = _SECURE[parts.scheme]
    name = next((name for name in _VARIABLES[secure] if environ.get(name)), None)
    if name is None:
        return None
    host = (parts.hostname or "").rstrip(".")
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if _is_here(host) or _exempt(host, parts.port or (443 if secure else 80), no_proxy):
        return None
    return Proxy.parse(environ[name], name)


def _is_here(host: str) -> bool:
    """Return whether a host is this machine."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _exempt(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY covers a host."""
    entries = re.split(r"[\s,]+", no_proxy.lower())
    return any(_covers(entry, host, port) for entry in entries if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY covers a host.

    An entry is `*`, a domain with all subdomains, an address or a range of addresses,
    each with or without a port.
    """
    split = _HOST_AND_PORT(entry)
    if split is not None:
        entry = split[1]
        if int(split[2]) != port:
            return False
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            return False
    name = entry.removeprefix("*").strip(".")
    return name != "" and (host == name or host.endswith(f".{name}"))


def through(proxy: Proxy | None) -> str:
    """Return the words about the proxy to put behind an address; empty without one."""
    return "" if proxy is None else f" through the proxy {proxy}"


def refusal(answer: bytes) -> ExchangeError | None:
    """Return the error in a proxy's answer to CONNECT, or None after a success."""
    status = _STATUS(answer)
    if status is None:
        return Unreachable("the answer is not HTTP")
    code = int(status[1])
    if 200 <= code < 300:
        return None
    if code == 407:
        return Refused(
            "the proxy does not accept this user name or password (HTTP 407)"
        )
    if code == 403:
        return Refused("the proxy does not allow the connection (HTTP 403)")
    if 300 <= code < 400:
        return Refused(
            f"the proxy answers with a redirect; none is followed (HTTP {code})"
        )
    return Unreachable(f"the proxy could not connect (HTTP {code})")


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
