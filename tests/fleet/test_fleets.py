"""A run in its order: nothing is written before everything was reviewed, and what holds it back.

The engine here is a function; tests/engine/test_fleet.py has the real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.fleet import executing
from cloud_siem.fleet.executing import Workers
from cloud_siem.fleet.fleets import Chosen, Fleet, Options
from cloud_siem.fleet.rails import Limit
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Operation, Result, Status, Task
from cloud_siem.kinds import CloseLimit
from cloud_siem.stack import build_stack
from tests.conftest import ACCOUNT
from tests.fleet.test_rails import CLOSES, OPENS, STAYS, gate

TEXT = "config: {}\n"


class AtOnce(Executor):
    """Runs each task when it is submitted."""

    def submit(self, act: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(act(*args))
        return future


class Silent:
    def begin(self, doing: str, total: int) -> None: ...

    def done(self, result: Result) -> None: ...


@dataclass
class Machine:
    """Three stacks in a folder, and an engine that notes what it is asked for."""

    folder: Path
    here: bool = True
    tasks: list[Task] = field(default_factory=list)
    steps: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """What a stack's preview shows; without more, that something opens."""
    fails: set[tuple[str, Operation]] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)
    stops_after: str = ""
    faults: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self, task: Task, _session: Mapping[str, str] | None = None) -> Result:
        self.tasks.append(task)
        if task.stack == self.stops_after:
            self.stopping.set()
        if (task.stack, task.operation) in self.fails:
            return Result(stack=task.stack, status=Status.FAILED, errors=("no",), log="it failed")
        if task.operation is not Operation.PREVIEW:
            done = Result(stack=task.stack, status=Status.CHANGED, opened=1, calls=5, seconds=2.0)
            return replace(done, log="updated")
        shown = self.steps.get(task.stack, [OPENS])
        return Result(
            stack=task.stack,
            status=Status.TO_CHANGE,
            calls=2,
            seconds=1.0,
            log="previewed",
            plan=f"plan of {task.stack}".encode(),
            steps=json.dumps({"config": {}, "steps": shown, "diagnostics": []}),
            text="" if self.here else f"salt of {task.stack}\n{TEXT}",
        )

    @property
    def asked(self) -> list[str]:
        return [f"{one.operation.value} {one.stack}" for one in self.tasks]

    def do(self, operation: Operation = Operation.UP, **options: Any) -> Rollup:
        names = ("a", "b", "c")
        stacks = [build_stack(config(name), name=name, file=f"{name}.yaml") for name in names]
        given = {
            "operation": operation,
            "changed_only": False,
            "limit": Limit(limit=CloseLimit(number=1)),
            "logs": self.folder / "logs",
            **options,
        }
        return Fleet(
            Chosen(
                folder=self.folder,
                stacks=tuple(stacks),
                texts=dict.fromkeys(names, TEXT),
                faults=self.faults,
            ),
            Options(**given),
            workers=Workers(executor=AtOnce(), slots=2, here=self.here),
            environ={"CLOUD_SIEM_DEADLINE": "9", "SECRET": "canary"},
            watch=Silent(),
            stopping=self.stopping,
        ).run()


def config(name: str) -> dict[str, object]:
    logs = {f"log_{name}": "open"}
    return {
        "cloud-siem:account": ACCOUNT,
        "cloud-siem:region": "cn-hangzhou",
        "cloud-siem:deliveries": {"sas": logs},
    }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    (tmp_path / "stacks").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(TEXT)
    monkeypatch.setattr(executing, "run", made.run)
    return made


PREVIEWS = ["preview a", "preview b", "preview c"]


def statuses(rollup: Rollup) -> dict[str, Status]:
    return {one.stack: one.status for one in rollup.results}


def test_everything_is_previewed_before_anything_is_written_and_each_is_held_to_its_plan(
    machine: Machine,
) -> None:
    rollup = machine.do()

    assert machine.asked == [*PREVIEWS, "up a", "up b", "up c"]
    assert [one.plan for one in machine.tasks[3:]] == [b"plan of a", b"plan of b", b"plan of c"]
    (first, *_) = rollup.results
    assert (first.opened, first.calls, first.seconds) == (1, 7, 3.0), "of preview and update"
    assert first.changes == ("sas/x opens: it is new here",)
    assert Path(first.log_file).read_text() == "previewed\nupdated"


def test_a_task_carries_our_settings_its_share_of_the_pace_and_nothing_else(
    machine: Machine,
) -> None:
    machine.do()

    assert {tuple(sorted(one.environment.items())) for one in machine.tasks} == {
        (("CLOUD_SIEM_DEADLINE", "9"), ("CLOUD_SIEM_REQUEST_RATE", "5"))
    }


def test_what_the_fleet_may_not_close_is_written_nowhere(machine: Machine) -> None:
    """Each stack may close one, and so may the fleet; both together may not."""
    machine.steps = {name: [gate("sas/y", z="open"), CLOSES, STAYS] for name in "ab"}
    rollup = machine.do()

    assert machine.asked == PREVIEWS
    assert set(statuses(rollup).values()) == {Status.NOT_STARTED}
    assert (rollup.opened, rollup.closed) == (0, 0)
    assert "2 logs would close in 2 stacks (a, b), of 3 declared open" in rollup.refusal


def test_a_stack_that_its_own_rails_refuse_refuses_the_fleet(machine: Machine) -> None:
    machine.steps = {"b": [CLOSES]}  # which no gate authorizes
    rollup = machine.do()

    assert machine.asked == PREVIEWS
    assert statuses(rollup) == {
        "a": Status.NOT_STARTED,
        "b": Status.REFUSED,
        "c": Status.NOT_STARTED,
    }
    assert "a guardrail refuses 1 stack (b)" in rollup.refusal


def test_a_preview_that_fails_is_not_updated_and_holds_nobody_back(machine: Machine) -> None:
    machine.fails = {("b", Operation.PREVIEW)}
    rollup = machine.do()

    assert machine.asked == [*PREVIEWS, "up a", "up c"]
    assert statuses(rollup)["b"] is Status.FAILED


def test_with_fail_fast_nothing_is_written_after_a_failure(machine: Machine) -> None:
    machine.fails = {("b", Operation.PREVIEW)}
    rollup = machine.do(fail_fast=True)

    assert not [one for one in machine.asked if one.startswith("up")]
    assert statuses(rollup)["a"] is Status.NOT_STARTED


def test_a_broken_file_stops_nobody_unless_the_first_failure_is_to(machine: Machine) -> None:
    machine.faults = {"broken": ("no YAML",)}
    assert statuses(machine.do()) == {
        "broken": Status.FAILED,
        **dict.fromkeys("abc", Status.CHANGED),
    }

    machine.tasks.clear()
    machine.do(fail_fast=True)
    assert machine.asked == []


def test_an_update_that_fails_hides_no_other_and_what_it_did_is_told(machine: Machine) -> None:
    machine.fails = {("a", Operation.UP)}
    rollup = machine.do()

    assert statuses(rollup) == {"a": Status.FAILED, "b": Status.CHANGED, "c": Status.CHANGED}
    assert Path(rollup.results[0].log_file).read_text() == "previewed\nit failed"


def test_without_the_word_that_it_may_write_it_ends_with_its_review(machine: Machine) -> None:
    machine.steps = {"a": [gate("sas/y", z="open"), CLOSES, STAYS]}
    rollup = machine.do(write=False)

    assert machine.asked == PREVIEWS
    assert (rollup.asked, rollup.wrote, rollup.closed) == (True, False, 1)


def test_a_run_that_is_stopped_while_it_previews_writes_nothing(machine: Machine) -> None:
    machine.stops_after = "b"
    rollup = machine.do()

    assert machine.asked == ["preview a", "preview b"]
    assert set(statuses(rollup).values()) == {Status.NOT_STARTED}


def test_a_refresh_asks_for_no_plan(machine: Machine) -> None:
    assert statuses(machine.do(Operation.REFRESH))["a"] is Status.CHANGED
    assert machine.asked == ["refresh a", "refresh b", "refresh c"]


def test_a_stack_file_that_a_worker_elsewhere_gave_its_salt_is_kept_and_goes_on(
    machine: Machine,
) -> None:
    """Else the next run would make the stack another secrets key."""
    machine.here = False
    machine.do()

    file = machine.folder / "stacks" / "Pulumi.a.yaml"
    assert file.read_text() == f"salt of a\n{TEXT}"
    assert [one.text for one in machine.tasks if one.stack == "a"] == [TEXT, file.read_text()]


@pytest.mark.parametrize("here", [True, False])
def test_a_task_for_a_worker_elsewhere_brings_the_stack_files_of_its_account(
    machine: Machine, here: bool
) -> None:
    """Also of stacks that were not chosen; a worker here reads the files themselves."""
    machine.here = here
    other = 'config:\n  cloud-siem:account: "{}"\n  cloud-siem:deliveries: {{}}\n'
    for name, account in {"d": ACCOUNT, "e": "2130916744880000"}.items():
        file = machine.folder / "stacks" / f"Pulumi.{name}.yaml"
        file.write_text(other.format(account))
    machine.do()

    expected = {} if here else {"Pulumi.d.yaml": other.format(ACCOUNT)}
    assert [one.beside for one in machine.tasks] == [expected] * 6
    assert {one.accounts for one in machine.tasks} == {(ACCOUNT,)}


def test_a_log_that_cannot_be_written_is_told_and_the_result_stands(machine: Machine) -> None:
    (machine.folder / "logs").write_text("a file in its place")
    rollup = machine.do()

    assert statuses(rollup)["a"] is Status.CHANGED
    assert "its log could not be written" in rollup.results[0].notes[-1]
