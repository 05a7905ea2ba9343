"""What goes through the door to the cloud, and how it fails; between ``api`` and ``sdk``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cloud_siem.settings import Endpoint
from cloud_siem.wording import without_password


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call."""

    action: str
    """The operation, e.g. ``ListDelivery``."""
    version: str
    """Of the API, e.g. ``2022-06-16``."""
    endpoint: Endpoint
    parameters: Mapping[str, str]
    """Sent in the body, as a form."""


class Failure(Enum):
    """How a call failed."""

    ANSWERED = "answered"
    """The cloud answered with an error code."""
    LOST = "lost"
    """No whole answer came: whether the cloud acted is not known."""
    STRANGE = "strange"
    """An answer came that is not the API's: whether the cloud acted is not known."""
    PROXY = "proxy"
    """The proxy did not let the call through: nothing reached the cloud."""
    NOT_TRUSTED = "not trusted"
    """The other side is not who it should be (certificate, redirect): nothing was acted on."""
    HELD = "held"
    """Nothing was sent: our own request rate left no time for it."""
    NO_CREDENTIALS = "no credentials"
    """Nothing was sent: no credentials were found, or the role could not be assumed."""


class CallFailed(Exception):  # noqa: N818 - not for people: ``api`` says what it means to them
    """A call did not bring a JSON object with an HTTP status below 300."""

    def __init__(  # noqa: PLR0913 - each is a fact of its own about one failed call
        self,
        failure: Failure,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        request_id: str = "",
        retry_after: float = 0.0,
        denied: str = "",
        denied_explicitly: bool = False,
        sent: bool = True,
        permanent: bool = False,
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message
        """The cloud's own words, or what happened on the way."""
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        """Seconds that the cloud asked us to wait; 0 when it did not."""
        self.denied = denied
        """The RAM action that was refused, where the cloud names it."""
        self.denied_explicitly = denied_explicitly
        """Whether a policy denies it, which no grant outweighs; else nothing allows it."""
        self.sent = sent
        """False where no connection was made, so that the cloud cannot have acted."""
        self.permanent = permanent
        """Whether the same call would fail in the same way again, whatever ``failure`` is."""
        self.remedy = remedy
        """What to do, where more is known than ``failure`` says."""
        self.endpoint = ""
        """Where the call went that failed; empty for the one that was asked for."""
        self.proxy = ""
        """The proxy that the call went through, for messages; empty where it went directly."""

    @property
    def throttled(self) -> bool:
        """Whether the cloud refused because of too many calls; it then did not act."""
        return "Throttling" in self.code or self.status == 429  # noqa: PLR2004 - HTTP's number

    @property
    def without_effect(self) -> bool:
        """Whether it is certain that the cloud did not act, so that a write may be sent again."""
        return self.throttled or not self.sent

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed a little later."""
        if self.permanent:
            return False
        if self.failure in (Failure.LOST, Failure.PROXY) or self.throttled:
            return True
        if self.failure not in (Failure.ANSWERED, Failure.NO_CREDENTIALS):
            return False
        # Siem.Delivery.* come with HTTP 500 and are permanent; so the code decides, not the 500.
        passing = self.code in ("InternalError", "ServiceUnavailable") or self.code.startswith(
            "SLS."
        )
        return passing or self.status in (502, 503, 504)


def first_cause(error: BaseException) -> str:
    """The innermost reason of a transport error, e.g. ``Connection refused``, without addresses."""
    *_, cause = causes(error)
    # Of a malformed proxy the cause is its URL, whole.
    return without_password(str(getattr(cause, "strerror", None) or cause)) or type(cause).__name__


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps, from the outermost to the innermost."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        wrapped = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(wrapped, BaseException):
            wrapped = cause.__cause__ or cause.__context__
        cause = wrapped if wrapped is not cause else None
