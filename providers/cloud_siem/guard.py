"""The guardrails around every close: which logs a run would close, and which rules that breaks.

Pure, and one set of rules for all who ask: the gate before an update, the settled resource before a
destroy, the check before each write, and the review of a plan. The unit is a log that goes from
open to closed in the account, never a call or an entry. docs/safety.md has each rule with its code,
and what none of them protects against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cloud_siem.codes import Code
from cloud_siem.errors import Refusal
from cloud_siem.model import (
    WHOLE_PRODUCT,
    Delivery,
    DeliveryKey,
    KeyIndex,
    OnRemove,
    Perspective,
    Snapshot,
    State,
    by_name,
)
from cloud_siem.settings import BY_CONFIG_KEY, CLOSE_WORD, LAST_LOG_WORD, PREFIX, LogName, Settings
from cloud_siem.wording import counted

LIMIT = BY_CONFIG_KEY[f"{PREFIX}closeLimit"]
NOTHING_CLOSED = "Nothing was closed."
_LISTED = 30
"""A refusal lists so many logs; an announcement lists all."""

Claimed = Callable[[DeliveryKey], str]
"""The name of another stack that declares a log open; empty where none does."""


def unclaimed(_log: DeliveryKey) -> str:
    """Says of every log that no other stack declares it open."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Closing:
    """One log that a run closes."""

    key: DeliveryKey
    """Of this log alone."""
    entry: DeliveryKey
    """The entry whose removal or new state closes it; maybe that of all logs of the product."""
    adopted: bool = False
    """Whether the delivery was open before the stack had it."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A log that is declared closed here and open in another stack file."""

    key: DeliveryKey
    entry: DeliveryKey
    stack: str
    """The other stack."""


@dataclass(frozen=True, kw_only=True)
class Closings:
    """What an update from one declaration to another does to open logs."""

    logs: tuple[Closing, ...] = ()
    """What it closes: each log once, in the order of ``by_name``."""
    released: frozenset[DeliveryKey] = frozenset()
    """The removed entries of which some log stays open since another stack declares it open."""
    conflicts: tuple[Conflict, ...] = ()

    @property
    def entries(self) -> frozenset[DeliveryKey]:
        """The entries that close something."""
        return frozenset(closing.entry for closing in self.logs)


# --- what would close -----------------------------------------------------------------------------


def closing_entries(before: Iterable[Delivery], after: Iterable[Delivery]) -> set[DeliveryKey]:
    """The entries that may close something, by what is recorded and declared alone.

    Empty: the update closes nothing, whatever the account shows.
    """
    recorded = {delivery.key: delivery for delivery in before}
    declared = {delivery.key: delivery.state for delivery in after}
    open_entries = KeyIndex(key for key, state in declared.items() if state is State.OPEN)
    return {
        key
        for key, delivery in recorded.items()
        if delivery.state is not State.CLOSED
        and (
            declared[key] is State.CLOSED
            if key in declared
            else delivery.on_remove is OnRemove.CLOSE and not open_entries.covers(key)
        )
    } | {key for key, state in declared.items() if state is State.CLOSED and key not in recorded}


def closings(
    before: Iterable[Delivery],
    after: Iterable[Delivery],
    snapshot: Snapshot,
    claimed: Claimed = unclaimed,
) -> Closings:
    """Every log that an update from one declaration to another closes.

    Args:
        before: What is recorded.
        after: What the program declares now.
        snapshot: What the account shows; a log that it shows as closed is not closed again.
        claimed: Which other stack declares a log open.
    """
    recorded = {delivery.key: delivery for delivery in before}
    declared = {delivery.key: delivery for delivery in after}
    stays = KeyIndex(key for key, one in declared.items() if one.state is State.OPEN)
    logs: dict[DeliveryKey, Closing] = {}
    released: set[DeliveryKey] = set()
    conflicts: list[Conflict] = []
    for entry in sorted({*recorded, *declared}, key=by_name):
        was, now = recorded.get(entry), declared.get(entry)
        if now is None and was is not None and was.state is not State.CLOSED:
            if was.on_remove is OnRemove.KEEP:
                continue
            for log in open_logs(entry, snapshot):
                if stays.covers(log):
                    continue
                if claimed(log):
                    released.add(entry)
                else:
                    closing = Closing(key=log, entry=entry, adopted=was.adopted)
                    logs.setdefault(log, closing)
        elif (
            now is not None
            and now.state is State.CLOSED
            and (was is None or was.state is not now.state)
        ):
            adopted = was is None or was.adopted
            for log in open_logs(entry, snapshot):
                logs[log] = Closing(key=log, entry=entry, adopted=adopted)
                if stack := claimed(log):
                    conflicts.append(Conflict(key=log, entry=entry, stack=stack))
    return Closings(
        logs=tuple(sorted(logs.values(), key=lambda closing: by_name(closing.key))),
        released=frozenset(released),
        conflicts=tuple(conflicts),
    )


def kept(before: Iterable[Delivery], after: Iterable[Delivery]) -> set[DeliveryKey]:
    """Removed entries that are recorded with ``onRemove: keep``; their logs stay as they are.

    Pulumi goes by the flag that it recorded, not by the one that went with the entry.
    """
    declared = {one.key for one in after}
    return {one.key for one in before if one.on_remove is OnRemove.KEEP and one.key not in declared}


def open_logs(key: DeliveryKey, snapshot: Snapshot) -> tuple[DeliveryKey, ...]:
    """The open logs that a key covers, each by its own key."""
    return tuple(replace(key, log=log.log) for log in snapshot.find(key) if log.state is State.OPEN)


def calls(
    key: DeliveryKey, snapshot: Snapshot, spared: Callable[[DeliveryKey], bool], *, shared: bool
) -> tuple[DeliveryKey, ...]:
    """The CloseDelivery calls that close what is open under a key, and nothing that is spared.

    Args:
        key: A removed entry.
        snapshot: What the account shows.
        spared: Whether a log stays open.
        shared: Whether anything that stays open may have a log in common with the key: all logs of
            a product then close one by one.
    """
    closing = tuple(log for log in open_logs(key, snapshot) if not spared(log))
    return (key,) if closing and not shared else closing


# --- which rules that breaks ----------------------------------------------------------------------


def refusals(
    closing: Sequence[Closing],
    perspective: Perspective,
    *,
    opened: int,
    left_open: int,
    settings: Settings,
) -> list[Refusal]:
    """The broken rules of a run that closes these logs.

    Args:
        closing: The logs, those that this run has closed already included.
        perspective: Of the account that they are in.
        opened: The logs that are open now under what was recorded as open; a percentage is of them.
        left_open: The logs of the account that stay open.
        settings: Have the limit, and the words for this run.
    """
    limit = _limit_refusal(closing, perspective, opened, settings)
    last = last_log_refusal(closing, perspective, left_open, settings)
    if limit and last:
        last = replace(last, listed=())  # the logs are listed once
    return [refusal for refusal in (limit, last) if refusal is not None]


def _limit_refusal(
    closing: Sequence[Closing], perspective: Perspective, opened: int, settings: Settings
) -> Refusal | None:
    limit = settings.close_limit
    allowed = limit.of(opened)
    if len(closing) <= allowed:
        return None
    share = f" ({limit} of {counted(opened, 'open log')})" if limit.percent else ""
    return Refusal(
        code=Code.CLOSE_LIMIT,
        message=f"{perspective}: {amount(closing)} would close; {LIMIT.config_key} allows"
        f" {allowed}{share}.{_adopted(closing)}",
        listed=tuple(lines(closing)),
        remedy=f"To allow it for one run, set {LIMIT.environ_name}={len(closing)}.",
    )


def last_log_refusal(
    closing: Sequence[Closing], perspective: Perspective, left_open: int, settings: Settings
) -> Refusal | None:
    """The refusal of closes after which no log of the account stays open; None if some log does."""
    if left_open or all(settings.names_last(one.key) for one in closing):
        return None
    names = ",".join(log_names(one.key for one in closing))
    return Refusal(
        code=Code.LAST_OPEN_LOG,
        message=f"{perspective}: {amount(closing)} would close and no log of the account would stay"
        " open: Cloud SIEM would receive no logs.",
        listed=tuple(lines(closing)),
        remedy=f"To allow it for one run, set {LAST_LOG_WORD}={names}.",
    )


def unexpected_close(gone: Sequence[DeliveryKey], closed: Mapping[DeliveryKey, str]) -> Refusal:
    """Why a run stops: a log closed that neither this run nor any stack file asked to close.

    Args:
        gone: What closed.
        closed: What this run has closed, with the RequestIds.
    """
    own = [f"  close {key.name} [RequestId {request_id}]" for key, request_id in closed.items()]
    return Refusal(
        code=Code.UNEXPECTED_CLOSE,
        message=f"{', '.join(key.name for key in gone)} closed while this run closed other logs,"
        " and neither this run nor a stack file asked for it: one of this run's calls closed it, or"
        " someone else at the same time. Nothing more is closed. This run has closed"
        f" {counted(len(closed), 'log')}.",
        listed=tuple(own[-_LISTED:]),
        remedy="Find out what closed it (ActionTrail has the RequestIds), open it again in the"
        " console or declare it open, and run `pulumi up` again, which continues.",
    )


def stopped_at_last(closed: Sequence[DeliveryKey], failure: str) -> Refusal:
    """Why a run stops: no log of the account was open any more.

    Args:
        closed: What this run had closed, and has opened again.
        failure: Why that failed; empty if it did not.
    """
    names = ",".join(log_names(closed))
    outcome = f"Opening them again failed: {failure}" if failure else "It opened them again."
    return Refusal(
        code=Code.STOPPED_LAST_OPEN_LOG,
        message=f"After this run had closed {counted(len(closed), 'log')}, no log of the account"
        f" was open: someone else, such as another stack's update, closed the others. {outcome}",
        listed=tuple(f"  open {key.name}" for key in closed[:_LISTED]),
        remedy=f"To close the last open log in one run, set {LAST_LOG_WORD}={names}.",
    )


def protected(before: Iterable[Delivery], after: Iterable[Delivery]) -> Iterator[Refusal]:
    """One refusal for each entry that is recorded as protected and would close or be dropped."""
    for key in dropped_protection(before, after):
        yield protection_refusal(key)


def protection_refusal(key: DeliveryKey) -> Refusal:
    """Why what is recorded as protected does not close, and what to do."""
    return Refusal(
        code=Code.PROTECTED,
        message=f"{key.name} is recorded as protected and would close, or would no longer be"
        " declared.",
        remedy="First run an update that keeps it open and sets `protect: false`, then this one.",
        entry=key.entry,
    )


def dropped_protection(
    before: Iterable[Delivery], after: Iterable[Delivery]
) -> tuple[DeliveryKey, ...]:
    """What is recorded as protected, and that this update would close or drop.

    The recorded flag counts: taking it off in the same edit is what an intruder, or somebody in a
    hurry, would do. Another entry that covers the same logs does not stand in for it: Pulumi's own
    protect keeps the resource, and after that update nothing else would remember the flag.
    """
    protected = [one for one in before if one.protect and one.state is not State.CLOSED]
    if not protected:
        return ()
    declared = list(after)
    stays = {one.key for one in declared if one.state is State.OPEN}
    closes = KeyIndex(one.key for one in declared if one.state is State.CLOSED)
    return tuple(one.key for one in protected if one.key not in stays or closes.overlaps(one.key))


def kept_too_late(before: Iterable[Delivery], after: Iterable[Delivery]) -> Iterator[Refusal]:
    """One refusal for each removed entry that closes by what is recorded, and stays by the file."""
    stays = KeyIndex(one.key for one in after if one.state is State.OPEN)
    for one in before:
        closes = one.on_remove is OnRemove.CLOSE and one.state is not State.CLOSED
        if closes and not stays.covers(one.key):
            yield Refusal(
                code=Code.KEEP_FIRST,
                message=f"{one.key.name} is removed in the same update that sets `onRemove: keep`."
                " Pulumi goes by what it has recorded, and would close it.",
                remedy="First run an update that keeps the entry, so that `keep` is recorded, then"
                " one that removes it.",
                entry=one.key.entry,
            )


def declared_elsewhere(conflicts: Iterable[Conflict]) -> Iterator[Refusal]:
    """One refusal for each log that is declared closed here and open in another stack file."""
    for conflict in conflicts:
        yield Refusal(
            code=Code.DECLARED_ELSEWHERE,
            message=f"{conflict.key.name} is declared closed here and open in stack"
            f" {conflict.stack}.",
            remedy="Declare it in one stack file only.",
            entry=conflict.entry.entry,
        )


def siblings_unknown(reasons: Sequence[str], closing: Sequence[Closing]) -> Iterator[Refusal]:
    """The refusal of closes while it is not known what the other stack files declare."""
    if reasons and closing:
        names = ",".join(log_names(one.key for one in closing))
        yield Refusal(
            code=Code.SIBLINGS_UNKNOWN,
            message=f"{amount(closing)} would close, and it is not known whether another stack file"
            f" declares them open: {'; '.join(reasons)}.",
            listed=tuple(lines(closing)),
            remedy=f"Correct that, or name the logs for one run: {CLOSE_WORD}={names}.",
        )


# --- sentences ------------------------------------------------------------------------------------


def amount(closing: Sequence[Closing]) -> str:
    """E.g. ``3 logs``; where entries of all logs are among them, ``27 logs (5 entries)``."""
    entries = {one.entry for one in closing}
    many = counted(len(closing), "log")
    return many if len(entries) == len(closing) else f"{many} ({_entries(len(entries))})"


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def lines(closing: Sequence[Closing], limit: int | None = _LISTED) -> list[str]:
    """One line for each log, as refusals and announcements list them."""
    listed = [f"  close {one.key.name}" for one in closing[:limit]]
    more = len(closing) - len(listed)
    return [*listed, f"  and {more} more"] if more else listed


def announcement(
    closing: Sequence[Closing], before: Iterable[Delivery], after: Iterable[Delivery]
) -> list[str]:
    """Which logs close and how to undo it, printed before it happens; nothing where none closes."""
    if not closing:
        return []
    verb = "closes" if len(closing) == 1 else "close"
    return [
        f"{amount(closing)} {verb}:",
        *lines(closing, limit=None),
        "To undo it, replace these products below cloud-siem:deliveries and run `pulumi up`:",
        *(f"  {line}" for line in undo(closing, before, after)),
    ]


def undo(
    closing: Sequence[Closing], before: Iterable[Delivery], after: Iterable[Delivery]
) -> list[str]:
    """The blocks of the stack file that open these again: each product whole, as it was.

    A block has the entries of the product that were recorded, with their flags, an entry for each
    log that nothing recorded as open covers, and the new entries that have no log in common with
    any of them. All logs of a product and single ones never stand in one block.
    """
    products = {one.key.product for one in closing}
    was = [one for one in before if one.key.product in products]
    opened = KeyIndex(one.key for one in was if one.state is not State.CLOSED)
    again = {one.key for one in closing if not opened.overlaps(one.key)}
    opens = KeyIndex(again)
    block = [one for one in was if one.state is not State.CLOSED or not opens.overlaps(one.key)]
    block += [Delivery(key=key, state=State.OPEN) for key in again]
    there = KeyIndex(one.key for one in block)
    block += [one for one in after if one.key.product in products and not there.overlaps(one.key)]
    entries: dict[str, list[Delivery]] = {}
    for one in sorted(block, key=lambda one: by_name(one.key)):
        entries.setdefault(one.key.product, []).append(one)
    return [
        line
        for product, deliveries in entries.items()
        for line in (f"{product}:", *(f"  {_entry_line(one)}" for one in deliveries))
    ]


def _entry_line(delivery: Delivery) -> str:
    log = delivery.key.log or f'"{WHOLE_PRODUCT}"'
    state = State.CLOSED if delivery.state is State.CLOSED else State.OPEN
    words = {
        "state": state.value,
        "protect": "true" if delivery.protect else "",
        "onRemove": "keep" if delivery.on_remove is OnRemove.KEEP else "",
        "reason": _quoted(delivery.reason),
    }
    given = {word: value for word, value in words.items() if value}
    if len(given) == 1:
        return f"{log}: {state.value}"
    return f"{log}: {{{', '.join(f'{word}: {value}' for word, value in given.items())}}}"


def _quoted(reason: str) -> str:
    return "'" + reason.replace("'", "''") + "'" if reason else ""


def log_names(keys: Iterable[DeliveryKey]) -> list[str]:
    """The names by which the words for one run name logs, e.g. ``1130916744880000/sas/x``."""
    return [str(LogName.of(key)) for key in keys]


def left_open(closing: Iterable[Closing], snapshot: Snapshot) -> int:
    """How many logs of the account stay open."""
    closed = {one.key.switch for one in closing}
    return sum(
        log.state is State.OPEN
        and (snapshot.perspective.owner, snapshot.perspective.region, log.product, log.log)
        not in closed
        for log in snapshot.logs
    )


def opened_logs(before: Iterable[Delivery], snapshot: Snapshot) -> int:
    """How many logs are open now under what is recorded as open."""
    entries = [one.key for one in before if one.state is not State.CLOSED]
    return len({log for entry in entries for log in open_logs(entry, snapshot)})


def _adopted(closing: Sequence[Closing]) -> str:
    adopted = sum(one.adopted for one in closing)
    if not adopted:
        return ""
    if len(closing) == 1:
        return " It was open before this stack had it."
    if adopted == 1:
        return " 1 of them was open before this stack had it."
    return f" {adopted} of them were open before this stack had them."
