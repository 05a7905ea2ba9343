"""The guard rails around every close: what an update would close, and whether it may.

Pure, and one rule for all who ask: the gate before an update, the settled bookend before a
destroy, the fuse before each write, and the review of a plan. docs/safety.md tells what each of
them protects against, and what none of them can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud_siem.model import (
    WHOLE_PRODUCT,
    Delivery,
    DeliveryKey,
    OnRemove,
    Snapshot,
    State,
    by_name,
    closable,
)
from cloud_siem.settings import BY_CONFIG_KEY, PREFIX, Settings
from cloud_siem.wording import counted

LIMIT = BY_CONFIG_KEY[f"{PREFIX}closeLimit"]
NOTHING_CLOSED = "Nothing was closed."
"""How the refusal of a whole update ends; so that a failed preview tells what failed it."""
_GOES_DARK = (State.OPEN, State.PARTIAL)
_NAMED = 30
"""So many deliveries are named in one sentence; the gate's own diff has all of them."""


@dataclass(frozen=True, kw_only=True)
class Closing:
    """One CloseDelivery that an update would make."""

    key: DeliveryKey
    adopted: bool = False
    """Whether the delivery was open before the stack had it."""


# --- what an update would close -------------------------------------------------------------------


def may_close(before: Iterable[Delivery], after: Iterable[Delivery]) -> bool:
    """Whether an update can close anything, so that the account has to be looked at."""
    declared = {one.key: one.state for one in after}
    recorded = {one.key: one.state for one in before}
    return any(
        state is not State.CLOSED and declared.get(key) is not State.OPEN
        for key, state in recorded.items()
    ) or any(state is State.CLOSED and key not in recorded for key, state in declared.items())


def closings(
    before: Iterable[Delivery], after: Iterable[Delivery], snapshot: Snapshot
) -> tuple[Closing, ...]:
    """Every CloseDelivery that an update from one declaration to another would make.

    ``before`` is what is recorded and ``after`` what the program declares now; what the account
    shows as closed already is no close. Each is told once, in the order of ``by_name``.
    """
    recorded = {one.key: one for one in before}
    declared = {one.key: one for one in after}
    found: dict[DeliveryKey, Closing] = {}
    for one in recorded.values():
        for key in _closed_by(one, declared, snapshot):
            found[key] = Closing(key=key, adopted=one.adopted)
    for key, new in declared.items():
        if key not in recorded and new.state is State.CLOSED:
            found.setdefault(key, Closing(key=key, adopted=True))
    dark = [one for one in found.values() if snapshot.state_of(one.key) in _GOES_DARK]
    return tuple(sorted(dark, key=lambda one: by_name(one.key)))


def _closed_by(
    one: Delivery, declared: Mapping[DeliveryKey, Delivery], snapshot: Snapshot
) -> tuple[DeliveryKey, ...]:
    """What becomes of one recorded delivery: the keys that closing calls would be made for."""
    if one.state is State.CLOSED:
        return ()
    now = declared.get(one.key)
    if now is not None:
        return (one.key,) if now.state is State.CLOSED else ()
    # The engine goes by the keep flag that it recorded, not by the one that went with the entry.
    if one.on_remove is OnRemove.KEEP:
        return ()
    return closable(one.key, declared, snapshot)


# --- whether it may -------------------------------------------------------------------------------


def refusal(closing: Sequence[Closing], *, opened: int, left_open: int, settings: Settings) -> str:
    """Why a run that closes these is refused, in sentences with the numbers; empty when it is not.

    Args:
        closing: What would be closed, what this run has closed already included.
        opened: How many deliveries the stack had declared open; a percentage is of these.
        left_open: How many logs of the account stay open. That none is left is refused even
            within the limit, unless the limit was given for this one run.
        settings: With the limit.
    """
    if not closing:
        return ""
    limit = settings.close_limit
    allowed = limit.of(opened)
    if len(closing) > allowed:
        known = f", of a stack that has {opened} open" if opened else ""
        share = f" ({limit})" if limit.percent else ""
        many = counted(len(closing), "delivery")
        numbers = f"{many} would close{known}; {LIMIT.config_key} is {allowed}{share}."
    elif not left_open and LIMIT.field not in settings.overridden:
        numbers = "the last open log of the account would close; nothing would reach the SIEM."
    else:
        return ""
    return f"{numbers}{_adopted(closing)} To close: {names(closing)}."


def way_out(count: int) -> str:
    """How a person allows so many closes."""
    return f"To allow it for one run, set {LIMIT.environ_name}={count}."


def left_open(closing: Iterable[Closing], snapshot: Snapshot) -> int:
    """How many logs of the account stay open."""
    closed = {log for one in closing for log in snapshot.find(one.key)}
    return sum(log.state is State.OPEN and log not in closed for log in snapshot.logs)


def dropped_protection(
    before: Iterable[Delivery], after: Iterable[Delivery]
) -> tuple[DeliveryKey, ...]:
    """What is recorded as protected, and that this update would close or drop.

    The recorded flag counts: taking it off in the same edit is what an intruder, or somebody in a
    hurry, would do.
    """
    declared = list(after)
    return tuple(
        one.key
        for one in before
        if one.protect and one.state is not State.CLOSED and not _stays_open(one.key, declared)
    )


def _stays_open(key: DeliveryKey, declared: Iterable[Delivery]) -> bool:
    touching = [one for one in declared if one.key.overlaps(key)]
    return any(one.key.covers(key) for one in touching) and all(
        one.state is State.OPEN for one in touching
    )


def kept_too_late(before: Iterable[Delivery], after: Iterable[Delivery]) -> tuple[DeliveryKey, ...]:
    """What is removed and recorded to close then, whatever the file says by now."""
    declared = [one.key for one in after]
    return tuple(
        one.key
        for one in before
        if one.on_remove is OnRemove.CLOSE
        and one.state is not State.CLOSED
        and not any(other.covers(one.key) for other in declared)
    )


# --- sentences ------------------------------------------------------------------------------------


def protected(keys: Sequence[DeliveryKey]) -> str:
    """Why what is recorded as protected is not closed, and the way out."""
    are = "is recorded as protected" if len(keys) == 1 else "are recorded as protected"
    return (
        f"{', '.join(key.name for key in keys)} {are}, and would close or be dropped. That takes"
        " two updates: one that keeps it open and sets `protect: false`, then this one."
    )


def to_be_kept_first(key: DeliveryKey) -> str:
    """Why a removal is refused in the update that first says keep, and the way out."""
    return (
        f"{key.name} is removed in the same update that sets `onRemove: keep`. The engine goes by"
        " what it has recorded, and would close it. That takes two updates: one that keeps the"
        " entry, so that `keep` is recorded, then one that removes it."
    )


def announcement(closing: Sequence[Closing]) -> list[str]:
    """What goes dark and how to undo it, told before it happens; nothing where nothing closes."""
    if not closing:
        return []
    many, verb = counted(len(closing), "delivery"), "closes" if len(closing) == 1 else "close"
    undone = "To undo it, declare them open and run `pulumi up`:"
    return [
        f"{many} {verb}: {names(closing)}. {undone}",
        *(f"    {line}" for line in undo(closing)),
    ]


def names(closing: Sequence[Closing]) -> str:
    """The deliveries, as sentences list them."""
    listed = ", ".join(one.key.name for one in closing[:_NAMED])
    more = len(closing) - _NAMED
    return f"{listed} and {more} more" if more > 0 else listed


def undo(closing: Iterable[Closing]) -> list[str]:
    """The stack-file lines that open these again."""
    products: dict[str, list[str]] = {}
    for one in closing:
        log = one.key.log or f'"{WHOLE_PRODUCT}"'
        products.setdefault(one.key.product, []).append(f"{log}: open")
    return [f"{product}: {{{', '.join(logs)}}}" for product, logs in products.items()]


def _adopted(closing: Sequence[Closing]) -> str:
    adopted = sum(one.adopted for one in closing)
    if not adopted:
        return ""
    if len(closing) == 1:
        return " It was open before this stack had it."
    if adopted == 1:
        return " 1 of them was open before this stack had it."
    return f" {adopted} of them were open before this stack had them."
