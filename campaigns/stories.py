"""Sequences of edits, hand switches and faults, drawn from a seed; `tests.edits` tells them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from campaigns.chance import chance
from cloud_siem.model import State
from siem_emulator.faults import Rule
from tests.edits import (
    FAULTS,
    LOGS,
    ByHand,
    Declare,
    Edit,
    Entry,
    Join,
    Move,
    Remove,
    Rename,
    Split,
    Step,
)

STRUCK = 0.3
"""How many of all updates are struck by a fault."""
_PLACES = [(product, log) for product, logs in LOGS.items() for log in logs]
_PRODUCTS = sorted(LOGS)
_STATES = [State.OPEN, State.OPEN, State.CLOSED]
_ACTIONS = ["*", "GetCallerIdentity", "ListDelivery", "OpenDelivery", "CloseDelivery"]


def story(seed: int, *, steps: int = 5, protect: bool = True) -> list[Step]:
    """At most so many updates; the first declares something of most products.

    Args:
        seed: What all of it follows from.
        steps: How many at most.
        protect: Whether entries may be protected: only where updates have a preview.
    """
    random = chance("story", seed)
    first = tuple(
        _declared(random, protect=protect, whole=random.random() < 2 / 3)
        for _ in range(random.randint(2, 6))
    )
    told = [Step(first, refresh=False, fault=_fault(random))]
    for _ in range(random.randrange(steps)):
        edits = tuple(_edit(random, protect=protect) for _ in range(random.randint(1, 3)))
        told.append(Step(edits, refresh=random.random() < 1 / 2, fault=_fault(random)))

    return told


def _fault(random: Random) -> Rule | None:
    if random.random() >= STRUCK:
        return None

    return replace(
        random.choice(FAULTS),
        action=random.choice(_ACTIONS),
        times=random.choice([1, 1, 2, 5, -1]),
        after=random.choice([0, 0, 1, 2]),
    )


def _edit(random: Random, *, protect: bool) -> Edit:
    drawn: list[Edit] = [
        *(_declared(random, protect=protect, whole=whole) for whole in (False, False, True)),
        *(Remove(random.randrange(7)) for _ in range(2)),
        Split(random.choice(_PRODUCTS), frozenset(random.sample(range(3), random.randint(1, 3)))),
        Join(random.choice(_PRODUCTS)),
        Rename(random.choice(["", "new-"])),
        Move(random.choice(["", "box:index:Box"])),
        ByHand(random.choice(_PLACES), random.choice(_STATES)),
    ]

    return random.choice(drawn)


def _declared(random: Random, *, protect: bool, whole: bool) -> Edit:
    product, log = random.choice(_PLACES)
    state = random.choice(_STATES)
    protected = protect and state is State.OPEN and random.random() < 1 / 9
    entry = Entry(state=state, protect=protected, keep=random.random() < 1 / 5)

    return Declare(product, None if whole else log, entry)
