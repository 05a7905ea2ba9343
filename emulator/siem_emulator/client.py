"""The control calls from outside: how the verbs of `cloud-siem emulator` reach a running one.

Standard library only, so that `cloud-siem` starts fast; proxies are bypassed, other machines
refused.
"""

from __future__ import annotations

import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 30


class ClientError(RuntimeError):
    """The emulator is not there, or refused; the message is one sentence for a person."""


class ControlClient:
    """One running emulator, by its address."""

    def __init__(self, endpoint: str) -> None:
        self.url = _url(endpoint)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, name: str, query: Mapping[str, str | int] | None = None) -> Any:
        return self._ask("GET", f"{name}?{urlencode(query)}" if query else name)

    def post(self, name: str, body: object) -> Any:
        return self._ask("POST", name, json.dumps(body).encode())

    def delete(self, name: str) -> Any:
        return self._ask("DELETE", name)

    def _ask(self, method: str, target: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked by _url
            f"{self.url}/_siem/{target}",
            data=body,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ClientError(_refusal(error)) from error
        except (OSError, ValueError) as error:
            raise ClientError(
                f"There is no emulator at {self.url}: start one with `cloud-siem emulator start`, "
                "or name it with --url or CLOUD_SIEM_ENDPOINT."
            ) from error


def _url(endpoint: str) -> str:
    """The address without a path; a bare `host:port` is taken as HTTP."""
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError(f"{endpoint} is not an address: write http://127.0.0.1:PORT.")
    if not is_loopback(parts.hostname):
        raise ClientError(f"{endpoint} is not on this machine, so it is no emulator.")

    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(error: urllib.error.HTTPError) -> str:
    """The server's own sentence, where it gave one."""
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{error.url} answered {error.code}: this is no emulator."
