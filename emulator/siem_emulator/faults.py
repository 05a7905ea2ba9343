"""Scripted faults: what goes wrong on purpose, for which calls, and how often.

Rules come from tests, `POST /_siem/faults` and `cloud-siem emulator faults add`; `service.py` asks
for the rule that strikes a call, answers the kinds that are answers, closes what `collateral`
closes, and leaves the kinds that damage the connection to `damage.py`; `app.py` lets calls `meet`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .catalog import EVERY_LOG, Place

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
    COLLATERAL = "collateral"
    """A CloseDelivery that closes something: the service closes `closes` too, after `delay`."""
    MEET = "meet"
    """The call acts when `parties` calls have arrived, or after `seconds`."""


ACTS = frozenset(
    {
        Kind.DROP_AFTER,
        Kind.HALF_BODY,
        Kind.SLOW_DRIP,
        Kind.WRONG_LENGTH,
        Kind.NULL_MAPS,
        Kind.EMPTY_PRODUCT_LIST,
        Kind.STALE_READS,
        Kind.COLLATERAL,
        Kind.MEET,
    }
)
"""The kinds that let the call act, unless the rule says otherwise."""

CLOSE = "CloseDelivery"

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
    closes: tuple[str, ...] = ()
    """Only for collateral: `PRODUCT/LOG`, `PRODUCT/*` or `*/*`; empty: all logs of the product."""
    delay: float = 0
    """Only for collateral: seconds between the call's own close and the others."""
    parties: int = 2
    """Only for meet."""

    def __post_init__(self) -> None:
        if self.parties < 1:
            raise FaultError(f"parties must be 1 or more, not {self.parties}.")
        if self.delay < 0:
            raise FaultError(f"delay must not be negative, not {self.delay}.")
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
            and (self.kind is not Kind.COLLATERAL or action == CLOSE)
            and self.account in ("", account)
            and all(parameters.get(name) == value for name, value in self.match.items())
        )

    def unknown_closes(self, places: Iterable[Place]) -> list[str]:
        """List the entries of `closes` that name none of these logs."""
        known = list(places)

        return [each for each in self.closes if not any(_names(each, place) for place in known)]

    def collateral(self, product: str, places: Iterable[Place]) -> tuple[Place, ...]:
        """Choose the logs that are closed together with one of this product."""
        named = self.closes or (f"{product}/{EVERY_LOG}",)

        return tuple(place for place in places if any(_names(each, place) for each in named))

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
        if "closes" in fields:
            fields["closes"] = _named_logs(fields["closes"])

        return cls(kind=kind, match=_texts({**match, **short}), **fields)

    def to_mapping(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


_FIELDS = {each.name for each in dataclasses.fields(Rule)} - {"kind", "match"}
_TEXTS = ("action", "account", "location")
_WHOLE_NUMBERS = ("times", "after", "parties")
_NUMBERS = (*_WHOLE_NUMBERS, "seconds", "delay", "status", "retry_after", "acs_retry_after")


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
    for name in _WHOLE_NUMBERS:
        if isinstance(fields.get(name), float):
            raise FaultError(f"{name} is a whole number, not {fields[name]!r}.")


def _named_logs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(each, str) and all(each.partition("/")) for each in value
    ):
        raise FaultError(f"closes is a list of PRODUCT/LOG or PRODUCT/*, not {value!r}.")

    return tuple(value)


def _names(pattern: str, place: Place) -> bool:
    """Whether `PRODUCT/LOG`, with `*` for all, names this log."""
    product, _, log = pattern.partition("/")

    return product in (EVERY_LOG, place[0]) and log in (EVERY_LOG, place[1])


class Meeting:
    """Calls that wait for each other and then go on together. Safe to use from any thread."""

    def __init__(self, parties: int) -> None:
        self._lock = threading.Lock()
        self._missing = parties
        self._ended = False

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any longer: all have arrived, or the rules were cleared."""
        return self._ended

    def join(self) -> bool:
        """Count a call that has arrived; returns whether it is the last."""
        with self._lock:
            self._missing -= 1
            self._ended = self._ended or self._missing == 0

            return self._missing == 0

    def leave(self) -> None:
        """Count a call no longer, since it does not wait any longer."""
        with self._lock:
            if not self._ended:
                self._missing += 1

    def end(self) -> None:
        """Let everybody go on."""
        self._ended = True


@dataclass(frozen=True, slots=True)
class Strike:
    """The rule that strikes a call, and whom the call waits for."""

    rule: Rule
    meeting: Meeting | None = None


@dataclass(slots=True)
class _Script:
    """A rule and how much of it is left."""

    rule: Rule
    to_skip: int
    left: int
    struck: int = 0
    met: int = 0
    """How many meetings were complete."""
    meeting: Meeting | None = None

    def take(self) -> Strike | None:
        """Strike a call that matches the rule, if it is this call's turn."""
        if self.to_skip > 0:
            self.to_skip -= 1
            return None
        if self.left == 0:
            return None
        self.left -= self.left > 0
        self.struck += 1

        return Strike(self.rule, self._meeting())

    def _meeting(self) -> Meeting | None:
        if self.rule.kind is not Kind.MEET:
            return None
        if self.meeting is None or self.meeting.is_over:
            self.meeting = Meeting(self.rule.parties)
        self.met += self.meeting.join()

        return self.meeting

    def to_mapping(self) -> dict[str, Any]:
        met = {"met": self.met} if self.rule.kind is Kind.MEET else {}

        return {**self.rule.to_mapping(), "left": self.left, "struck": self.struck, **met}


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
            for script in self._scripts:
                if script.meeting:
                    script.meeting.end()
            self._scripts.clear()

    def pick(
        self, action: str, parameters: Mapping[str, str], account_of: Callable[[], str]
    ) -> Strike | None:
        """The rule that strikes this call, if any; it is used up by one."""
        if not self._scripts:
            return None
        account = account_of()
        with self._lock:
            for script in self._scripts:
                matches = script.rule.strikes(action, parameters, account)
                if matches and (strike := script.take()):
                    return strike

        return None

    def to_list(self) -> list[dict[str, Any]]:
        """The rules with what is left of them."""
        with self._lock:
            return [each.to_mapping() for each in self._scripts]
