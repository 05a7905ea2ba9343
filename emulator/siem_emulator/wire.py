"""What arrived over HTTP, taken apart once: `app.py` makes a `Call`, all others read it.

Knows no server library, so that signatures can be checked on values that a test writes down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

BLANKS = " \t"
"""What HTTP lets stand around a header's value; to Python there are more, such as \\xa0."""

AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,\s]+),[ \t]*SignedHeaders=([^,\s]+),[ \t]*"
    r"Signature=([0-9a-f]{64})"
)

FORM = "application/x-www-form-urlencoded"

GATEWAY_ONLY = frozenset(
    {
        "AccessKeyId",
        "Action",
        "Format",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureType",
        "SignatureVersion",
        "Timestamp",
        "Version",
    }
)
"""Parameters of the gateway, not of the operation."""

Pairs = list[tuple[str, str]]


class Call:
    """One HTTP request to the API, as received; never changed.

    Args:
        method: The HTTP method.
        target: The raw request target: path and query, not decoded.
        headers: Names in lower case; values of a header that came several times joined by commas.
        body: The raw body.
        source: The address of the caller.
    """

    # A plain class, not a frozen dataclass with cached properties: every call needs all of these,
    # and this is a third of the cost.

    def __init__(
        self,
        *,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        source: str = "",
    ) -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.source = source
        self.path, _, query = target.partition("?")
        self.query: Pairs = _pairs(query)
        self.form: Pairs = _pairs(body.decode("utf-8", "replace")) if _is_form(headers) else []

        everything = {**dict(self.query), **dict(self.form)}
        self.everything: Mapping[str, str] = everything
        """All parameters, the gateway's own included."""
        self.parameters = {
            name: value for name, value in everything.items() if name not in GATEWAY_ONLY
        }
        """The parameters of the operation: no key, no token, no signature."""

        self.action = headers.get("x-acs-action") or everything.get("Action", "")
        self.version = headers.get("x-acs-version") or everything.get("Version", "")
        self.token = headers.get("x-acs-security-token") or everything.get("SecurityToken", "")
        self.is_v1 = "authorization" not in headers and "Signature" in everything
        """Whether it carries the older signature, among its parameters."""
        self.authorization = AUTHORIZATION.fullmatch(headers.get("authorization", "").strip(BLANKS))
        self.key_id = (
            self.authorization[1] if self.authorization else everything.get("AccessKeyId", "")
        )
        """The key that it claims to be signed with; empty if it does not say."""


def _is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def _pairs(text: str) -> Pairs:
    return parse_qsl(text, keep_blank_values=True) if text else []
