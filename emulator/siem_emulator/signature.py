"""Whether a call was signed with the secret of its key, now, and for the first time.

`service.py` calls `verify`, then `freshness` and `check_fresh`, forevery call. Two signatures are
known: ACS3-HMAC-SHA256, which all current SDKs send, and the older signature among the parameters
(HMAC-SHA1), which the credentials library still uses for AssumeRole. What must be signed is what
the rules say and no more: the host, the content type if there is one, and every `x-acs-*` header;
other SDKs sign other sets.

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
https://help.aliyun.com/zh/sdk/product-overview/rpc-mechanism
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from . import errors
from .wire import BLANKS, Call

ALGORITHM = "ACS3-HMAC-SHA256"
WINDOW_S = 15 * 60
"""How far a call's date may be from ours (documented)."""

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def verify(call: Call, secret: str) -> None:
    """Check that the call was signed with this secret; its date and nonce are for `check_fresh`.

    Raises:
        errors.CloudError: It was not.
    """
    if call.is_v1:
        _verify_v1(call, secret)
    else:
        _verify_acs3(call, secret)


# --- ACS3-HMAC-SHA256 ----------------------------------------------------------------------------


def _verify_acs3(call: Call, secret: str) -> None:
    if call.authorization is None:
        raise errors.IncompleteSignature("the Authorization header is not well formed.")
    names = call.authorization[2].split(";")
    _check_names(call, names)
    _check_body(call)

    canonical = canonical_request(call, names)
    if not hmac.compare_digest(sign_acs3(canonical, secret), call.authorization[3]):
        raise errors.SignatureDoesNotMatch(string_to_sign(canonical))


def _check_names(call: Call, names: list[str]) -> None:
    """What must be signed is; what is said to be signed is there."""
    if names != sorted(set(names)):
        raise errors.IncompleteSignature("SignedHeaders is not sorted.")
    signed = set(names)
    if missing := signed - call.headers.keys():
        raise errors.IncompleteSignature(f"signed but not sent: {', '.join(sorted(missing))}.")
    if unsigned := set(_must_be_signed(call)) - signed:
        raise errors.IncompleteSignature(f"sent but not signed: {', '.join(sorted(unsigned))}.")


def _must_be_signed(call: Call) -> Iterable[str]:
    yield "host"
    yield from (
        name for name in call.headers if name.startswith("x-acs-") or name == "content-type"
    )


def _check_body(call: Call) -> None:
    said = call.headers.get("x-acs-content-sha256", "")
    if not said:
        raise errors.MissingParameter("ContentSha256")
    if not hmac.compare_digest(said.encode(), _sha256(call.body).encode()):
        raise errors.SignatureDoesNotMatch("x-acs-content-sha256 is not the hash of the body.")


def canonical_request(call: Call, names: Iterable[str]) -> str:
    """The text that the signature is about, from the values as received."""
    names = tuple(names)
    headers = "".join(f"{name}:{call.headers[name].strip(BLANKS)}\n" for name in names)
    content = call.headers.get("x-acs-content-sha256", "")

    return "\n".join(
        (call.method, call.path, canonical_query(call.query), headers, ";".join(names), content)
    )


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The pairs, sorted, encoded as in RFC 3986: a space is %20, an asterisk %2A, a tilde stays."""
    # Sorted as pairs: as joined text, `a-b=` would stand before `a=`.
    encoded = sorted((encode(name), encode(value)) for name, value in pairs)

    return "&".join(f"{name}={value}" for name, value in encoded)


def encode(text: str) -> str:
    return quote(text, safe="-_.~")


def string_to_sign(canonical: str) -> str:
    return f"{ALGORITHM}\n{_sha256(canonical.encode('utf-8', 'surrogateescape'))}"


def sign_acs3(canonical: str, secret: str) -> str:
    return hmac.digest(secret.encode(), string_to_sign(canonical).encode(), "sha256").hex()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- the older signature, among the parameters ---------------------------------------------------


def _verify_v1(call: Call, secret: str) -> None:
    if call.everything.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise errors.InvalidParameter("SignatureMethod")
    text = string_to_sign_v1(call.method, (*call.query, *call.form))
    if not hmac.compare_digest(
        sign_v1(text, secret).encode(), call.everything["Signature"].encode("utf-8", "replace")
    ):
        raise errors.SignatureDoesNotMatch(text)


def string_to_sign_v1(method: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The text that the older signature is about: all parameters but itself."""
    signed = ((name, value) for name, value in pairs if name != "Signature")
    # This one sorts by name before encoding; for the names in use that is the same order.
    return f"{method}&%2F&{encode(canonical_query(signed))}"


def sign_v1(text: str, secret: str) -> str:
    digest = hmac.digest(f"{secret}&".encode(), text.encode("utf-8", "surrogateescape"), "sha1")

    return base64.b64encode(digest).decode()


# --- now, and for the first time -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """A call's own date and nonce."""

    at: float
    nonce: str


def freshness(call: Call) -> Freshness:
    """Read date and nonce.

    Raises:
        errors.CloudError: One of them is missing, or the date is none.
    """
    if call.is_v1:
        date, nonce = call.everything.get("Timestamp"), call.everything.get("SignatureNonce")
    else:
        date, nonce = call.headers.get("x-acs-date"), call.headers.get("x-acs-signature-nonce")
    if not date:
        raise errors.MissingParameter("Timestamp")
    if not nonce:
        raise errors.MissingParameter("SignatureNonce")

    return Freshness(at=_seconds(date), nonce=nonce)


def _seconds(date: str) -> float:
    # fromisoformat takes many more forms than the cloud does, and strptime ten times as long.
    if not _DATE.fullmatch(date):
        raise errors.TimestampFormat
    try:
        return datetime.fromisoformat(date).timestamp()
    except ValueError:
        raise errors.TimestampFormat from None


class Nonces:
    """The nonces seen of late, kept for as long as their date would be accepted.

    Two sets take turns, so that forgetting costs nothing: a nonce lives between one and two
    periods, and one period is the whole width of the window.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turned = clock()
        self._young: set[tuple[str, str]] = set()
        self._old: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def use(self, key_id: str, nonce: str) -> bool:
        """Remember this nonce; whether it was new."""
        with self._lock:
            self._turn()
            used = (key_id, nonce)
            if used in self._young or used in self._old:
                return False
            self._young.add(used)

            return True

    def _turn(self) -> None:
        now = self._clock()
        if abs(now - self._turned) > 2 * WINDOW_S:
            self._old, self._young, self._turned = self._young, set(), now


def check_fresh(fresh: Freshness, key_id: str, *, now: float, nonces: Nonces) -> None:
    """Refuse what is from another time, or comes again.

    Raises:
        errors.CloudError: It is, or does.
    """
    if abs(now - fresh.at) > WINDOW_S:
        raise errors.TimestampExpired
    if not nonces.use(key_id, fresh.nonce):
        raise errors.SignatureNonceUsed
