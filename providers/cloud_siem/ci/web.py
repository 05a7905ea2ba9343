"""The door to a platform's REST API: JSON in, JSON out, with token, patience and clear refusals.

Called by ``github`` and ``gitlab``. A call that the platform asks us to put off is put off, for a
minute and a half in all; one that got no answer is repeated unless it makes something: whether that
was made is not known, and the next run finds it by its marker. Redirects are refused, since the
token would go with them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from cloud_siem.call import CallFailed
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import PlatformError
from cloud_siem.jsontext import parsed
from cloud_siem.pacing import Clock, Deadline, backoff
from cloud_siem.proxies import proxy_for
from cloud_siem.transport import equip, failure_of
from cloud_siem.unrecorded import Unrecorded
from cloud_siem.version import __version__
from cloud_siem.wording import Unusable, shown

PATIENCE = 90.0
"""Seconds that one call may wait in all: once as long as ``_UNTOLD_WAIT``. Minutes are paid for."""
ATTEMPTS = 4
PAGE = 100
"""Entries; the most that both platforms give."""
_PAGES = 100
"""More comments than this would hold nobody has; an answer that never ends would."""
_TIMEOUTS = (5.0, 20.0)
"""Seconds: to connect, and between two pieces of an answer."""
_ANSWER_LIMIT = 32 * 1024 * 1024
"""Bytes; a hundred comments of the greatest length have a quarter of it."""
_CHUNK = 64 * 1024
_UNTOLD_WAIT = 60.0
"""Seconds to wait where a limit does not say how long (GitHub, "Rate limits for the REST API")."""
_TOKEN = re.compile(r"[\x21-\x7e]+")
_DOWN = (502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Whatever the case of their names."""
    data: Any
    """The JSON; None where there is none."""
    following: str = ""
    """The address that a Link header calls the next."""


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a call is for, for errors."""

    doing: str
    """E.g. ``read the comments of pull request 7``."""
    need: str
    """What the token needs for it, as an instruction."""


class Token(Unrecorded, AuthBase):
    """Puts the token into each request; never printed. With it requests reads no ``.netrc``."""

    def __init__(self, header: str, value: str, prefix: str = "") -> None:
        if not _TOKEN.fullmatch(value):
            raise PlatformError("the token has spaces or odd characters in it: set it anew")
        self._header = header
        self._value = f"{prefix}{value}"

    def __repr__(self) -> str:
        return "Token(***)"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


class Web(Unrecorded):
    """One platform's API."""

    def __init__(
        self,
        name: str,
        base: str,
        token: Token,
        *,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._base, self._endpoint = _base(name, base)
        self._clock = clock or Clock()
        self._session = requests.Session()
        self._session.auth = token
        equip(self._session, self._endpoint.scheme)
        self._session.headers["User-Agent"] = f"pulumi-cloud-siem/{__version__}"
        self._session.headers.update(headers or {})

    def pages(
        self,
        path: str,
        purpose: Purpose,
        following: Callable[[Answer], str],
        query: Mapping[str, str] | None = None,
    ) -> Iterator[Any]:
        """Every entry of a list.

        Args:
            path: Below the base.
            purpose: What it is for.
            following: The number of the page after an answer; empty after the last.
            query: What to ask for.
        """
        page = "1"
        for _ in range(_PAGES):
            asked = {**(query or {}), "per_page": str(PAGE), "page": page}
            answer = self.ask("GET", path, purpose, query=asked)
            match answer.data:
                case [*entries] if all(isinstance(one, dict) for one in entries):
                    yield from entries
                case _:
                    raise self._strange(purpose, "it is no list of objects")
            page = following(answer)
            if not page:
                return
        raise self._strange(purpose, f"it has no end after {_PAGES} pages")

    def ask(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """One call that succeeds.

        :raises PlatformError: it does not, within ``PATIENCE``.
        """
        deadline = Deadline.of(PATIENCE, self._clock)
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self._once(method, path, purpose, query, body)
            except CallFailed as failure:
                wait = backoff(attempt, self._clock)
                repeats = failure.may_pass and (method != "POST" or not failure.sent)
                if last or not repeats or wait > deadline.left:
                    raise self._unreached(purpose, failure) from None
            else:
                if answer.status < 300:  # noqa: PLR2004 - HTTP's numbers
                    return answer
                wait = self._put_off(answer, attempt, may_repeat=method != "POST")
                if not wait or last or wait > deadline.left:
                    raise self._refused(purpose, answer, wait)
            self._clock.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        query: Mapping[str, str] | None,
        body: Mapping[str, object] | None,
    ) -> Answer:
        """:raises CallFailed: no whole answer came."""
        proxy = proxy_for(self._endpoint, os.environ)
        try:
            with self._session.request(
                method,
                f"{self._base}/{path}",
                params=query,
                json=body,
                timeout=_TIMEOUTS,
                allow_redirects=False,
                stream=True,
                proxies={self._endpoint.scheme: proxy.url} if proxy else {},
            ) as response:
                content = self._content(response, purpose)
        except (OSError, HTTPError) as error:
            raise failure_of(error, self._endpoint, proxy) from None
        try:
            data = parsed(content.decode()) if content.strip() else None
        except (ValueError, RecursionError):
            if response.status_code < 300:  # noqa: PLR2004 - HTTP's number
                raise self._strange(purpose, "it is no JSON") from None
            data = None  # a gateway's page
        return Answer(
            status=response.status_code,
            headers=response.headers,
            data=data,
            following=response.links.get("next", {}).get("url", ""),
        )

    def _content(self, response: requests.Response, purpose: Purpose) -> bytes:
        content = b""
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > _ANSWER_LIMIT:
                raise self._strange(purpose, f"it is larger than {_ANSWER_LIMIT} bytes")
        return content

    def _put_off(self, answer: Answer, attempt: int, *, may_repeat: bool) -> float:
        """Seconds after which the call may be repeated; 0 when that would not help."""
        wait = limited_for(answer)
        if wait:
            return backoff(attempt, self._clock, at_least=wait)
        if answer.status in _DOWN and may_repeat:
            return backoff(attempt, self._clock)
        return 0.0

    # --- what went wrong --------------------------------------------------------------------------

    def _refused(self, purpose: Purpose, answer: Answer, wait: float) -> PlatformError:
        what = f"{self._name} refused to {purpose.doing} (HTTP {answer.status}{_said(answer.data)})"
        if wait and answer.status not in _DOWN:
            why = f"too many requests; it asks to wait {wait:.0f} s. Run this again later"
        elif answer.status in range(300, 400):
            why = "redirects are refused, since the token would go with them; was it renamed?"
        elif answer.status == 401:  # noqa: PLR2004 - HTTP's number
            why = f"the token does not count: is it whole, and of this platform? {purpose.need}"
        elif answer.status == 403:  # noqa: PLR2004 - HTTP's number
            why = f"the token may not do that: {purpose.need}"
        elif answer.status == 404:  # noqa: PLR2004 - HTTP's number
            why = f"it is not there, or the token may not see it: {purpose.need}"
        elif answer.status >= 500:  # noqa: PLR2004 - HTTP's number
            why = "the platform has a problem of its own. Run this again later"
        else:
            why = "what was sent did not suit it"
        return PlatformError(f"{what}: {why}", status=answer.status)

    def _unreached(self, purpose: Purpose, failure: CallFailed) -> PlatformError:
        through = f" through the proxy {failure.proxy}" if failure.proxy else ""
        remedy = f"To fix it: {failure.remedy}" if failure.remedy else "Run this again later"
        return PlatformError(
            f"{self._name} could not be asked to {purpose.doing}, at {self._base}{through}:"
            f" {failure.message}. {remedy}"
        )

    def _strange(self, purpose: Purpose, what: str) -> PlatformError:
        return PlatformError(f"{self._name} was asked to {purpose.doing}; of its answer, {what}")


def limited_for(answer: Answer) -> float:
    """Seconds that the platform asks us to wait, since we ask too much; 0 when it does not."""
    if answer.status not in (403, 429):
        return 0.0
    after = answer.headers.get("retry-after", "")
    if after.isdecimal():
        return max(float(after), 1.0)
    left = answer.headers.get("x-ratelimit-remaining", answer.headers.get("ratelimit-remaining"))
    if left == "0":
        return _until_reset(answer.headers)
    # A secondary limit of GitHub's may have neither header; then the words alone tell it from a
    # token without rights.
    limit = answer.status == 429 or "rate limit" in _said(answer.data).lower()  # noqa: PLR2004
    return _UNTOLD_WAIT if limit else 0.0


def _until_reset(headers: Mapping[str, str]) -> float:
    """By the platform's own clock, since this machine's may be wrong."""
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
        return max(int(reset) - now, 1.0)
    except ValueError:
        return _UNTOLD_WAIT


def _said(data: object) -> str:
    """The platform's own words, if it has any, as the end of a parenthesis."""
    if not isinstance(data, dict):
        return ""
    words = data.get("message") or data.get("error_description") or data.get("error")
    return f", {shown(words if isinstance(words, str) else json.dumps(words))}" if words else ""


_BASE = re.compile(r"(?P<host>https?://[^/]+)(?P<path>(/[A-Za-z0-9._-]+)*)/?", re.IGNORECASE)


def _base(name: str, text: str) -> tuple[str, Endpoint]:
    """The base of the API without a slash at its end, and the endpoint in it."""
    found = _BASE.fullmatch(text)
    try:
        endpoint = Endpoint.parse(found["host"] if found else "")
    except Unusable as error:
        raise PlatformError(
            f"the address of {name}'s API cannot be used: {error}"
            " (write https://host, with the path of the API)"
        ) from None
    return f"{endpoint.url}{found['path'] if found else ''}", endpoint
