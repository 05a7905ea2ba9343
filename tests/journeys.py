"""Journeys: one to three stacks of one account through edits, flags, faults and interrupts.

``draw`` makes a journey from a seed, ``travel`` takes it on the harness or on the real engine, and
``shrink`` finds the shortest part of a journey that still fails. After every run these hold:

a. Each log that the run closed was named as closing, in the run's output, before the call; or in
   the environment variable that names logs for one run.
b. The run closed no more logs than its limit.
c. It closed nothing that its stack had recorded as protected and open, even if a refresh has
   dropped the record since, because the product was not listed; except what a gate of another name
   declares closed in an update without a preview.
d. It closed nothing that a stack file of the project declares open. For a destroy the stack's own
   file does not count.
e. If it closed anything, a log of the account is open at its end, unless that was allowed.
f. At the end of the journey plain updates of all stacks reach what the files declare, or are
   refused with a code. After an update that was not refused another one does nothing.
g. No run fails with a traceback.

What was closed and what is open is worked out from the emulator's log of calls and from its state.
An event that cannot happen, such as the removal of an entry from an empty file, is passed over; so
every part of a journey is a journey.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from random import Random
from typing import Any, Protocol, Self

from cloud_siem.model import State
from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from siem_emulator.faults import Rule
from tests.conftest import ACCOUNT
from tests.edits import (
    FAULTS,
    LOGS,
    Declare,
    Edit,
    Entry,
    Join,
    Move,
    Place,
    Remove,
    Rename,
    Split,
    Stack,
    places_of,
)
from tests.resources import DELIVERY, GATE, SERVED, Config, Flags, Interrupt, Line, Program, Urn

NAMES = ("a", "b", "c")
"""The stacks of a journey."""
DEFAULT_LIMIT = 5
PLACES = [(product, log) for product, logs in LOGS.items() for log in logs]
PRODUCTS = sorted(LOGS)
_ALL_LOGS = ",".join(f"{ACCOUNT}/{product}/*" for product in PRODUCTS)
ACTIONS = ("*", "GetCallerIdentity", "ListDelivery", "OpenDelivery", "CloseDelivery")


# --- what the product says ------------------------------------------------------------------------

_LINE = re.compile(r"close (\w+)/(\w+)")
_CODE = re.compile(r"\[((?:refused|stopped):[a-z-]+)\]")
_ENGINE_PROTECTS = ("because it is protected", "marked for protection")


def named_closing(line: str) -> set[Place]:
    """The logs that a line of a run's output names as closing."""
    if match := _LINE.fullmatch(line.strip()):
        return places_of(match[1], match[2]) if match[1] in LOGS else set()
    return set()


def is_refused_with_code(text: str) -> bool:
    """Whether a failed run was refused with one of our codes, or by the engine's own protect."""
    words = " ".join(text.split())
    return bool(_CODE.search(words)) or any(sentence in words for sentence in _ENGINE_PROTECTS)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a person allows for one run, in environment variables."""

    limit: int | None = None
    logs: tuple[int, ...] = ()
    """Logs that may be closed, by their numbers."""
    last: bool = False
    """Whether the account's last open log may be closed."""

    @property
    def places(self) -> set[Place]:
        return {PLACES[number % len(PLACES)] for number in self.logs}

    @property
    def environ(self) -> dict[str, str]:
        logs = ",".join(f"{ACCOUNT}/{product}/{log}" for product, log in sorted(self.places))
        named = {
            "CLOUD_SIEM_CLOSE_LIMIT": "" if self.limit is None else str(self.limit),
            "CLOUD_SIEM_CLOSE": logs,
            "CLOUD_SIEM_CLOSE_LAST_LOG": _ALL_LOGS if self.last else "",
        }
        return {name: value for name, value in named.items() if value}


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Flags of a run; resources by numbers, which count the recorded and the declared ones."""

    targets: tuple[int, ...] = ()
    target_dependents: bool = False
    excludes: tuple[int, ...] = ()
    exclude_dependents: bool = False
    exclude_protected: bool = False
    replaces: tuple[int, ...] = ()
    target_replace: bool = False
    """Whether the replaced resources are the targets, too."""
    continue_on_error: bool = False

    def of(self, urns: Sequence[Urn]) -> Flags:
        def picked(numbers: tuple[int, ...]) -> frozenset[Urn]:
            return frozenset(urns[number % len(urns)] for number in numbers if urns)

        replaces = picked(self.replaces)
        return Flags(
            targets=replaces if self.target_replace else picked(self.targets),
            target_dependents=self.target_dependents,
            excludes=picked(self.excludes),
            exclude_dependents=self.exclude_dependents,
            exclude_protected=self.exclude_protected,
            replaces=replaces,
            continue_on_error=self.continue_on_error,
        )


@dataclass(frozen=True, kw_only=True)
class EditFile:
    """Edit a stack file, or the program that the stack has."""

    stack: int
    edit: Edit


@dataclass(frozen=True, kw_only=True)
class ChangeEntry:
    """Change one entry of a stack file, whichever it is."""

    stack: int
    number: int
    change: str
    """``open``, ``closed``, ``protect``, ``unprotect``, ``keep`` or ``close on removal``."""


@dataclass(frozen=True, kw_only=True)
class SetLimit:
    """Set ``closeLimit`` in a stack file."""

    stack: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class MoveEntry:
    """Move one entry to another stack file."""

    stack: int
    to: int
    number: int


@dataclass(frozen=True, kw_only=True)
class RenameFile:
    """Rename a stack file to that of a stack that has none, as ``git mv`` does."""

    stack: int
    to: int


@dataclass(frozen=True, kw_only=True)
class Console:
    """Switch a log in the console."""

    place: Place
    state: State


@dataclass(frozen=True, kw_only=True)
class Connect:
    """Connect a product to the account, or disconnect it: then it is not listed."""

    product: str
    connected: bool


@dataclass(frozen=True, kw_only=True)
class EditState:
    """``pulumi state`` on one resource."""

    stack: int
    command: str
    """``taint``, ``unprotect``, ``delete`` or ``rename``."""
    number: int
    dependents: bool = False


@dataclass(frozen=True, kw_only=True)
class MoveState:
    """``pulumi state move`` of one delivery to another stack."""

    stack: int
    to: int
    number: int


@dataclass(frozen=True, kw_only=True)
class RunStack:
    """One run of the engine."""

    stack: int
    command: str = "up"
    choice: Choice = field(default_factory=Choice)
    refresh: bool = False
    preview: bool = False
    """Whether the update has a preview before it."""
    fault: Rule | None = None
    interrupt: Interrupt | None = None
    words: Words = field(default_factory=Words)
    meanwhile: RunStack | None = None
    """A run of another stack in the middle of this one."""
    before: int = 1
    """It takes place before this call of create, update or delete."""


Event = (
    EditFile
    | ChangeEntry
    | SetLimit
    | MoveEntry
    | RenameFile
    | Console
    | Connect
    | EditState
    | MoveState
    | RunStack
)


# --- stacks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """One delivery as a stack has recorded it, in its own record or in the gate's."""

    places: frozenset[Place]
    open: bool
    protected: bool


@dataclass(frozen=True, kw_only=True)
class Order:
    """One run, with everything resolved."""

    command: str
    program: Program
    flags: Flags
    refresh: bool
    preview: bool
    interrupt: Interrupt | None
    environ: dict[str, str]
    meanwhile: Callable[[], object] | None
    before: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one run."""

    ok: bool
    text: str
    """Everything that a person reads."""
    lines: Sequence[Line]
    changed: bool
    """Whether any resource was created, updated or deleted."""


class Life(Protocol):
    """One stack, on the harness or on the real engine."""

    def declare(self, program: Program, config: Config) -> None:
        """Write the stack file."""

    def remove_file(self) -> None: ...

    def run(self, order: Order) -> Outcome: ...

    def recorded(self) -> set[Urn]:
        """The recorded resources and components."""

    def rows(self) -> list[Row]: ...

    def repair(self) -> None:
        """Make a state usable that the engine refuses."""

    def edit_state(self, command: str, urn: Urn, *, dependents: bool) -> None:
        """``pulumi state``; a refusal of the engine changes nothing."""

    def move_state(self, urn: Urn, to: Self) -> None:
        """``pulumi state move``; the same."""

    def recorded_config(self) -> Config:
        """The config that a destroy runs with."""


class ViolationError(AssertionError):
    """Something that must hold did not."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"({rule}) {message}")
        self.rule = rule


@dataclass
class _File:
    """A stack file, and what stands beside the deliveries in it."""

    stack: Stack = field(default_factory=Stack)
    limit: int | None = None
    exists: bool = False

    @property
    def open(self) -> set[Place]:
        return self.stack.places(State.OPEN) if self.exists else set()

    @property
    def config(self) -> Config:
        return {} if self.limit is None else {"cloud-siem:closeLimit": str(self.limit)}


# --- travelling -----------------------------------------------------------------------------------


def travel(
    events: Iterable[Event], siem: EmulatorServer, lives: Sequence[Life], count: Counter[str]
) -> None:
    """Take a journey, and check every run.

    Args:
        events: The journey.
        siem: A fresh emulator of the small world.
        lives: Fresh stacks on it, as many as the journey may name.
        count: Gets the numbers of runs, and of what they did.

    Raises:
        ViolationError: Something that must hold did not.
    """
    _Journey(siem, lives, count).take(events)


class _Journey:
    def __init__(self, siem: EmulatorServer, lives: Sequence[Life], count: Counter[str]) -> None:
        self._siem = siem
        self._count = count
        self._lives = lives
        self._files = [_File() for _ in lives]
        self._forgotten: dict[int, set[Place]] = {}
        """By stack, what a refresh dropped while it was protected, until it is recorded again."""
        self._unlisted: set[str] = set()
        self._others: set[int] = set()
        """The numbers of calls that belong to a run in the middle of another one."""

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, RunStack):
                self._run(event)
            else:
                self._happen(event)
        self._finish()

    # --- between runs ----------------------------------------------------------------------------

    def _happen(self, event: Event) -> None:
        match event:
            case Console(place=(product, log), state=state):
                self._siem.switch(product, log, state=state.value)
            case Connect():
                self._connect(event)
            case EditState():
                self._edit_state(event)
            case MoveState():
                self._move_state(event)
            case RenameFile():
                self._rename_file(event)
            case MoveEntry():
                self._move_entry(event)
            case EditFile(stack=stack, edit=edit):
                self._edit(stack, edit.of(self._files[stack].stack))
            case ChangeEntry():
                self._change_entry(event)
            case SetLimit(stack=stack, limit=limit):
                self._files[stack].limit = limit
                self._write(stack)

    def _connect(self, event: Connect) -> None:
        verb, change = (
            ("connect", self._unlisted.discard)
            if event.connected
            else ("disconnect", self._unlisted.add)
        )
        self._siem.control(verb, product=event.product)
        change(event.product)

    def _move_state(self, event: MoveState) -> None:
        life = self._lives[event.stack]
        deliveries = [urn for urn in sorted(life.recorded()) if urn.kind == DELIVERY]
        if deliveries and event.to != event.stack:
            life.move_state(deliveries[event.number % len(deliveries)], self._lives[event.to])

    def _rename_file(self, event: RenameFile) -> None:
        source, target = self._files[event.stack], self._files[event.to]
        if source.exists and not target.exists:
            self._files[event.stack], self._files[event.to] = target, source
            self._lives[event.stack].remove_file()
            self._write(event.to)

    def _edit(self, number: int, stack: Stack) -> None:
        self._files[number].stack = stack
        self._write(number)

    def _write(self, number: int) -> None:
        file = self._files[number]
        file.exists = True
        self._lives[number].declare(self._program(number), file.config)

    def _program(self, number: int) -> Program:
        return replace(self._files[number].stack.program, stack=NAMES[number])

    def _key(self, stack: int, number: int) -> tuple[str, str | None] | None:
        keys = sorted(self._files[stack].stack.declared, key=str)
        return keys[number % len(keys)] if keys else None

    def _move_entry(self, event: MoveEntry) -> None:
        key = self._key(event.stack, event.number)
        if key is None or event.stack == event.to:
            return
        source = self._files[event.stack].stack
        left = {other: entry for other, entry in source.declared.items() if other != key}
        moved = Declare(*key, source.declared[key]).of(self._files[event.to].stack)
        self._edit(event.stack, replace(source, declared=left))
        self._edit(event.to, moved)

    def _change_entry(self, event: ChangeEntry) -> None:
        key = self._key(event.stack, event.number)
        if key is None:
            return
        stack = self._files[event.stack].stack
        entry = stack.declared[key]
        entry = {
            "open": replace(entry, state=State.OPEN),
            "closed": replace(entry, state=State.CLOSED, protect=False),
            "protect": replace(entry, protect=entry.state is State.OPEN),
            "unprotect": replace(entry, protect=False),
            "keep": replace(entry, keep=True),
            "close on removal": replace(entry, keep=False),
        }[event.change]
        self._edit(event.stack, replace(stack, declared={**stack.declared, key: entry}))

    def _edit_state(self, event: EditState) -> None:
        life = self._lives[event.stack]
        urns = [urn for urn in sorted(life.recorded()) if urn.kind in SERVED]
        if urns:
            urn = urns[event.number % len(urns)]
            life.edit_state(event.command, urn, dependents=event.dependents)

    # --- a run -----------------------------------------------------------------------------------

    def _run(self, run: RunStack) -> Outcome | None:
        """Run and check; None if the stack has no file to run with."""
        life, file = self._lives[run.stack], self._files[run.stack]
        if run.command in ("up", "preview") and not file.exists:
            return None
        life.repair()
        program = self._program(run.stack)
        urns = sorted(life.recorded() | program.urns)
        order = Order(
            command=run.command,
            program=program,
            flags=run.choice.of(urns),
            refresh=run.refresh,
            preview=run.preview,
            interrupt=run.interrupt,
            environ=run.words.environ,
            meanwhile=self._meanwhile(run),
            before=run.before,
        )
        rows, opened, limit = life.rows(), self._siem.open_logs(), self._limit(run)
        if run.command == "up" and not run.preview and program.urn(GATE) not in life.recorded():
            # To a gate of another name its entries are new (docs/safety.md, what is not protected).
            declared = file.stack.places(State.CLOSED)
            rows = [row for row in rows if not row.places & declared]
        since = max((call.seq for call in self._siem.calls.all()), default=0)
        if run.fault:
            self._siem.faults.add(run.fault)
        outcome = life.run(order)
        if run.fault:
            self._siem.faults.clear()
        calls = self._siem.calls.all(since=since)
        own = [call for call in calls if call.seq not in self._others]
        self._others |= {call.seq for call in own}
        closed = closed_by(calls, own, opened)
        protected = {place for row in rows if row.protected and row.open for place in row.places}
        protected |= self._forgotten.get(run.stack, set())
        self._count["runs"] += 1
        self._count["logs closed"] += len(closed)
        self._count["runs that failed or were refused"] += not outcome.ok
        self._count["runs struck by a fault"] += any(call.fault for call in own)
        self._check(run, outcome, closed, protected, limit)
        self._remember(run, protected)
        return outcome

    def _meanwhile(self, run: RunStack) -> Callable[[], object] | None:
        other = run.meanwhile
        if other is None or other.stack == run.stack:
            return None
        return lambda: self._run(other)

    def _check(
        self,
        run: RunStack,
        outcome: Outcome,
        closed: list[tuple[Place, Received]],
        protected: set[Place],
        limit: int,
    ) -> None:
        about = f"{run.command} of {NAMES[run.stack]}"
        places = {place for place, _ in closed}
        self._check_named(run, outcome, closed, about)
        if len(closed) > limit:
            raise ViolationError("b", f"{about} closed {len(closed)} logs; its limit is {limit}")
        if names := sorted(places & protected):
            raise ViolationError("c", f"{about} closed what is protected: {names}")
        for number, file in enumerate(self._files):
            own = number == run.stack and run.command == "destroy"
            if not own and (names := sorted(places & file.open)):
                raise ViolationError(
                    "d", f"{about} closed what {NAMES[number]} declares open: {names}"
                )
        if closed and not run.words.last and not self._siem.open_logs():
            raise ViolationError("e", f"{about} closed {sorted(places)}, and no log is open")
        if "Traceback" in outcome.text or "fault of pulumi-cloud-siem" in outcome.text:
            raise ViolationError("g", f"{about} failed without an explanation: {outcome.text}")

    def _check_named(
        self,
        run: RunStack,
        outcome: Outcome,
        closed: list[tuple[Place, Received]],
        about: str,
    ) -> None:
        for place, call in closed:
            lines = [line.text for line in outcome.lines if line.time <= call.time]
            named = run.words.places.union(*map(named_closing, lines))
            if place not in named or run.command in ("preview", "refresh"):
                raise ViolationError(
                    "a", f"{about} closed {place}, which it had not named: {outcome.text}"
                )

    def _remember(self, run: RunStack, protected: set[Place]) -> None:
        """Keep in mind what was protected, and is not recorded any more, since it is not listed."""
        recorded = {place for row in self._lives[run.stack].rows() for place in row.places}
        unlisted = {place for place in protected if place[0] in self._unlisted}
        kept = self._forgotten.get(run.stack, set()) | unlisted
        self._forgotten[run.stack] = kept - recorded

    def _limit(self, run: RunStack) -> int:
        config = self._files[run.stack].config
        if run.command == "destroy":
            config = self._lives[run.stack].recorded_config()
        limit = run.words.limit or config.get("cloud-siem:closeLimit", DEFAULT_LIMIT)
        return int(str(limit))

    # --- the end ---------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Update all stacks until nothing changes any more."""
        self._siem.faults.clear()
        for product in PRODUCTS:
            self._happen(Connect(product=product, connected=True))
        for _ in range(2 * len(self._lives) + 1):
            ends = {
                number: outcome
                for number in range(len(self._lives))
                if (outcome := self._run(RunStack(stack=number, refresh=True)))
            }
            if not any(outcome.changed for outcome in ends.values()):
                break
        for number, outcome in ends.items():
            self._check_end(number, outcome)
        for number, outcome in ends.items():
            again = self._run(RunStack(stack=number)) if outcome.ok else None
            if again and (again.changed or not again.ok):
                about = f"another update of {NAMES[number]}"
                raise ViolationError("f", f"{about} changed something: {again.text}")

    def _check_end(self, number: int, outcome: Outcome) -> None:
        about, stack = f"the last update of {NAMES[number]}", self._files[number].stack
        opened = self._siem.open_logs()
        if not outcome.ok:
            if not is_refused_with_code(outcome.text):
                raise ViolationError("f", f"{about} failed without a code: {outcome.text}")
        elif lacking := stack.places(State.OPEN) - opened:
            raise ViolationError("f", f"{about} left {sorted(lacking)} closed")
        elif surplus := stack.places(State.CLOSED) & opened:
            raise ViolationError("f", f"{about} left {sorted(surplus)} open")


def closed_by(
    calls: Sequence[Received], own: Sequence[Received], opened: Iterable[Place]
) -> list[tuple[Place, Received]]:
    """The logs that some of the calls closed, each with its call.

    Args:
        calls: All calls since the account was as ``opened`` says.
        own: Those that count.
        opened: The logs that were open before.
    """
    now, closed = set(opened), []
    counted = {call.seq for call in own}
    for call in calls:
        places = places_of(call.product, call.log or None) if call.changed else set()
        if call.action == "OpenDelivery":
            now |= places
        elif call.action == "CloseDelivery":
            closed += [(place, call) for place in sorted(places & now) if call.seq in counted]
            now -= places
    return closed


# --- drawing --------------------------------------------------------------------------------------


def draw(seed: int, *, runs: int = 6, meanwhile: bool = True) -> list[Event]:
    """A journey of at most so many runs after the first ones.

    Args:
        seed: The same seed draws the same journey.
        runs: How many at most.
        meanwhile: Whether runs may take place in the middle of others.
    """
    random = Random(f"journey:{seed}")  # noqa: S311 - it is repeated on purpose
    count = random.choice([1, 1, 2, 2, 3])
    events: list[Event] = []
    for stack in range(count):
        entries = random.randint(2, 5) if stack == 0 else random.randint(0, 3)
        events += [EditFile(stack=stack, edit=_declaration(random)) for _ in range(entries)]
        if random.random() < 1 / 2:
            events.append(SetLimit(stack=stack, limit=random.choice([0, 1, 2, 3, 100])))
        events.append(RunStack(stack=stack))
    for _ in range(random.randint(1, runs)):
        events += [_event(random, count) for _ in range(random.choice([0, 1, 1, 2, 3]))]
        run = _run(random, random.randrange(count))
        if meanwhile and count > 1 and random.random() < 1 / 8:
            other = _run(random, (run.stack + 1) % count)
            other = replace(other, interrupt=None, fault=None)
            run = replace(run, meanwhile=other, before=random.randint(1, 4), interrupt=None)
        events.append(run)
    return events


def _declaration(random: Random) -> Edit:
    product, log = random.choice(PLACES)
    state = random.choice([State.OPEN, State.OPEN, State.CLOSED])
    protect = state is State.OPEN and random.random() < 1 / 5
    entry = Entry(state=state, protect=protect, keep=random.random() < 1 / 8)
    return Declare(product, None if random.random() < 1 / 3 else log, entry)


def _event(random: Random, count: int) -> Event:
    stack, number = random.randrange(count), random.randrange(8)
    to = (stack + random.randint(1, max(count - 1, 1))) % count
    edits: list[Edit] = [
        _declaration(random),
        Remove(number),
        Remove(number),
        Split(random.choice(PRODUCTS), frozenset(random.sample(range(3), random.randint(1, 3)))),
        Join(random.choice(PRODUCTS)),
        Rename(random.choice(["", "new-"])),
        Move(random.choice(["", "box:index:Box"])),
    ]
    change = random.choice(
        ["open", "closed", "closed", "protect", "unprotect", "keep", "close on removal"]
    )
    command = random.choice(["taint", "taint", "unprotect", "delete", "rename"])
    kinds: list[Event] = [
        *[EditFile(stack=stack, edit=random.choice(edits))] * 4,
        *[ChangeEntry(stack=stack, number=number, change=change)] * 3,
        Console(place=random.choice(PLACES), state=random.choice([State.OPEN, State.CLOSED])),
        *[
            EditState(
                stack=stack, command=command, number=number, dependents=random.random() < 1 / 2
            )
        ]
        * 2,
    ]
    if random.random() < 1 / 8:
        kinds = [Connect(product=random.choice(PRODUCTS), connected=random.random() < 1 / 3)]
    elif count > 1:
        kinds += [*[MoveEntry(stack=stack, to=to, number=number)] * 3]
        kinds += [MoveState(stack=stack, to=to, number=number), RenameFile(stack=stack, to=to)]
    return random.choice(kinds)


def _run(random: Random, stack: int) -> RunStack:
    command = random.choice([*["up"] * 12, "destroy", "destroy", "refresh", "preview"])
    return RunStack(
        stack=stack,
        command=command,
        choice=_choice(random, command),
        refresh=command in ("up", "preview") and random.random() < 1 / 4,
        preview=command == "up" and random.random() < 1 / 3,
        fault=_fault(random) if random.random() < 1 / 7 else None,
        interrupt=(
            Interrupt(after=random.randrange(6), lost=random.random() < 1 / 3)
            if command in ("up", "destroy") and random.random() < 1 / 6
            else None
        ),
        words=_words(random),
    )


def _choice(random: Random, command: str) -> Choice:
    numbers = tuple(random.randrange(12) for _ in range(random.choice([1, 1, 2, 3])))
    wide, going_on = random.random() < 1 / 3, random.random() < 1 / 6
    kind = random.choice(["none", "none", "target", "replace", "target-replace", "exclude"])
    if command == "refresh" and "replace" in kind:
        kind = "target"
    if command == "destroy" and "replace" in kind:
        return Choice(exclude_protected=True, continue_on_error=going_on)
    going_on = going_on and command != "refresh"
    match kind:
        case "target":
            return Choice(targets=numbers, target_dependents=wide, continue_on_error=going_on)
        case "exclude":
            wide = wide and command != "destroy"
            return Choice(excludes=numbers, exclude_dependents=wide, continue_on_error=going_on)
        case "replace" | "target-replace":
            targeted = kind == "target-replace"
            return Choice(replaces=numbers, target_replace=targeted, continue_on_error=going_on)
        case _:
            return Choice(continue_on_error=going_on)


def _fault(random: Random) -> Rule:
    return replace(
        random.choice(FAULTS),
        action=random.choice(ACTIONS),
        times=random.choice([1, 1, 2, 5, -1]),
        after=random.choice([0, 0, 1, 2]),
    )


def _words(random: Random) -> Words:
    return Words(
        limit=random.choice([1, 3, 5, 100]) if random.random() < 1 / 6 else None,
        logs=tuple(random.randrange(7) for _ in range(3)) if random.random() < 1 / 6 else (),
        last=random.random() < 1 / 12,
    )


# --- shrinking ------------------------------------------------------------------------------------


def shrink(events: list[Event], fails: Callable[[list[Event]], bool]) -> list[Event]:
    """The events without all that a failure does not need."""
    smaller = True
    while smaller:
        smaller = False
        for size in (4, 2, 1):
            for start in range(len(events) - size, -1, -1):
                fewer = events[:start] + events[start + size :]
                if fails(fewer):
                    events, smaller = fewer, True
        for number, event in enumerate(events):
            for simple in _simpler(event):
                changed = [*events[:number], simple, *events[number + 1 :]]
                if fails(changed):
                    events, smaller = changed, True
                    break
    return events


def _simpler(event: Event) -> Sequence[Event]:
    """The same run with one thing less."""
    if not isinstance(event, RunStack):
        return []
    plain = RunStack(stack=event.stack)
    runs = [
        replace(event, **{each.name: getattr(plain, each.name)})
        for each in fields(event)
        if getattr(event, each.name) != getattr(plain, each.name)
    ]
    return runs + [replace(event, choice=choice) for choice in _simpler_choices(event.choice)]


def _simpler_choices(choice: Choice) -> list[Choice]:
    simpler = []
    for each in fields(choice):
        value, default = getattr(choice, each.name), getattr(Choice(), each.name)
        changes: dict[str, Any] = {each.name: default}
        if value != default:
            simpler.append(replace(choice, **changes))
        if isinstance(value, tuple) and len(value) > 1:
            changes = {each.name: value[1:]}
            simpler.append(replace(choice, **changes))
    return simpler


def source(value: object) -> str:
    """Events as Python code, to be kept as a test; fields that have their default are left out."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if is_dataclass(value):
        given = [each for each in fields(value) if getattr(value, each.name) != _default_of(each)]
        parts = (f"{each.name}={source(getattr(value, each.name))}" for each in given)
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, frozenset):
        return f"frozenset({sorted(value)!r})"
    return repr(value)


def _default_of(each: Field[Any]) -> object:
    return each.default if each.default_factory is MISSING else each.default_factory()
