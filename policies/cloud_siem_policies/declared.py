"""What the engine shows a pack of a resource -> what its stack declares.

The gate of a stack tells in one place all that the stack declares: a key per delivery
(``sas/cloud_siem_aegis_proc``, ``waf/*``) with words (``open``, ``closed``, ``open, protected``).
The words are those that ``cloud_siem.properties.GateBag`` writes; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

GATE = "pulumi-python:dynamic/cloud-siem:Gate"
DELIVERY = "pulumi-python:dynamic/cloud-siem:LogDelivery"
WHOLE_PRODUCT = "*"
ENTERPRISE = "enterprise"

Props = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Perspective:
    """Whose deliveries these are, as the stack file says it."""

    account: str
    region: str
    view: str = "account"
    member: str = ""

    @classmethod
    def read(cls, props: Props) -> Perspective:
        return cls(
            account=props["account"],
            region=props["region"],
            view=props["view"],
            member=props.get("member") or "",
        )

    def __str__(self) -> str:
        view = f"{self.view} view" if self.view == ENTERPRISE else ""
        member = f"member {self.member}" if self.member else ""
        return ", ".join(filter(None, (f"account {self.account}", self.region, view, member)))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is declared of one delivery."""

    open: bool
    protected: bool = False


@dataclass(frozen=True, kw_only=True)
class Gate:
    """All that a stack declares from one perspective."""

    stack: str
    perspective: Perspective
    tags: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By name: ``product/log``, or ``product/*`` for the whole product."""

    @property
    def view(self) -> str:
        return self.perspective.view

    def having(self, delivery: Delivery) -> Gate:
        """What the stack declares when this delivery is as it was shown."""
        return replace(self, entries={**self.entries, delivery.name: delivery.entry})


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery that a gate guards."""

    stack: str
    perspective: Perspective
    name: str
    entry: Entry


@dataclass(frozen=True, kw_only=True)
class Bare:
    """One delivery that no gate guards."""

    stack: str
    name: str
    """Of the resource."""
    props: Props
    """Read late: values that come from other resources are not known at preview."""

    @property
    def view(self) -> str:
        return str(self.props["view"])


Shown = Gate | Delivery | Bare


def read(kind: str, urn: str, props: Props) -> Shown | None:
    """What a resource declares; None when it is none of ours.

    Args:
        kind: The resource's type.
        urn: Its URN.
        props: Its inputs or outputs.
    """
    stack = stack_of(urn)
    if kind == GATE:
        return Gate(
            stack=stack,
            perspective=Perspective.read(props),
            tags=dict(props.get("tags") or {}),
            entries={name: _entry(words) for name, words in props.items() if "/" in name},
        )
    if kind != DELIVERY:
        return None
    if not props.get("guarded"):
        return Bare(stack=stack, name=urn.rpartition("::")[2], props=props)
    return Delivery(
        stack=stack,
        perspective=Perspective.read(props),
        name=f"{props['product']}/{props['log']}",
        entry=Entry(open=props["state"] == "open", protected=bool(props.get("protect"))),
    )


def stack_of(urn: str) -> str:
    """The stack's name, from ``urn:pulumi:<stack>::<project>::...``."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def covers(name: str, other: str) -> bool:
    """Whether switching one delivery switches the other one too."""
    product, _, log = name.partition("/")
    return name == other or (log == WHOLE_PRODUCT and other.startswith(f"{product}/"))


def overlaps(name: str, other: str) -> bool:
    """Whether two deliveries have a log in common."""
    return covers(name, other) or covers(other, name)


def _entry(words: str) -> Entry:
    """Of ``open, protected`` and the like; what else stands there is no matter of a policy."""
    state, *flags = words.partition(":")[0].split(", ")
    return Entry(open=state == "open", protected="protected" in flags)
