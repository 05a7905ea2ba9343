"""What a drift report says: the outcomes of many stacks, in one frozen value.

Made by ``survey`` and the command, laid out by the formats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property

from cloud_siem.drift import DEFAULT_FAIL_ON, Comparison, Finding, Kind
from cloud_siem.model import Perspective
from cloud_siem.recorded import Recorded
from cloud_siem.wording import counted


class Status(Enum):
    """How one stack stands."""

    FAILED = "failed"
    """Something about it could not be read: whatever else is known, it is not in sync."""
    NOT_IN_SYNC = "not in sync"
    """It has findings that count."""
    NOT_COUNTED = "not in sync, and that does not count"
    """It is not as declared, which neither ``--fail-on`` nor ``--only-new`` counts."""
    IN_SYNC = "in sync"


class Mark(Enum):
    """How a finding stands to the baseline."""

    NEW = "new"
    KNOWN = "known"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one stack."""

    stack: str
    file: str
    """Its stack file, as the person named it."""
    perspective: Perspective | None = None
    """None when its file could not be read."""
    comparison: Comparison | None = None
    """None when it, or its account, could not be read."""
    recorded: Recorded | None = None
    """What the last ``pulumi up`` recorded; None when nobody asked, or it could not be read."""
    errors: tuple[str, ...] = ()
    """Why something could not be read."""
    calls: int = 0
    """Requests that were sent for it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.comparison.findings if self.comparison else ()


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A finding of the baseline about a delivery of which nothing is found any more."""

    stack: str
    kind: str
    delivery: str
    sentence: str
    """What the baseline said."""


@dataclass(frozen=True, kw_only=True)
class News:
    """What is new since a baseline."""

    since: str
    """When the baseline was made, as it says itself."""
    new: frozenset[tuple[str, ...]]
    """The identities of the findings that it does not have."""
    gone: tuple[Gone, ...] = ()
    known: int = 0
    """How many findings it has, too."""
    only_new: bool = False
    """Whether what is known counts no more, and is not listed."""


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """One run of the drift review."""

    began: datetime
    """With time zone."""
    outcomes: tuple[Outcome, ...]
    """By stack."""
    fail_on: frozenset[Kind] = DEFAULT_FAIL_ON
    with_state: bool = False
    """Whether the third side was asked for: what the last ``pulumi up`` recorded."""
    left_out: tuple[str, ...] = ()
    """The stacks that were not looked at, since the run was stopped."""
    news: News | None = None
    """None without a baseline."""

    @property
    def partial(self) -> bool:
        """Whether the run was stopped before it had looked at every stack."""
        return bool(self.left_out)

    def failing(self, outcome: Outcome) -> tuple[Finding, ...]:
        """The findings that count."""
        return tuple(
            one
            for one in outcome.findings
            if one.counts_as(self.fail_on)
            and not (self.news and self.news.only_new and self.mark(outcome, one) is Mark.KNOWN)
        )

    def listed(self, outcome: Outcome) -> tuple[Finding, ...]:
        """The findings that are told one by one."""
        if self.news is None or not self.news.only_new:
            return outcome.findings
        return tuple(one for one in outcome.findings if self.mark(outcome, one) is Mark.NEW)

    def mark(self, outcome: Outcome, finding: Finding) -> Mark | None:
        """Whether a finding is new; None without a baseline."""
        if self.news is None:
            return None
        return Mark.NEW if identity(outcome, finding) in self.news.new else Mark.KNOWN

    def status(self, outcome: Outcome) -> Status:
        if outcome.errors or outcome.comparison is None:
            return Status.FAILED
        if self.failing(outcome):
            return Status.NOT_IN_SYNC
        odd = any(finding.counts_as(DEFAULT_FAIL_ON) for finding in outcome.findings)
        return Status.NOT_COUNTED if odd else Status.IN_SYNC

    @cached_property
    def by_status(self) -> Mapping[Status, Sequence[Outcome]]:
        """Every status, with its stacks."""
        found: dict[Status, list[Outcome]] = {status: [] for status in Status}
        for outcome in self.outcomes:
            found[self.status(outcome)].append(outcome)
        return found

    @property
    def in_sync(self) -> bool:
        """Whether every stack was read, and none has anything that counts."""
        bad = self.by_status[Status.FAILED] or self.by_status[Status.NOT_IN_SYNC]
        return not (bad or self.partial)

    @property
    def found(self) -> str:
        """How many findings of each kind, in words."""
        numbers = self.totals.kinds
        found = [f"{numbers[kind]} {kind.value}" for kind in Kind if numbers.get(kind)]
        return ", ".join(found) or "no findings"

    @property
    def coverage(self) -> str:
        """How many of the open logs are declared, in words."""
        totals = self.totals
        if not totals.open_logs:
            return "no log is open"
        opened = counted(totals.open_logs, "open log")
        return f"{totals.covered} of {opened} declared ({percent(totals.coverage)})"

    @property
    def changes(self) -> str:
        """What is new since the baseline, in words; empty without one."""
        if self.news is None:
            return ""
        quiet = ", which does not count" if self.news.only_new else ""
        return (
            f"Since {self.news.since}: {len(self.news.new)} new, {self.news.known} known{quiet},"
            f" {len(self.news.gone)} gone."
        )

    @cached_property
    def totals(self) -> Totals:
        compared = [one.comparison for one in self.outcomes if one.comparison]
        kinds: Counter[Kind] = Counter()
        for one in compared:
            kinds.update(one.counts)
        # Two stacks of one account have the same logs open, and know of each other's entries.
        accounts = {one.perspective: one for one in compared}.values()
        return Totals(
            kinds=kinds,
            declared=sum(one.declared for one in compared),
            as_declared=sum(one.as_declared for one in compared),
            open_logs=sum(one.open_logs for one in accounts),
            covered=sum(one.covered for one in accounts),
        )


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over all stacks that could be read."""

    kinds: Mapping[Kind, int] = field(default_factory=dict)
    declared: int = 0
    as_declared: int = 0
    open_logs: int = 0
    covered: int = 0

    @property
    def coverage(self) -> float | None:
        """The share of the open logs that is declared; None when nothing is open."""
        return self.covered / self.open_logs if self.open_logs else None


def percent(share: float | None) -> str:
    """A share for people, rounded down: only all is 100 %."""
    return "-" if share is None else f"{int(share * 100)} %"


def whose(outcome: Outcome) -> str:
    """What stays the same about a stack, wherever its file lies: its name, and who looks."""
    seen = outcome.perspective
    parts = (seen.account, seen.region.value, seen.view.value, seen.member or "-") if seen else ()
    return "/".join((outcome.stack, *parts))


def identity(outcome: Outcome, finding: Finding) -> tuple[str, ...]:
    """What makes a finding the same one as yesterday.

    The states belong to it: when another log of a product goes dark, that is new.
    """
    states = (finding.declared, finding.observed)
    return (
        whose(outcome),
        finding.kind.value,
        finding.delivery,
        *(state.value if state else "-" for state in states),
        ",".join(sorted(f"{log.log}={log.state.value}" for log in finding.odd)),
    )
