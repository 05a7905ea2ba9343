"""The values everything is about, and the rules over them; every layer above uses this module.

No I/O, no Pulumi, no SDK. All values are frozen; all rules are pure. The spellings of the API
(RoleType, RoleFor, Status) are not known here: ``convert`` and ``api`` translate at the door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property

WHOLE_PRODUCT = "*"
"""How a stack file and an id write "every log of the product"; in values it is ``log=None``."""


class State(Enum):
    """What a delivery is, or is declared to be."""

    OPEN = "open"
    """New logs flow into the account's SIEM Logstore."""
    CLOSED = "closed"
    """No new logs flow; those already stored stay until their time to live ends."""
    PARTIAL = "partial"
    """Only ever observed, of a whole product: some of its logs are open and some closed."""


DECLARABLE = (State.OPEN, State.CLOSED)
"""The states that a person may declare."""


ACCOUNT_ID = r"[1-9][0-9]{4,18}"
"""An account's id, as a pattern. The API has it as an int64, so it has at most 19 digits and begins
with no zero. Nearly all have 16, but ids of 8 are in use. A number of fewer than 5 digits is taken
for a slip. STS proves whose the credentials are, whatever the length."""


class Region(Enum):
    """The region of Cloud SIEM's data management center; it is chosen by where the assets are."""

    CN_HANGZHOU = "cn-hangzhou"
    """For assets in the Chinese mainland and Hong Kong (China)."""
    AP_SOUTHEAST_1 = "ap-southeast-1"
    """For assets elsewhere."""


REGION_RULE = (
    "cn-hangzhou for assets in the Chinese mainland and Hong Kong (China),"
    " ap-southeast-1 for assets elsewhere"
)
"""Which region to use, by the vendor's rule (help page on Cloud SIEM's data management center)."""


class View(Enum):
    """Whose switches a call is about."""

    ACCOUNT = "account"
    """The current account's own."""
    ENTERPRISE = "enterprise"
    """Those for all accounts of the enterprise."""


class OnRemove(Enum):
    """What removing an entry from the stack file does to the delivery."""

    CLOSE = "close"
    """The delivery is closed."""
    KEEP = "keep"
    """The delivery stays as it is and is forgotten."""


@dataclass(frozen=True, kw_only=True)
class Perspective:
    """Who looks at what: everything that one ListDelivery answers for."""

    account: str
    """The account whose credentials are used, by its id, e.g. ``1130916744880000``."""
    region: Region
    view: View = View.ACCOUNT
    member: str | None = None
    """The member account that is managed through its administrator; None is the account itself."""

    @property
    def owner(self) -> str:
        """The account whose logs are switched: the member's, where there is one."""
        return self.member or self.account

    def __str__(self) -> str:
        parts = [f"account {self.account}", self.region.value]
        if self.view is not View.ACCOUNT:
            parts.append(f"{self.view.value} view")
        if self.member:
            parts.append(f"member {self.member}")
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account of the enterprise, as its administrator lists it."""

    account: str
    """Its id."""
    name: str
    """What people call it, in any characters; empty when it has no name."""
    managed: bool
    """Whether threat analysis manages it: only then is there anything to switch in it."""

    def __str__(self) -> str:
        return f"{self.account} ({self.name})" if self.name else self.account


@dataclass(frozen=True, kw_only=True)
class DeliveryKey:
    """Which delivery: one log of a product, or a whole product, from one perspective."""

    perspective: Perspective
    product: str
    """The product code, e.g. ``sas``; codes are an open set."""
    log: str | None = None
    """The log code, e.g. ``cloud_siem_aegis_proc``; None is the whole product."""

    @property
    def name(self) -> str:
        """Product and log, as resources and messages name it; a whole product is just ``waf``.

        No ``*``: the engine takes it for a wildcard in ``--target``.
        """
        return self.product if self.log is None else f"{self.product}/{self.log}"

    @property
    def log_word(self) -> str:
        """The log as stack files, property bags and ids have it: its code, or ``*`` for all."""
        return WHOLE_PRODUCT if self.log is None else self.log

    @property
    def entry(self) -> str:
        """The name of its entry in the gate: product and log, with ``*`` for all logs."""
        return f"{self.product}/{self.log_word}"

    @property
    def id(self) -> str:
        """The joined key, the resource's id: account/region/view/member/product/log."""
        seen = self.perspective
        parts = (seen.account, seen.region.value, seen.view.value, seen.member or "-")
        return "/".join((*parts, self.product, self.log_word))

    @property
    def switch(self) -> tuple[str, Region, str, str | None]:
        """What the key switches in the end, whoever looks at it.

        Whether the views and an administrator's look at a member share their switches with the
        account's own is unverified; whatever guards a log against going dark takes them as shared.
        """
        return (self.perspective.owner, self.perspective.region, self.product, self.log)

    def covers(self, other: DeliveryKey) -> bool:
        """Whether switching this delivery switches the other one too."""
        mine, theirs = self.switch, other.switch
        return mine[:3] == theirs[:3] and mine[3] in (None, theirs[3])

    def overlaps(self, other: DeliveryKey) -> bool:
        """Whether the two have a log in common."""
        return self.covers(other) or other.covers(self)

    def __str__(self) -> str:
        return f"{self.name} ({self.perspective})"


def by_name(key: DeliveryKey) -> tuple[str, str]:
    """The order of deliveries wherever people or state files see them."""
    return (key.product, key.log or "")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery as it is declared."""

    key: DeliveryKey
    state: State
    """Open or closed."""
    protect: bool = False
    """Whether closing is refused until the flag was taken off in an update of its own.

    Declared of what is open alone; recorded of what is closed, somebody closed it by hand.
    """
    on_remove: OnRemove = OnRemove.CLOSE
    reason: str = ""
    """Why it is closed, in one line, e.g. ``CHG-1234 too loud``; always empty when it is open."""
    adopted: bool = False
    """Only ever recorded: whether it was open before the stack had it."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """One log as the account shows it."""

    product: str
    log: str
    state: State
    """Open or closed."""
    operable: bool
    """Whether this caller may switch it."""
    topic: str = ""
    """The topic of its entries in the Logstore, e.g. ``sas_login_event``."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The frozen answer of one ListDelivery."""

    perspective: Perspective
    logs: tuple[Log, ...]
    """Every log of every connected product, in the order of ``by_name``."""
    taken_at: datetime
    """When the answer was asked for, with time zone."""
    project: str = ""
    """The Simple Log Service project that the logs flow into."""
    logstore: str = ""
    request_id: str = ""

    @cached_property
    def products(self) -> Mapping[str, tuple[Log, ...]]:
        """The logs by product code."""
        products: dict[str, list[Log]] = {}
        for log in self.logs:
            products.setdefault(log.product, []).append(log)
        return {product: tuple(logs) for product, logs in products.items()}

    @cached_property
    def _by_code(self) -> Mapping[tuple[str, str], Log]:
        return {(log.product, log.log): log for log in self.logs}

    def find(self, key: DeliveryKey) -> tuple[Log, ...]:
        """The logs that the key is about; empty when the account does not list them."""
        if key.log is None:
            return self.products.get(key.product, ())
        log = self._by_code.get((key.product, key.log))
        return (log,) if log else ()

    def state_of(self, key: DeliveryKey) -> State | None:
        """What the delivery is; None when the account does not list it."""
        states = {log.state for log in self.find(key)}
        if len(states) > 1:
            return State.PARTIAL
        return states.pop() if states else None


class Standing(Enum):
    """How a declared delivery stands against a snapshot."""

    AS_DECLARED = "as declared"
    DRIFTED = "drifted"
    """Listed, in another state."""
    MISSING = "missing"
    """Not listed: the product is not connected, or the log is not known there."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What ``judge`` says of one declared delivery."""

    key: DeliveryKey
    declared: State
    observed: State | None
    """None when the account does not list the delivery."""
    odd: tuple[Log, ...] = ()
    """The logs that are not in the declared state; of a whole product these may be some."""

    @property
    def standing(self) -> Standing:
        if self.observed is None:
            return Standing.MISSING
        return Standing.AS_DECLARED if self.observed is self.declared else Standing.DRIFTED

    @property
    def sentence(self) -> str:
        """The verdict as a finding, e.g. ``sas/x is closed, declared open``."""
        if self.observed is None:
            return f"{self.key.name} is not listed by the account, declared {self.declared.value}"
        if self.observed is State.PARTIAL:
            odd = ", ".join(f"{log.log} is {log.state.value}" for log in self.odd)
            return f"{self.key.name} is partial, declared {self.declared.value}: {odd}"
        if self.observed is self.declared:
            return f"{self.key.name} is {self.declared.value}, as declared"
        return f"{self.key.name} is {self.observed.value}, declared {self.declared.value}"


def judge(key: DeliveryKey, declared: State, snapshot: Snapshot) -> Verdict:
    """Whether a delivery is as declared: the one rule that every comparison in the project uses."""
    logs = snapshot.find(key)
    odd = tuple(log for log in logs if log.state is not declared)
    return Verdict(key=key, declared=declared, observed=snapshot.state_of(key), odd=odd)


class KeyIndex:
    """Some keys, found by what they switch: an account has thousands of logs, a product a few."""

    def __init__(self, keys: Iterable[DeliveryKey] = ()) -> None:
        self._logs: dict[tuple[str, Region, str], set[str | None]] = {}
        for key in keys:
            self.add(key)

    def add(self, key: DeliveryKey) -> None:
        owner, region, product, log = key.switch
        self._logs.setdefault((owner, region, product), set()).add(log)

    def covers(self, key: DeliveryKey) -> bool:
        """Whether one of the keys covers this one."""
        owner, region, product, log = key.switch
        logs = self._logs.get((owner, region, product), ())
        return None in logs or log in logs

    def overlaps(self, key: DeliveryKey) -> bool:
        """Whether one of the keys has a log in common with this one."""
        owner, region, product, log = key.switch
        logs = self._logs.get((owner, region, product))
        return logs is not None and (log is None or None in logs or log in logs)
