"""Pulumi's property bags to values and back; called by the providers' verbs and the resources.

The bags are flat and few-keyed, since the engine makes its diff from them. They are in one normal
form, made here, so that the order and the spelling of the YAML never show up as a difference: what
is not set is not there (no member, no log for the whole product, no protect).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloud_siem.model import (
    WHOLE_PRODUCT,
    Delivery,
    DeliveryKey,
    OnRemove,
    Perspective,
    Region,
    State,
    View,
)

Bag = Mapping[str, object]

PERSPECTIVE_FIELDS = ("account", "region", "view", "member")
KEY_FIELDS = (*PERSPECTIVE_FIELDS, "product", "log")
INPUT_FIELDS = (*KEY_FIELDS, "state", "protect", "stack", "guarded")
OUTPUT_FIELDS = ("project", "logstore", "topic", "adopted", "request_id")
IDLE_FIELDS = ("stack",)
"""Carried along and never a difference: renaming a stack changes no delivery."""

_PROTECTED = "protected"
_KEPT = "kept"


def perspective_of(bag: Bag) -> Perspective:
    """The perspective in the bag of any of our resources."""
    member = bag.get("member")
    return Perspective(
        account=str(bag["account"]),
        region=Region(bag["region"]),
        view=View(bag["view"]),
        member=None if member is None else str(member),
    )


def key_of(bag: Bag) -> DeliveryKey:
    """The key in the bag of a ``LogDelivery``."""
    log = bag.get("log")
    return DeliveryKey(
        perspective=perspective_of(bag),
        product=str(bag["product"]),
        log=None if log is None else str(log),
    )


def state_of(bag: Bag) -> State:
    """The state in the bag of a ``LogDelivery``."""
    return State(bag["state"])


def stack_of(bag: Bag) -> str:
    """The name of the stack in the bag of any of our resources."""
    return str(bag.get("stack", ""))


def perspective_bag(perspective: Perspective) -> dict[str, object]:
    """The normal form of a perspective."""
    return _set(
        {
            "account": perspective.account,
            "region": perspective.region.value,
            "view": perspective.view.value,
            "member": perspective.member,
        }
    )


def inputs_of(bag: Bag) -> dict[str, object]:
    """The normal form of a ``LogDelivery``'s inputs, from inputs or outputs."""
    key = key_of(bag)
    return perspective_bag(key.perspective) | _set(
        {
            "product": key.product,
            "log": key.log,
            "state": bag["state"],
            "protect": bag.get("protect") or None,
            "stack": bag.get("stack"),
            "guarded": bag.get("guarded") or None,
        }
    )


def differ(olds: Bag, news: Bag, fields: Iterable[str] = INPUT_FIELDS) -> list[str]:
    """The fields in which two bags differ; those that are carried along do not count."""
    compared = (field for field in fields if field not in IDLE_FIELDS)
    return [field for field in compared if olds.get(field) != news.get(field)]


@dataclass(frozen=True, kw_only=True)
class GateBag:
    """What the gate is told: every delivery that the program declares from one perspective.

    In the bag each delivery is a key of its own (``sas/x``, ``waf/*``: always with a slash, as no
    other key has one) with its words (``open``, ``open, protected, kept``). So the engine's own
    diff of the gate names, in one place, everything that opens, closes or is dropped.
    """

    perspective: Perspective
    stack: str
    deliveries: tuple[Delivery, ...]

    @classmethod
    def read(cls, bag: Bag) -> GateBag:
        """From a bag that ``write`` made."""
        perspective = perspective_of(bag)
        entries = sorted((name, str(words)) for name, words in bag.items() if "/" in name)
        return cls(
            perspective=perspective,
            stack=stack_of(bag),
            deliveries=tuple(_read_entry(perspective, name, words) for name, words in entries),
        )

    def write(self) -> dict[str, object]:
        """The normal form."""
        entries = {entry_name(one.key): _entry_words(one) for one in self.deliveries}
        return perspective_bag(self.perspective) | {"stack": self.stack} | entries

    @property
    def states(self) -> dict[DeliveryKey, State]:
        return {one.key: one.state for one in self.deliveries}


def written_digest(facts: Iterable[tuple[str, str, str]]) -> str:
    """What the settled bookend depends on: changes whenever some delivery was written.

    Of each delivery its name, its state and the RequestId of its last write; a digest, so that the
    state file stays small.
    """
    lines = "\n".join("\t".join(fact) for fact in sorted(facts))
    return hashlib.sha256(lines.encode()).hexdigest()


def entry_name(key: DeliveryKey) -> str:
    """The key under which the gate's bag has a delivery."""
    return f"{key.product}/{key.log or WHOLE_PRODUCT}"


def _entry_words(delivery: Delivery) -> str:
    words = [delivery.state.value]
    words += [_PROTECTED] if delivery.protect else []
    words += [_KEPT] if delivery.on_remove is OnRemove.KEEP else []
    return ", ".join(words)


def _read_entry(perspective: Perspective, name: str, words: str) -> Delivery:
    product, _, log = name.partition("/")
    key = DeliveryKey(
        perspective=perspective, product=product, log=None if log == WHOLE_PRODUCT else log
    )
    state, *flags = words.split(", ")
    return Delivery(
        key=key,
        state=State(state),
        protect=_PROTECTED in flags,
        on_remove=OnRemove.KEEP if _KEPT in flags else OnRemove.CLOSE,
    )


def _set(bag: Bag) -> dict[str, object]:
    return {name: value for name, value in bag.items() if value is not None}
