"""What the last ``pulumi up`` recorded: the third side of a drift review.

Pure: ``recorded`` reads the JSON of ``pulumi stack export``; the commands run the engine.

There are three records of a delivery. The settled bookend's says what the last update was told, if
that came to its end; no refresh touches it, so it is the one to ask who is behind. The gate's and
the resource's own say the same until a refresh writes there what the account showed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cloud_siem.errors import CloudSiemError
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, Perspective, Snapshot, State
from cloud_siem.program import OUTPUT
from cloud_siem.properties import (
    Bag,
    GateBag,
    delivery_of,
    key_of,
    perspective_of,
    settled_of,
    write_entries,
    written_digest,
)
from cloud_siem.recorded_code import OUR_TYPE, require_own
from cloud_siem.settings import BY_CONFIG_KEY

EXPORT_VERSIONS = (3, 4)
"""Of the export's format: the current, and the latest (sdk/go/common/apitype/core.go, 3.259)."""
_COMPONENT = "cloud-siem:index:AccountDeliveries"
_PROVIDER = "pulumi:providers:pulumi-python"
_ROOT = "pulumi:pulumi:Stack"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All that one stack has recorded, as seen from one perspective."""

    perspective: Perspective
    deliveries: Mapping[DeliveryKey, Delivery] = field(default_factory=dict)
    """As the resources have them; those of another perspective are recorded, and not declared."""
    gate: GateBag | None = None
    """None where there is none: another program's deliveries have no bookends."""
    settled: Mapping[DeliveryKey, Delivery] | None = None
    """What the last update that came to its end was told; None where none did."""
    programs: frozenset[str] = frozenset()
    """The digests of the programs whose components these are; one, unless somebody has several."""
    config: Mapping[str, object] = field(default_factory=dict)
    """What a refresh or destroy without the program goes by: the config of the last update."""
    foreign: str = ""
    """Something in the state that this package knows nothing of; empty where there is nothing."""

    def state_of(self, key: DeliveryKey) -> State | None:
        """What the last update was told; after one that broke off, what became of it."""
        resource = self.deliveries.get(key)
        if resource is None:
            return None
        return self._told(key, resource).state

    def refreshed(self, snapshot: Snapshot) -> Recorded:
        """With the gate as a refresh would record it: so the engine's next preview sees it."""
        return replace(self, gate=self.gate.as_seen(snapshot)) if self.gate else self

    def has(self, declared: Delivery) -> bool:
        """Whether, refreshed, it has the delivery just as it is declared."""
        resource = self.deliveries.get(declared.key)
        if resource is None or self._told(declared.key, resource).state is not declared.state:
            return False
        recorded = (resource.reason, resource.protect, resource.on_remove)
        if recorded != (declared.reason, declared.protect, declared.on_remove):
            return False
        if self.gate is None:
            return True
        entry = self._entries.get(declared.key)
        return entry is not None and replace(entry, adopted=False) == declared

    def due(self, declared: GateBag) -> str:
        """Why, refreshed, an update is due though every delivery is as declared; else empty."""
        if self.gate is None:
            return "" if self.deliveries else "no pulumi up has recorded this stack"
        if (self.gate.on_remove, self.gate.tags) != (declared.on_remove, declared.tags):
            return "the stack's own onRemove or tags are not applied yet"
        if self.settled is None:
            return "the last pulumi up did not come to its end"
        if self.gate.closing:
            names = ", ".join(one.key.name for one in self.gate.unfinished)
            return f"the last pulumi up was authorized to close {names}, which is open"
        after = declared.carrying(self.gate)
        if write_entries(after.deliveries) != write_entries(self.settled.values()):
            return "the record is not that of the last pulumi up: a refresh changed it meanwhile"
        return ""

    def outdated(self, program: str, given: Mapping[str, str]) -> str:
        """Why an update is due for another reason than the deliveries; else empty.

        Args:
            program: The digest of the program as it is now.
            given: The settings of the stack file, as text.
        """
        if self.foreign:
            return f"the state has {self.foreign}, of which only the engine knows"
        if self.programs != {program}:
            return "the last pulumi up ran another program, or another version of this package"
        for key in BY_CONFIG_KEY:
            if given.get(key) != self.config.get(key):
                return f"{key} is not as the last pulumi up recorded it"
        return ""

    @cached_property
    def _entries(self) -> Mapping[DeliveryKey, Delivery]:
        return {one.key: one for one in self.gate.deliveries} if self.gate else {}

    def _told(self, key: DeliveryKey, resource: Delivery) -> Delivery:
        return (self.settled or {}).get(key, resource)


def recorded(export: object, perspective: Perspective) -> Recorded:
    """From the export of a stack; what it has of other programs is left out.

    :raises CloudSiemError: it is not an export that this understands.
    :raises RefusedError: one of our resources names other code than ours.
    """
    found: dict[str, list[Bag]] = {"Gate": [], "LogDelivery": [], "Settled": []}
    resources, pending = read(export)
    require_own(one for one in resources if OUR_TYPE.fullmatch(str(one.get("type"))))
    for kind, outputs in _ours(resources):
        found[kind].append(outputs)
    try:
        return replace(
            _recorded(found, perspective),
            programs=frozenset(_programs(resources)),
            config=_config(resources),
            foreign="an operation that was broken off" if pending else _foreign(resources),
        )
    except (KeyError, ValueError) as error:
        raise CloudSiemError(
            f"pulumi stack export: a delivery is not as this version records it ({error}); use the"
            " version of pulumi-cloud-siem that made the last pulumi up"
        ) from None


def _recorded(found: Mapping[str, Sequence[Bag]], perspective: Perspective) -> Recorded:
    deliveries = {one.key: one for one in map(delivery_of, found["LogDelivery"])}
    gates = [bag for bag in found["Gate"] if perspective_of(bag) == perspective]
    return Recorded(
        perspective=perspective,
        deliveries=deliveries,
        gate=_one(gates),
        settled=_settled(found, perspective),
    )


def _one(gates: Sequence[Bag]) -> GateBag | None:
    """The gate; the deliveries of several components of one perspective count as one's."""
    if not gates:
        return None
    first, *others = (GateBag.read(bag) for bag in gates)
    more = (one for other in others for one in other.deliveries)
    return replace(first, deliveries=(*first.deliveries, *more))


def _settled(
    found: Mapping[str, Sequence[Bag]], perspective: Perspective
) -> Mapping[DeliveryKey, Delivery] | None:
    """What the bookends were told, if each has the digest of what is recorded now."""
    bookends = [bag for bag in found["Settled"] if perspective_of(bag) == perspective]
    mine = [bag for bag in found["LogDelivery"] if perspective_of(bag) == perspective]
    requests = {key_of(bag).name: bag["request_id"] for bag in mine}
    told: dict[DeliveryKey, Delivery] = {}
    for bag in bookends:
        its = settled_of(bag)
        if bag.get("written") != written_digest(its, requests):
            return None
        told |= {one.key: one for one in its}
    return told if bookends else None


def _programs(resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in resources:
        if one.get("type") == _COMPONENT:
            yield str((one.get("outputs") or {}).get(OUTPUT, ""))


def _config(resources: Sequence[Mapping[str, Any]]) -> Mapping[str, object]:
    """The inputs of the provider that the engine makes by itself: the whole of our config."""
    return next((one.get("inputs") or {} for one in resources if one.get("type") == _PROVIDER), {})


def _foreign(resources: Sequence[Mapping[str, Any]]) -> str:
    """The name of something that is none of ours, or that waits for its deletion."""
    known = (_COMPONENT, _PROVIDER, _ROOT)
    for one in resources:
        type_ = str(one.get("type"))
        if one.get("delete") or not (type_ in known or OUR_TYPE.fullmatch(type_)):
            return str(one.get("urn"))
    return ""


def read(export: object) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """The resources, and whether some operation was broken off."""
    pending: object = None
    match export:
        case {"version": int(version), "deployment": {"resources": list(resources)} as deployment}:
            pending = deployment.get("pending_operations")
        case {"version": int(version), "deployment": dict()}:  # never updated
            resources = []
        case _:
            raise CloudSiemError("pulumi stack export: the answer is not an exported stack")
    if version not in EXPORT_VERSIONS:
        known = " and ".join(str(one) for one in EXPORT_VERSIONS)
        raise CloudSiemError(
            f"pulumi stack export: its format has version {version}, and this reads {known};"
            " use a newer pulumi-cloud-siem"
        )
    return [one for one in resources if isinstance(one, dict)], bool(pending)


def _ours(resources: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Bag]]:
    """Our resources: kind and outputs. What waits for its deletion is no longer declared."""
    for resource in resources:
        match resource:
            case {"delete": True}:
                continue
            case {"type": str(type_), "outputs": dict(outputs)} if kind := OUR_TYPE.fullmatch(
                type_
            ):
                # What removing a delivery does is an option of its resource.
                keeps = kind[1] == "LogDelivery" and resource.get("retainOnDelete")
                yield kind[1], outputs | ({"on_remove": OnRemove.KEEP.value} if keeps else {})
