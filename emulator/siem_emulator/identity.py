"""Who calls: from key id and token to a principal; and the sessions of assumed roles.

`service.py` identifies every caller before it checks the signature; `operations.py` issues sessions
for AssumeRole. A session is remembered by nobody: its token says everything and is sealed, its
secret follows from its key id. So sessions survive a restart of the emulator, as they would one of
the cloud.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import errors, ram
from .state import State
from .wire import Call

SESSION_KEY_PREFIX = "STS."

_SEAL = b"testseal-of-the-emulator"  # no secret: it keeps tests honest, not attackers out


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who calls, proven once the signature fits `secret`."""

    account: str
    key_id: str
    secret: str = field(repr=False)
    policies: tuple[ram.Policy, ...]
    """All of them must allow an action: a session's are the role's and the one it was made with."""
    user: str = ""
    role: str = ""
    session: str = ""

    @property
    def arn(self) -> str:
        if self.role:
            return f"acs:ram::{self.account}:assumed-role/{self.role}/{self.session}"

        return f"acs:ram::{self.account}:" + (f"user/{self.user}" if self.user else "root")

    @property
    def is_root(self) -> bool:
        return not self.user and not self.role

    def verdict(self, action: str) -> ram.Verdict:
        """What RAM says about an action; an account's own key may do everything."""
        if self.is_root:
            return ram.Verdict.ALLOWED
        verdicts = [policy.verdict(action) for policy in self.policies]
        refusals = (ram.Verdict.EXPLICIT_DENY, ram.Verdict.IMPLICIT_DENY)

        return next((each for each in refusals if each in verdicts), ram.Verdict.ALLOWED)

    def denial(self, action: str, verdict: ram.Verdict) -> Mapping[str, str]:
        """What the cloud says about a refusal."""
        return {
            "AuthAction": action,
            "AuthPrincipalType": "AssumedRoleUser" if self.role else "SubUser",
            "AuthPrincipalOwnerId": self.account,
            "AuthPrincipalDisplayName": f"{self.role}:{self.session}" if self.role else self.user,
            "NoPermissionType": verdict,
            "PolicyType": "AccountLevelIdentityBasedPolicy",
            "EncodedDiagnosticMessage": "AQ-emulated",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A role assumed for a while."""

    key_id: str
    account: str
    role: str
    name: str
    issued: float
    expires: float
    policy: dict[str, Any] | None = None

    @property
    def secret(self) -> str:
        return "testsecret-" + hmac.digest(_SEAL, self.key_id.encode(), "sha256").hex()[:32]

    @property
    def token(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__}
        text = json.dumps(fields, separators=(",", ":")).encode()

        return f"{base64.urlsafe_b64encode(text).decode()}.{_sealed(text)}"


def new_session_key_id() -> str:
    return f"{SESSION_KEY_PREFIX}testid-{secrets.token_hex(8)}"


def identify(call: Call, state: State, *, now: float) -> Principal:
    """Find who the call claims to be from; the signature must still prove it.

    Raises:
        errors.CloudError: It names no key, an unknown one, or a token that does not fit it.
    """
    if not call.key_id:
        raise _nobody(call)
    _check_announced_key(call)
    if call.token or call.key_id.startswith(SESSION_KEY_PREFIX):
        return _session_principal(call, state, now=now)
    key = state.key(call.key_id)
    if key is None:
        raise errors.AccessKeyNotFound

    return Principal(
        account=key.account,
        key_id=key.id,
        secret=key.secret,
        policies=(key.policy,),
        user=key.user,
    )


def account_of(call: Call, state: State) -> str:
    """The account whose key the call claims to use, unproven; empty if it is nobody's."""
    if call.token:
        session = _unsealed(call.token)
        return session.account if session else ""
    key = state.key(call.key_id)

    return key.account if key else ""


def _nobody(call: Call) -> errors.CloudError:
    if "authorization" in call.headers:
        return errors.IncompleteSignature("the Authorization header is not well formed.")

    return errors.MissingParameter("AccessKeyId")


def _check_announced_key(call: Call) -> None:
    announced = call.headers.get("x-acs-accesskey-id", call.key_id)
    if announced != call.key_id:
        raise errors.TokenMismatch


def _session_principal(call: Call, state: State, *, now: float) -> Principal:
    if not call.token:
        raise errors.TokenMissing
    session = _unsealed(call.token)
    if session is None:
        raise errors.TokenMalformed
    if session.key_id != call.key_id:
        raise errors.TokenMismatch
    if now >= session.expires or session.issued < state.sessions_ended:
        raise errors.TokenExpired
    role = state.role(session.account, session.role)
    if role is None:
        raise errors.TokenMalformed
    narrowed = (ram.Policy.from_document(session.policy),) if session.policy else ()

    return Principal(
        account=session.account,
        key_id=session.key_id,
        secret=session.secret,
        policies=(role.policy, *narrowed),
        role=session.role,
        session=session.name,
    )


def _unsealed(token: str) -> Session | None:
    """The session that a token is about; nothing if it was not issued here."""
    encoded, _, seal = token.partition(".")
    try:
        text = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except ValueError:
        return None
    if not hmac.compare_digest(_sealed(text).encode(), seal.encode("utf-8", "replace")):
        return None

    return Session(**json.loads(text))


def _sealed(text: bytes) -> str:
    return hmac.digest(_SEAL, text, "sha256").hex()
