"""The proxy of a call, from the environment variables that curl and requests read.

It holds for everything that sends requests: the API and STS (``http_session``), a platform
(``ci.web``) and the doctor (``reach``). Calls to loopback never go through a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cloud_siem.endpoint import Endpoint

_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*")
_PORTS = {"https": "443", "http": "80"}
_SHOWABLE = re.compile(
    r"(?P<scheme>(https?|socks[45]h?)://)?(.*@)?"
    r"(?P<host>[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?P<port>:[0-9]{1,5})?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that calls go through."""

    variable: str
    """The environment variable that names it."""
    url: str
    """As it stands there, user and password included."""

    @property
    def place(self) -> str:
        """Scheme, host and port, without user and password; empty for a malformed address."""
        parts = _SHOWABLE.fullmatch(self.url)
        return f"{parts['scheme'] or ''}{parts['host']}{parts['port'] or ''}" if parts else ""

    def __str__(self) -> str:
        """For messages, e.g. ``http://proxy.example.com:3128 (HTTPS_PROXY)``."""
        return f"{self.place} ({self.variable})" if self.place else f"in {self.variable}"

    def __repr__(self) -> str:
        return f"Proxy({self})"


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for calls to the endpoint; None where they go directly.

    ``<scheme>_proxy`` counts before ``all_proxy``, and lower case before upper case. NO_PROXY lists
    the hosts that are called directly (``exception_for``).
    """
    if endpoint.loopback or exception_for(endpoint, environ):
        return None
    names = (f"{endpoint.scheme}_proxy", "all_proxy")
    spellings = (spelling for name in names for spelling in (name, name.upper()))
    variable = next((name for name in spellings if environ.get(name)), "")
    return Proxy(variable=variable, url=environ[variable].strip()) if variable else None


def exception_for(endpoint: Endpoint, environ: Mapping[str, str]) -> str:
    """The entry of NO_PROXY that has calls to the endpoint go directly; empty where none has.

    An entry is a host, which stands for the hosts below it as well, with or without a dot (or
    ``*.``) before it; a host with a port; an IP address or network; or ``*`` for all.
    """
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    host, port = _split(endpoint.host)
    port = port or _PORTS[endpoint.scheme]
    entries = re.split(r"[,\s]+", listed)
    return next((entry for entry in entries if _covers(entry, host, port)), "")


def _covers(entry: str, host: str, port: str) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _is_in_network(host, entry)
    name, of_port = _split(entry.lower())
    name = name.removeprefix("*").strip(".")
    if not name or of_port not in ("", port):
        return False
    below = not _ADDRESS.fullmatch(host) and host.endswith(f".{name}")
    return host == name or below


def _split(text: str) -> tuple[str, str]:
    """Host and port; an IPv6 address without its brackets."""
    if bracketed := re.fullmatch(r"\[(.+)\](?::([0-9]+))?", text):
        return bracketed[1], bracketed[2] or ""
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and ":" not in host:
        return host.rstrip("."), port
    return text.rstrip("."), ""


def _is_in_network(host: str, network: str) -> bool:
    import ipaddress  # noqa: PLC0415 - hosts are names nearly always

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
