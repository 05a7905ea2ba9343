"""HTTP as this package speaks it: whole answers, verified certificates, failures in words.

Used by ``http_session``, ``ci.web`` and ``reach``, whose sessions have one ``Adapter`` each. It
closes a gap of ``http.client``, which takes an answer that ends inside its headers for a whole one
without a body. Nothing that a caller or the environment sets turns verification off. ``failure_of``
says what an exception of the HTTP libraries means.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
from functools import cache
from pathlib import Path
from typing import Any

from requests import Response, Session
from requests import exceptions as http_errors
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    LocationValueError,
    NewConnectionError,
    ProxyError,
)

from cloud_siem.call import CallFailed, Failure, causes, first_cause
from cloud_siem.endpoint import Endpoint
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.proxies import Proxy
from cloud_siem.wording import printable

POOL_SIZE = 40
"""Connections that are kept for one host."""
_BROKEN_HANDSHAKE = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_NOT_CONNECTED = (ConnectTimeoutError, NewConnectionError)
_UNUSABLE_PROXY = (LocationValueError, http_errors.InvalidURL, http_errors.InvalidSchema)
_AUTHENTICATION_REQUIRED = 407
_STRICT = ("key identifier", "key usage", "basic constraints")
"""In the words of OpenSSL: what only a strict check finds missing."""


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

    def connect(self) -> None:
        """Connect; what is cut in the handshake is no connection, so that nothing was sent."""
        try:
            super().connect()
        except (ConnectionError, TimeoutError, *_BROKEN_HANDSHAKE) as error:
            raise NewConnectionError(self, "cut in the TLS handshake") from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


# --- failures ------------------------------------------------------------------------------------


def failure_of(error: Exception, endpoint: Endpoint, proxy: Proxy | None) -> CallFailed:
    """What an exception of the HTTP libraries means.

    Args:
        error: What sending the call, or reading its answer, raised.
        endpoint: Where the call was to go.
        proxy: The proxy that it was to go through.
    """
    chain = list(causes(error))
    tls: BaseException | None
    tls = next((cause for cause in chain if isinstance(cause, ssl.SSLError)), None)
    if tls is None and isinstance(error, http_errors.SSLError):
        tls = chain[-1]
    if proxy and isinstance(error, _UNUSABLE_PROXY):
        failure = _unusable(proxy)
    elif proxy and any(isinstance(cause, ProxyError) for cause in chain):
        failure = _not_passed_on(first_cause(error), endpoint, proxy)
    elif tls is not None and not isinstance(tls, _BROKEN_HANDSHAKE):
        failure = _not_trusted(tls, endpoint, proxy)
    elif tls is not None:
        # The connection was cut in the handshake, which says nothing about who is there.
        message = "the connection broke off in the TLS handshake"
        failure = CallFailed(Failure.LOST, message, sent=False)
    else:
        failure = _lost(error, chain)
    failure.proxy = str(proxy or "")
    return failure


def _lost(error: Exception, chain: list[BaseException]) -> CallFailed:
    """A connection that was not made, or an answer that did not come whole."""
    if isinstance(chain[-1], IncompleteRead) and chain[-1].expected:
        length = chain[-1].partial + chain[-1].expected
        message = f"the answer broke off after {chain[-1].partial} of {length} bytes"
        return CallFailed(Failure.LOST, message)
    message = first_cause(error)
    if "handshake operation timed out" in message:
        return CallFailed(Failure.LOST, "the TLS handshake timed out", sent=False)
    sent = not any(isinstance(cause, _NOT_CONNECTED) for cause in chain)
    return CallFailed(Failure.LOST, message, sent=sent)


def _unusable(proxy: Proxy) -> CallFailed:
    # Not the error's own text: it has the proxy's URL, or half of a password.
    return CallFailed(
        Failure.PROXY,
        "its address cannot be used",
        remedy=f"write {proxy.variable} as http://user:password@host:port, odd characters as %23",
        sent=False,
        permanent=True,
    )


def _not_passed_on(cause: str, endpoint: Endpoint, proxy: Proxy) -> CallFailed:
    """The proxy is away, or answered a CONNECT with a refusal."""
    answered = re.match(r"Tunnel connection failed: (\d{3})", cause)
    status = int(answered[1]) if answered else None
    remedy = f"check the proxy and {proxy.variable}"
    if status == _AUTHENTICATION_REQUIRED:
        remedy = f"write user and password into {proxy.variable}: http://user:password@host:port"
    elif status is not None:
        remedy = f"have the proxy let calls to {endpoint.host} through"
    return CallFailed(
        Failure.PROXY,
        cause,
        remedy=f"{remedy}, or list {endpoint.host} in NO_PROXY to call it directly",
        sent=False,
        permanent=status is not None and status not in (502, 503, 504),
    )


# --- certificates --------------------------------------------------------------------------------


def _not_trusted(error: BaseException, endpoint: Endpoint, proxy: Proxy | None) -> CallFailed:
    """A certificate that does not count, or a side that speaks no TLS."""
    reason = getattr(error, "verify_message", "")
    # OpenSSL's text, without its name for the error and the line in its source.
    text = re.sub(
        r"^\[[^]]*\] | \([^()]*\.c:\d+\)$", "", str(getattr(error, "strerror", None) or error)
    )
    return CallFailed(
        Failure.NOT_TRUSTED, f"TLS: {text}", remedy=_remedy(reason, endpoint, proxy), sent=False
    )


def _remedy(reason: str, endpoint: Endpoint, proxy: Proxy | None) -> str:
    """What to do about a certificate, by what is known of it."""
    low = reason.lower()
    if "issuer" in low or "self-signed" in low or "self signed" in low:
        return (
            f"if {proxy or 'a proxy on the way'} opens TLS, or the endpoint has an authority of its"
            f" own, name the PEM file of that authority in SSL_CERT_FILE ({_ssl_cert_file()})"
        )
    if any(words in low for words in _STRICT):
        return (
            "since version 3.13 Python checks certificates strictly (VERIFY_X509_STRICT): have"
            f" {proxy or 'the proxy or the authority'} issue certificates with this extension, or"
            " use Python 3.12"
        )
    if "expired" in low or "not yet valid" in low:
        return "set this machine's clock, or have the certificate renewed"
    if "mismatch" in low or "not valid for" in low:
        return f"the certificate is not for {endpoint.host}: check the endpoint's name"
    return (
        "check the endpoint and what stands between (proxy, gateway); an authority of your own is"
        f" named in SSL_CERT_FILE ({_ssl_cert_file()})"
    )


def _ssl_cert_file() -> str:
    """How SSL_CERT_FILE is set."""
    file = os.environ.get("SSL_CERT_FILE", "")
    if not file:
        return "not set"
    return f"now {printable(file)}" + ("" if Path(file).is_file() else ", which is not a file")
