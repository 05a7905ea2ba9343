"""What the last ``pulumi up`` recorded: the third side of a drift review.

Pure: ``recorded`` reads the JSON of ``pulumi stack export``; the commands run the engine.

Of each delivery there are two records. The gate's says what the last update was told to do; the
resource's own says what became of it, until a refresh writes there what the account showed.
So the gate's is the one to ask what was declared, if the update came to its end: then the settled
bookend has the digest of all that was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud_siem.errors import CloudSiemError
from cloud_siem.model import Delivery, DeliveryKey, Perspective, State
from cloud_siem.properties import (
    Bag,
    GateBag,
    entry_name,
    key_of,
    perspective_of,
    state_of,
    written_digest,
)

EXPORT_VERSIONS = (3, 4)
"""Of the export's format: the current, and the latest (sdk/go/common/apitype/core.go, 3.259)."""
_TYPE = re.compile(r"pulumi-python:(?:[^:]*/)?cloud-siem:(Gate|LogDelivery|Settled)")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One delivery as it is recorded."""

    state: State
    """As the last update was told; after one that did not come to its end, as it left it."""
    protect: bool = False


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All that one stack has recorded of one perspective."""

    perspective: Perspective
    deliveries: Mapping[DeliveryKey, Record] = field(default_factory=dict)
    entries: Mapping[str, object] | None = None
    """The gate's, by ``product/log``; None where there is no gate."""
    settled: bool = False
    """Whether the last update came to its end."""

    def state_of(self, key: DeliveryKey) -> State | None:
        """What was recorded; None when nothing was."""
        record = self.deliveries.get(key)
        return record.state if record else None

    def has(self, delivery: Delivery) -> bool:
        """Whether a delivery is recorded just as it is declared now."""
        record = self.deliveries.get(delivery.key)
        if record is None or (record.state, record.protect) != (delivery.state, delivery.protect):
            return False
        if self.entries is None:
            return True
        bag = GateBag(perspective=self.perspective, stack="", deliveries=(delivery,)).write()
        name = entry_name(delivery.key)
        return self.entries.get(name) == bag[name]

    @property
    def unfinished(self) -> str:
        """Why an update is due whatever is declared; empty when none is."""
        if self.entries is None:  # another program's deliveries have no bookends
            return "" if self.deliveries else "no pulumi up has recorded this stack"
        return "" if self.settled else "the last pulumi up did not come to its end"


def recorded(export: object, perspective: Perspective) -> Recorded:
    """From the export of a stack; what it has of other programs and perspectives is left out.

    Deliveries of another perspective are kept: they are recorded, and not declared.

    :raises CloudSiemError: it is not an export that this understands.
    """
    found: dict[str, list[Bag]] = {"Gate": [], "LogDelivery": [], "Settled": []}
    for kind, outputs in _resources(export):
        found[kind].append(outputs)
    try:
        return _recorded(found, perspective)
    except (KeyError, ValueError) as error:
        raise CloudSiemError(
            f"pulumi stack export: a delivery is not as this version records it ({error}); use the"
            " version of pulumi-cloud-siem that made the last pulumi up"
        ) from None


def _recorded(found: Mapping[str, Sequence[Bag]], perspective: Perspective) -> Recorded:
    gates = [one for one in found["Gate"] if perspective_of(one) == perspective]
    told = {key: state for gate in gates for key, state in GateBag.read(gate).states.items()}
    settled = _is_settled(found, perspective, told)
    deliveries = {}
    for bag in found["LogDelivery"]:
        key, state = key_of(bag), state_of(bag)
        deliveries[key] = Record(
            state=told.get(key, state) if settled else state,
            protect=bool(bag.get("protect", False)),
        )
    entries = {name: words for gate in gates for name, words in gate.items() if "/" in name}
    return Recorded(
        perspective=perspective,
        deliveries=deliveries,
        entries=entries if gates else None,
        settled=settled,
    )


def _is_settled(
    found: Mapping[str, Sequence[Bag]],
    perspective: Perspective,
    told: Mapping[DeliveryKey, State],
) -> bool:
    """Whether the bookend has what the program would tell it of the deliveries as they are."""
    facts = [
        (key.name, told[key].value, str(bag.get("request_id", "")))
        for bag in found["LogDelivery"]
        if (key := key_of(bag)) in told
    ]
    wanted = written_digest(facts)
    return any(
        bag.get("written") == wanted
        for bag in found["Settled"]
        if perspective_of(bag) == perspective
    )


def _resources(export: object) -> Iterator[tuple[str, Bag]]:
    """Our resources: kind and outputs. What waits for its deletion is no longer declared."""
    match export:
        case {"version": int(version), "deployment": {"resources": list(resources)}}:
            pass
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
    for resource in resources:
        match resource:
            case {"delete": True}:
                continue
            case {"type": str(type_), "outputs": dict(outputs)} if kind := _TYPE.fullmatch(type_):
                yield kind[1], outputs
