"""The HTTP session of signed calls: one answer within a deadline, whole, and a JSON object.

``sdk`` has Alibaba Cloud's SDK use it in place of sessions of its own. Redirects are not followed,
loopback is called directly, and an answer has a size and a total deadline. What goes wrong is a
``CallFailed``, which passes the SDK unchanged.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from cloud_siem.call import CallFailed, Failure
from cloud_siem.endpoint import Endpoint
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.jsontext import flaw_of
from cloud_siem.proxies import Proxy, proxy_for
from cloud_siem.transport import POOL_SIZE, equip, failure_of

ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes; thousands of times what ListDelivery sends for an account that has every product."""
_CHUNK = 64 * 1024
_REDIRECTS = range(300, 400)
_NO_CONTENT = 204


class Exchange(threading.local):
    """What the HTTP session and the caller, on the same thread, share past the SDK."""

    over_at: float = math.inf
    retry_after: float = 0.0
    failure: CallFailed | None = None
    """How the last call to STS failed."""


exchange = Exchange()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what this thread sends in the block so much time."""
    spare_warnings()
    exchange.over_at = time.monotonic() + seconds
    exchange.retry_after = 0.0
    try:
        yield
    finally:
        exchange.over_at = math.inf


class StrictSession(requests.Session):
    """The HTTP session of one host, in place of the one that the SDK would make."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint
        equip(self, endpoint.scheme, pool_size=POOL_SIZE)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        proxy = proxy_for(self._endpoint, os.environ)
        options |= {"allow_redirects": False, "stream": True, "verify": True}
        options["proxies"] = {self._endpoint.scheme: proxy.url} if proxy else {}
        try:
            response = super().send(request, **options)
            with response:
                content = _read(response)
            exchange.retry_after = _retry_after(response.headers)
            _check(response, content)
        except CallFailed as failure:
            raise self._noted(failure, proxy) from None
        except (OSError, HTTPError) as error:
            raise self._noted(failure_of(error, self._endpoint, proxy), proxy) from None
        # What ``requests`` does itself when it reads the body; the SDK asks for ``content`` next.
        response._content = content  # noqa: SLF001
        return response

    def _noted(self, failure: CallFailed, proxy: Proxy | None) -> CallFailed:
        failure.endpoint, failure.proxy = str(self._endpoint), str(proxy or "")
        exchange.failure = failure
        return failure

    def get_redirect_target(self, _response: requests.Response) -> None:
        """None: else the body of a redirect, though not followed, is read to its end."""
        return


def _read(response: requests.Response) -> bytes:
    """The whole body, within deadline and limit; a socket time-out bounds each read alone."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise CallFailed(Failure.STRANGE, f"the answer is larger than {ANSWER_LIMIT} bytes")
        if time.monotonic() > exchange.over_at:
            raise CallFailed(Failure.LOST, "the answer came too slowly")
    return b"".join(chunks)


def _check(response: requests.Response, content: bytes) -> None:
    status = response.status_code
    if status in _REDIRECTS:
        where = _place(response.headers.get("location", ""))
        raise CallFailed(
            Failure.NOT_TRUSTED, f"redirected to {where}; redirects are refused", status=status
        )
    if _is_cut(response, content):
        raise CallFailed(Failure.LOST, f"the answer broke off after {len(content)} bytes")
    if not content.lstrip().startswith(b"{"):
        kind = response.headers.get("content-type", "no content type")
        shape = (
            f"HTTP {status}, {kind}, {len(content)} bytes" if content else f"HTTP {status}, empty"
        )
        # A gateway that is down or busy answers in HTML; that may pass, as the API's own 503 may.
        failure = Failure.LOST if status in (502, 503, 504) else Failure.STRANGE
        raise CallFailed(failure, f"the answer is not a JSON object ({shape})", status=status)
    if flaw := flaw_of(content):
        raise CallFailed(Failure.STRANGE, flaw, status=status)


def _is_cut(response: requests.Response, content: bytes) -> bool:
    """Report whether the body ends too early, as far as it shows.

    Where the headers give its length, the HTTP library compared that. Where the connection's end
    is its end, only what it holds can show it: nothing, or a JSON object that is not whole.
    """
    ends_with_connection = not {"content-length", "transfer-encoding"} & {
        name.lower() for name in response.headers
    }
    if not content:
        return ends_with_connection and response.status_code != _NO_CONTENT
    if not content.lstrip().startswith(b"{"):
        return False
    return not content.rstrip().endswith(b"}") or (ends_with_connection and not _is_json(content))


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _place(location: str) -> str:
    """Where a redirect leads, without its query: a portal's may repeat ours, signature and all."""
    host = re.match(r"(https?://)(?:[^/?#@]*@)?([^/?#]+)", location)
    return host[1] + host[2] if host else re.split(r"[?#]", location)[0][:200] or "nowhere"


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds: the cloud's own header counts in milliseconds, HTTP's in seconds."""
    for name, unit in (("x-acs-retry-after", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isdecimal():
            return int(value) * unit
    return 0.0
