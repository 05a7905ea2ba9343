"""The stacks of ``tests.edits`` and ``tests.journeys``, on the harness and on the real engine."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cloud_siem import properties
from cloud_siem.pacing import Clock
from siem_emulator import EmulatorServer
from tests import journeys
from tests.conftest import ANY_CLOSE, FakeTime
from tests.edits import Outcome, Was, places_of
from tests.engine.engine import Engine, program
from tests.harness import DELIVERY, GATE, Harness, Meanwhile, Program
from tests.journeys import NAMES, Event, Order, Row, travel
from tests.projectfolder import ProjectFolder
from tests.resources import Bag, Config, Urn

NO_CHANGE = ("refresh", "gone", "delete original")
"""Steps that the real engine does not count."""
PATIENCE_S = 120
"""With a run that may wait for ever."""
PARENT = "box:index:Box"
"""The only one that the sequences have."""


class InHarness:
    """One stack on the harness."""

    def __init__(self, siem: EmulatorServer, clock: Clock | None = None) -> None:
        self._siem = siem
        self.harness = Harness(
            environ={
                "CLOUD_SIEM_ENDPOINT": siem.url,
                "CLOUD_SIEM_REQUEST_RATE": "100000",
                **ANY_CLOSE,
            },
            clock=clock or Clock(),
        )

    def up(self, program: Program, *, refresh: bool) -> Outcome:
        self._siem.calls.clear()
        run = self.harness.up(program, refresh=refresh)
        calls = self._siem.calls.all()

        return Outcome(
            ok=run.ok, changed=bool(run.steps), text="\n".join(run.failures), calls=calls
        )

    def recorded(self) -> Mapping[str, Was]:
        return {
            f"{parent}|{name}": Was(
                product=one.inputs["product"],
                state=one.inputs["state"],
                log=properties.key_of(one.inputs).log,
                protect=one.protect,
                keep=one.retain,
            )
            for (parent, kind, name), one in self.harness.state.items()
            if kind == DELIVERY
        }


class OnEngine:
    """One stack on the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def up(self, wanted: Program, *, refresh: bool) -> Outcome:
        engine = self._engine
        engine.rewrite(program(prefix=wanted.prefix, parent=wanted.parent))
        engine.declare(entries_of(wanted))
        done = engine.up(*["--refresh"][: int(refresh)])

        return Outcome(
            ok=done.code == 0,
            changed=set(done.counts) != {"unchanged"},
            text=done.text,
            calls=done.calls,
        )

    def recorded(self) -> Mapping[str, Was]:
        return {
            f"{PARENT if PARENT in one['urn'] else ''}|{one['urn'].rpartition('::')[2]}": Was(
                product=one["inputs"]["product"],
                state=one["inputs"]["state"],
                log=properties.key_of(one["inputs"]).log,
                protect=one.get("protect", False),
                keep=one.get("retainOnDelete", False),
            )
            for one in self._engine.state.get("resources", [])
            if one["type"].endswith(":LogDelivery")
        }


class StackInHarness:
    """One stack of a journey on the harness."""

    def __init__(
        self,
        siem: EmulatorServer,
        folder: ProjectFolder,
        name: str,
        *,
        clock: Clock,
        parallel: int = 1,
    ) -> None:
        self._environ = {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"}
        self._folder = folder
        self._name = name
        self._harness = Harness(
            environ=self._environ, folder=folder.path, clock=clock, parallel=parallel
        )

    def declare(self, program: Program, config: Config) -> None:
        self._harness.config = config
        self._folder.declare(program, config)

    def remove_file(self) -> None:
        self._folder.file(self._name).unlink()

    def run(self, order: Order) -> journeys.Outcome:
        harness = self._harness
        harness.environ = self._environ | order.environ
        meanwhile = order.meanwhile and Meanwhile(before=order.before, do=order.meanwhile)
        more: dict[str, Any] = {"interrupt": order.interrupt, "meanwhile": meanwhile}
        match order.command:
            case "preview":
                run = harness.preview(order.program, refresh=order.refresh, flags=order.flags)
            case "refresh":
                run = harness.refresh(flags=order.flags)
            case "destroy":
                run = harness.destroy(flags=order.flags, **more)
            case _:
                run = harness.up(
                    order.program,
                    preview=order.preview,
                    refresh=order.refresh,
                    flags=order.flags,
                    **more,
                )
        text = [line.text for line in run.lines] + list(run.failures)
        return journeys.Outcome(
            ok=run.ok,
            text="\n".join(text),
            lines=run.lines,
            changed=any(step not in NO_CHANGE for step, _ in run.steps),
        )

    def recorded(self) -> set[Urn]:
        return self._harness.records.urns

    def recorded_config(self) -> Config:
        return self._harness.recorded_config

    def rows(self) -> list[Row]:
        return [
            row
            for urn, record in self._harness.state.items()
            for row in rows_of(urn.kind, record.inputs, protect=record.protect)
        ]

    def repair(self) -> None:
        if self._harness.records.dangling():
            self._harness.repair()

    def edit_state(self, command: str, urn: Urn, *, dependents: bool) -> None:
        if urn not in self._harness.state:  # it waits for its deletion
            return
        match command:
            case "taint":
                self._harness.taint(urn)
            case "unprotect":
                self._harness.unprotect(urn)
            case "delete":
                self._harness.delete_record(urn, dependents=dependents)
            case _:
                self._harness.rename_record(urn, f"renamed-{urn.name}")

    def move_state(self, urn: Urn, to: StackInHarness) -> None:
        if urn in self._harness.state:
            self._harness.move_records([urn], to._harness)


class StackOnEngine:
    """One stack of a journey on the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        engine.file.unlink()  # a stack without deliveries has none in a journey

    def declare(self, program: Program, config: Config) -> None:
        self._engine.declare(
            entries_of(program),
            **{key.removeprefix("cloud-siem:"): value for key, value in config.items()},
        )

    def remove_file(self) -> None:
        self._engine.file.unlink()

    def run(self, order: Order) -> journeys.Outcome:
        engine, wanted = self._engine, order.program
        engine.rewrite(program(prefix=wanted.prefix, parent=wanted.parent))
        words = order.flags.arguments(engine.stack)
        words += ["--refresh"] if order.refresh else []
        if order.command != "preview":
            words += ["--yes"] if order.preview else ["--yes", "--skip-preview"]
        environ = dict(order.environ)
        if order.interrupt:
            moment = "after" if order.interrupt.lost else "before"
            environ["TRACE_INTERRUPT"] = f"KILL {moment} {order.interrupt.after + 1}"
        try:
            done = engine.run(order.command, *words, **environ)
        except subprocess.TimeoutExpired:
            engine.end_leftovers()
            return journeys.Outcome(ok=False, text="it waits for ever", lines=(), changed=True)
        if done.code < 0 or "panic" in done.text:
            engine.end_leftovers()
        return journeys.Outcome(
            ok=done.code == 0,
            text=done.text,
            lines=done.printed,
            changed=not done.counts.keys() <= {"unchanged"},
        )

    def recorded(self) -> set[Urn]:
        return {Urn.parse(one["urn"]) for one in self._resources}

    def recorded_config(self) -> Config:
        [*found] = (
            one["inputs"]
            for one in self._engine.state.get("resources", [])
            if one["type"] == "pulumi:providers:pulumi-python"
        )
        return dict(found[0]) if found else {}

    def rows(self) -> list[Row]:
        return [
            row
            for one in self._resources
            for row in rows_of(
                Urn.parse(one["urn"]).kind,
                one.get("inputs", {}),
                protect=one.get("protect", False),
            )
        ]

    def repair(self) -> None:
        there = {one["urn"] for one in self._engine.state.get("resources", [])}
        needed = {
            urn
            for one in self._resources
            for urn in (one.get("parent", ""), *one.get("dependencies", []))
            if urn
        }
        if needed - there:
            assert self._engine.run("state repair", "--yes").code == 0

    def edit_state(self, command: str, urn: Urn, *, dependents: bool) -> None:
        more = [f"renamed-{urn.name}"] if command == "rename" else []
        more += ["--target-dependents"] if command == "delete" and dependents else []
        self._engine.run(f"state {command}", "--yes", urn.text(self._engine.stack), *more)

    def move_state(self, urn: Urn, to: StackOnEngine) -> None:
        self._engine.move(urn.text(self._engine.stack), to._engine)

    @property
    def _resources(self) -> list[dict[str, Any]]:
        """All but the stack itself and the provider, which the engine makes."""
        return [
            one
            for one in self._engine.state.get("resources", [])
            if not one["type"].startswith("pulumi:")
        ]


def entries_of(program: Program) -> dict[str, dict[str, Any]]:
    """The deliveries of a program as a stack file has them."""
    entries: dict[str, dict[str, Any]] = {}
    for delivery in program.deliveries:
        entries.setdefault(delivery.key.product, {})[delivery.key.log_word] = {
            "state": delivery.state.value,
            "protect": delivery.protect,
            "onRemove": delivery.on_remove.value,
        }
    return entries


def travel_on_engine(
    events: Iterable[Event], engine: Engine, count: Counter[str] | None = None
) -> None:
    """Take a journey on the real engine.

    Args:
        events: The journey; what happens in the middle of a run is left out.
        engine: A fresh project, whose own stack is not used.
        count: Gets the numbers of runs, and of what they did.
    """
    engine.traced, engine.timeout = True, PATIENCE_S
    for word in ANY_CLOSE:  # what a run may close is the journey's to say
        del engine.environment[word]
    lives = [StackOnEngine(engine.beside(name)) for name in NAMES]
    engine.file.unlink()
    travel(events, engine.siem, lives, Counter() if count is None else count)


def travel_in_harness(
    events: Iterable[Event],
    siem: EmulatorServer,
    folder: Path,
    *,
    parallel: int = 1,
    count: Counter[str] | None = None,
) -> None:
    """Take a journey on the harness; ``folder`` is an empty one."""
    project, clock = ProjectFolder(folder), FakeTime().clock
    lives = [StackInHarness(siem, project, name, clock=clock, parallel=parallel) for name in NAMES]
    travel(events, siem, lives, Counter() if count is None else count)


def rows_of(kind: str, inputs: Bag, *, protect: bool) -> list[Row]:
    """What a record says of deliveries: a delivery's of its own, a gate's of all."""
    if kind == DELIVERY:
        key = properties.key_of(inputs)
        return [
            Row(
                places=frozenset(places_of(key.product, key.log)),
                open=inputs["state"] != "closed",
                protected=protect or bool(inputs.get("protect")),
            )
        ]
    rows = []
    for name, words in inputs.items() if kind == GATE else ():
        product, slash, log = name.partition("/")
        state, *flags = str(words).partition(":")[0].split(", ")
        if slash:
            places = frozenset(places_of(product, None if log == "*" else log))
            rows.append(Row(places=places, open=state != "closed", protected="protected" in flags))
    return rows
