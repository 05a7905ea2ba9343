"""The errors of this package; every layer raises them and only the entry points print them.

::

    CloudSiemError            any failure that a person can act on
    ├── StackError            a stack file or a stack's config is not usable; has all reasons
    ├── PlanError             a saved preview is not one, or is not whole
    ├── RefusedError          a guardrail refuses; has a code for each broken rule
    │   └── StoppedError      the same, in the middle of a run
    ├── ApiError              a call to the cloud did not do what was asked
    │   ├── DeniedError       no permission (RAM), or credentials that do not count
    │   ├── ThrottledError    the cloud asked us to slow down, until the deadline
    │   ├── UnreachableError  no usable answer: connection, redirect, deadline
    │   └── MalformedError    an answer came, in a shape that is not documented
    ├── SettleError           a write was accepted, and the account does not show it
    └── PlatformError         GitHub or GitLab did not do what was asked

``str()`` of each is one or more whole sentences for a person: what happened, where, why, what to
do. The fields are there for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from cloud_siem.codes import Code
from cloud_siem.wording import printable


class CloudSiemError(Exception):
    """Any failure that a person can act on."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a text something stands."""

    file: str
    """The file as the person named it, e.g. ``stacks/Pulumi.demo.yaml``."""
    line: int | None = None
    """Counted from 1; None when the text has no usable line for it."""
    column: int | None = None
    """Counted from 1."""

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class Severity(Enum):
    """How much a finding about an input matters."""

    ERROR = "error"
    """The input cannot be used."""
    WARNING = "warning"
    """The input can be used, and is probably not what the person meant."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One fault found in an input, with its place and the way out."""

    message: str
    """What is wrong, e.g. ``"opne" is no state``."""
    path: tuple[str, ...] = ()
    """The keys that lead to the fault, e.g. ``("cloud-siem:deliveries", "sas")``."""
    place: Place | None = None
    """Where it stands; None when the input was not a file."""
    hint: str = ""
    """What to do, e.g. ``write open or closed``."""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        word = "" if self.severity is Severity.ERROR else f"{self.severity.value}: "
        return (f"{printable(str(self.place))}: " if self.place else "") + word + self.sentence

    @property
    def sentence(self) -> str:
        """All but the place, e.g. ``cloud-siem:view: "admin" is no view (write account ...)``."""
        path = f"{' > '.join(self.path)}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return printable(f"{path}{self.message}{hint}")

    @property
    def order(self) -> tuple[str, int, int, tuple[str, ...], str]:
        """The sort key: by file, then by place; so that lists are equal run after run."""
        place = self.place or Place(file="")
        return (place.file, place.line or 0, place.column or 0, self.path, self.message)


MAX_REASONS = 100
"""A list for people has so many faults, and the count of the others."""


def listed(reasons: Sequence[Reason], show: Callable[[Reason], str] = str) -> str:
    """Faults as people read them; of very many the first ones and the count."""
    lines = [show(reason) for reason in reasons[:MAX_REASONS]]
    if more := len(reasons) - len(lines):
        lines.append(f"... and {more} more")
    return "\n".join(lines)


class StackError(CloudSiemError):
    """A stack file or a stack's config is not usable."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons: tuple[Reason, ...] = tuple(sorted(reasons, key=lambda r: r.order))
        super().__init__(listed(self.reasons))


class PlanError(CloudSiemError):
    """A saved preview is not one, or is not whole."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One broken rule."""

    code: Code
    message: str
    """What would happen, where, and why that is refused; whole sentences."""
    state: str = ""
    """The state that things are in, e.g. ``Nothing was closed.``"""
    listed: tuple[str, ...] = ()
    """The logs that it is about, a line each."""
    remedy: str = ""
    """What to do, as an imperative."""
    entry: str = ""
    """The entry of the gate that it is about, e.g. ``sas/cloud_siem_aegis_dns``; else empty."""

    def __str__(self) -> str:
        first = " ".join(filter(None, (self.message, self.state)))
        last = " ".join(filter(None, (self.remedy, str(self.code))))
        return "\n".join([first, *self.listed, last]) if self.listed else f"{first} {last}"

    def then(self, state: str) -> Refusal:
        """The same refusal, with the state that things are in."""
        return replace(self, state=state)


class RefusedError(CloudSiemError):
    """A guardrail refuses; has a code for each broken rule."""

    def __init__(self, *refusals: Refusal) -> None:
        self.refusals = refusals
        super().__init__("\n".join(map(str, refusals)))

    @classmethod
    def of(cls, code: Code, message: str, remedy: str = "") -> Self:
        """The refusal by one rule."""
        return cls(Refusal(code=code, message=message, remedy=remedy))


class StoppedError(RefusedError):
    """A guardrail stops a run that has closed something; nothing more is closed."""


class ApiError(CloudSiemError):
    """A call to the cloud did not do what was asked."""

    def __init__(
        self,
        message: str,
        *,
        action: str,
        code: str = "",
        status: int | None = None,
        request_id: str = "",
    ) -> None:
        self.action = action
        """The operation, e.g. ``CloseDelivery``."""
        self.code = code
        """The cloud's error code, e.g. ``SLS.Ship.Error``; empty when none was sent."""
        self.status = status
        """The HTTP status; None when it is not known."""
        self.request_id = request_id
        """What the cloud's support asks for; empty when none was sent."""
        super().__init__(message)


class DeniedError(ApiError):
    """No permission (RAM), or credentials that do not count."""


class ThrottledError(ApiError):
    """The cloud asked us to slow down, until the deadline."""


class UnreachableError(ApiError):
    """No usable answer: connection, redirect, deadline."""


class MalformedError(ApiError):
    """An answer came, in a shape that is not documented."""


class SettleError(CloudSiemError):
    """A write was accepted, and the account does not show it."""


class PlatformError(CloudSiemError):
    """GitHub or GitLab did not do what was asked, or cannot be asked."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        """The HTTP status; None when no answer came, or nothing was asked."""
        super().__init__(message)

    @property
    def gone(self) -> bool:
        """Whether what was to be changed is not there any more."""
        return self.status in (404, 410)
