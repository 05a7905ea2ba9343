"""A client that signs by hand, written from the rules and not from the emulator's code.

Tests use it where the SDKs are too polite: to leave parts out, to change what was signed, to send
what they would never send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

SIEM = "2022-06-16"
STS = "2015-04-01"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.body["Code"])

    @property
    def data(self) -> Any:
        assert self.status == 200, self.raw
        return self.body["Data"]

    def logs(self) -> dict[tuple[str, str], dict[str, Any]]:
        """All logs of a ListDelivery answer, by product and log code."""
        return {
            (product["ProductCode"], log["LogCode"]): log
            for product in self.data["ProductList"]
            for logs in [product.get("LogList", []), *product.get("LogMap", {}).values()]
            for log in logs
        }

    def open_logs(self) -> set[tuple[str, str]]:
        return {place for place, log in self.logs().items() if log["Status"]}


@dataclass(frozen=True)
class Client:
    """One key at one endpoint."""

    host: str
    key_id: str
    secret: str
    token: str = ""

    def call(self, action: str, *, version: str = SIEM, **parameters: object) -> Response:
        """A well-signed POST with the parameters in its body."""
        body = urlencode({name: str(value) for name, value in parameters.items()}).encode()
        headers = self.headers(action, body=body, version=version)

        return self.send("POST", "/", self.signed("POST", "/", headers), body)

    def headers(
        self, action: str, *, body: bytes = b"", version: str = SIEM, **changes: str
    ) -> dict[str, str]:
        """The headers of a call, not signed yet; `changes` have underscores for hyphens."""
        headers = {
            "host": self.host,
            "x-acs-action": action,
            "x-acs-version": version,
            "x-acs-date": utc(),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        if body:
            headers["content-type"] = FORM
        if self.token:
            headers |= {"x-acs-security-token": self.token, "x-acs-accesskey-id": self.key_id}

        return headers | {name.replace("_", "-"): value for name, value in changes.items()}

    def signed(self, method: str, target: str, headers: dict[str, str]) -> dict[str, str]:
        """The headers with their signature; all of them are signed."""
        path, _, query = target.partition("?")
        names = sorted(name.lower() for name in headers)
        values = {name.lower(): value.strip() for name, value in headers.items()}
        canonical = "\n".join(
            [
                method,
                path,
                query,
                *(f"{name}:{values[name]}" for name in names),
                "",
                ";".join(names),
                values["x-acs-content-sha256"],
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.new(
            self.secret.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), hashlib.sha256
        ).hexdigest()
        authorization = (
            f"ACS3-HMAC-SHA256 Credential={self.key_id},SignedHeaders={';'.join(names)},"
            f"Signature={signature}"
        )

        return {**headers, "Authorization": authorization}

    def call_v1(self, method: str, action: str, **parameters: str) -> Response:
        """A call with the older signature among its parameters, in the query or the body."""
        text = self.v1(method, action, **parameters)
        if method == "GET":
            return self.send("GET", f"/?{text}", {"host": self.host})

        return self.send("POST", "/", {"host": self.host, "content-type": FORM}, text.encode())

    def v1(self, method: str, action: str, *, version: str = STS, **parameters: str) -> str:
        """The parameters of such a call, signed and encoded."""
        everything = {
            "Action": action,
            "Version": version,
            "Format": "JSON",
            "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid.uuid4().hex,
            "Timestamp": utc(),
            **({"SecurityToken": self.token} if self.token else {}),
            **parameters,
        }
        canonical = "&".join(
            f"{quote(k, '~')}={quote(v, '~')}" for k, v in sorted(everything.items())
        )
        text = f"{method}&%2F&{quote(canonical, '~')}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()

        return urlencode({**everything, "Signature": base64.b64encode(digest).decode()})

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b"", **options: Any
    ) -> Response:
        """Send this, whatever it is."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.request(method, target, body, headers, **options)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}

            return Response(response.status, fields, response.read())
        finally:
            connection.close()


def utc(offset_s: float = 0) -> str:
    """A date as the signature wants it, so many seconds from now."""
    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + offset_s, UTC)

    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
