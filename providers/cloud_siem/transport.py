"""HTTP as this package speaks it: whole answers alone, and certificates that are always verified.

Used by ``sdk``, ``ci.web`` and ``reach``, whose sessions have one ``Adapter`` each. It closes a gap
of ``http.client``, which takes an answer that ends inside its headers for a whole one without a
body. Nothing that a caller or the environment sets turns verification off.
"""

from __future__ import annotations

import http.client
import os
import ssl
from functools import cache
from typing import Any

from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cloud_siem.foreign_warnings import spare_warnings

POOL_SIZE = 40
"""Connections that are kept for one host."""


def equip(session: Session, scheme: str, *, pool_size: int = POOL_SIZE) -> None:
    """Have the session speak this scheme alone, through an ``Adapter``, and read no environment."""
    session.trust_env = False
    session.adapters.clear()
    session.mount(f"{scheme}://", Adapter(tls=scheme == "https", pool_size=pool_size))


def trusted() -> ssl.SSLContext:
    """The authorities of the system, or of SSL_CERT_FILE and SSL_CERT_DIR, and those of certifi."""
    return _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Made once for each setting, since it takes some hundredths of a second."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


class Adapter(HTTPAdapter):
    """Sends requests and reads answers.

    Args:
        tls: Whether it is for https.
        pool_size: How many connections to one host are kept.
    """

    def __init__(self, *, tls: bool, pool_size: int = POOL_SIZE) -> None:
        self._options: dict[str, Any] = {"ssl_context": trusted()} if tls else {}
        super().__init__(pool_maxsize=pool_size)

    def send(self, *args: Any, **options: Any) -> Response:
        spare_warnings()
        return super().send(*args, **options)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        # Without the context a proxied call would trust certifi alone, not SSL_CERT_FILE.
        manager = super().proxy_manager_for(proxy, **options, **self._options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Verify by the context, whatever the caller asks for."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None


class _Lines:
    """A stream that remembers the last line that was read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._stream.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Response(http.client.HTTPResponse):
    """An answer whose headers end with an empty line, as HTTP wants it."""

    def begin(self) -> None:
        stream: Any = self.fp
        lines: Any = _Lines(stream)
        self.fp = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = stream
        if lines.last not in (b"\r\n", b"\n"):
            raise http.client.RemoteDisconnected("the answer broke off inside its headers")


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}
