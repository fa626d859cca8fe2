"""A certificate for the exchange, and how clients are told to trust it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import trustme


class Tls(NamedTuple):
    """The exchange's side, and the clients'."""

    server: ssl.SSLContext
    env: Mapping[str, str]
    """What clients' environments say about roots."""


def issue(folder: Path) -> Tls:
    """A certificate for 127.0.0.1; its root is written into `folder`."""
    root = trustme.CA()
    roots = folder / "roots.pem"
    root.cert_pem.write_to_path(str(roots))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert("127.0.0.1").configure_cert(context)
    names = ("SSL_CERT_FILE", "WEBSOCKET_CLIENT_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    return Tls(context, dict.fromkeys(names, str(roots)))
