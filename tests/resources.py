"""Values of the harness: resources, programs, flags, and the outcome of a run.

``tests.harness`` has the stacks, ``tests.deployment`` the engine's algorithm, and
``tests.engine.engine`` the real engine, which takes the same programs and flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cloud_siem.model import Delivery, OnRemove, Perspective

GATE, DELIVERY, SETTLED = "Gate", "LogDelivery", "Settled"
SERVED = (GATE, DELIVERY, SETTLED)
"""The kinds that a provider serves."""
COMPONENT = "AccountDeliveries"
BELOW_STACK = "pulumi:pulumi:Stack"
"""The parent of a resource that ``pulumi state move`` took out of its component."""
PROJECT = "cloud-siem"
_COMPONENT_TYPE = f"cloud-siem:index:{COMPONENT}"
_DYNAMIC_TYPE = "pulumi-python:dynamic/cloud-siem:"

Bag = dict[str, Any]


class Urn(NamedTuple):
    """The identity of a resource in one stack."""

    parent: str
    """The type above the ``AccountDeliveries`` component; empty where there is none."""
    kind: str
    """A kind, ``AccountDeliveries``, or the type of the component above it."""
    name: str

    @classmethod
    def parse(cls, text: str) -> Urn:
        """Read a URN as the engine writes it."""
        types, _, name = text.split("::", 2)[2].partition("::")
        *chain, kind = types.split("$")
        if kind.startswith(_DYNAMIC_TYPE):
            parent = "$".join(chain[:-1]) if chain else BELOW_STACK
            return cls(parent, kind.removeprefix(_DYNAMIC_TYPE), name)
        return cls("$".join(chain), COMPONENT if kind == _COMPONENT_TYPE else kind, name)

    def text(self, stack: str) -> str:
        """The URN as the engine writes it."""
        chain = [self.parent] if self.parent and self.parent != BELOW_STACK else []
        own = _COMPONENT_TYPE if self.kind == COMPONENT else self.kind
        if self.kind in SERVED:
            chain += [_COMPONENT_TYPE] if self.parent != BELOW_STACK else []
            own = _DYNAMIC_TYPE + self.kind
        return f"urn:pulumi:{stack}::{PROJECT}::{'$'.join([*chain, own])}::{self.name}"

    @property
    def above(self) -> Urn | None:
        """The component that the resource is a child of; None if that is the stack."""
        if self.kind in SERVED:
            return None if self.parent == BELOW_STACK else component(self.parent)
        return Urn("", self.parent, "box") if self.parent else None


def component(parent: str) -> Urn:
    """The URN of a program's ``AccountDeliveries``."""
    return Urn(parent, COMPONENT, "deliveries")


@dataclass(frozen=True, kw_only=True)
class Program:
    """The declaration of one ``AccountDeliveries``, and the stack that it runs in."""

    perspective: Perspective
    deliveries: tuple[Delivery, ...] = ()
    on_remove: OnRemove = OnRemove.CLOSE
    prefix: str = ""
    parent: str = ""
    """The type of a component above it; resources below another parent are other resources."""
    stack: str = "dev"

    @property
    def urns(self) -> set[Urn]:
        """Everything that the program registers."""
        own = component(self.parent)
        above = {own.above} if own.above else set()
        deliveries = {self.urn(DELIVERY, each.key.name) for each in self.deliveries}
        return {own, self.urn(GATE), self.urn(SETTLED), *above, *deliveries}

    def urn(self, kind: str, name: str = "") -> Urn:
        """The URN of the gate, of the settled resource, or of a delivery by its key's name."""
        short = name or {GATE: "gate", SETTLED: "settled"}[kind]
        return Urn(self.parent, kind, self.prefix + short)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One resource in the state."""

    id: str
    inputs: Bag
    outputs: Bag
    protect: bool = False
    retain: bool = False
    after: tuple[Urn, ...] = ()
    """The resources that it depends on, its parent left out."""
    tainted: bool = False
    pending: bool = False
    """Whether it was deleted for a replacement that is not created yet."""


@dataclass
class Records:
    """The state of one stack."""

    resources: dict[Urn, Recorded] = field(default_factory=dict)
    condemned: list[tuple[Urn, Recorded]] = field(default_factory=list)
    """Replaced resources that are still to be deleted; they share the URN of their successor."""
    components: set[Urn] = field(default_factory=set)

    def copy(self) -> Records:
        return Records(dict(self.resources), list(self.condemned), set(self.components))

    def __iter__(self) -> Iterator[tuple[Urn, Recorded]]:
        yield from self.resources.items()
        yield from self.condemned

    @property
    def urns(self) -> set[Urn]:
        """Everything that is recorded."""
        return {*self.resources, *(urn for urn, _ in self.condemned), *self.components}

    @property
    def protected(self) -> frozenset[Urn]:
        return frozenset(urn for urn, record in self if record.protect)

    def dependencies(self, urn: Urn) -> set[Urn]:
        """The direct dependencies of whatever is recorded under a URN, its parent included."""
        found = {before for other, record in self if other == urn for before in record.after}
        return found | ({urn.above} if urn.above else set())

    def dependents(self, urns: Iterable[Urn]) -> set[Urn]:
        """These and everything that depends on them, directly or not; children are included."""
        reached, more = set(urns), set(urns)
        while more:
            left = self.urns - reached
            more = {urn for urn in left if not reached.isdisjoint(self.dependencies(urn))}
            reached |= more
        return reached

    def ancestors(self, urns: Iterable[Urn]) -> set[Urn]:
        """These and everything that they depend on, directly or not."""
        reached: set[Urn] = set()
        frontier = set(urns)
        while frontier:
            reached |= frontier
            frontier = {below for urn in frontier for below in self.dependencies(urn)} - reached
        return reached

    def dangling(self) -> list[str]:
        """The references to resources that are not recorded; the engine refuses such a state."""
        there = self.urns
        return [
            f"resource {urn.name} refers to missing {missing.name}"
            for urn, record in self
            for missing in ({*record.after} | ({urn.above} if urn.above else set())) - there
        ]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags of one run, as the engine's command line takes them."""

    targets: frozenset[Urn] = frozenset()
    target_dependents: bool = False
    excludes: frozenset[Urn] = frozenset()
    exclude_dependents: bool = False
    exclude_protected: bool = False
    """For a destroy alone."""
    replaces: frozenset[Urn] = frozenset()
    """Also as targets: ``--target-replace``."""
    continue_on_error: bool = False

    def arguments(self, stack: str) -> list[str]:
        """The command line of the real engine."""
        both = self.targets & self.replaces
        lists = {
            "--target-replace": both,
            "--target": self.targets - both,
            "--replace": self.replaces - both,
            "--exclude": self.excludes,
        }
        switches = {
            "--target-dependents": self.target_dependents,
            "--exclude-dependents": self.exclude_dependents,
            "--exclude-protected": self.exclude_protected,
            "--continue-on-error": self.continue_on_error,
        }
        listed = [
            part
            for flag in lists
            for urn in sorted(lists[flag])
            for part in (flag, urn.text(stack))
        ]
        return listed + [flag for flag, given in switches.items() if given]


@dataclass(frozen=True, kw_only=True)
class Interrupt:
    """The end of a run before its time."""

    after: int
    """So many steps have changed the state. On the real engine so many calls of create, update and
    delete: a resource that keeps its inputs and changes its protection is a step without a call."""
    lost: bool = False
    """Whether one more step is taken and not recorded, as by a kill at that moment."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line that a provider printed."""

    text: str
    time: float
    """In seconds since 1970, as the emulator's log of calls has it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The outcome of one run of the engine."""

    steps: tuple[tuple[str, str], ...]
    """``("create", "sas/x")`` and so on, by name; what stays the same is left out."""
    failures: tuple[str, ...]
    """The errors that a person reads; empty when all went well."""
    lines: tuple[Line, ...] = ()
    verbs: tuple[str, ...] = ()
    """The provider's calls in order: ``check sas/x``, with old inputs ``check+ sas/x``."""

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def changes(self) -> dict[str, list[str]]:
        """The names, by what was done to them."""
        changes: dict[str, list[str]] = {}
        for step, name in self.steps:
            changes.setdefault(step, []).append(name)
        return changes


Config = Mapping[str, object]
"""A stack's config by whole key, e.g. ``cloud-siem:account``."""
