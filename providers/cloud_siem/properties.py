"""Pulumi's property bags to values and back; called by the providers' verbs and the resources.

The bags are flat and few-keyed, since the engine makes its diff from them. They are in one normal
form, made here, so that the order and the spelling of the YAML never show up as a difference: what
is not set is not there (no member, no protect).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from cloud_siem.codes import Code
from cloud_siem.errors import RefusedError
from cloud_siem.model import (
    WHOLE_PRODUCT,
    Delivery,
    DeliveryKey,
    OnRemove,
    Perspective,
    Region,
    Snapshot,
    State,
    View,
)

Bag = Mapping[str, object]

PERSPECTIVE_FIELDS = ("account", "region", "view", "member")
KEY_FIELDS = (*PERSPECTIVE_FIELDS, "product", "log")
INPUT_FIELDS = (*KEY_FIELDS, "state", "reason", "protect", "stack", "guarded")
OUTPUT_FIELDS = ("project", "logstore", "topic", "adopted", "request_id")
STACK = "stack"
COMPARED_FIELDS = tuple(name for name in INPUT_FIELDS if name != STACK)
"""What makes a difference of a delivery: renaming a stack changes none. Gate and settled resource
record the new name, by which a destroy finds the other stack files."""

BESIDE = "beside"
"""The key in the gate's bag of what other components of the program declare open."""
CLOSING = "closing"
"""The key in the gate's bag of what an update closes, until a later run has seen it closed."""
_CARRIED = 3
"""Runs; so often what was not closed is authorized anew. After that a person has to name it."""
_PROTECTED = "protected"
_KEPT = "kept"
_ADOPTED = "adopted"
_REASON = ": "


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
    """The key in the bag of a ``LogDelivery``.

    There the whole product is ``*``, as people write it. A log that is not there, since some output
    turned out to be nothing, never comes to mean every log.

    :raises RefusedError: it names no log.
    """
    product, log = str(bag["product"]), bag.get("log")
    if not isinstance(log, str) or not log.strip():
        raise RefusedError.of(
            Code.NO_LOG,
            f"{product}: the log code is missing, which in a call would mean all logs of the"
            ' product. Nothing was called. Write the log code, or "*" for all logs.',
        )
    return DeliveryKey(
        perspective=perspective_of(bag), product=product, log=None if log == WHOLE_PRODUCT else log
    )


def delivery_of(bag: Bag) -> Delivery:
    """What the bag of a ``LogDelivery`` declares, as far as it says it."""
    return Delivery(
        key=key_of(bag),
        state=state_of(bag),
        protect=bool(bag.get("protect")),
        on_remove=OnRemove(bag.get("on_remove", OnRemove.CLOSE.value)),
        reason=str(bag.get("reason") or ""),
    )


def settled_of(bag: Bag) -> tuple[Delivery, ...]:
    """What the settled bookend recorded: the deliveries as the gate was told of them."""
    entries = bag.get("deliveries")
    return read_entries(perspective_of(bag), entries if isinstance(entries, dict) else {})


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
            "log": key.log_word,
            "state": bag["state"],
            "reason": bag.get("reason") or None,
            "protect": bag.get("protect") or None,
            "stack": bag.get("stack"),
            "guarded": bag.get("guarded") or None,
        }
    )


def differ(olds: Bag, news: Bag, fields: Iterable[str] = COMPARED_FIELDS) -> list[str]:
    """The fields in which two bags differ."""
    return [field for field in fields if olds.get(field) != news.get(field)]


@dataclass(frozen=True, kw_only=True)
class GateBag:
    """What the gate is told: every delivery that the program declares from one perspective.

    In the bag each delivery is a key of its own (``sas/x``, ``waf/*``: always with a slash, as no
    other key has one) with its words (``open``, ``open, protected, kept``, ``closed: CHG-1234 too
    loud``). So the engine's own diff of the gate names, in one place, everything that opens, closes
    or is dropped. Whether a delivery was adopted is the gate's own word, which no program says.
    """

    perspective: Perspective
    stack: str
    deliveries: tuple[Delivery, ...]
    on_remove: OnRemove = OnRemove.CLOSE
    """What removing an entry does, where the entry did not say so itself."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Carried for policies; in the bag one nested key, which is not there without tags."""
    beside: tuple[DeliveryKey, ...] = ()
    """What other components of the same program declare open in the same account."""
    closing: Mapping[str, int] = field(default_factory=dict)
    """The names of the entries that the gate authorized to close: by how many runs ago.

    The gate is recorded before its deliveries change. So after a run that was interrupted this is
    the only record of what is still to be done; the next run's gate authorizes the rest anew."""

    @classmethod
    def read(cls, bag: Bag) -> GateBag:
        """From a bag that ``write`` made."""
        perspective = perspective_of(bag)
        return cls(
            perspective=perspective,
            stack=stack_of(bag),
            deliveries=read_entries(perspective, bag),
            on_remove=OnRemove(bag.get("on_remove", OnRemove.CLOSE.value)),
            tags=_tags_of(bag),
            beside=tuple(map(key_of_id, _ids_of(bag))),
            closing=closing_of(bag),
        )

    def write(self) -> dict[str, object]:
        """The normal form."""
        flags = {"on_remove": "keep"} if self.on_remove is OnRemove.KEEP else {}
        carried = _set(
            {
                "stack": self.stack,
                "tags": dict(self.tags) or None,
                BESIDE: [key.id for key in self.beside] or None,
                CLOSING: dict(self.closing) or None,
            }
        )
        own = perspective_bag(self.perspective) | carried | flags
        return own | write_entries(self.deliveries)

    @cached_property
    def states(self) -> Mapping[DeliveryKey, State]:
        """By key; asked about every delivery, so made once."""
        return {one.key: one.state for one in self.deliveries}

    @property
    def unfinished(self) -> tuple[Delivery, ...]:
        """The entries that were authorized to close and may still be open."""
        return tuple(
            Delivery(key=entry_key(self.perspective, name), state=State.OPEN)
            for name in sorted(self.closing)
        )

    def emptied(self) -> GateBag:
        """What came before the first one."""
        return replace(self, deliveries=())

    def adopting(self, keys: Collection[DeliveryKey]) -> GateBag:
        """With the word that these were open before the stack had them."""
        marked = (replace(one, adopted=one.adopted or one.key in keys) for one in self.deliveries)
        return replace(self, deliveries=tuple(marked))

    def authorizing(
        self,
        entries: Iterable[DeliveryKey],
        unfinished: Iterable[DeliveryKey],
        runs: Mapping[str, int],
    ) -> GateBag:
        """With what this update closes, and what earlier ones were to close and is still open.

        Args:
            entries: What this update closes.
            unfinished: What earlier updates were authorized to close, and is still open.
            runs: How many runs ago, by entry. An entry is carried along for a few runs: it may
                have been closed by one of them and opened again outside Pulumi.
        """
        closing = {key.entry: runs.get(key.entry, 0) + 1 for key in unfinished}
        closing = {entry: number for entry, number in closing.items() if number <= _CARRIED}
        return replace(self, closing=closing | {key.entry: 0 for key in entries})

    def carrying(self, before: GateBag) -> GateBag:
        """With the words that the gate found out earlier: they hold while the state is the same."""
        known = (one for one in before.deliveries if one.adopted)
        return self.adopting({one.key for one in known if self.states.get(one.key) is one.state})

    def as_seen(self, snapshot: Snapshot) -> GateBag:
        """With the states that the account shows; what it does not list stays as it was recorded.

        What a refresh records: so that the next update's gate knows of every close, also of what
        was opened outside Pulumi, and of the protection of a product that is not listed for a
        while.
        """
        closing = {
            one.key.entry: self.closing[one.key.entry]
            for one in self.unfinished
            if snapshot.state_of(one.key) in (State.OPEN, State.PARTIAL)
        }
        deliveries = tuple(_seen(one, snapshot.state_of(one.key)) for one in self.deliveries)
        return replace(self, deliveries=deliveries, closing=closing)


def _seen(one: Delivery, state: State | None) -> Delivery:
    if state is None or state is one.state:
        return one
    return replace(one, state=state, reason="", adopted=False)


def write_entries(deliveries: Iterable[Delivery]) -> dict[str, str]:
    """The deliveries by name, with their words."""
    return {one.key.entry: _entry_words(one) for one in deliveries}


def read_entries(perspective: Perspective, bag: Bag) -> tuple[Delivery, ...]:
    """The deliveries that ``write_entries`` wrote, in order; whatever else is in the bag."""
    entries = sorted((name, str(words)) for name, words in bag.items() if "/" in name)
    return tuple(_read_entry(perspective, name, words) for name, words in entries)


def written_digest(told: Iterable[Delivery], requests: Mapping[str, object]) -> str:
    """What the settled bookend depends on: changes whenever some delivery was written.

    A digest, so that the state file stays small.

    Args:
        told: The deliveries as the gate was told of them.
        requests: The RequestIds of their last writes, by name.
    """
    facts = ((one.key.name, one.state.value, requests.get(one.key.name, "?")) for one in told)
    lines = "\n".join("\t".join(map(str, fact)) for fact in sorted(facts))
    return hashlib.sha256(lines.encode()).hexdigest()


def _entry_words(delivery: Delivery) -> str:
    words = [delivery.state.value]
    words += [_PROTECTED] if delivery.protect else []
    words += [_KEPT] if delivery.on_remove is OnRemove.KEEP else []
    words += [_ADOPTED] if delivery.adopted else []
    return ", ".join(words) + (_REASON + delivery.reason if delivery.reason else "")


def entry_key(perspective: Perspective, name: str) -> DeliveryKey:
    """The key of an entry, by its name."""
    product, _, log = name.partition("/")
    return DeliveryKey(
        perspective=perspective, product=product, log=None if log == WHOLE_PRODUCT else log
    )


def key_of_id(id_: str) -> DeliveryKey:
    """The key that ``DeliveryKey.id`` wrote."""
    account, region, view, member, product, log = id_.split("/")
    perspective = Perspective(
        account=account,
        region=Region(region),
        view=View(view),
        member=None if member == "-" else member,
    )
    return entry_key(perspective, f"{product}/{log}")


def _ids_of(bag: Bag) -> list[str]:
    ids = bag.get(BESIDE)
    return [str(id_) for id_ in ids] if isinstance(ids, list) else []


def closing_of(bag: Bag) -> dict[str, int]:
    """What a gate's or settled resource's bag has as authorized to close, and not yet seen closed.

    Numbers come back from the engine as floating-point numbers.
    """
    entries = bag.get(CLOSING)
    return (
        {str(name): int(runs) for name, runs in entries.items()}
        if isinstance(entries, Mapping)
        else {}
    )


def _read_entry(perspective: Perspective, name: str, words: str) -> Delivery:
    key = entry_key(perspective, name)
    said, _, reason = words.partition(_REASON)
    state, *flags = said.split(", ")
    return Delivery(
        key=key,
        state=State(state),
        protect=_PROTECTED in flags,
        on_remove=OnRemove.KEEP if _KEPT in flags else OnRemove.CLOSE,
        reason=reason,
        adopted=_ADOPTED in flags,
    )


def _tags_of(bag: Bag) -> dict[str, str]:
    tags = bag.get("tags")
    return {str(name): str(tag) for name, tag in tags.items()} if isinstance(tags, Mapping) else {}


def _set(bag: Bag) -> dict[str, object]:
    return {name: value for name, value in bag.items() if value is not None}
