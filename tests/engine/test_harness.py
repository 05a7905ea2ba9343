"""The harness against the real engine: the same runs make the same calls and leave the same state.

Each story is one stack on both. After each of its runs are compared: the calls of the provider's
verbs, by resource and in order; the calls that the emulator received; and all that is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from cloud_siem.settings import CLOSE_WORD
from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from tests.conftest import ACCOUNT, ANY_CLOSE, HERE
from tests.deployment import WRITES
from tests.edits import small_world
from tests.engine.engine import Engine, program, written
from tests.harness import Flags, Harness, Interrupt, Program, Run, Urn
from tests.resources import DELIVERY, GATE, SETTLED, component

Deliveries = dict[str, dict[str, Any]]
"""As in a stack file."""

ACCESS, METER, DELETE = (
    f"cloud_siem_oss_{name}" for name in ("access_log", "meter_log", "delete_log")
)
KEPT = {"state": "open", "onRemove": "keep"}
PROTECTED = {"state": "open", "protect": True}
ALL_LOGS = ",".join(f"{ACCOUNT}/{product}/*" for product in ("oss", "waf"))
BOX = "box:index:Box"
CHANGES = ("request_id", "written")
"""What is drawn anew by every emulator."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a person does: edit the files, then one command."""

    about: str
    deliveries: Deliveries | None = None
    """The stack file from now on."""
    prefix: str | None = None
    parent: str | None = None
    command: str = "up"
    flags: Flags = field(default_factory=Flags)
    refresh: bool = False
    fail: str = ""
    """A call that fails, e.g. ``create waf``."""
    interrupt: Interrupt | None = None
    switch: tuple[str, str, str] | None = None
    """In the console, before the command: product, log and state."""
    named: bool = False
    """Whether a person names all logs for this run; else what has no ticket is refused."""
    exact: bool = True
    """Whether all calls are determined; else only those that write, and what is recorded."""
    ok: bool = True


GATE_URN, SETTLED_URN, COMPONENT = Urn("", GATE, "gate"), Urn("", SETTLED, "settled"), component("")


def log(name: str) -> Urn:
    return Urn("", DELIVERY, name if name == "waf" else f"oss/{name}")


def only(*urns: Urn, **more: Any) -> Flags:
    return Flags(targets=frozenset(urns), **more)


def without(*urns: Urn, **more: Any) -> Flags:
    return Flags(excludes=frozenset(urns), **more)


def replacing(*urns: Urn, **more: Any) -> Flags:
    return Flags(replaces=frozenset(urns), **more)


OPEN_ALL: Deliveries = {"oss": {ACCESS: "open", METER: "open"}, "waf": {"*": "open"}}
PLAIN = [
    Step(
        about="preview",
        deliveries={"oss": {ACCESS: KEPT, METER: "closed"}, "waf": {"*": "open"}},
        command="preview",
    ),
    Step(about="first"),
    Step(
        about="a whole product becomes one of its logs",
        deliveries={"oss": {ACCESS: KEPT}, "waf": {"cloud_siem_waf_flow": "open"}},
    ),
    Step(
        about="one is kept, one closes, one is new",
        deliveries={"oss": {DELETE: "open"}, "waf": {"cloud_siem_waf_flow": "closed"}},
    ),
    Step(about="drift", switch=("oss", DELETE, "closed"), refresh=True),
    Step(about="no change"),
    Step(about="refresh", switch=("oss", DELETE, "closed"), command="refresh"),
    Step(
        about="refresh with a changed config",
        deliveries={"oss": {DELETE: "open", METER: "open"}},
        refresh=True,
    ),
    Step(about="end", command="destroy"),
]
REPLACEMENTS = [
    Step(about="first", deliveries=OPEN_ALL),
    Step(
        about="targeted",
        flags=only(log(ACCESS), replaces=frozenset({log(ACCESS)})),
    ),
    Step(about="preview", command="preview", flags=replacing(log(ACCESS), GATE_URN)),
    Step(about="a delivery", flags=replacing(log(ACCESS))),
    Step(about="the gate", flags=replacing(GATE_URN)),
    Step(about="settled", flags=replacing(SETTLED_URN)),
    Step(about="gate and delivery", flags=replacing(GATE_URN, log(METER))),
    Step(about="taint", command=f"taint oss/{ACCESS}"),
    Step(about="tainted"),
    Step(
        about="create fails", flags=replacing(log("waf")), fail="create waf", exact=False, ok=False
    ),
    Step(about="pending"),
    Step(
        about="create fails", flags=replacing(log("waf")), fail="create waf", exact=False, ok=False
    ),
    Step(about="pending and removed", deliveries={"oss": {ACCESS: "open", METER: KEPT}}),
    Step(about="what is kept", flags=replacing(log(METER))),
    Step(about="protect", deliveries={"oss": {ACCESS: PROTECTED, METER: KEPT}}),
    Step(about="what is protected", flags=replacing(log(ACCESS)), exact=False, ok=False),
    Step(
        about="no longer protected",
        deliveries={"oss": {ACCESS: "open", METER: KEPT}},
        flags=replacing(log(ACCESS)),
    ),
    Step(
        about="settled, whose old record cannot be deleted",
        flags=replacing(SETTLED_URN),
        fail="delete settled",
        ok=False,
    ),
    Step(about="the old record of settled"),
]
TARGETS = [
    Step(about="a new stack, a delivery", deliveries=OPEN_ALL, flags=only(log("waf")), ok=False),
    Step(about="preview", command="preview", flags=only(log("waf"), SETTLED_URN), ok=False),
    Step(about="a new stack, its parts", flags=only(log("waf"), GATE_URN, COMPONENT)),
    Step(about="dependents", flags=only(COMPONENT, target_dependents=True)),
    Step(
        about="a changed delivery",
        deliveries={"oss": {ACCESS: "open", METER: "open"}, "waf": {"*": "closed"}},
        flags=only(log("waf")),
        ok=False,
    ),
    Step(about="a changed delivery that is named", flags=only(log("waf")), named=True),
    Step(
        about="a new delivery",
        deliveries={"oss": {ACCESS: "open", METER: "open", DELETE: "open"}},
        flags=only(log(DELETE)),
    ),
    Step(about="a removed delivery", flags=only(log("waf"))),
    Step(
        about="a removed delivery and its dependents",
        flags=only(log("waf"), target_dependents=True),
    ),
    Step(about="a removed delivery and settled", flags=only(log("waf"), SETTLED_URN)),
    Step(about="the gate and its dependents", flags=only(GATE_URN, target_dependents=True)),
    Step(about="nothing that exists", flags=only(log("nothing")), ok=False),
    Step(about="an unknown replacement", flags=replacing(log("nothing")), ok=False),
    Step(
        about="preview",
        command="preview",
        switch=("oss", ACCESS, "closed"),
        flags=only(log(ACCESS)),
        refresh=True,
    ),
    Step(about="drift", flags=only(log(ACCESS)), refresh=True),
    Step(about="another prefix", prefix="new-", flags=only(log(ACCESS)), ok=False),
    Step(
        about="a new delivery of another prefix",
        flags=only(Urn("", DELIVERY, f"new-oss/{ACCESS}")),
        ok=False,
    ),
    Step(about="all of another prefix"),
    Step(about="below another parent", parent=BOX),
    Step(about="destroy settled", command="destroy", flags=only(Urn(BOX, SETTLED, "new-settled"))),
    Step(
        about="destroy a delivery",
        command="destroy",
        flags=only(Urn(BOX, DELIVERY, f"new-oss/{ACCESS}")),
        ok=False,
    ),
    Step(
        about="destroy a delivery that is named",
        command="destroy",
        flags=only(Urn(BOX, DELIVERY, f"new-oss/{ACCESS}")),
        named=True,
    ),
]
EXCLUDES = [
    Step(about="first", deliveries=OPEN_ALL),
    Step(
        about="a changed delivery",
        deliveries={"oss": {ACCESS: "closed", DELETE: "open"}, "waf": {"*": "open"}},
        flags=without(log(ACCESS)),
        ok=False,
    ),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="the gate",
        deliveries={"oss": {ACCESS: "closed", METER: "open"}, "waf": {"*": "open"}},
        flags=without(GATE_URN),
        exact=False,
        ok=False,
    ),
    Step(about="the gate, of what is named", flags=without(GATE_URN), named=True),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="the gate and its dependents",
        deliveries={"oss": {ACCESS: "closed", DELETE: "open"}, "waf": {"*": "open"}},
        flags=without(GATE_URN, exclude_dependents=True),
    ),
    Step(about="a removed delivery", flags=without(log(METER))),
    Step(about="settled", deliveries={"oss": {DELETE: "open"}}, flags=without(SETTLED_URN)),
    Step(about="all", ok=True),
    Step(about="a new delivery", deliveries=OPEN_ALL, flags=without(log(ACCESS)), ok=False),
    Step(
        about="drift",
        switch=("oss", METER, "closed"),
        flags=without(log("waf")),
        refresh=True,
    ),
    Step(about="something unknown", flags=without(log("nothing"))),
    Step(about="below another parent", parent=BOX, flags=without(log(ACCESS))),
    Step(about="below another parent, all"),
    Step(
        about="destroy",
        command="destroy",
        flags=without(Urn(BOX, DELIVERY, f"oss/{METER}")),
    ),
    Step(about="the rest", command="destroy", ok=False),
    Step(about="the rest, named", command="destroy", named=True),
    Step(
        about="a new stack without its gate",
        parent="",
        flags=without(GATE_URN),
        exact=False,
        ok=False,
    ),
    Step(about="broken", ok=False),
    Step(about="repair", command="repair"),
    Step(about="repaired"),
]
ERRORS = [
    Step(about="first", deliveries=OPEN_ALL),
    Step(
        about="create fails",
        deliveries={"oss": {ACCESS: "closed", METER: "open", DELETE: "open"}, "waf": {"*": "open"}},
        flags=Flags(continue_on_error=True),
        fail=f"create oss/{DELETE}",
        ok=False,
    ),
    Step(
        about="the gate fails",
        flags=Flags(continue_on_error=True),
        deliveries=OPEN_ALL,
        fail="update gate",
        ok=False,
    ),
    Step(about="back"),
    Step(
        about="a delete fails",
        deliveries={"oss": {ACCESS: "open"}},
        flags=Flags(continue_on_error=True),
        fail="delete waf",
        ok=False,
    ),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="settled fails",
        deliveries={"oss": {ACCESS: "open"}},
        flags=Flags(continue_on_error=True),
        fail="update settled",
        ok=False,
    ),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="create fails, and something is removed",
        deliveries={"oss": {ACCESS: "open", METER: "open", DELETE: "open"}},
        flags=Flags(continue_on_error=True),
        fail=f"create oss/{DELETE}",
        ok=False,
    ),
    Step(about="repair", command="repair"),
    Step(about="repaired", deliveries=OPEN_ALL),
    Step(
        about="a read fails",
        refresh=True,
        switch=("oss", METER, "closed"),
        fail="read waf",
        ok=False,
    ),
    Step(about="protect", deliveries={**OPEN_ALL, "oss": {ACCESS: PROTECTED, METER: "open"}}),
    Step(
        about="something protected is removed behind the gate",
        deliveries={"waf": {"*": "open"}},
        flags=without(GATE_URN),
        ok=False,
    ),
    Step(
        about="destroy, not what is protected",
        command="destroy",
        flags=Flags(exclude_protected=True),
        named=True,
    ),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="settled's delete fails",
        command="destroy",
        flags=Flags(continue_on_error=True),
        fail="delete settled",
        ok=False,
    ),
    Step(
        about="one delete fails",
        command="destroy",
        flags=Flags(continue_on_error=True),
        fail="delete waf",
        ok=False,
    ),
]
INTERRUPTS = [
    Step(about="first", deliveries=OPEN_ALL),
    Step(
        about="after the gate",
        deliveries={"oss": {ACCESS: "closed", METER: "open"}},
        interrupt=Interrupt(after=1),
        exact=False,
        ok=False,
    ),
    Step(about="after all but the deletes", interrupt=Interrupt(after=2), exact=False, ok=False),
    Step(about="the rest"),
    Step(about="back", deliveries=OPEN_ALL),
    Step(
        about="in the midst of a replacement",
        flags=replacing(log("waf")),
        interrupt=Interrupt(after=1),
        exact=False,
        ok=False,
    ),
    Step(about="pending", command="refresh"),
    Step(about="a lost record", interrupt=Interrupt(after=0, lost=True), exact=False, ok=False),
    Step(about="goes on"),
    Step(about="delete settled's record", command="delete settled"),
    Step(about="settled is created again"),
    Step(about="delete a record", command=f"delete oss/{ACCESS}", ok=False),
    Step(
        about="delete a record with its dependents",
        command=f"delete oss/{ACCESS} --target-dependents",
    ),
    Step(about="adopted again"),
    Step(about="rename", command="rename waf new-waf"),
    Step(about="renamed"),
    Step(about="rename the gate", command="rename gate new-gate"),
    Step(about="renamed gate"),
    Step(
        about="destroy, interrupted",
        command="destroy",
        interrupt=Interrupt(after=1),
        exact=False,
        ok=False,
    ),
    Step(about="destroy, the rest, which is named", command="destroy", named=True),
]
STORIES = {
    "plain": PLAIN,
    "replacements": REPLACEMENTS,
    "targets": TARGETS,
    "excludes": EXCLUDES,
    "errors": ERRORS,
    "interrupts": INTERRUPTS,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", STORIES)
def test_the_harness_does_what_the_engine_does(
    engine_on: Callable[[EmulatorServer], Engine], tmp_path: Path, story: str
) -> None:
    """The same runs make the same calls in both, and leave the same records."""
    with EmulatorServer(small_world()) as ours, EmulatorServer(small_world()) as theirs:
        engine = engine_on(theirs)
        engine.traced = True
        pair = Pair(engine=engine, siem=ours, harness=harness_on(ours, tmp_path / "harness"))
        for step in STORIES[story]:
            pair.take(step)


def harness_on(siem: EmulatorServer, folder: Path) -> Harness:
    return Harness(environ=harness_environ(siem), folder=folder, parallel=1)


def harness_environ(siem: EmulatorServer) -> dict[str, str]:
    return {
        "CLOUD_SIEM_ENDPOINT": siem.url,
        "CLOUD_SIEM_REQUEST_RATE": "100000",
        **ANY_CLOSE,
    }


@dataclass(kw_only=True)
class Pair:
    """One stack on both."""

    engine: Engine
    siem: EmulatorServer
    """The harness's; the engine has its own."""
    harness: Harness
    program: Program = field(default_factory=lambda: Program(perspective=HERE))

    def take(self, step: Step) -> None:
        """Take a step on both, and compare everything."""
        self._edit(step)
        if step.switch:
            product, log_code, state = step.switch
            for siem in (self.siem, self.engine.siem):
                siem.switch(product, log_code, state=state)
        self.siem.calls.clear()
        verb, *words = step.command.split()
        if verb not in ("up", "preview", "refresh", "destroy"):
            self._state_command(step, verb, words)
        else:
            self._run(step, verb)
        assert shown(self.harness) == recorded(self.engine), step.about
        assert components(self.engine) == self.harness.records.components, step.about
        assert self.siem.open_logs() == self.engine.siem.open_logs(), step.about

    def _edit(self, step: Step) -> None:
        old = self.program
        prefix = old.prefix if step.prefix is None else step.prefix
        parent = old.parent if step.parent is None else step.parent
        deliveries = old.deliveries
        if step.deliveries is not None:
            deliveries = deliveries_of(step.deliveries)
            self.engine.declare(step.deliveries)
        self.engine.rewrite(program(prefix=prefix, parent=parent))
        self.program = Program(
            perspective=HERE, deliveries=deliveries, prefix=prefix, parent=parent
        )

    def _run(self, step: Step, verb: str) -> None:
        arguments = step.flags.arguments(self.engine.stack)
        arguments += ["--refresh"] if step.refresh else []
        # Side by side, two closes may share a look at the account.
        arguments += ["--parallel", "1"]
        environment = {"TRACE_FAIL": step.fail}
        if step.named:
            environment[CLOSE_WORD] = ALL_LOGS
        self.harness.environ = harness_environ(self.siem) | environment
        if step.interrupt:
            moment = "after" if step.interrupt.lost else "before"
            environment["TRACE_INTERRUPT"] = f"KILL {moment} {step.interrupt.after + 1}"
        asked = verb if verb == "preview" else f"{verb} --yes --skip-preview"
        real = self.engine.run(asked, *arguments, **environment)
        if step.interrupt or "panic" in real.text:
            self.engine.end_leftovers()
        self.harness.failing = step.fail
        run = self._run_harness(step, verb)

        assert (real.code == 0, run.ok) == (step.ok, step.ok), (step.about, real.text, run.failures)
        assert by_resource(run.verbs, step) == by_resource(real.verbs, step), step.about
        if step.exact:
            assert counted(self.siem.calls.all()) == counted(real.calls), step.about

    def _run_harness(self, step: Step, verb: str) -> Run:
        if verb == "preview":
            return self.harness.preview(self.program, refresh=step.refresh, flags=step.flags)
        if verb == "refresh":
            return self.harness.refresh(flags=step.flags)
        if verb == "destroy":
            return self.harness.destroy(flags=step.flags, interrupt=step.interrupt)
        return self.harness.up(
            self.program,
            preview=False,
            refresh=step.refresh,
            flags=step.flags,
            interrupt=step.interrupt,
        )

    def _state_command(self, step: Step, verb: str, words: list[str]) -> None:
        if verb == "repair":
            self.harness.repair()
            refused = ""
            real = self.engine.run("state repair --yes")
        else:
            name, *more = words
            urn = next(urn for urn in self.harness.state if urn.name == name)
            match verb, more:
                case "taint", []:
                    self.harness.taint(urn)
                    refused = ""
                case "delete", _:
                    refused = self.harness.delete_record(urn, dependents=bool(more))
                case "rename", [new]:
                    refused = self.harness.rename_record(urn, new)
                case _:
                    raise AssertionError(step.command)
            real = self.engine.run(f"state {verb} --yes", urn.text(self.engine.stack), *more)
        assert (real.code == 0, refused == "") == (step.ok, step.ok), (real.text, refused)


def deliveries_of(deliveries: Deliveries) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(
            key=DeliveryKey(perspective=HERE, product=product, log=None if code == "*" else code),
            state=State.CLOSED if entry == "closed" else State.OPEN,
            protect=entry is PROTECTED,
            on_remove=OnRemove.KEEP if entry is KEPT else OnRemove.CLOSE,
        )
        for product, logs in deliveries.items()
        for code, entry in logs.items()
    )


def by_resource(verbs: Sequence[str], step: Step) -> dict[str, list[str]]:
    """The calls of each resource in order; across resources the engine has no order."""
    calls: dict[str, list[str]] = {}
    for call in verbs:
        verb, name = call.split()
        if step.exact or verb in WRITES:
            calls.setdefault(name, []).append(verb)
    return calls


def counted(calls: Sequence[Received]) -> tuple[list[str], int, int]:
    """The writes, and how often was asked who calls and how things are."""
    actions = [call.action for call in calls]

    return (
        written(tuple(calls)),
        actions.count("GetCallerIdentity"),
        actions.count("ListDelivery"),
    )


def shown(harness: Harness) -> list[Any]:
    return sorted(
        (
            [
                urn,
                record.id,
                _same(record.inputs),
                _same(record.outputs),
                record.protect,
                record.retain,
                sorted(record.after),
                record.tainted,
                record.pending,
                any(record is other for _, other in harness.records.condemned),
            ]
            for urn, record in harness.records
        ),
        key=str,
    )


def recorded(engine: Engine) -> list[Any]:
    return sorted(
        (
            [
                Urn.parse(one["urn"]),
                one["id"],
                _same(one["inputs"]),
                _same(one["outputs"]),
                one.get("protect", False),
                one.get("retainOnDelete", False),
                sorted(map(Urn.parse, one.get("dependencies", []))),
                one.get("taint", False),
                one.get("pendingReplacement", False),
                one.get("delete", False),
            ]
            for one in engine.state.get("resources", [])
            if one["type"].startswith("pulumi-python:")
        ),
        key=str,
    )


def components(engine: Engine) -> set[Urn]:
    return {
        Urn.parse(one["urn"])
        for one in engine.state.get("resources", [])
        if not one.get("custom") and one["type"] != "pulumi:pulumi:Stack"
    }


def _same(bag: dict[str, Any]) -> dict[str, Any]:
    return {name: "drawn" if name in CHANGES and value else value for name, value in bag.items()}
