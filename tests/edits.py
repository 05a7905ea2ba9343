"""Sequences of edits as people make them, and what must be true after every update.

``tell`` lives through a sequence on a stack, on the harness in hundreds and on the real engine in a
few. What it holds against the account and its log of calls is worked out here from what is
declared alone, by other means than the product's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from hypothesis import strategies as st

from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from siem_emulator import EmulatorServer, World
from siem_emulator.calls import Received
from siem_emulator.catalog import DOCUMENTED, Catalog
from siem_emulator.faults import Kind, Rule
from siem_emulator.world import Account, user_key
from tests.conftest import ACCOUNT, HERE
from tests.harness import Program

LOGS = {
    code: [log.code for log in DOCUMENTED.products[code].logs] for code in ("cfw", "oss", "waf")
}
"""Two products with two logs, and one with three: enough for every kind of edit."""

Place = tuple[str, str]
"""A product and one of its logs."""

FAULTS = [
    *(
        Rule(kind=kind)
        for kind in Kind
        # It shows an account as it never was again, which no single look can tell from the truth;
        # tests/test_faults.py has what follows.
        if kind not in (Kind.STALE_READS, Kind.SLOW_DRIP, Kind.HANG, Kind.COLLATERAL, Kind.MEET)
    ),
    Rule(kind=Kind.SLOW_DRIP, seconds=0.02),
    Rule(kind=Kind.HANG, seconds=0.02),
    Rule(kind=Kind.HTTP429, retry_after=1),
    Rule(kind=Kind.THROTTLING, acs_retry_after=3_600_000),
    Rule(kind=Kind.INTERNAL_ERROR, acts=True),
    Rule(kind=Kind.SLS_SHIP, acts=True),
    Rule(kind=Kind.ERROR_MAPPING, acts=True),
    Rule(kind=Kind.DATA_FALSE, acts=True),
    Rule(kind=Kind.HTML, status=502, acts=True),
    Rule(kind=Kind.EMPTY, acts=True),
    Rule(kind=Kind.REDIRECT, acts=True),
]


def small_world() -> World:
    """An account that has only these, all closed."""
    return World(
        name="small",
        accounts={
            ACCOUNT: Account(id=ACCOUNT, name="demo", keys=(user_key(ACCOUNT, "demo-admin"),))
        },
        catalog=Catalog.of(DOCUMENTED.products[code] for code in LOGS),
    )


# --- what is declared ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a stack file says of one log, or of a product."""

    state: State
    protect: bool = False
    keep: bool = False


Declared = Mapping[tuple[str, str | None], Entry]
"""By product and log; no log is the whole product."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack file, and the program around it."""

    declared: Declared = field(default_factory=dict)
    prefix: str = ""
    parent: str = ""

    @property
    def program(self) -> Program:
        return Program(
            perspective=HERE,
            deliveries=tuple(
                Delivery(
                    key=DeliveryKey(perspective=HERE, product=product, log=log),
                    state=entry.state,
                    protect=entry.protect,
                    on_remove=OnRemove.KEEP if entry.keep else OnRemove.CLOSE,
                )
                for (product, log), entry in sorted(self.declared.items(), key=str)
            ),
            prefix=self.prefix,
            parent=self.parent,
        )

    def places(self, state: State) -> set[Place]:
        """The logs that are declared so."""
        return {
            place
            for key, entry in self.declared.items()
            if entry.state is state
            for place in places_of(*key)
        }


def places_of(product: str, log: str | None) -> set[Place]:
    return {(product, one) for one in LOGS[product] if log in (None, one)}


# --- edits ---------------------------------------------------------------------------------------


class Edit(Protocol):
    """One thing that a person does between two updates."""

    def of(self, stack: Stack) -> Stack: ...


@dataclass(frozen=True)
class Declare:
    """Add or change an entry; single logs and the whole product take each other's place."""

    product: str
    log: str | None
    entry: Entry

    def of(self, stack: Stack) -> Stack:
        others = {
            (product, log): entry
            for (product, log), entry in stack.declared.items()
            if product != self.product or (log is not None and self.log is not None)
        }

        return replace(stack, declared={**others, (self.product, self.log): self.entry})


@dataclass(frozen=True)
class Split:
    """Write single logs in the place of the whole product, all or some, as the product was."""

    product: str
    logs: frozenset[int]

    def of(self, stack: Stack) -> Stack:
        whole = stack.declared.get((self.product, None))
        if whole is None:
            return stack
        others = {key: entry for key, entry in stack.declared.items() if key[0] != self.product}
        some = [log for number, log in enumerate(LOGS[self.product]) if number in self.logs]

        return replace(stack, declared=others | {(self.product, log): whole for log in some})


@dataclass(frozen=True)
class Join:
    """Write the whole product in the place of its single logs, as the first of them was."""

    product: str

    def of(self, stack: Stack) -> Stack:
        singles = {key: entry for key, entry in stack.declared.items() if key[0] == self.product}
        if not singles:
            return stack
        first = min(singles, key=str)

        return Declare(self.product, None, singles[first]).of(stack)


@dataclass(frozen=True)
class Remove:
    """Remove one entry, whichever it is."""

    number: int

    def of(self, stack: Stack) -> Stack:
        keys = sorted(stack.declared, key=str)
        if not keys:
            return stack
        gone = keys[self.number % len(keys)]

        return replace(stack, declared={k: e for k, e in stack.declared.items() if k != gone})


@dataclass(frozen=True)
class Rename:
    """Give every resource another name."""

    prefix: str

    def of(self, stack: Stack) -> Stack:
        return replace(stack, prefix=self.prefix)


@dataclass(frozen=True)
class Move:
    """Put the component below another one."""

    parent: str

    def of(self, stack: Stack) -> Stack:
        return replace(stack, parent=self.parent)


@dataclass(frozen=True)
class ByHand:
    """Switch a log in the console."""

    place: Place
    state: State

    def of(self, stack: Stack) -> Stack:
        return stack


@dataclass(frozen=True)
class Step:
    """Some edits, then an update; a fault strikes that one, and is over before the next."""

    edits: tuple[Edit, ...]
    refresh: bool
    fault: Rule | None = None


_PLACES = [(product, log) for product, logs in LOGS.items() for log in logs]
_PRODUCTS = st.sampled_from(sorted(LOGS))
_STATES = st.sampled_from([State.OPEN, State.OPEN, State.CLOSED])


def steps(*, protect: bool, min_size: int, max_size: int) -> st.SearchStrategy[list[Step]]:
    """Sequences; the first step declares something of most products.

    ``protect`` is for stacks whose updates have a preview.
    """
    entries = st.builds(
        Entry,
        state=_STATES,
        protect=st.sampled_from([*[False] * 8, protect]),
        keep=st.sampled_from([*[False] * 4, True]),
    ).map(lambda one: replace(one, protect=one.protect and one.state is State.OPEN))
    one = st.builds(_declare, st.sampled_from(_PLACES), entries)
    whole = st.builds(lambda product, entry: _declare((product, None), entry), _PRODUCTS, entries)
    remove = st.builds(Remove, st.integers(0, 6))
    edit = st.one_of(
        *[one, remove] * 2,
        whole,
        st.builds(Split, _PRODUCTS, st.frozensets(st.integers(0, 2), min_size=1)),
        st.builds(Join, _PRODUCTS),
        st.builds(Rename, st.sampled_from(["", "new-"])),
        st.builds(Move, st.sampled_from(["", "box:index:Box"])),
        st.builds(ByHand, st.sampled_from(_PLACES), _STATES),
    )
    first = st.lists(st.one_of(one, whole, whole), min_size=2, max_size=6)
    later = st.lists(edit, min_size=1, max_size=3)

    return st.builds(
        lambda begin, rest: [Step(tuple(begin), refresh=False), *rest],
        first,
        st.lists(
            st.builds(lambda edits, refresh: Step(tuple(edits), refresh), later, st.booleans()),
            min_size=min_size - 1,
            max_size=max_size - 1,
        ),
    )


def _declare(key: tuple[str, str | None], entry: Entry) -> Edit:
    return Declare(key[0], key[1], entry)


# --- what must be true ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Was:
    """What was recorded of one delivery before an update."""

    product: str
    log: str | None
    state: str
    protect: bool
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one update went."""

    ok: bool
    changed: bool
    """Whether any resource was created, updated or deleted."""
    text: str
    calls: Sequence[Received]

    @property
    def writes(self) -> list[Received]:
        return [call for call in self.calls if call.action in ("OpenDelivery", "CloseDelivery")]


class Life(Protocol):
    """One stack on the harness, or on the real engine."""

    def up(self, program: Program, *, refresh: bool) -> Outcome: ...

    def recorded(self) -> Mapping[str, Was]:
        """The deliveries by their resources' full names, the parent's type included."""


def tell(story: Iterable[Step], siem: EmulatorServer, life: Life, *, twice: bool) -> None:
    """Live through a sequence, holding every update against what it was asked.

    Args:
        story: The sequence.
        siem: A fresh emulator of the small world.
        life: A fresh stack on it.
        twice: Whether every update is run again, to see that it does nothing; else the last alone.
    """
    stack, drifted, reopened = Stack(), False, False
    for step in story:
        edited = stack
        for edit in step.edits:
            edited = edit.of(edited)
            if isinstance(edit, ByHand):
                drifted |= _switch(siem, edit, life.recorded().values())
                reopened |= edit.state is State.OPEN
        refresh = step.refresh
        for attempt in range(4):
            struck = step.fault is not None and attempt == 0
            with _strike(siem, step.fault if struck else None):
                if _update(siem, life, edited, refresh=refresh, drifted=drifted, struck=struck):
                    break
            if _protected(siem, life, edited, refresh=refresh):
                # And so it was refused: the person takes the edit back.
                edited = stack
            # What went wrong on the way is mended by another update like it.
            refresh = refresh or drifted or not struck
        else:
            raise AssertionError("an update that nothing stands in the way of does not go through")
        stack, drifted = edited, drifted and not refresh
        if twice:
            _assert_still(life, stack, reopened=reopened)
            reopened = False
    _assert_still(life, stack, reopened=reopened)


def _switch(siem: EmulatorServer, edit: ByHand, recorded: Iterable[Was]) -> bool:
    """Whether a recorded delivery is no longer as it was recorded."""
    product, log = edit.place
    changed = siem.switch(product, log, state=edit.state.value)

    return bool(changed) and any(edit.place in places_of(was.product, was.log) for was in recorded)


@contextmanager
def _strike(siem: EmulatorServer, fault: Rule | None) -> Iterator[None]:
    if fault:
        siem.faults.add(fault)
    yield
    siem.faults.clear()


def _update(
    siem: EmulatorServer, life: Life, stack: Stack, *, refresh: bool, drifted: bool, struck: bool
) -> bool:
    """Whether an update went through, and all that must be true of it either way."""
    before, recorded = siem.open_logs(), life.recorded()
    protected = _protected(siem, life, stack, refresh=refresh)
    outcome = life.up(stack.program, refresh=refresh)
    removed = [was for name, was in recorded.items() if name not in names_of(stack)]
    _assert_asked_for(outcome, stack, removed)
    if protected:
        assert not outcome.ok
        assert not outcome.writes
    elif struck and not outcome.ok:
        assert "Traceback" not in outcome.text
        assert "fault of pulumi-cloud-siem" not in outcome.text
    elif refresh or not drifted:
        assert outcome.ok, outcome.text
        assert siem.open_logs() == _expected(before, stack, removed)
    elif not outcome.ok:
        # An update without a refresh does not look at what did not change; when it looks after
        # its own writes, it says so.
        assert "not as declared, and not by this update" in outcome.text

    return outcome.ok


def names_of(stack: Stack) -> set[str]:
    program = stack.program

    return {f"{program.parent}|{program.prefix}{one.key.name}" for one in program.deliveries}


def _protected(siem: EmulatorServer, life: Life, stack: Stack, *, refresh: bool) -> bool:
    """Whether the update must be refused, since something protected is missing or would close."""
    return any(
        name not in names_of(stack) or _would_close(siem, was, stack, refresh=refresh)
        for name, was in life.recorded().items()
        if was.protect
    )


def _would_close(siem: EmulatorServer, was: Was, stack: Stack, *, refresh: bool) -> bool:
    places = places_of(was.product, was.log)
    opened = bool(places & siem.open_logs()) if refresh else was.state != "closed"

    return opened and not places <= stack.places(State.OPEN)


def _assert_asked_for(outcome: Outcome, stack: Stack, removed: list[Was]) -> None:
    opens, closes = stack.places(State.OPEN), stack.places(State.CLOSED)
    dropped = {
        place for was in removed if not was.keep for place in places_of(was.product, was.log)
    }
    for call in outcome.writes:
        written = places_of(call.product, call.log or None)
        if call.action == "OpenDelivery":
            assert written <= opens, call
        else:
            assert written.isdisjoint(opens), call
            assert written <= closes | dropped, call
        if not call.log:
            named = {*stack.declared, *((was.product, was.log) for was in removed)}
            assert (call.product, None) in named, call


def _expected(before: Iterable[Place], stack: Stack, removed: list[Was]) -> set[Place]:
    closed = {place for was in removed if not was.keep for place in places_of(was.product, was.log)}
    left = set(before) - closed

    return (left | stack.places(State.OPEN)) - stack.places(State.CLOSED)


LOOK = ["GetCallerIdentity", "ListDelivery"]
CARRIED = 4
"""Updates, at most, in which the gate carries along what an earlier one was to close."""


_FIRST_LOOKS = 4
"""Two processes, and twice as many where a campaign has the first of two updates forgotten."""


def _assert_still(life: Life, stack: Stack, *, reopened: bool) -> None:
    """Nothing is left to do: the first repetition looks once in each process, and the next never.

    That look takes what was closed off the gate's record; a preview is a process of its own. A log
    that was closed, is no longer declared and was opened by hand meanwhile cannot be told from one
    that is still to be closed: the gate carries it along for a few updates, which write nothing.
    """
    for _ in range(CARRIED * reopened):
        carrying = life.up(stack.program, refresh=False)
        assert carrying.ok, carrying.text
        assert not carrying.writes
    for looks in (_FIRST_LOOKS, 0):
        again = life.up(stack.program, refresh=False)

        assert again.ok, again.text
        assert [call.action for call in again.calls] in [LOOK * n for n in range(looks + 1)]
        assert not again.changed
