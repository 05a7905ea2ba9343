"""The stacks of ``tests.edits`` and ``tests.journeys``, on the harness and on the real engine."""

from __future__ import annotations

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
        deliveries: dict[str, dict[str, Any]] = {}
        for one in wanted.deliveries:
            deliveries.setdefault(one.key.product, {})[one.key.log or "*"] = {
                "state": one.state.value,
                "protect": one.protect,
                "onRemove": one.on_remove.value,
            }
        engine.declare(deliveries)
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
            changed=any(step not in ("refresh", "gone") for step, _ in run.steps),
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
        self._harness.move_records([urn], to._harness)


def travel_in_harness(
    events: Iterable[Event], siem: EmulatorServer, folder: Path, *, parallel: int = 1
) -> None:
    """Take a journey on the harness; ``folder`` is an empty one."""
    project, clock = ProjectFolder(folder), FakeTime().clock
    lives = [StackInHarness(siem, project, name, clock=clock, parallel=parallel) for name in NAMES]
    travel(events, siem, lives)


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
