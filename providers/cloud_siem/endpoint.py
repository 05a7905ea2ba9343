"""Where calls go: a scheme and a host, read from what a person wrote; ``settings`` uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloud_siem.wording import Unusable, shown


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where calls go."""

    scheme: str
    """``https``; ``http`` on loopback only."""
    host: str
    """Host name or address, with the port where one is given, e.g. ``127.0.0.1:18080``."""

    @property
    def loopback(self) -> bool:
        """Whether calls never leave this machine."""
        return _is_loopback(_split_port(self.host)[0])

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def __str__(self) -> str:
        return self.url

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host[:port]`` or an http(s) URL without a path; raises ``Unusable``.

        Without a scheme it is https, on loopback http: that is what an emulator speaks.
        """
        scheme, mark, rest = text.rpartition("://")
        host = rest.removesuffix("/") if mark else rest
        if "@" in text:  # first of all, since the other messages show the text
            message = "a user or password in the endpoint would be recorded with the stack"
            raise Unusable(message, _HINT)
        if mark and scheme.lower() not in {"http", "https"}:
            raise Unusable(f"{shown(text)} is neither http nor https", _HINT)
        if not _is_host(host):
            raise Unusable(f"{shown(text)} is no host", _HINT)
        loopback = _is_loopback(_split_port(host)[0])
        found = cls(scheme=scheme.lower() or ("http" if loopback else "https"), host=host.lower())
        if found.scheme == "http" and not loopback:
            message = f"{shown(text)} is plain http, which anyone on the way can read and change"
            raise Unusable(message, "write https; http is for loopback only")
        return found


_HINT = "write host, host:port or https://host:port"
_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[1-9][0-9]{0,4}))?"
)


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    if not found or len(text) > 255:  # noqa: PLR2004 - the longest name that DNS knows
        return False
    if found["name"].startswith("[") and _address(found["name"]) is None:
        return False
    return int(found["port"] or 1) <= 65535  # noqa: PLR2004 - the highest port there is


def _split_port(host: str) -> tuple[str, str]:
    found = _HOST.fullmatch(host)
    return (found["name"], found["port"] or "") if found else (host, "")


def _address(name: str) -> object | None:
    """The IP address that a host is; None when it is a name."""
    if not (name.startswith("[") or name[:1].isdigit()):
        return None
    import ipaddress  # noqa: PLC0415 - the default endpoints are names

    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    address = str(_address(name) or "")
    # Not ipaddress's own is_loopback: newer versions of Python count mapped addresses as well.
    return address == "::1" or address.startswith("127.")
