"""Declared x observed (x recorded) -> findings: what the drift review says of one stack.

Pure: called with a stack, a snapshot of its account and, where asked for, what the last ``pulumi
up`` recorded. ``model.judge`` says whether a delivery is as declared; here is decided what to call
that which is not. A finding is born with its sentence, and reports only lay sentences out.

"Today", for the ends of ignores, is the day on which the account was looked at, in UTC: the
snapshot has it, so the same values give the same findings at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import Enum
from functools import cached_property

from cloud_siem.errors import Place
from cloud_siem.ignore import Ignore
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    Log,
    Perspective,
    Snapshot,
    Standing,
    State,
    Verdict,
    judge,
)
from cloud_siem.properties import GateBag
from cloud_siem.recorded import Recorded
from cloud_siem.stack import Stack


class Kind(Enum):
    """What a finding is; in the order in which people see them. The text is for docs and help."""

    doc: str

    def __new__(cls, word: str, doc: str) -> Kind:
        member = object.__new__(cls)
        member._value_ = word
        member.doc = doc
        return member

    DRIFTED = "drifted", "listed, and not in the declared state"
    MISSING = "missing", "declared, and not listed by the account"
    UNAPPLIED = "unapplied", "not as the last pulumi up recorded it; with --state only"
    UNMANAGED = "unmanaged", "open, and declared by no stack file"
    INOPERABLE = "inoperable", "declared, and this caller may not switch it"
    EXPIRED = "expired", "an ignore whose last day is over; what it was about counts again"
    IGNORED = "ignored", "let pass by driftIgnore"


DEFAULT_FAIL_ON = frozenset({Kind.DRIFTED, Kind.MISSING, Kind.UNAPPLIED})
"""What makes an account not as declared: what an update would set right, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One delivery that is not as declared, or not declared."""

    kind: Kind
    delivery: str
    """The delivery's name, e.g. ``sas/cloud_siem_aegis_proc`` or, of a whole product, ``waf``; of
    an expired ignore its pattern; empty when it is about the stack as a whole."""
    sentence: str
    """All of it, for people."""
    product: str = ""
    log: str | None = None
    declared: State | None = None
    observed: State | None = None
    recorded: State | None = None
    """What the last ``pulumi up`` recorded, where that was asked for."""
    odd: tuple[Log, ...] = ()
    """Of a whole product the logs that are not as declared."""
    operable: bool = True
    """Whether this caller may set it right."""
    reason: str = ""
    """Why it is declared closed."""
    ignore: Ignore | None = None
    """The entry of driftIgnore that is about it, whether or not that is over."""
    place: Place | None = None
    """Where it is declared."""

    def counts_as(self, kinds: Collection[Kind]) -> bool:
        """Whether it is of one of these kinds; what cannot be operated is inoperable besides."""
        inoperable = not self.operable and self.kind is not Kind.IGNORED
        return self.kind in kinds or (inoperable and Kind.INOPERABLE in kinds)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One log, seen or declared: a cell of the matrix."""

    product: str
    log: str
    observed: State | None
    declared: State | None
    kind: Kind | None
    """Of the finding about it; None when it is as declared, or closed and not declared."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One stack against its account."""

    perspective: Perspective
    findings: tuple[Finding, ...]
    """By kind, then by name."""
    logs: tuple[Seen, ...]
    """Everything that the account lists or the stack declares, by product and log."""
    declared: int
    """How many deliveries the stack declares."""
    as_declared: int
    """How many of them are in the declared state."""
    open_logs: int
    covered: int
    """How many of the open logs some stack file declares."""
    taken_at: datetime
    request_id: str = ""

    @property
    def coverage(self) -> float | None:
        """The share of the open logs that is declared; None when nothing is open."""
        return self.covered / self.open_logs if self.open_logs else None

    @cached_property
    def counts(self) -> Mapping[Kind, int]:
        """How many findings of each kind."""
        return Counter(one.kind for one in self.findings)

    def failing(self, kinds: Collection[Kind]) -> tuple[Finding, ...]:
        """The findings that count, when these kinds do."""
        return tuple(one for one in self.findings if one.counts_as(kinds))


def compare(
    stack: Stack,
    snapshot: Snapshot,
    *,
    recorded: Recorded | None = None,
    elsewhere: Iterable[DeliveryKey] = (),
) -> Comparison:
    """Everything that is to be said of one stack.

    Args:
        stack: What is declared.
        snapshot: The account.
        recorded: What the last ``pulumi up`` recorded; None when nobody asked.
        elsewhere: What other stack files declare: it is not unmanaged.
    """
    refreshed = recorded.refreshed(snapshot) if recorded else None
    return _Review(stack, snapshot, refreshed, elsewhere).comparison()


@dataclass
class _Review:
    """One comparison in the making."""

    stack: Stack
    snapshot: Snapshot
    recorded: Recorded | None
    elsewhere: Iterable[DeliveryKey]
    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    """What the finding about a log is, by product and log."""

    def comparison(self) -> Comparison:
        """1. what is declared, 2. what is recorded alone, 3. what is open alone, 4. ignores."""
        verdicts = [judge(one.key, one.state, self.snapshot) for one in self.stack.deliveries]
        found = [
            finding
            for one, verdict in zip(self.stack.deliveries, verdicts, strict=True)
            for finding in self._of_declared(one, verdict)
        ]
        found += self._of_recorded(found)
        found += self._of_open()
        found += self._of_ignores()
        opened = [log for log in self.snapshot.logs if log.state is State.OPEN]
        return Comparison(
            perspective=self.snapshot.perspective,
            findings=tuple(sorted(found, key=_order)),
            logs=tuple(self._logs()),
            declared=len(verdicts),
            as_declared=sum(one.standing is Standing.AS_DECLARED for one in verdicts),
            open_logs=len(opened),
            covered=sum(self._is_declared(log) for log in opened),
            taken_at=self.snapshot.taken_at,
            request_id=self.snapshot.request_id,
        )

    # --- what is declared -------------------------------------------------------------------------

    def _of_declared(self, one: Delivery, verdict: Verdict) -> Iterator[Finding]:
        """At most one finding: of what is not as declared what that is, else who cannot switch."""
        stuck = tuple(log.log for log in self.snapshot.find(one.key) if not log.operable)
        match verdict.standing:
            case Standing.DRIFTED:
                yield self._drifted(one, verdict)
            case Standing.MISSING:
                yield self._finding(Kind.MISSING, one, verdict, self._not_applied(one))
            case Standing.AS_DECLARED if self.recorded and not self.recorded.has(one):
                yield self._finding(Kind.UNAPPLIED, one, verdict, self._not_applied(one))
            case Standing.AS_DECLARED if stuck:
                yield self._finding(Kind.INOPERABLE, one, verdict, _inoperable(one, stuck))

    def _drifted(self, one: Delivery, verdict: Verdict) -> Finding:
        """Of a whole product the ignored logs are taken off; when none is left, it is ignored."""
        passed = [log for log in verdict.odd if self._ignore_of(log.product, log.log, holds=True)]
        left = tuple(log for log in verdict.odd if log not in passed)
        if one.key.log is None and passed and left:
            verdict = replace(verdict, odd=left)
        stuck = tuple(log.log for log in left if not log.operable)
        kind = self._kind_of_drift(one, verdict)
        tails = (self._cause(one, verdict), _inoperable(one, stuck))
        finding = self._finding(kind, one, verdict, *tails, passes=not left)
        for log in passed:
            self.kinds[log.product, log.log] = Kind.IGNORED
        return replace(finding, operable=not stuck)

    def _kind_of_drift(self, one: Delivery, verdict: Verdict) -> Kind:
        """Not applied is what the last update left so; all else was changed since."""
        if self.recorded is None or self.recorded.state_of(one.key) is verdict.declared:
            return Kind.DRIFTED
        before = self.recorded.state_of(one.key)
        return Kind.UNAPPLIED if before in (None, verdict.observed) else Kind.DRIFTED

    def _cause(self, one: Delivery, verdict: Verdict) -> str:
        if self.recorded is None:
            return ""
        before = self.recorded.state_of(one.key)
        if before is None or before is verdict.observed:
            return self._not_applied(one)
        by_hand = "changed since the last pulumi up, and not by it"
        if before is verdict.declared:
            return by_hand
        return f"{by_hand}, which recorded {before.value}"

    def _not_applied(self, one: Delivery) -> str:
        """How the record differs from what is declared; empty when it does not."""
        if self.recorded is None or self.recorded.has(one):
            return ""
        before = self.recorded.state_of(one.key)
        if before is None:
            return "not applied yet: no pulumi up has recorded it"
        if before is not one.state:
            return f"not applied yet: the last pulumi up recorded {before.value}"
        return "recorded with other options or another reason: the next pulumi up sets that right"

    def _finding(
        self, kind: Kind, one: Delivery, verdict: Verdict, *tails: str, passes: bool = True
    ) -> Finding:
        """A finding about a declared delivery; ``passes`` says whether it may be ignored."""
        ignore = self._ignore_of(one.key.product, one.key.log)
        if one.key.log is None and verdict.odd and passes:
            # Each odd log by itself is ignored, maybe by entries of its own.
            ignore = ignore or self._ignore_of(verdict.odd[0].product, verdict.odd[0].log)
        ignored = ignore is not None and passes and ignore.holds(self.today)
        kind = Kind.IGNORED if ignored else kind
        self._mark(kind, verdict, self.snapshot.find(one.key))
        declared_closed = f"declared closed for: {one.reason}" if one.reason else ""
        return Finding(
            kind=kind,
            delivery=one.key.name,
            sentence=self._sentence(
                verdict.sentence, *tails, declared_closed, self._of_ignore(ignore, ignored)
            ),
            product=one.key.product,
            log=one.key.log,
            declared=one.state,
            observed=verdict.observed,
            recorded=self.recorded.state_of(one.key) if self.recorded else None,
            odd=verdict.odd if one.key.log is None else (),
            operable=kind is not Kind.INOPERABLE,
            reason=one.reason,
            ignore=ignore,
            place=self.stack.place_of(one.key),
        )

    def _mark(self, kind: Kind, verdict: Verdict, logs: Iterable[Log]) -> None:
        """For the matrix: of a whole product only the odd logs have the finding's kind."""
        for log in verdict.odd or logs:
            self.kinds[log.product, log.log] = kind
        if verdict.observed is None:
            self.kinds[verdict.key.product, verdict.key.log or "*"] = kind

    # --- what is not declared ---------------------------------------------------------------------

    def _of_recorded(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """What the last update recorded and the file no longer has, and an update half done."""
        if self.recorded is None:
            return
        declared = {one.key for one in self.stack.deliveries}
        for key in self.recorded.deliveries.keys() - declared:
            yield self._no_longer_declared(key, self.recorded.state_of(key))
        removed = self.recorded.deliveries.keys() - declared
        due = self.recorded.due(self._gate)
        if due and not removed and not any(one.kind in DEFAULT_FAIL_ON for one in found):
            yield Finding(kind=Kind.UNAPPLIED, delivery="", sentence=self._sentence(due))

    @property
    def _gate(self) -> GateBag:
        """What the program would tell the gate."""
        return GateBag(
            perspective=self.stack.perspective,
            stack=self.stack.name,
            deliveries=self.stack.deliveries,
            on_remove=self.stack.on_remove,
            tags=self.stack.tags,
        )

    def _no_longer_declared(self, key: DeliveryKey, before: State | None) -> Finding:
        here = key.perspective == self.stack.perspective
        observed = self.snapshot.state_of(key) if here else None
        seen = observed.value if observed else "not listed" if here else "of another perspective"
        ignore = self._ignore_of(key.product, key.log)
        ignored = ignore is not None and ignore.holds(self.today)
        said = f"{key.name} is {seen}, no longer declared ({key.perspective})"
        tails = (
            f"the last pulumi up recorded it as {before.value}" if before else "",
            self._of_ignore(ignore, ignored),
        )
        return Finding(
            kind=Kind.IGNORED if ignored else Kind.UNAPPLIED,
            delivery=key.name,
            sentence="; ".join(part for part in (said, *tails) if part),
            product=key.product,
            log=key.log,
            observed=observed,
            recorded=before,
            ignore=ignore,
        )

    def _of_open(self) -> Iterator[Finding]:
        """The open logs that nobody declares, save those that an update still has recorded."""
        recorded = {one.switch for one in self.recorded.deliveries} if self.recorded else set()
        for log in self.snapshot.logs:
            if log.state is not State.OPEN or self._is_declared(log):
                continue
            key = self._key(log)
            if {key.switch, replace(key, log=None).switch} & recorded:
                continue
            ignore = self._ignore_of(log.product, log.log)
            ignored = ignore is not None and ignore.holds(self.today)
            kind = Kind.IGNORED if ignored else Kind.UNMANAGED
            self.kinds[log.product, log.log] = kind
            yield Finding(
                kind=kind,
                delivery=key.name,
                sentence=self._sentence(
                    f"{key.name} is open, not declared", self._of_ignore(ignore, ignored)
                ),
                product=log.product,
                log=log.log,
                observed=log.state,
                ignore=ignore,
            )

    def _of_ignores(self) -> Iterator[Finding]:
        for ignore in self.stack.drift_ignore:
            if not ignore.holds(self.today):
                yield Finding(
                    kind=Kind.EXPIRED,
                    delivery=ignore.delivery,
                    sentence=self._sentence(
                        f"the ignore of {ignore.delivery} ended on {ignore.until}: {ignore.reason}"
                    ),
                    ignore=ignore,
                )

    # --- the parts --------------------------------------------------------------------------------

    @cached_property
    def today(self) -> date:
        return self.snapshot.taken_at.astimezone(UTC).date()

    @cached_property
    def _switches(self) -> set[object]:
        """What is declared, here or elsewhere, by what it switches."""
        own = (one.key for one in self.stack.deliveries)
        return {key.switch for keys in (own, self.elsewhere) for key in keys}

    def _key(self, log: Log) -> DeliveryKey:
        return DeliveryKey(perspective=self.stack.perspective, product=log.product, log=log.log)

    def _is_declared(self, log: Log) -> bool:
        """Whether a declared delivery covers it (``DeliveryKey.covers``), found at once."""
        key = self._key(log)
        return key.switch in self._switches or replace(key, log=None).switch in self._switches

    def _ignore_of(self, product: str, log: str | None, *, holds: bool = False) -> Ignore | None:
        """The first entry that is about it: one that still holds, else one that is over."""
        about = [one for one in self.stack.drift_ignore if one.matches(product, log)]
        holding = [one for one in about if one.holds(self.today)]
        return next(iter(holding if holds else (*holding, *about)), None)

    def _of_ignore(self, ignore: Ignore | None, ignored: bool) -> str:
        if ignore is None:
            return ""
        if ignored:
            return f"ignored until {ignore.until}: {ignore.reason}"
        if not ignore.holds(self.today):
            return f"its ignore ended on {ignore.until}: {ignore.reason}"
        return ""

    def _sentence(self, said: str, *tails: str) -> str:
        parts = (f"{said} ({self.stack.perspective})", *tails)
        return "; ".join(part for part in parts if part)

    def _logs(self) -> Iterator[Seen]:
        """What is listed, then what is declared and is not."""
        states: dict[object, State] = {one.key.switch: one.state for one in self.stack.deliveries}
        seen = [
            Seen(
                product=log.product,
                log=log.log,
                observed=log.state,
                declared=states.get(key.switch) or states.get(replace(key, log=None).switch),
                kind=self.kinds.get((log.product, log.log)),
            )
            for log in self.snapshot.logs
            for key in [self._key(log)]
        ]
        missing = [
            Seen(
                product=one.key.product,
                log=one.key.log or "*",
                observed=None,
                declared=one.state,
                kind=self.kinds.get((one.key.product, one.key.log or "*")),
            )
            for one in self.stack.deliveries
            if not self.snapshot.find(one.key)
        ]
        return iter(sorted((*seen, *missing), key=lambda one: (one.product, one.log)))


def _inoperable(one: Delivery, stuck: Collection[str]) -> str:
    if not stuck:
        return ""
    which = f" ({', '.join(stuck)})" if one.key.log is None else ""
    return f"this caller may not operate it{which}"


_KINDS = tuple(Kind)


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return (_KINDS.index(finding.kind), finding.product, finding.log or "", finding.delivery)
