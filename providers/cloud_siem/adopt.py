"""Adopting: what a stack file has to say to declare an account as it is; ``stacktext`` writes it.

Pure; called by ``cloud-siem adopt``. What is declared is what the account shows, so that the update
that follows has nothing to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from cloud_siem import catalog
from cloud_siem.codes import Code
from cloud_siem.errors import Refusal, RefusedError
from cloud_siem.keys import CODE
from cloud_siem.model import (
    WHOLE_PRODUCT,
    DeliveryKey,
    Log,
    Perspective,
    Snapshot,
    State,
)
from cloud_siem.stack import Stack
from cloud_siem.wording import counted, key_shown


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What of an account a person wants in the stack file, besides the logs that are open."""

    closed: bool = False
    """Whether logs that are closed are declared closed."""
    whole: frozenset[str] = frozenset()
    """Products to declare by one ``"*"``; ``*`` among them is every product that can be."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the stack file to be."""

    key: DeliveryKey
    state: State
    """As the account shows it."""
    logs: tuple[Log, ...]
    """What the line is about: one log, or all of a product."""


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What of an account is to be declared, and what is not and why."""

    snapshot: Snapshot
    declared: tuple[DeliveryKey, ...]
    """What the stack file declares already, in whatever state."""
    entries: tuple[Entry, ...]
    """What it lacks, in the order of the snapshot."""
    elsewhere: tuple[tuple[Log, str], ...]
    """Logs that another stack declares, with its name: two stacks must not hold the same one."""
    unspeakable: tuple[Log, ...]
    """Logs whose codes a stack file cannot hold."""

    @property
    def perspective(self) -> Perspective:
        return self.snapshot.perspective

    @property
    def left_out(self) -> Mapping[str, tuple[Log, ...]]:
        """What could have been declared, by the clause that says why it is not."""
        found: dict[str, list[Log]] = {}
        for log, name in self.elsewhere:
            found.setdefault(f"stack {name} declares them", []).append(log)
        for log in self.unspeakable:
            found.setdefault("a stack file cannot hold their codes", []).append(log)
        return {why: tuple(logs) for why, logs in found.items()}

    @cached_property
    def opened(self) -> tuple[Log, ...]:
        """What is open."""
        return tuple(log for log in self.snapshot.logs if log.state is State.OPEN)

    @cached_property
    def covered_before(self) -> tuple[Log, ...]:
        """What is open, and declared by the file as it is."""
        declared = {log for key in self.declared for log in self.snapshot.find(key)}
        return tuple(log for log in self.opened if log in declared)

    @cached_property
    def covered(self) -> tuple[Log, ...]:
        """What is open, and declared once the entries are in the file."""
        return tuple(log for log in self.opened if log in self._said)

    @cached_property
    def passed_over(self) -> tuple[Log, ...]:
        """What is closed and not declared, since nobody asked for it."""
        untold = self._said.union(*self.left_out.values())
        logs = (log for log in self.snapshot.logs if log.state is State.CLOSED)
        return tuple(log for log in logs if log not in untold)

    @cached_property
    def _said(self) -> frozenset[Log]:
        """All that is declared once the entries are in the file."""
        keys = (*self.declared, *(entry.key for entry in self.entries))
        return frozenset(log for key in keys for log in self.snapshot.find(key))


# --- what is to be declared -----------------------------------------------------------------------


def adoption(
    snapshot: Snapshot, declared: Iterable[DeliveryKey], others: Iterable[Stack], wish: Wish
) -> Adoption:
    """Choose what is to be declared.

    Args:
        snapshot: The account as it is.
        declared: What the stack file declares already.
        others: The other stacks of the project.
        wish: What the person asked for.

    Raises:
        RefusedError: The account lists nothing, or a product cannot be declared by one ``"*"``;
            with all reasons there are.
    """
    if not snapshot.logs:
        raise RefusedError.of(
            Code.NOT_ADOPTED,
            f"{snapshot.perspective} lists no products at all: Cloud SIEM is not activated there,"
            " or no product is connected to it; there is nothing to adopt",
        )
    return _Choice(snapshot, tuple(declared), tuple(others), wish).made()


class _Choice:
    """One pass over the products of a snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        declared: tuple[DeliveryKey, ...],
        others: tuple[Stack, ...],
        wish: Wish,
    ) -> None:
        self._snapshot = snapshot
        self._declared = declared
        here = snapshot.perspective
        self._others = [
            (one.key, stack.name)
            for stack in others
            if (stack.perspective.owner, stack.perspective.region) == (here.owner, here.region)
            for one in stack.deliveries
        ]
        self._wish = wish
        self._elsewhere: list[tuple[Log, str]] = []
        self._unspeakable: list[Log] = []
        self._refusals: list[str] = []

    def made(self) -> Adoption:
        unknown = self._wish.whole - self._snapshot.products.keys() - {WHOLE_PRODUCT}
        for product in sorted(unknown):
            hint = catalog.did_you_mean(product, self._snapshot.products)
            self._refuse(product, f"the account lists no such product; {hint}".rstrip("; "))
        entries = [
            entry
            for product, logs in self._snapshot.products.items()
            for entry in self._product(product, logs)
        ]
        if self._refusals:
            count = counted(len(self._refusals), "product")
            message = f"Nothing is written: {count} cannot be adopted as asked."
            listed = tuple(f"  {line}" for line in self._refusals)
            raise RefusedError(Refusal(code=Code.NOT_ADOPTED, message=message, listed=listed))
        return Adoption(
            snapshot=self._snapshot,
            declared=self._declared,
            entries=tuple(entries),
            elsewhere=tuple(self._elsewhere),
            unspeakable=tuple(self._unspeakable),
        )

    def _product(self, product: str, logs: tuple[Log, ...]) -> Iterator[Entry]:
        key = self._key(product, None)
        if self._has(key):
            return
        if self._wish.whole & {product, WHOLE_PRODUCT}:
            obstacle = self._obstacle(key, logs)
            if not obstacle:
                yield Entry(key=key, state=logs[0].state, logs=logs)
                return
            if product in self._wish.whole - {WHOLE_PRODUCT}:
                self._refuse(product, obstacle)
        for log in logs:
            yield from self._log(log)

    def _obstacle(self, key: DeliveryKey, logs: tuple[Log, ...]) -> str:
        """Why a whole product cannot be declared by one word; empty when it can."""
        closed = sum(log.state is State.CLOSED for log in logs)
        elsewhere = next((name for other, name in self._others if other.overlaps(key)), "")
        obstacles = (
            (not _CODE.fullmatch(key.product), "a stack file cannot hold its code"),
            (
                0 < closed < len(logs),
                f"{closed} of its {len(logs)} logs are closed, and it would open them",
            ),
            (
                any(one.overlaps(key) for one in self._declared),
                "the stack file has single logs of it, which cannot stand beside it",
            ),
            (elsewhere, f"stack {elsewhere} declares some of it"),
            (
                closed and not self._wish.closed,
                "all of it is closed; add --include-closed to declare it so",
            ),
        )
        return next((why for holds, why in obstacles if holds), "")

    def _log(self, log: Log) -> Iterator[Entry]:
        key = self._key(log.product, log.log)
        wanted = log.state is State.OPEN or self._wish.closed
        if not wanted or self._has(key):
            return
        if not (_CODE.fullmatch(log.product) and _CODE.fullmatch(log.log)):
            self._unspeakable.append(log)
        elif name := next((name for other, name in self._others if other.covers(key)), ""):
            self._elsewhere.append((log, name))
        else:
            yield Entry(key=key, state=log.state, logs=(log,))

    def _has(self, key: DeliveryKey) -> bool:
        """Whether the stack file declares it already."""
        return any(one.covers(key) for one in self._declared)

    def _key(self, product: str, log: str | None) -> DeliveryKey:
        return DeliveryKey(perspective=self._snapshot.perspective, product=product, log=log)

    def _refuse(self, product: str, why: str) -> None:
        self._refusals.append(f'{key_shown(product)} cannot be declared by one "*": {why}')


_CODE = re.compile(CODE)
