"""The engine in small: calls the providers' verbs as the real engine does, without its processes.

For tests that need hundreds of updates. ``tests/engine/test_harness.py`` tells one story to both
and compares calls and records, so that this stays true to the engine:

1. Each run begins a provider process; a preview has one of its own, and ends before any write.
2. The gate is checked, diffed, created or updated; then each delivery, four at a time; then the
   settled bookend. Whatever was begun when one fails is finished; nothing after it is begun.
3. What the program no longer has is deleted last, dependents first, unless it was *recorded* as
   kept. What was recorded as protected is an error in the preview, and in the update too, which
   then deletes the others all the same.
4. Refresh and destroy run without the program, on the config that the last update recorded.

Bags go through JSON, as they do through the engine's state; an input of None is not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import PROVIDER_KEY, serialize_provider
from pulumi.output import UNKNOWN, Unknown

from cloud_siem import properties, provider
from cloud_siem.model import Delivery, OnRemove, Perspective
from cloud_siem.pacing import Clock
from cloud_siem.process import Process
from cloud_siem.properties import GateBag

THREADS = 4
"""Of the process that serves dynamic providers."""
GATE, DELIVERY, SETTLED = "Gate", "LogDelivery", "Settled"
_PROVIDERS: Mapping[str, ResourceProvider] = {
    GATE: provider.GateProvider(),
    DELIVERY: provider.LogDeliveryProvider(),
    SETTLED: provider.SettledProvider(),
}

Bag = dict[str, Any]
Urn = tuple[str, str, str]
"""The parent's type, the kind, and the name."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a program declares through one ``AccountDeliveries``."""

    perspective: Perspective
    deliveries: tuple[Delivery, ...] = ()
    on_remove: OnRemove = OnRemove.CLOSE
    prefix: str = ""
    parent: str = ""
    """Of the component; resources below another one are others to the engine."""
    stack: str = "dev"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One resource in the state."""

    id: str
    inputs: Bag
    outputs: Bag
    protect: bool = False
    retain: bool = False
    after: tuple[Urn, ...] = ()
    """What it depends on."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How one run of the engine went."""

    steps: tuple[tuple[str, str], ...]
    """``("create", "sas/x")`` and so on, by name; what stays the same is left out."""
    failures: tuple[str, ...]
    """What a person is told; empty when all went well."""

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def changes(self) -> dict[str, list[str]]:
        """The names, by what was done to them."""
        found: dict[str, list[str]] = {}
        for step, name in self.steps:
            found.setdefault(step, []).append(name)
        return found


class _Stop(Exception):  # noqa: N818 - it ends a run, as the engine ends it
    """No step may begin any more."""


@dataclass(kw_only=True)
class Harness:
    """One stack."""

    environ: Mapping[str, str]
    """Of the provider's process: at least where the emulator is."""
    folder: Path
    config: Mapping[str, object] = field(default_factory=dict)
    """The stack's config as the program runs with it."""
    clock: Clock = field(default_factory=Clock)
    state: dict[Urn, Recorded] = field(default_factory=dict)
    recorded_config: Mapping[str, object] = field(default_factory=dict)

    # --- what a person runs ----------------------------------------------------------------------

    def preview(self, program: Program, *, refresh: bool = False) -> Run:
        with self._run(self.config) as run:
            _Update(run, dict(self.state), program, dry=True).do(refresh=refresh)
        return run.result

    def up(self, program: Program, *, preview: bool = True, refresh: bool = False) -> Run:
        """A preview, and if it finds nothing wrong the update."""
        if preview and not (previewed := self.preview(program, refresh=refresh)).ok:
            return previewed
        with self._run(self.config) as run:
            self.recorded_config = dict(self.config)
            _Update(run, self.state, program, dry=False).do(refresh=refresh)
        return run.result

    def refresh(self) -> Run:
        with self._run(self.recorded_config) as run:
            _read(run, self.state)
        return run.result

    def destroy(self) -> Run:
        with self._run(self.recorded_config) as run:
            _delete(run, self.state, list(self.state))
        return run.result

    # --- what it recorded ------------------------------------------------------------------------

    @property
    def by_name(self) -> dict[str, Recorded]:
        return {name: recorded for (_, _, name), recorded in self.state.items()}

    # --- inside ----------------------------------------------------------------------------------

    @contextmanager
    def _run(self, config: Mapping[str, object]) -> Iterator[_Running]:
        provider.begin(Process(config, self.environ, folder=self.folder, clock=self.clock))
        run = _Running()
        try:
            yield run
        except _Stop:
            pass
        finally:
            run.close()
            provider.begin(None)


class _Running:
    """One run: its threads, and what came of it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS)
        self._steps: list[tuple[str, str]] = []
        self._failures: list[str] = []

    @property
    def result(self) -> Run:
        return Run(steps=tuple(sorted(self._steps)), failures=tuple(self._failures))

    def did(self, step: str, urn: Urn) -> None:
        self._steps.append((step, urn[2]))

    def failed(self, message: str) -> None:
        self._failures.append(message)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What a verb tells fails its step, and no other begins; it may raise nothing else."""
        try:
            yield
        except provider.Shown as error:
            self.failed(str(error))
            raise _Stop from None

    def together(self, steps: Iterable[Callable[[], None]]) -> None:
        """Take steps side by side; if one stops the run, those not begun are left out."""
        begun: list[Future[None]] = [self._threads.submit(self._step, one) for one in steps]
        for one in begun:
            if (error := one.exception()) and not isinstance(error, _Stop):
                raise error
        if self._failures:
            raise _Stop

    def _step(self, step: Callable[[], None]) -> None:
        if not self._failures:
            step()

    def close(self) -> None:
        self._threads.shutdown()


@dataclass
class _Update:
    """One run of the program; dry, nothing is written and nothing recorded."""

    run: _Running
    state: dict[Urn, Recorded]
    program: Program
    dry: bool

    def do(self, *, refresh: bool) -> None:
        program = self.program
        if refresh:
            _read(self.run, self.state)
        stale = set(self.state)
        bag = GateBag(
            perspective=program.perspective,
            stack=program.stack,
            deliveries=program.deliveries,
            on_remove=program.on_remove,
        )
        gate = self._urn(GATE, "gate")
        self._register(gate, bag.write())
        own = {self._urn(DELIVERY, one.key.name): one for one in program.deliveries}
        self.run.together(partial(self._delivery, urn, one, gate) for urn, one in own.items())
        settled = self._urn(SETTLED, "settled")
        self._register(settled, self._settled(gate, own), after=(gate, *own))
        _delete(self.run, self.state, stale - {gate, settled, *own}, dry=self.dry)

    def _urn(self, kind: str, name: str) -> Urn:
        return (self.program.parent, kind, self.program.prefix + name)

    def _delivery(self, urn: Urn, one: Delivery, gate: Urn) -> None:
        bag = {
            **properties.perspective_bag(one.key.perspective),
            "product": one.key.product,
            "log": one.key.log_word,
            "state": one.state.value,
            "reason": one.reason or None,
            "protect": one.protect or None,
            "stack": self.program.stack,
            "guarded": True,
        }
        retain = one.on_remove is OnRemove.KEEP
        self._register(urn, bag, protect=one.protect, retain=retain, after=(gate,))

    def _settled(self, gate: Urn, own: Mapping[Urn, Delivery]) -> Bag:
        entries = {name: it for name, it in self.state[gate].outputs.items() if "/" in name}
        requests = {one.key.name: self.state[urn].outputs["request_id"] for urn, one in own.items()}
        return properties.perspective_bag(self.program.perspective) | {
            "stack": self.program.stack,
            "deliveries": entries,
            "written": requests,
            properties.CLOSING: self.state[gate].outputs.get(properties.CLOSING),
        }

    def _register(
        self,
        urn: Urn,
        bag: Bag,
        *,
        protect: bool = False,
        retain: bool = False,
        after: tuple[Urn, ...] = (),
    ) -> None:
        """What the engine does when a program registers a resource."""
        old = self.state.get(urn)
        with self.run.telling():
            inputs = self._checked(urn, bag, old)
            new = Recorded(
                id=old.id if old else "",
                inputs=inputs,
                outputs=old.outputs if old else {},
                protect=protect,
                retain=retain,
                after=after,
            )
            if old is None:
                self.state[urn] = self._create(urn, new)
            elif _PROVIDERS[urn[1]].diff(old.id, dict(old.outputs), dict(inputs)).changes:
                self.state[urn] = self._update(urn, old, new)
            else:
                self.state[urn] = new

    def _checked(self, urn: Urn, bag: Bag, old: Recorded | None) -> Bag:
        news = _recorded(bag, urn)
        result = _PROVIDERS[urn[1]].check(dict(old.inputs) if old else {}, news)
        for failure in result.failures:
            on = f" property '{failure.property}'" if failure.property else ""
            self.run.failed(f"resource '{urn[2]}'{on} has a problem: {failure.reason}")
        if result.failures:
            raise _Stop
        return _recorded(result.inputs, urn)

    def _create(self, urn: Urn, new: Recorded) -> Recorded:
        self.run.did("create", urn)
        if self.dry:
            return replace(new, outputs=_not_known_yet(new.inputs))
        answer = _PROVIDERS[urn[1]].create(dict(new.inputs))
        return replace(new, id=str(answer.id), outputs=_recorded(answer.outs, urn))

    def _update(self, urn: Urn, old: Recorded, new: Recorded) -> Recorded:
        self.run.did("update", urn)
        if self.dry:
            return replace(new, outputs=_not_known_yet(new.inputs))
        answer = _PROVIDERS[urn[1]].update(old.id, dict(old.outputs), dict(new.inputs))
        return replace(new, outputs=_recorded(answer.outs, urn))


def _read(run: _Running, state: dict[Urn, Recorded]) -> None:
    run.together(partial(_read_one, run, state, urn) for urn in list(state))


def _read_one(run: _Running, state: dict[Urn, Recorded], urn: Urn) -> None:
    old = state[urn]
    with run.telling():
        answer = _PROVIDERS[urn[1]].read(old.id, dict(old.outputs))
    if not answer.id:
        run.did("gone", urn)
        del state[urn]
        return
    inputs, outputs = _recorded(answer.inputs, urn), _recorded(answer.outs, urn)
    if outputs != old.outputs:
        run.did("refresh", urn)
    state[urn] = replace(old, inputs=inputs, outputs=outputs)


def _delete(
    run: _Running, state: dict[Urn, Recorded], gone: Iterable[Urn], *, dry: bool = False
) -> None:
    """Delete, dependents first; what is protected fails the run and does not hold up the rest."""
    left = set(gone)
    protected = sorted(urn for urn in left if state[urn].protect)
    left.difference_update(protected)
    while left and not (dry and protected):
        needed = {before for urn in left for before in state[urn].after}
        batch = sorted(left - needed)
        run.together(partial(_delete_one, run, state, urn, dry=dry) for urn in batch)
        left.difference_update(batch)
    for urn in protected:
        run.failed(f"{urn[2]} cannot be deleted because it is protected")
    if protected:
        raise _Stop


def _delete_one(run: _Running, state: dict[Urn, Recorded], urn: Urn, *, dry: bool) -> None:
    old = state[urn]
    run.did("forget" if old.retain else "delete", urn)
    if dry:
        return
    if not old.retain:
        with run.telling():
            _PROVIDERS[urn[1]].delete(old.id, dict(old.outputs))
    del state[urn]


def _recorded(bag: Mapping[str, Any] | None, urn: Urn) -> Bag:
    """A bag as the engine hands it on: through JSON, and with the provider that it belongs to."""
    there = {name: _handed_on(value) for name, value in (bag or {}).items() if value is not None}
    return there | {PROVIDER_KEY: _serialized(urn[1])}


def _handed_on(value: object) -> object:
    """Through JSON; what is not known yet stays so, also as a part of something."""
    if isinstance(value, Mapping):
        return {name: _handed_on(part) for name, part in value.items()}
    return value if isinstance(value, Unknown) else json.loads(json.dumps(value))


@cache
def _serialized(kind: str) -> str:
    """As the engine records it; once, since each time leaves some kilobytes with the pickler."""
    return str(serialize_provider(_PROVIDERS[kind]))


def _not_known_yet(inputs: Bag) -> Bag:
    """The outputs at preview of what will be written."""
    return inputs | dict.fromkeys(properties.OUTPUT_FIELDS, UNKNOWN)
