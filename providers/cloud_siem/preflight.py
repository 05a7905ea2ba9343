"""What the live account says against a declaration, before anything is written.

Pure: called with a snapshot by the verbs that check. Codes are an open set (the documentation and
the SDKs disagree on them), so the account's own list decides and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cloud_siem.catalog import PRODUCTS, closest
from cloud_siem.model import DeliveryKey, Log, Snapshot, State, judge


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One declared delivery that cannot become as declared."""

    key: DeliveryKey
    field: str
    """The input at fault: ``product``, ``log`` or ``state``."""
    message: str
    instead: str = ""
    """What there is instead: a sentence."""

    def __str__(self) -> str:
        return f"{self.message} {self.instead}".rstrip()


def faults(declared: Iterable[tuple[DeliveryKey, State]], snapshot: Snapshot) -> list[Fault]:
    """Every fault of the declared deliveries, in their order.

    What there is instead is listed once for each product, and once for the account.
    """
    if not snapshot.logs:
        return [_nothing_there(key, snapshot) for key, _ in list(declared)[:1]]
    found: list[Fault] = []
    listed: set[str] = set()
    for key, state in declared:
        if fault := _fault(key, state, snapshot):
            about = key.product if fault.field == "log" else fault.field
            found.append(replace(fault, instead="") if about in listed else fault)
            listed.add(about)
    return found


def _nothing_there(key: DeliveryKey, snapshot: Snapshot) -> Fault:
    return Fault(
        key=key,
        field="account",
        message=f"{snapshot.perspective} lists no products at all: Cloud SIEM is not activated"
        " there, or no product is connected to it",
    )


def _fault(key: DeliveryKey, state: State, snapshot: Snapshot) -> Fault | None:
    if key.product not in snapshot.products:
        connected = f"Connected are: {', '.join(sorted(snapshot.products))}"
        message = _unknown_product(key, snapshot)
        return Fault(key=key, field="product", message=message, instead=connected)
    if not snapshot.find(key):
        known = f"It has: {', '.join(log.log for log in snapshot.products[key.product])}"
        return Fault(key=key, field="log", message=_unknown_log(key, snapshot), instead=known)
    stuck = [log for log in judge(key, state, snapshot).odd if not log.operable]
    if stuck:
        return Fault(key=key, field="state", message=_inoperable(key, state, stuck))
    return None


def _unknown_product(key: DeliveryKey, snapshot: Snapshot) -> str:
    # A code that is documented is no slip: hcloud_waf is Huawei's, qcloud_waf is Tencent's.
    meant = None if key.product in PRODUCTS else closest(key.product, snapshot.products)
    hint = f"; did you mean {meant}?" if meant else "."
    return (
        f"{key.product} is not connected to Cloud SIEM in {key.perspective}, or is no product"
        f" code{hint}"
    )


def _unknown_log(key: DeliveryKey, snapshot: Snapshot) -> str:
    logs = [log.log for log in snapshot.products[key.product]]
    meant = closest(str(key.log), logs)
    hint = f"; did you mean {meant}?" if meant else "."
    return f"{key.product} has no log {key.log}{hint}"


def _inoperable(key: DeliveryKey, state: State, stuck: list[Log]) -> str:
    which = f" ({', '.join(log.log for log in stuck)})" if key.log is None else ""
    return (
        f"{key.name} cannot be made {state.value} by this caller{which}: only the delegated"
        " administrator of threat analysis may operate it"
    )
