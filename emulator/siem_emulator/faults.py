"""Scripted faults: what goes wrong on purpose, for which calls, and how often.

Rules come from tests, `POST /_siem/faults` and `cloud-siem emulator faults add`; `service.py` asks
for the rule that strikes a call, answers the kinds that are answers, and leaves the kinds that
damage the connection to `damage.py`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FOREVER = -1


class Kind(StrEnum):
    """What goes wrong."""

    DROP_BEFORE = "drop_before"
    """The connection is closed before the call acts."""
    DROP_AFTER = "drop_after"
    """The call acts, then the connection is closed without a reply."""
    HALF_BODY = "half_body"
    """Half of the body is sent, then the connection is closed."""
    SLOW_DRIP = "slow_drip"
    """The body comes in a hundred drops, spread over `seconds`."""
    WRONG_LENGTH = "wrong_length"
    """Content-Length is too small by ten: the JSON is cut, the connection is not."""
    HTML = "html"
    """200 with an HTML page, as from a captive portal."""
    EMPTY = "empty"
    """200 with an empty body."""
    REDIRECT = "redirect"
    """302 (or `status`) to `location`."""
    HTTP429 = "http429"
    """429, with the headers Retry-After (`retry_after`) and x-acs-retry-after if set."""
    THROTTLING = "throttling"
    """400 Throttling.User; the same two headers if set."""
    INTERNAL_ERROR = "internal_error"
    """500 InternalError."""
    SLS_SHIP = "sls_ship"
    """500 SLS.Ship.Error."""
    SLS_EMBED = "sls_embed"
    """500 SLS.Sls4Service.Error."""
    ERROR_MAPPING = "error_mapping"
    """500 Siem.Delivery.ErrorMapping."""
    ERROR_PRODUCT = "error_product"
    """500 Siem.Delivery.ErrorProductCode."""
    DATA_FALSE = "data_false"
    """200 with `Data: false`, the documented form of "the request failed"."""
    BAD_SHAPE = "bad_shape"
    """`status` (200) with `body`, any JSON value (`[1]` if not set)."""
    NULL_MAPS = "null_maps"
    """ListDelivery with null in place of every list of logs."""
    EMPTY_PRODUCT_LIST = "empty_product_list"
    """ListDelivery without any product."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the name of a fault
    """400 InvalidSecurityToken.Expired."""
    STALE_READS = "stale_reads"
    """ListDelivery as it was `seconds` ago."""
    HANG = "hang"
    """No reply for `seconds`, then the connection is closed."""


ACTS = frozenset(
    {
        Kind.DROP_AFTER,
        Kind.HALF_BODY,
        Kind.SLOW_DRIP,
        Kind.WRONG_LENGTH,
        Kind.NULL_MAPS,
        Kind.EMPTY_PRODUCT_LIST,
        Kind.STALE_READS,
    }
)
"""The kinds that let the call act, unless the rule says otherwise."""

SPELLINGS = {"productCode": "ProductCode", "logCode": "LogCode"}
"""Shorter ways to write what rules match most."""


class FaultError(ValueError):
    """A rule that cannot be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Which calls are struck, how often, and by what."""

    kind: Kind
    action: str = "*"
    match: Mapping[str, str] = field(default_factory=dict)
    """Parameters that the call must have, by their API names."""
    account: str = ""
    """Whose calls; empty is everybody's."""
    times: int = FOREVER
    after: int = 0
    """How many matching calls pass unharmed first."""
    acts: bool | None = None
    """Whether the call acts all the same: an error after the act is an unknown outcome."""
    seconds: float = 5
    status: int = 0
    location: str = "/_siem/redirected"
    retry_after: float | None = None
    acs_retry_after: int | None = None
    body: Any = (1,)
    """Only for bad_shape."""

    def __post_init__(self) -> None:
        if self.kind in ACTS and self.acts is False:
            raise FaultError(
                f"{self.kind} is about the answer of a call that acts; use drop_before."
            )

    @property
    def lets_act(self) -> bool:
        return self.kind in ACTS if self.acts is None else self.acts

    def strikes(self, action: str, parameters: Mapping[str, str], account: str) -> bool:
        return (
            self.action in ("*", action)
            and self.account in ("", account)
            and all(parameters.get(name) == value for name, value in self.match.items())
        )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Rule:
        """Read a rule from JSON.

        Raises:
            FaultError: It has no kind, an unknown kind, or a field that rules do not have.
        """
        fields = dict(mapping)
        match = fields.pop("match", {})
        if not isinstance(match, dict):
            raise FaultError(f"match is an object of API parameters, not {match!r}.")
        short = {api: fields.pop(name) for name, api in SPELLINGS.items() if name in fields}
        kind = _kind(fields.pop("kind", None))
        if unknown := set(fields) - _FIELDS:
            raise FaultError(f"A fault rule has no {', '.join(sorted(unknown))}.")
        _check_types(fields)

        return cls(kind=kind, match=_texts({**match, **short}), **fields)

    def to_mapping(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


_FIELDS = {each.name for each in dataclasses.fields(Rule)} - {"kind", "match"}
_TEXTS = ("action", "account", "location")
_NUMBERS = ("times", "after", "seconds", "status", "retry_after", "acs_retry_after")


def _kind(kind: object) -> Kind:
    try:
        return Kind(kind)  # type: ignore[arg-type]
    except ValueError:
        raise FaultError(f"A fault is one of {', '.join(Kind)}, not {kind!r}.") from None


def _texts(match: Mapping[str, object]) -> dict[str, str]:
    """Parameters are strings on the wire, whatever JSON has."""
    return {name: str(value) for name, value in match.items()}


def _check_types(fields: Mapping[str, object]) -> None:
    for name in _TEXTS:
        if not isinstance(fields.get(name, ""), str):
            raise FaultError(f"{name} is a string, not {fields[name]!r}.")
    if not isinstance(fields.get("acts"), bool | None):
        raise FaultError(f"acts is true or false, not {fields['acts']!r}.")
    for name in _NUMBERS:
        value = fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise FaultError(f"{name} is a number, not {value!r}.")


@dataclass(slots=True)
class _Script:
    """A rule and how much of it is left."""

    rule: Rule
    to_skip: int
    left: int
    struck: int = 0

    def take(self) -> bool:
        """Whether the rule strikes now that a call matches it."""
        if self.to_skip > 0:
            self.to_skip -= 1
            return False
        if self.left == 0:
            return False
        self.left -= self.left > 0
        self.struck += 1

        return True


class Faults:
    """The rules in force, in the order in which they were added; the first that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: list[_Script] = []

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._scripts.append(_Script(rule, to_skip=rule.after, left=rule.times))

    def clear(self) -> None:
        with self._lock:
            self._scripts.clear()

    def pick(
        self, action: str, parameters: Mapping[str, str], account_of: Callable[[], str]
    ) -> Rule | None:
        """The rule that strikes this call, if any; it is used up by one."""
        if not self._scripts:
            return None
        account = account_of()
        with self._lock:
            for script in self._scripts:
                if script.rule.strikes(action, parameters, account) and script.take():
                    return script.rule

        return None

    def to_list(self) -> list[dict[str, Any]]:
        """The rules with what is left of them."""
        with self._lock:
            return [
                {**each.rule.to_mapping(), "left": each.left, "struck": each.struck}
                for each in self._scripts
            ]
