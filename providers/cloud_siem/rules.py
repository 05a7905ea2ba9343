"""What the inputs of one ``LogDelivery`` must be, before anybody looks at the account.

Called by the provider's ``check``. The kinds are those of the stack file; so a delivery of another
program's making is held to the same rules. An input whose value is not known yet is not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cloud_siem.keys import CODE, DIGITS, REASON, REGIONS, STATES, VIEWS
from cloud_siem.kinds import Kind, Text
from cloud_siem.model import WHOLE_PRODUCT, State
from cloud_siem.wording import Unusable, shown

_CODE = Text(CODE, "its code: up to 128 letters, digits, _ . and -")
_LOG = Text(CODE, f'{_CODE.words}; or "*" for every log of the product')
_REQUIRED: Mapping[str, Kind] = {
    "account": DIGITS,
    "region": REGIONS,
    "view": VIEWS,
    "product": _CODE,
    "log": _LOG,
    "state": STATES,
}
_OPTIONAL: Mapping[str, Kind] = {"member": DIGITS, "reason": REASON}


@dataclass(frozen=True, kw_only=True)
class FieldFault:
    """One input that cannot be used."""

    field: str
    message: str


def delivery_faults(
    bag: Mapping[str, object], unknown: Collection[str], *, require_reason: bool = False
) -> list[FieldFault]:
    """Every fault of the inputs, by input."""
    return [
        FieldFault(field=name, message=message)
        for name, message in (*_messages(bag), *_messages_of_state(bag, require_reason))
        if name not in unknown
    ]


def _messages(bag: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, kind in {**_REQUIRED, **_OPTIONAL}.items():
        value = bag.get(name)
        if value is None and name in _OPTIONAL:
            continue
        if name == "log" and value == WHOLE_PRODUCT:
            continue
        if name == "log" and isinstance(value, str) and not value.strip():
            yield name, f"is blank, which would mean every log (write {kind.words})"
        elif message := _message(value, kind):
            yield name, message


def _messages_of_state(
    bag: Mapping[str, object], require_reason: bool
) -> Iterator[tuple[str, str]]:
    """What one state needs, and the other has no use for."""
    opened, closed = (bag.get("state") == one.value for one in (State.OPEN, State.CLOSED))
    if require_reason and closed and bag.get("reason") is None:
        yield "reason", "is missing: this stack requires a reason for what is closed"
    if opened and bag.get("reason") is not None:
        yield "reason", "is for what is closed; leave it out where the state is open"
    # A delivery that is declared closed and protected could never be closed again, once somebody
    # had opened it by hand and a refresh had recorded that.
    if closed and bag.get("protect"):
        yield "protect", "is for what is open; leave it out where the state is closed"


def _message(value: object, kind: Kind) -> str:
    if value is None:
        return f"is missing (write {kind.words})"
    if not isinstance(value, str) or not value:
        return f"{shown(value)} is of the wrong type (write {kind.words})"
    try:
        kind.parse(value)
    except Unusable as fault:
        return f"{fault.message} ({fault.hint})"
    return ""
