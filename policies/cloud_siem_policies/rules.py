"""What is demanded, held against what is declared; every judgment is a list of sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cloud_siem_policies.declared import (
    ENTERPRISE,
    Bare,
    Delivery,
    Gate,
    Perspective,
    Shown,
    covers,
    overlaps,
)

Gates = Mapping[Perspective, Gate]
"""Those shown so far; the engine shows a gate before the deliveries that it guards."""
EVERY_STACK = ("*",)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is demanded of some deliveries in some stacks."""

    name: str
    """Where it stands in the config, spelled as the engine does: ``rules.0``."""
    tags: Mapping[str, tuple[str, ...]]
    """By name the values that select a stack; all of the names must be met."""
    stacks: tuple[str, ...] = EVERY_STACK
    """Patterns, one of which the stack's name must match."""
    logs: tuple[str, ...] = ()
    """``product/log``, or ``product/*``; none is all that is declared open."""
    reason: str = ""

    def selects(self, gate: Gate) -> bool:
        return matches(gate.stack, self.stacks) and all(
            gate.tags.get(name) in values for name, values in self.tags.items()
        )

    def names(self, entry: str) -> bool:
        """Whether the rule is about a declared entry, in whole or in part."""
        return not self.logs or any(overlaps(log, entry) for log in self.logs)

    def __str__(self) -> str:
        tags = [f"{name}={' or '.join(values)}" for name, values in self.tags.items()]
        stacks = [] if self.stacks == EVERY_STACK else [f"stack {' or '.join(self.stacks)}"]
        parts = ", ".join([*tags, *stacks]) or "every stack"
        return f"{self.name} for {parts}" + (f" ({self.reason})" if self.reason else "")


Judge = Callable[[Gate, Iterable[Rule]], Iterator[str]]


def missing(gate: Gate, rules: Iterable[Rule]) -> Iterator[str]:
    """The mandatory logs that a gate does not declare open."""
    for rule in rules:
        for log in rule.logs if rule.selects(gate) else ():
            if fault := _not_open(gate, log):
                yield (
                    f"{_whose(gate)} must declare {log} open, and {fault}: {rule}. Declare it open"
                    " in the stack file, or change the rule in the policy's config."
                )


def unprotected(gate: Gate, rules: Iterable[Rule]) -> Iterator[str]:
    """The open deliveries that must be protected, and are not."""
    bare = sorted(name for name, one in gate.entries.items() if one.open and not one.protected)
    for rule in rules:
        for name in bare if rule.selects(gate) else ():
            if rule.names(name):
                yield (
                    f"{_whose(gate)} declares {name} open without protect: {rule}. Write {{state:"
                    " open, protect: true}, or cloud-siem:protect: true for the whole stack."
                )


def judged(
    judge: Judge, shown: Shown | None, gates: Gates, rules: tuple[Rule, ...]
) -> Iterator[str]:
    """What a judge of gates says of anything that is shown.

    With ``--target`` or ``--exclude`` the engine shows a gate as it was recorded, and beside it a
    delivery as it will be: then the delivery is the news, and what only it adds is told of it.
    """
    if isinstance(shown, Gate):
        yield from judge(shown, rules)
    elif isinstance(shown, Delivery) and (gate := gates.get(shown.perspective)):
        before = set(judge(gate, rules))
        yield from (one for one in judge(gate.having(shown), rules) if one not in before)


def enterprise_view(shown: Shown | None, stacks: tuple[str, ...]) -> Iterator[str]:
    """The enterprise view in a stack that is not named for it."""
    if not isinstance(shown, Gate | Bare):
        return
    if shown.view == ENTERPRISE and not matches(shown.stack, stacks):
        allowed = f"only stacks {' and '.join(stacks)}" if stacks else "no stack"
        yield (
            f"stack {shown.stack} has the enterprise view, whose switches are those of every"
            f" account; {allowed} may have it. Set cloud-siem:view: account, or name the stack in"
            " the policy's config."
        )


def unguarded(shown: Shown | None) -> Iterator[str]:
    """A delivery that is declared without a gate."""
    if isinstance(shown, Bare):
        yield (
            f"{shown.name} of stack {shown.stack} has no gate: no policy sees what its stack"
            " declares, and nothing holds it against being closed by mistake. Declare it through"
            " cloud_siem.AccountDeliveries."
        )


def without_gate(
    stack: str, shown: Iterable[Shown], stacks: tuple[str, ...], *, configured: bool
) -> Iterator[str]:
    """A whole stack that must have a gate, and has none.

    Args:
        stack: Its name.
        shown: All that it declares.
        stacks: Patterns of the stacks that must have one in any case.
        configured: Whether its config is that of a stack file of ours.
    """
    found = list(shown)
    gates = {one.perspective for one in found if isinstance(one, Gate)}
    guarded = {one.perspective for one in found if isinstance(one, Delivery)}
    needs = [f"has guarded deliveries ({one})" for one in sorted(guarded - gates, key=str)]
    if configured and not gates:
        needs.append("has cloud-siem:account in its config")
    if matches(stack, stacks) and not gates:
        needs.append(f"must have a gate (stacks {' and '.join(stacks)})")
    if needs:
        yield (
            f"stack {stack} {' and '.join(needs)}, and its program declares no gate for it: no"
            " policy sees what it declares. Declare its deliveries through"
            " cloud_siem.AccountDeliveries."
        )


def matches(stack: str, patterns: Iterable[str]) -> bool:
    """Whether a stack's name matches one of some shell patterns."""
    return any(fnmatchcase(stack, pattern) for pattern in patterns)


def _not_open(gate: Gate, log: str) -> str:
    """Why a log is not declared open, as the end of a sentence; empty when it is."""
    about = {name: entry for name, entry in sorted(gate.entries.items()) if overlaps(name, log)}
    closed = [name for name, entry in about.items() if not entry.open]
    if closed:
        return "declares it closed" if closed == [log] else f"declares {', '.join(closed)} closed"
    if any(covers(name, log) for name in about):
        return ""
    return "declares single logs of it only" if about else "does not declare it"


def _whose(gate: Gate) -> str:
    return f"stack {gate.stack} ({gate.perspective})"
