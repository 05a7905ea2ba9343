"""The engine's algorithm: which verbs a run calls, in which order, and what it records.

The facts that it follows are listed in ``tests.harness``; ``tests/engine/test_harness.py`` compares
both with the real engine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import PROVIDER_KEY, serialize_provider
from pulumi.output import UNKNOWN, Unknown

from cloud_siem import properties, provider
from cloud_siem.model import Delivery, OnRemove
from cloud_siem.properties import GateBag
from tests.resources import (
    DELIVERY,
    GATE,
    SETTLED,
    Bag,
    Flags,
    Interrupt,
    Line,
    Program,
    Recorded,
    Records,
    Run,
    Urn,
    component,
)

PROVIDERS: Mapping[str, ResourceProvider] = {
    GATE: provider.GateProvider(),
    DELIVERY: provider.LogDeliveryProvider(),
    SETTLED: provider.SettledProvider(),
}
DELETED_FIRST = (GATE, DELIVERY)
"""The kinds whose old resource is deleted before its replacement is created."""
WRITES = ("create", "update", "delete")


class Stop(Exception):  # noqa: N818 - it ends a run, as the engine ends it
    """No step may begin any more."""


class Failed(Exception):  # noqa: N818 - the run has noted why
    """One step failed."""


@dataclass(frozen=True, kw_only=True)
class Meanwhile:
    """Something that happens in the middle of a run."""

    before: int
    """It happens before the call of create, update or delete with this number, from 1 on."""
    do: Callable[[], object]


Chain = list[Callable[[], None]]
"""The steps of one resource, taken one after the other."""


@dataclass(kw_only=True)
class Running:
    """One run: its threads, its failures, and the calls that it made."""

    parallel: int
    """The number of chains at a time; with 1 each is taken before the next resource is checked."""
    continue_on_error: bool = False
    interrupt: Interrupt | None = None
    meanwhile: Meanwhile | None = None
    failing: str = ""
    """The call that fails without being made, e.g. ``delete sas/x``."""
    steps: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    errored: set[Urn] = field(default_factory=set)
    """The resources whose step failed."""
    skipped: set[Urn] = field(default_factory=set)
    """Those that depend on them; ``--continue-on-error`` leaves them out."""
    waits_for_ever: bool = False
    """Whether a resource failed in a way that leaves the program without an answer."""
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stopped = False
        self._writes = 0
        self._checkpoints = 0
        self._lock = threading.RLock()
        self._threads: ThreadPoolExecutor | None = None
        self._begun: list[Future[None]] = []

    @property
    def outcome(self) -> Run:
        return Run(
            steps=tuple(sorted(self.steps)),
            failures=tuple(self.failures),
            lines=tuple(self.lines),
            verbs=tuple(self.verbs),
        )

    def close(self) -> None:
        """Wait for the steps that were begun."""
        if self._threads:
            self._threads.shutdown()
            self._threads = None

    # --- steps -----------------------------------------------------------------------------------

    def submit(self, urn: Urn, chain: Chain) -> None:
        """Take a chain now, or as soon as a thread is free."""
        if self.parallel == 1:
            self._take(urn, chain)
            return
        self._threads = self._threads or ThreadPoolExecutor(self.parallel)
        self._begun.append(self._threads.submit(self._take, urn, chain))

    def wait(self) -> None:
        """Return when all chains have ended.

        :raises Stop: the run is over.
        """
        begun, self._begun = self._begun, []
        for chain in begun:
            chain.result()
        self.go_on()

    def go_on(self) -> None:
        """Return if more steps may begin.

        :raises Stop: the run is over.
        """
        if self.stopped:
            raise Stop

    def _take(self, urn: Urn, chain: Chain) -> None:
        try:
            for step in chain:
                if self.stopped:
                    return
                step()
        except Stop:
            return
        except Failed:
            with self._lock:
                self.errored.add(urn)
                self.stopped |= not self.continue_on_error

    def end(self) -> None:
        """Begin no more steps."""
        self.stopped = True

    def fail(self, message: str) -> None:
        """Note what a person reads."""
        with self._lock:
            self.failures.append(message)

    def refuse(self, message: str) -> None:
        """Note a failure that ends the run, also with ``--continue-on-error``.

        :raises Stop: always.
        """
        self.fail(message)
        self.end()
        raise Stop

    # --- calls -----------------------------------------------------------------------------------

    def call(self, verb: str, urn: Urn, *bags: object) -> Any:
        """Call a verb.

        Raises:
            Failed: It failed; the message is noted.
            Stop: The run was interrupted before it or after it.
        """
        if verb in WRITES:
            return self._write(verb, urn, *bags)
        return self._call(verb, urn, *bags)

    def checkpoint(self) -> None:
        """Count a step that has changed what is recorded."""
        with self._lock:
            self._checkpoints += 1

    def begin(self) -> bool:
        """Begin a step that changes something; returns whether its record gets lost.

        :raises Stop: the run is over, or is interrupted here.
        """
        with self._lock:
            self.go_on()
            if not self.interrupt or self._checkpoints < self.interrupt.after:
                return False
            self.end()
            self.fail("the run was interrupted")
            if not self.interrupt.lost:
                raise Stop
            return True

    def _write(self, verb: str, urn: Urn, *bags: object) -> Any:
        lost = self.begin()
        with self._lock:
            self._writes += 1
            number = self._writes
        if self.meanwhile and number == self.meanwhile.before:
            self.meanwhile.do()
        answer = self._call(verb, urn, *bags)
        if lost:
            raise Stop
        return answer

    def _call(self, verb: str, urn: Urn, *bags: object) -> Any:
        with self._lock:
            olds = "+" if verb == "check" and bags[0] else ""
            self.verbs.append(f"{verb}{olds} {urn.name}")
        if f"{verb} {urn.name}" == self.failing:
            self.fail("made to fail")
            raise Failed
        try:
            return getattr(PROVIDERS[urn.kind], verb)(*bags)
        except provider.Shown as error:
            self.fail(str(error))
            raise Failed from None


@dataclass
class Deployment:
    """One run on the records of one stack; dry, nothing is written and the records are a copy."""

    run: Running
    records: Records
    flags: Flags
    dry: bool

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._before = self.records.copy()
        self._operated: set[Urn] = set()
        """The resources that the program registered, or that stay for the sake of others."""

    # --- the parts of a run ----------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what is recorded."""
        self._refuse_broken()
        run, records = self.run, self.records
        self._assert_known(self.flags.targets | self.flags.excludes)
        included = self._included_in_refresh()
        goes_on, run.continue_on_error = run.continue_on_error, True
        for urn, record in list(records):
            if urn in included and not record.pending:
                run.submit(urn, [partial(self._read, urn, record)])
        run.wait()
        run.continue_on_error = goes_on
        repair(records)
        if run.errored:
            run.end()
            raise Stop

    def update(self, program: Program) -> None:
        """Run the program, then delete what it no longer has."""
        self._refuse_broken()
        self._assert_known(self.flags.replaces)
        self._before = self.records.copy()
        registered = _Registration(self, program).do()
        self.delete()
        for urn in sorted(self.flags.targets - registered - self._before.urns):
            self.run.fail(f"target {urn.name} could not be found in the stack")

    def destroy(self) -> None:
        """Delete everything."""
        self._refuse_broken()
        self.delete()

    def delete(self) -> None:
        """Delete what no program registered, dependents first."""
        may_go = self._deletable()
        doomed = [
            (urn, record)
            for urn, record in self.records.resources.items()
            if urn not in self._operated and may_go(urn)
        ]
        doomed += [pair for pair in self.records.condemned if may_go(pair[0])]
        self._refuse_untargeted(urn for urn, _ in doomed)
        for level in reversed(_levels(doomed)):
            spared = self._before.ancestors(self.run.errored) - self.run.errored
            for urn, record in level:
                if urn not in spared:
                    self.run.submit(urn, [partial(self._delete, urn, record)])
            self.run.wait()
        self._drop_components(may_go)

    def keep(self, urn: Urn) -> None:
        """Leave a resource as it is, and with it everything that it depends on."""
        kept = self.records.ancestors([urn])
        for missing in sorted(kept - self.records.urns):
            self.run.refuse(f"dependency {missing.name} of untargeted {urn.name} has no old state")
        self._operated |= kept

    def operated(self, urn: Urn) -> None:
        self._operated.add(urn)

    # --- records ---------------------------------------------------------------------------------

    def record(self, urn: Urn, record: Recorded) -> None:
        with self._lock:
            self.records.resources[urn] = record
            self.run.checkpoint()
            self._assert_whole(urn)

    def condemn(self, urn: Urn, record: Recorded) -> None:
        with self._lock:
            self.records.condemned.append((urn, record))

    def forget(self, urn: Urn, record: Recorded) -> None:
        with self._lock:
            self._replace(urn, record, None)
            self.run.checkpoint()
            self._assert_whole(urn)

    def _replace(self, urn: Urn, old: Recorded, new: Recorded | None) -> None:
        """Replace one record by another, or drop it."""
        with self._lock:
            if self.records.resources.get(urn) is not old:
                pairs = ((u, new if r is old else r) for u, r in self.records.condemned)
                self.records.condemned[:] = [(u, r) for u, r in pairs if r]
            elif new:
                self.records.resources[urn] = new
            else:
                del self.records.resources[urn]

    def _assert_whole(self, urn: Urn) -> None:
        if not self.dry and (lost := self.records.dangling()):
            self.run.fail(f"{urn.name}: snapshot integrity failure, already written: {lost[0]}")
            raise Failed

    # --- inside ----------------------------------------------------------------------------------

    def _refuse_broken(self) -> None:
        if lost := self.records.dangling():
            self.run.refuse(f"snapshot integrity failure; refusing to use it: {lost[0]}")

    def _assert_known(self, named: Iterable[Urn]) -> None:
        for urn in sorted(set(named) - self.records.urns):
            self.run.refuse(f"target {urn.name} could not be found in the stack")

    def _included_in_refresh(self) -> set[Urn]:
        flags, records = self.flags, self.records
        if flags.excludes:
            wide = records.dependents(flags.excludes) if flags.exclude_dependents else set()
            return records.urns - flags.excludes - wide
        if flags.targets:
            return (
                records.dependents(flags.targets) if flags.target_dependents else {*flags.targets}
            )
        return records.urns

    def _read(self, urn: Urn, old: Recorded) -> None:
        answer = self.run.call("read", urn, old.id, dict(old.outputs))
        if not answer.id:
            self.run.steps.append(("gone", urn.name))
            self._replace(urn, old, None)
            return
        inputs = old.inputs if answer.inputs is None else recorded_bag(answer.inputs, urn)
        outputs = recorded_bag(answer.outs, urn)
        self.run.call("diff", urn, answer.id, dict(outputs), dict(old.inputs))
        if outputs != old.outputs:
            self.run.steps.append(("refresh", urn.name))
        self._replace(urn, old, replace(old, inputs=inputs, outputs=outputs))

    def _deletable(self) -> Callable[[Urn], bool]:
        """Which resources the flags let a run delete."""
        flags, before = self.flags, self._before
        if flags.targets:
            wide = before.dependents(flags.targets & before.urns)
            for urn in sorted(wide):
                self.diff_dependents(urn)
            return wide.__contains__
        excludes = flags.excludes | (before.protected if flags.exclude_protected else frozenset())
        if excludes:
            spared = before.ancestors(excludes)
            while flags.exclude_dependents and spared != (
                wider := before.ancestors(before.dependents(spared))
            ):
                spared = wider
            return lambda urn: urn not in spared
        return lambda _: True

    def _refuse_untargeted(self, doomed: Iterable[Urn]) -> None:
        if not self.flags.targets or self.flags.target_dependents:
            return
        names = sorted({*doomed} - self.flags.targets)
        for urn in names:
            self.run.fail(f"{urn.name} will be destroyed but was not specified in --target list")
        if names and not self.dry:
            self.run.end()
            raise Stop

    def diff_dependents(self, urn: Urn) -> None:
        """Ask what would have to be replaced together with a resource: here never anything."""
        field_name = {GATE: "deliveries", DELIVERY: "written"}.get(urn.kind)
        for other, record in self._before:
            if field_name and other.kind == SETTLED and urn in record.after:
                inputs = {**record.inputs, field_name: UNKNOWN}
                if other not in self._operated:
                    self.run.call("diff", other, record.id, dict(record.outputs), inputs)

    def _delete(self, urn: Urn, record: Recorded) -> None:
        if record.pending:
            self.forget(urn, record)
            return
        replaced = any(record is other for _, other in self.records.condemned)
        if record.protect and not replaced:
            self.run.fail(f"{urn.name} cannot be deleted because it is protected")
            # The engine goes on with the other deletes, whatever its flags.
            self.run.errored.add(urn)
            return
        step = "delete original" if replaced else "forget" if record.retain else "delete"
        self.run.steps.append((step, urn.name))
        if not self.dry and not record.retain:
            self.run.call("delete", urn, record.id, dict(record.outputs))
        self.forget(urn, record)

    def _drop_components(self, may_go: Callable[[Urn], bool]) -> None:
        needed = self.records.ancestors(urn for urn, _ in self.records) | self._operated
        gone = {urn for urn in self.records.components - needed if may_go(urn)}
        self.records.components -= gone


def _levels(doomed: list[tuple[Urn, Recorded]]) -> list[list[tuple[Urn, Recorded]]]:
    """Resources in groups; what depends on a group is in a later one."""
    levels, left = [], sorted(doomed, key=lambda pair: pair[0])
    while left:
        names = {urn for urn, _ in left}
        level = [pair for pair in left if names.isdisjoint(pair[1].after)]
        levels.append(level)
        left = [pair for pair in left if pair not in level]
    return levels


class _Registration:
    """The part of a run in which a program registers its resources."""

    def __init__(self, deployment: Deployment, program: Program) -> None:
        self._deployment = deployment
        self._run = deployment.run
        self._records = deployment.records
        self._flags = deployment.flags
        self._dry = deployment.dry
        self._program = program
        self._targets = set(self._flags.targets)
        self._excludes = set(self._flags.excludes)
        self._skipped: set[Urn] = set()
        """New resources that the flags leave out."""
        self._outputs: dict[Urn, Bag | None] = {}
        """The outputs as the program sees them; None where it sees unknown values."""
        self._seen: set[Urn] = set()

    def do(self) -> set[Urn]:
        """Register everything; returns the URNs."""
        program = self._program
        self._component(component(program.parent))
        bag = GateBag(
            perspective=program.perspective,
            stack=program.stack,
            deliveries=program.deliveries,
            on_remove=program.on_remove,
        ).write()
        gate = program.urn(GATE)
        self._register(gate, bag)
        self._run.wait()
        own = {program.urn(DELIVERY, each.key.name): each for each in program.deliveries}
        for urn, delivery in own.items():
            self._run.go_on()
            self._delivery(urn, delivery, gate)
        self._run.wait()
        if self._run.waits_for_ever:
            self._run.refuse("the engine waits for ever for a resource that it did not replace")
        settled = program.urn(SETTLED)
        self._register(settled, self._settled(bag, gate, own), after=(gate, *own))
        self._run.wait()
        return self._seen

    # --- each kind -------------------------------------------------------------------------------

    def _component(self, urn: Urn) -> None:
        if urn.above:
            self._component(urn.above)
        self._seen.add(urn)
        self._deployment.operated(urn)
        included = self._included(urn, ())
        if urn in self._records.components:
            if included and urn in self._flags.replaces:
                self._run.steps.append(("replace", urn.name))
            return
        if not included:
            self._skipped.add(urn)
            return
        self._validate(urn, ())
        self._records.components.add(urn)

    def _delivery(self, urn: Urn, delivery: Delivery, gate: Urn) -> None:
        bag = {
            **properties.perspective_bag(delivery.key.perspective),
            "product": delivery.key.product,
            "log": delivery.key.log_word,
            "state": delivery.state.value,
            "reason": delivery.reason or None,
            "protect": delivery.protect or None,
            "stack": self._program.stack,
            "guarded": True,
        }
        retain = delivery.on_remove is OnRemove.KEEP
        self._register(urn, bag, protect=delivery.protect, retain=retain, after=(gate,))

    def _settled(
        self, words_of: Mapping[str, object], gate: Urn, own: Mapping[Urn, Delivery]
    ) -> Bag:
        seen = self._outputs.get(gate)
        entries: Bag = {}
        for name, words in words_of.items():
            if "/" in name:
                missing = UNKNOWN if self._dry or seen is None else words
                entries[name] = (seen or {}).get(name, missing)
        written: Bag = {}
        for urn, delivery in own.items():
            outputs = self._outputs.get(urn) or {}
            written[delivery.key.name] = outputs.get("request_id", UNKNOWN)
        return properties.perspective_bag(self._program.perspective) | {
            "stack": self._program.stack,
            "deliveries": entries,
            "written": written,
            properties.CLOSING: UNKNOWN
            if self._dry and seen is None
            else (seen or {}).get(properties.CLOSING),
        }

    # --- one resource ----------------------------------------------------------------------------

    def _register(
        self,
        urn: Urn,
        bag: Mapping[str, object],
        *,
        protect: bool = False,
        retain: bool = False,
        after: tuple[Urn, ...] = (),
    ) -> None:
        """Check, diff, and submit the steps that follow from it."""
        old = self._records.resources.get(urn)
        self._seen.add(urn)
        included = self._included(urn, after)
        if not included:
            self._leave_out(urn, old)
            return
        replaced = urn in self._flags.replaces or (old is not None and old.tainted)
        inputs = self._checked(urn, bag, None if replaced else old)
        new = Recorded(
            id=old.id if old else "",
            inputs=inputs,
            outputs=old.outputs if old else {},
            protect=protect,
            retain=retain,
            after=after,
        )
        chain = self._chain(urn, old, new, bag, replaced=replaced)
        self._deployment.operated(urn)
        self._validate(urn, after)
        if not {*after, urn.above}.isdisjoint(self._run.errored | self._run.skipped):
            self._run.skipped.add(urn)
            return
        self._run.submit(urn, chain)

    def _leave_out(self, urn: Urn, old: Recorded | None) -> None:
        if old is None:
            self._skipped.add(urn)
            self._deployment.operated(urn)
            return
        self._deployment.keep(urn)
        self._outputs[urn] = old.outputs

    def _chain(
        self,
        urn: Urn,
        old: Recorded | None,
        new: Recorded,
        bag: Mapping[str, object],
        *,
        replaced: bool,
    ) -> Chain:
        if old is None:
            return [partial(self._create, urn, new)]
        changes = replaced or self._diff(urn, old, new)
        if replaced or old.pending:
            return self._replacement(urn, old, new, bag, replaced=replaced)
        if changes:
            return [partial(self._update, urn, old, new)]
        return [partial(self._same, urn, old, new)]

    def _diff(self, urn: Urn, old: Recorded, new: Recorded) -> bool:
        try:
            answer = self._run.call("diff", urn, old.id, dict(old.outputs), dict(new.inputs))
        except Failed:
            self._run.end()
            raise Stop from None
        return bool(answer.changes)

    def _replacement(
        self, urn: Urn, old: Recorded, new: Recorded, bag: Mapping[str, object], *, replaced: bool
    ) -> Chain:
        if old.protect and new.protect:
            self._run.fail(f"unable to replace {urn.name} as it is marked for protection")
            if not self._dry:
                self._run.end()
                raise Stop
        if not replaced:
            new = replace(new, inputs=self._checked(urn, bag, None))
        new = replace(new, id="", outputs={})
        if urn.kind not in DELETED_FIRST:
            return [partial(self._create, urn, new, old)]
        self._deployment.diff_dependents(urn)
        create = partial(self._create, urn, new)
        return [create] if old.pending else [partial(self._delete_replaced, urn, old), create]

    def _checked(self, urn: Urn, bag: Mapping[str, object], old: Recorded | None) -> Bag:
        news = recorded_bag(bag, urn)
        try:
            result = self._run.call("check", urn, dict(old.inputs) if old else {}, news)
        except Failed:
            self._run.end()
            raise Stop from None
        for failure in result.failures:
            on = f" property '{failure.property}'" if failure.property else ""
            self._run.fail(f"resource '{urn.name}'{on} has a problem: {failure.reason}")
        if result.failures:
            self._run.end()
            raise Stop
        return recorded_bag(result.inputs, urn)

    # --- which resources -------------------------------------------------------------------------

    def _included(self, urn: Urn, after: tuple[Urn, ...]) -> bool:
        """Whether the flags let a resource take part; notes it for those that depend on it."""
        before = {*after, *([urn.above] if urn.above else [])}
        if self._flags.targets:
            dependent = self._flags.target_dependents and bool(before & self._targets)
            if urn in self._flags.targets or dependent:
                self._targets.add(urn)
                return True
            return False
        if self._flags.excludes:
            dependent = self._flags.exclude_dependents and bool(before & self._excludes)
            if urn in self._flags.excludes or dependent:
                self._excludes.add(urn)
                return False
        return True

    def _validate(self, urn: Urn, after: tuple[Urn, ...]) -> None:
        """Refuse a step that depends on a new resource that is left out."""
        if not self._flags.targets and not self._flags.replaces:
            return
        before = {*after, *([urn.above] if urn.above else [])}
        for missing in sorted(before & self._skipped):
            self._run.fail(f"{urn.name} depends on {missing.name}, which was not specified")
            if not self._dry:
                self._run.end()
                raise Stop
            self._skipped.discard(missing)

    # --- steps -----------------------------------------------------------------------------------

    def _same(self, urn: Urn, old: Recorded, new: Recorded) -> None:
        if new != old:
            if self._run.begin():
                raise Stop
            self._deployment.record(urn, new)
        self._outputs[urn] = new.outputs

    def _create(self, urn: Urn, new: Recorded, condemned: Recorded | None = None) -> None:
        self._run.steps.append(("create", urn.name))
        if self._dry:
            created = replace(new, outputs=_not_known_yet(new.inputs))
        else:
            answer = self._run.call("create", urn, _known(new.inputs))
            created = replace(new, id=str(answer.id), outputs=recorded_bag(answer.outs, urn))
        if condemned:
            self._deployment.condemn(urn, condemned)
        self._deployment.record(urn, created)
        self._outputs[urn] = created.outputs

    def _update(self, urn: Urn, old: Recorded, new: Recorded) -> None:
        self._run.steps.append(("update", urn.name))
        if self._dry:
            updated = replace(new, outputs=_not_known_yet(new.inputs))
        else:
            answer = self._run.call("update", urn, old.id, dict(old.outputs), _known(new.inputs))
            updated = replace(new, outputs=recorded_bag(answer.outs, urn))
        self._deployment.record(urn, updated)
        self._outputs[urn] = updated.outputs

    def _delete_replaced(self, urn: Urn, old: Recorded) -> None:
        self._run.steps.append(("replace", urn.name))
        try:
            if not self._dry and not old.retain:
                self._run.call("delete", urn, old.id, dict(old.outputs))
        except Failed:
            self._run.waits_for_ever |= self._run.continue_on_error
            raise
        self._deployment.record(urn, replace(old, pending=True))


# --- bags -----------------------------------------------------------------------------------------


def recorded_bag(bag: Mapping[str, Any] | None, urn: Urn) -> Bag:
    """A bag as the engine hands it on: through JSON, and with the provider that it belongs to."""
    there = {name: _handed_on(value) for name, value in (bag or {}).items() if value is not None}
    return there | {PROVIDER_KEY: _serialized(urn.kind)}


def repair(records: Records) -> None:
    """Cut the references to what is not recorded, as ``pulumi state repair`` does."""
    there = {urn for urn, _ in records}

    def cut(record: Recorded) -> Recorded:
        kept = tuple(urn for urn in record.after if urn in there)
        return record if kept == record.after else replace(record, after=kept)

    for urn, record in list(records.resources.items()):
        records.resources[urn] = cut(record)
    records.condemned[:] = [(urn, cut(record)) for urn, record in records.condemned]


def _handed_on(value: object) -> object:
    """Through JSON; what is not known yet stays so, also as a part of something."""
    if isinstance(value, Mapping):
        return {name: _handed_on(part) for name, part in value.items()}
    return value if isinstance(value, Unknown) else json.loads(json.dumps(value))


def _known(bag: Bag) -> Bag:
    """Without the values that are not known, as the SDK hands a bag to a verb that writes."""
    return {
        name: _known(value) if isinstance(value, dict) else value
        for name, value in bag.items()
        if not isinstance(value, Unknown)
    }


@cache
def _serialized(kind: str) -> str:
    """As the engine records it; once, since each time leaves some kilobytes with the pickler."""
    return str(serialize_provider(PROVIDERS[kind]))


def _not_known_yet(inputs: Bag) -> Bag:
    """The outputs at preview of what will be written."""
    return inputs | dict.fromkeys(properties.OUTPUT_FIELDS, UNKNOWN)
