"""What a failed call means to a person: one clear sentence, the cause, and what to do.

Called by ``api`` alone. The codes of Cloud SIEM are those of the pages of OpenDelivery,
CloseDelivery and ListDelivery (read 2025-10-09); the gateway's are those of its general
error pages, whose HTTP statuses differ between products: so only codes decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloud_siem import ram
from cloud_siem.call import CallFailed, Failure, Request
from cloud_siem.errors import (
    ApiError,
    DeniedError,
    MalformedError,
    ThrottledError,
    UnreachableError,
)
from cloud_siem.pacing import Deadline
from cloud_siem.wording import printable


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of the cloud, for the error that may come of it."""

    request: Request
    subject: str
    """Of what, or for whom, e.g. ``of sas/x (account 1130916744880000, cn-hangzhou)``."""
    writes: bool = False


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A cause, and what to do about it."""

    cause: str
    remedy: str
    kind: type[ApiError] = ApiError


_CLOCK = "set this machine's clock"
_KEY = "check which credentials this run uses"

_MEANINGS = {
    "Siem.Delivery.MissingProductCode": Meaning(
        cause="the call had no product code",
        remedy="this is a fault of this package; please report it",
    ),
    "Siem.Delivery.ErrorMapping": Meaning(
        cause="the product does not have this log",
        remedy="compare the codes with those that `cloud-siem list` shows",
    ),
    "Siem.Delivery.ErrorProductCode": Meaning(
        cause="the product code is unknown, or the product is not connected",
        remedy="compare the code with those that `cloud-siem list` shows, or connect the product",
    ),
    "SLS.Ship.Error": Meaning(
        cause="Simple Log Service could not change the data shipping",
        remedy="run again later; if it stays, show the RequestId to Alibaba Cloud's support",
    ),
    "SLS.Sls4Service.Error": Meaning(
        cause="Simple Log Service could not make its console pages, which ListDelivery needs",
        remedy="run again later; if it stays, show the RequestId to Alibaba Cloud's support",
    ),
    "InternalError": Meaning(
        cause="the cloud failed for a reason it does not know itself",
        remedy="run again later; if it stays, show the RequestId to Alibaba Cloud's support",
    ),
    "ServiceUnavailable": Meaning(
        cause="the service is not available for now", remedy="run again later"
    ),
    "SignatureDoesNotMatch": Meaning(
        cause="the secret does not belong to the access key",
        remedy=_KEY,
        kind=DeniedError,
    ),
    "InvalidAccessKeyId.NotFound": Meaning(
        cause="the access key does not exist", remedy=_KEY, kind=DeniedError
    ),
    "InvalidAccessKeyId.Inactive": Meaning(
        cause="the access key is disabled", remedy=_KEY, kind=DeniedError
    ),
    "InvalidSecurityToken.Expired": Meaning(
        cause="the session of the credentials is over",
        remedy="get new ones and run again; what was done so far is kept",
        kind=DeniedError,
    ),
    "InvalidTimeStamp.Expired": Meaning(
        cause="this machine's clock is more than 15 minutes off", remedy=_CLOCK, kind=DeniedError
    ),
    "InvalidTimeStamp.Format": Meaning(
        cause="the cloud could not read the date of the call", remedy=_CLOCK, kind=DeniedError
    ),
    "SignatureNonceUsed": Meaning(
        cause="the cloud saw the same signed call twice",
        remedy="look for a proxy that repeats calls on the way",
        kind=DeniedError,
    ),
}
_THROTTLED = Meaning(
    cause="the account makes more calls than the cloud allows",
    remedy="run again later, lower CLOUD_SIEM_REQUEST_RATE or raise CLOUD_SIEM_DEADLINE",
    kind=ThrottledError,
)
_LOST = Meaning(
    cause="no usable answer came",
    remedy="check the network and the endpoint, then run again: it looks first",
    kind=UnreachableError,
)
_STRANGE = Meaning(
    cause="what answered is not the API",
    remedy="check the endpoint and what stands between (proxy, gateway), then run again",
    kind=MalformedError,
)
_NOT_TRUSTED = Meaning(
    cause="what answered is not to be trusted",
    remedy="check the endpoint and what stands between (proxy, gateway)",
    kind=UnreachableError,
)
_PROXY = Meaning(
    cause="the proxy did not let the call through",
    remedy="check the proxy, then run again",
    kind=UnreachableError,
)
_NO_CREDENTIALS = Meaning(
    cause="there are no usable credentials",
    remedy="set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run"
    " `aliyun configure --profile NAME` and set CLOUD_SIEM_PROFILE=NAME. OIDC and an instance role"
    " work as well",
    kind=DeniedError,
)
_NO_ROLE = Meaning(
    cause="the role could not be assumed",
    remedy="check the ARN (CLOUD_SIEM_ROLE_ARN), that the role trusts this caller, the external id,"
    " and that the caller may do sts:AssumeRole",
    kind=DeniedError,
)
_OTHER = Meaning(
    cause="the cloud refused it", remedy="look the code up, or show the RequestId to support"
)
_HELD = Meaning(
    cause="nothing was sent: this run makes more calls than its own request rate allows",
    remedy="raise CLOUD_SIEM_REQUEST_RATE or CLOUD_SIEM_DEADLINE",
    kind=ThrottledError,
)
_BY_FAILURE = {
    Failure.HELD: _HELD,
    Failure.LOST: _LOST,
    Failure.STRANGE: _STRANGE,
    Failure.PROXY: _PROXY,
    Failure.NOT_TRUSTED: _NOT_TRUSTED,
    Failure.NO_CREDENTIALS: _NO_CREDENTIALS,
    Failure.ANSWERED: _OTHER,
}
_ON_THE_WAY = (Failure.LOST, Failure.STRANGE, Failure.PROXY, Failure.NOT_TRUSTED)
"""Where the endpoint may be at fault, and a person wants to know which it is."""
_NOT_KNOWN = " Whether the cloud acted is not known."
_NOT_SENT = " Nothing was sent, so nothing was changed."
_DENIED_CODES = ("NoPermission", "Forbidden")


def explained(
    asked: Asked,
    failure: CallFailed,
    attempts: int,
    deadline: Deadline,
    *,
    in_doubt: bool = False,
) -> ApiError:
    """The error for a call that failed for good.

    Args:
        asked: The call.
        failure: Its last failure.
        attempts: How often it was tried.
        deadline: How long it might take.
        in_doubt: Whether the cloud may have acted on an earlier attempt.
    """
    meaning = _meaning(asked, failure)
    # Of a known code the cause says it better.
    said = failure.message if failure.code not in _MEANINGS else ""
    quoted = f' ("{said}")' if said else ""
    wait = f" It asks to wait {failure.retry_after:g} s." if failure.retry_after else ""
    tries = f" {_tries(attempts, deadline)}" if attempts > 1 else ""
    at = _way(asked, failure) if failure.failure in _ON_THE_WAY else ""
    acted = _outcome(failure, in_doubt=in_doubt) if asked.writes else ""
    return _error(
        asked,
        meaning,
        f"failed{tries}{at}: {meaning.cause}{quoted}.{wait}{acted}",
        code=failure.code,
        status=failure.status,
        request_id=failure.request_id,
    )


def _way(asked: Asked, failure: CallFailed) -> str:
    """Where the call was to go, and through which proxy."""
    through = f" through the proxy {failure.proxy}" if failure.proxy else ""
    return f" at {failure.endpoint or asked.request.endpoint}{through}"


def _outcome(failure: CallFailed, *, in_doubt: bool) -> str:
    """What became of a write, where the rest of the sentence does not say so."""
    if failure.failure not in (Failure.LOST, Failure.STRANGE, Failure.PROXY):
        return ""
    sent = failure.sent and failure.failure is not Failure.PROXY
    return _NOT_KNOWN if sent or in_doubt else _NOT_SENT


def not_done(asked: Asked, request_id: str) -> ApiError:
    """The error for ``Data: false`` with HTTP 200, which the pages document as a failure."""
    meaning = Meaning(
        cause="the cloud answered that it did not do it, and not why",
        remedy="`cloud-siem list` shows whether this caller may operate the delivery: only the"
        " delegated administrator of threat analysis may",
    )
    return _error(asked, meaning, f"failed: {meaning.cause}.", status=200, request_id=request_id)


def malformed(asked: Asked, shape: str, request_id: str) -> ApiError:
    """The error for an answer that is JSON, and not as documented."""
    meaning = Meaning(
        cause=f"the answer is not as documented: {shape}",
        remedy="nothing was guessed from it; please report the shape",
        kind=MalformedError,
    )
    acted = _NOT_KNOWN if asked.writes else ""
    what = f"failed: {meaning.cause}.{acted}"
    return _error(asked, meaning, what, status=200, request_id=request_id)


def not_seen(asked: Asked, why: ApiError) -> ApiError:
    """The error for a write whose answer was lost, and no look could tell what became of it."""
    return type(why)(
        f"{asked.request.action} {asked.subject}: the answer was lost, and whether the cloud acted"
        f" could not be seen. {why}",
        action=asked.request.action,
        code=why.code,
        status=why.status,
        request_id=why.request_id,
    )


def _meaning(asked: Asked, failure: CallFailed) -> Meaning:
    meaning = _meaning_by_code(asked, failure)
    return replace(meaning, remedy=failure.remedy) if failure.remedy else meaning


def _meaning_by_code(asked: Asked, failure: CallFailed) -> Meaning:
    if failure.throttled:
        return _THROTTLED
    if failure.failure is Failure.NO_CREDENTIALS:
        return _no_credentials(failure)
    if failure.code.startswith(_DENIED_CODES):
        return _denied(asked, failure)
    return _MEANINGS.get(failure.code) or _BY_FAILURE[failure.failure]


def _no_credentials(failure: CallFailed) -> Meaning:
    """None were found; or, where there is a code, it is that of STS's refusal to give a session."""
    if not failure.code:
        return _NO_CREDENTIALS
    known = _MEANINGS.get(failure.code)
    return replace(known, cause=f"{_NO_ROLE.cause}: {known.cause}") if known else _NO_ROLE


def _denied(asked: Asked, failure: CallFailed) -> Meaning:
    action = failure.denied or ram.action_of(asked.request.action)
    if failure.denied_explicitly:
        return Meaning(
            cause=f"a policy of the caller explicitly denies {action}",
            remedy="use other credentials; a grant does not help, since a Deny wins, so one that"
            " is not meant has to be taken away",
            kind=DeniedError,
        )
    return Meaning(
        cause=f"the caller has no permission for {action}",
        remedy=f"grant {action} on * to the user or role (`cloud-siem ram-policy` prints whole"
        " policies), or use other credentials",
        kind=DeniedError,
    )


def _tries(attempts: int, deadline: Deadline) -> str:
    return f"after {attempts} attempts in {deadline.seconds - max(deadline.left, 0):.0f} s"


def _error(
    asked: Asked,
    meaning: Meaning,
    what: str,
    *,
    code: str = "",
    status: int | None = None,
    request_id: str = "",
) -> ApiError:
    facts = [
        code,
        f"HTTP {status}" if status else "",
        f"RequestId {request_id}" if request_id else "",
    ]
    known = ", ".join(fact for fact in facts if fact)
    message = f"{asked.request.action} {asked.subject} {what} To mend it: {meaning.remedy}."
    return meaning.kind(
        printable(f"{message} [{known}]" if known else message),
        action=asked.request.action,
        code=printable(code),
        status=status,
        request_id=printable(request_id),
    )
