"""What goes back: answers as values, made from outcomes, from errors, or by a fault.

`service.py` makes them, `app.py` sends them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import errors
from .catalog import Place
from .faults import Kind, Rule
from .state import Panel

JSON = "application/json;charset=utf-8"

PORTAL = b"""<!DOCTYPE html>
<html><head><title>Sign in</title></head><body><h1>Please sign in to the network</h1></body></html>
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Collateral:
    """Logs that the service closes by itself because of a call."""

    cause: int
    """The number of the call."""
    panels: tuple[Panel, ...]
    places: tuple[Place, ...]
    delay: float
    """Seconds from the call's own close to this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP response, and what the call log wants to know about it."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    request_id: str = ""
    session: str = ""
    changed: int = 0
    damage: Rule | None = None
    """The fault that strikes the connection while this is sent."""
    collateral: Collateral | None = None
    """What the service closes by itself because of the call, now or later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What every body says about where it comes from."""

    host: str
    product: str = "cloud-siem"
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())

    def success(self, body: Mapping[str, object], *, session: str = "", changed: int = 0) -> Answer:
        return Answer(
            status=200,
            body=_encoded({**body, "RequestId": self.request_id}),
            headers={"x-acs-request-id": self.request_id},
            request_id=self.request_id,
            session=session,
            changed=changed,
        )

    def error(self, error: errors.CloudError) -> Answer:
        body = error.body(request_id=self.request_id, host=self.host, product=self.product)

        return self._json(error.status, body, code=error.code)

    def fault(self, rule: Rule) -> Answer:
        """The answer that a rule gives in place of the call's own.

        Kinds that are no answers get an empty one, which is never sent.
        """
        if rule.kind in _ERRORS:
            return self.error(_ERRORS[rule.kind]())
        if rule.kind in (Kind.HTTP429, Kind.THROTTLING):
            return self._throttled(rule)

        return self._strange(rule)

    def _strange(self, rule: Rule) -> Answer:
        """What no error of the cloud looks like."""
        answer = Answer(status=0, request_id=self.request_id)
        match rule.kind:
            case Kind.HTML:
                answer = self._page(rule.status or 200, PORTAL)
            case Kind.EMPTY:
                answer = self._page(rule.status or 200, b"")
            case Kind.REDIRECT:
                answer = self._page(rule.status or 302, b"", Location=rule.location)
            case Kind.DATA_FALSE:
                answer = self.success({"Data": False})
            case Kind.BAD_SHAPE:
                answer = self._json(rule.status or 200, rule.body)

        return answer

    def _throttled(self, rule: Rule) -> Answer:
        body = errors.ThrottlingUser().body(
            request_id=self.request_id, host=self.host, product=self.product
        )
        hints = {"Retry-After": rule.retry_after, "x-acs-retry-after": rule.acs_retry_after}
        status = 429 if rule.kind is Kind.HTTP429 else errors.ThrottlingUser.status
        headers = {name: f"{value:g}" for name, value in hints.items() if value is not None}

        return self._json(
            rule.status or status, body, code=errors.ThrottlingUser.code, headers=headers
        )

    def _json(
        self,
        status: int,
        body: object,
        *,
        code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return Answer(
            status=status,
            body=_encoded(body),
            headers={"x-acs-request-id": self.request_id, **(headers or {})},
            code=code,
            request_id=self.request_id,
        )

    def _page(self, status: int, body: bytes, **headers: str) -> Answer:
        return Answer(
            status=status,
            body=body,
            content_type="text/html",
            headers=headers,
            request_id=self.request_id,
        )


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _encoded(body: object) -> bytes:
    return _ENCODER.encode(body).encode()


_ERRORS: Mapping[Kind, type[errors.CloudError]] = {
    Kind.INTERNAL_ERROR: errors.InternalError,
    Kind.SLS_SHIP: errors.SlsShipError,
    Kind.SLS_EMBED: errors.SlsEmbedError,
    Kind.ERROR_MAPPING: errors.ErrorMapping,
    Kind.ERROR_PRODUCT: errors.ErrorProductCode,
    Kind.EXPIRED_TOKEN: errors.TokenExpired,
}
