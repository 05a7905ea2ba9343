"""One run of the engine: what is waited out, what is told, and that nothing raises.

The engine here is a script that fails as the real one does; tests/engine/test_fleet.py has that.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_siem.codes import Code
from cloud_siem.fleet import engine
from cloud_siem.fleet.running import run
from cloud_siem.fleet.tasks import Operation, Status, Task
from cloud_siem.other_stacks import SENT_ACCOUNTS
from cloud_siem.tally import ENVIRON_NAME
from tests.conftest import FakeTime

HERE = socket.gethostname()
Script = Callable[[str], Task]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Makes an engine that does this in a project, and a task for it."""
    project = tmp_path / "project"
    (project / "stacks").mkdir(parents=True)
    (project / "stacks" / "Pulumi.dev.yaml").write_text("config: {}")

    def make(does: str) -> Task:
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *version*) echo v3.259.0; exit;; '
            f'*"stack export"*) echo \'{{"version": 3, "deployment": {{}}}}\'; exit;; esac\n'
            f"echo \"$*\" >> '{tmp_path}/asked'\n{does}\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return Task(
            stack="dev",
            operation=Operation.REFRESH,
            text="config: {}",
            folder=str(project),
            patience_s=30,
        )

    return make


def asked(task: Task) -> int:
    """How often the engine was asked to refresh."""
    lines = (Path(task.folder).parent / "asked").read_text().splitlines()
    return sum(" refresh " in f" {one} " for one in lines)


def locked(who: str, pid: int) -> str:
    return (
        "echo 'error: the stack is currently locked by 1 lock(s). Either wait for the other"
        " process(es) to end or delete the lock file with `pulumi cancel`.' >&2;"
        f" echo '  file:///x.json: created by {who} (pid {pid}) at 2026-01-01T00:00:00Z' >&2;"
        " exit 255"
    )


def test_a_lock_that_somebody_else_holds_is_waited_out_as_long_as_patience_lasts(
    script: Script, fake: FakeTime
) -> None:
    task = script(locked("ann@elsewhere", 7))
    result = run(task, clock=fake.clock)

    assert result.status is Status.FAILED
    assert "the stack is currently locked by 1 lock(s)" in result.errors[0]
    assert result.notes == ("run again: another update held the lock of the stack",)
    assert len(fake.slept) == asked(task) - 1 > 3
    assert sum(fake.slept) <= task.patience_s
    assert fake.slept[:3] == [0.25, 0.5, 1.0], "half of bounds that double: jitter at even chance"


def test_a_lock_whose_process_is_over_is_told_at_once_and_never_broken(
    script: Script, fake: FakeTime
) -> None:
    """A process of another program may have its number by now."""
    for pid in (2**22 + 1, os.getpid()):
        task = script(locked(f"ann@{HERE}", pid))
        result = run(task, clock=fake.clock)

        assert result.status is Status.FAILED
        (said,) = result.errors
        assert said == (
            f"the stack is locked by a run that is over (ann@{HERE}, process {pid}, since"
            " 2026-01-01T00:00:00Z): make sure that nobody updates it, then run `pulumi cancel"
            " --stack dev` and this again"
        )
    assert fake.slept == []
    assert "cancel" not in (Path(task.folder).parent / "asked").read_text()


def test_an_engine_that_is_over_and_has_its_name_still_holds_no_lock(
    script: Script, fake: FakeTime
) -> None:
    """Whoever started it was killed, and has not waited for it."""
    program = Path(script("exit 0").folder).parent / "bin" / "pulumi"
    with subprocess.Popen([str(program)]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{zombie.pid}/comm").read_text() == "pulumi\n"
        result = run(script(locked(f"ann@{HERE}", zombie.pid)), clock=fake.clock)

    assert "the stack is locked by a run that is over (" in result.errors[0]


def test_a_lock_of_a_worker_that_was_lost_is_told_as_that(script: Script, fake: FakeTime) -> None:
    """Of another machine nobody can say whether its process still runs; but it was lost."""
    task = replace(script(locked("ann@elsewhere", 7)), again=True)
    result = run(task, clock=fake.clock)

    assert "locked, as it seems by the worker that was lost (ann@elsewhere" in result.errors[0]
    assert fake.slept == []


THROTTLED = "echo 'error: ... [Throttling.User, HTTP 400, RequestId X]'; exit 255"


def test_throttling_is_waited_out_unless_something_was_written(
    script: Script, fake: FakeTime
) -> None:
    """What was written makes the plan another one; the next run does the rest."""
    result = run(script(THROTTLED), clock=fake.clock)
    assert result.notes == ("run again: the cloud asked to slow down",)
    assert fake.slept

    fake.slept.clear()
    written = f'echo open >> "${ENVIRON_NAME}"; echo call >> "${ENVIRON_NAME}"; {THROTTLED}'
    result = run(script(written), clock=fake.clock)
    assert (fake.slept, result.opened, result.calls) == ([], 1, 1)
    assert "[Throttling.User" in result.errors[0]


def test_any_other_failure_is_told_once_with_its_diagnostics_alone(
    script: Script, fake: FakeTime
) -> None:
    lines = (
        "Refreshing",
        "",
        "Diagnostics:",
        "  gate:",
        "    error: no disk",
        "",
        "Resources:",
        "",
    )
    said = "\n".join(lines)
    result = run(script(f"echo '{said}'; exit 255"), clock=fake.clock)

    assert (result.status, result.errors) == (Status.FAILED, ("gate:\n    error: no disk",))
    assert fake.slept == []
    assert result.log.startswith("Refreshing\n")


SENDER = """
import json, sys
import grpc
from pulumi.runtime.proto.events_pb2 import EventRequest
from pulumi.runtime.proto.events_pb2_grpc import EventsStub

address = sys.argv[sys.argv.index("--event-log") + 1].removeprefix("tcp://")
diagnostic = json.load(open(sys.argv[1]))
event = json.dumps({"sequence": 1, "timestamp": 1, "diagnosticEvent": diagnostic})
with grpc.insecure_channel(address) as channel:
    EventsStub(channel).StreamEvents(iter([EventRequest(event=event)]))
"""
"""Sends one diagnostic to whoever listens to the engine's events."""


def reports(folder: Path, kind: str, message: str) -> str:
    """Shell lines that report an error of a resource and fail."""
    urn = f"urn:pulumi:dev::cloud-siem::{kind}::gate"
    diagnostic = {"urn": urn, "severity": "error", "message": message, "color": "never"}
    (folder / "diagnostic.json").write_text(json.dumps(diagnostic))
    (folder / "sender.py").write_text(SENDER)
    return f"'{sys.executable}' '{folder}/sender.py' '{folder}/diagnostic.json' \"$@\"; exit 255"


@pytest.mark.parametrize("operation", [Operation.PREVIEW, Operation.UP])
def test_a_refusal_by_our_resources_is_a_refusal_with_its_codes(
    script: Script, operation: Operation, tmp_path: Path
) -> None:
    kind = "pulumi-python:dynamic/cloud-siem:Gate"
    does = reports(tmp_path, kind, f"18 logs would close. {Code.CLOSE_LIMIT}")
    result = run(replace(script(does), operation=operation))

    assert (result.status, result.codes) == (Status.REFUSED, (Code.CLOSE_LIMIT,))


def test_a_code_in_a_diagnostic_of_the_program_is_a_failure(script: Script, tmp_path: Path) -> None:
    does = reports(tmp_path, "pulumi:pulumi:Stack", f"no. {Code.CLOSE_LIMIT}")
    result = run(replace(script(does), operation=Operation.UP))

    assert (result.status, result.codes) == (Status.FAILED, ())


def test_no_sentence_makes_a_failure_a_refusal(script: Script) -> None:
    """Only the codes in diagnostics of our own resources do."""
    says = "error: 18 logs would close. Nothing was closed. [refused:close-limit]"
    result = run(script(f"echo '{says}'; exit 255"))

    assert result.status is Status.FAILED
    assert result.codes == ()


def test_a_run_that_hangs_is_asked_to_end(script: Script) -> None:
    """As Ctrl-C would, so that it gives its lock back."""
    hangs = "trap 'kill $!; echo gave the lock back; exit 255' INT; sleep 60 & wait"
    result = run(replace(script(hangs), limit_s=0.2))

    assert result.status is Status.FAILED
    assert "did not end within 0.2 s and was asked to end; gave the lock back" in result.errors[0]


def test_a_session_reaches_the_engine_by_its_environment_alone(script: Script) -> None:
    task = script('echo "key is $ALIBABA_CLOUD_ACCESS_KEY_ID"; exit 255')
    result = run(task, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.canary"})

    assert result.errors == ("key is STS.canary",)
    assert "canary" not in (Path(task.folder).parent / "asked").read_text()


def test_the_engine_is_out_of_reach_of_the_terminals_ctrl_c(script: Script) -> None:
    result = run(script("ps -o pgid= -p $$; exit 255"))

    assert int(result.errors[0]) != os.getpgrp()


def test_without_an_engine_on_the_worker_that_is_told(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = script("exit 255")
    monkeypatch.setenv("PATH", "")
    result = run(task)

    assert result.errors == ("pulumi is not on PATH of the worker: install it there",)


@pytest.mark.parametrize("says", ["echo v2.1.0", "exit 3"])
def test_an_engine_that_cannot_be_used_is_told(script: Script, says: str) -> None:
    task = script("exit 255")
    program = Path(task.folder).parent / "bin" / "pulumi"
    program.write_text(f"#!/bin/sh\n{says}\n")
    engine._version.cache_clear()
    try:
        result = run(task)
    finally:
        engine._version.cache_clear()

    assert "the pulumi on PATH cannot be used (" in result.errors[0]


def test_a_folder_that_cannot_be_made_is_told(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say; nobody else is stopped by it."""

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "/tmp/x")  # noqa: S108

    task = script("exit 255")
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    result = run(task)

    assert result.errors == ("the run could not be prepared: /tmp/x: No space left on device",)


def test_a_fault_of_ours_is_the_result_of_that_stack(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = script("exit 255")
    monkeypatch.setattr(shutil, "which", lambda _: 1 / 0)
    result = run(task)

    assert "unexpected ZeroDivisionError" in result.errors[0]
    assert "please report it" in result.errors[0]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_engine_is_told_which_accounts_stack_files_were_sent(
    script: Script, elsewhere: bool
) -> None:
    """On the machine that has the project all stack files are there, and nothing is said."""
    task = script(f'echo "${{{SENT_ACCOUNTS}-unset}}"; ls stacks; exit 255')
    if elsewhere:
        project = {"Pulumi.yaml": "{name: mine, stackConfigDir: stacks}"}
        beside = {"Pulumi.other.yaml": "x"}
        task = replace(task, folder="", project=project, accounts=("1", "2"), beside=beside)
    said = run(task).errors[0].split()

    assert said == (
        ["1,2", "Pulumi.dev.yaml", "Pulumi.other.yaml"]
        if elsewhere
        else ["unset", "Pulumi.dev.yaml"]
    )


def test_a_worker_elsewhere_makes_the_project_of_the_tasks_texts(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes it away; what the engine added to the stack file comes back."""
    does = "cat Pulumi.yaml parts/logs.py; ls -l .venv; echo salt >> stacks/Pulumi.dev.yaml; pwd"
    project = {"Pulumi.yaml": "{name: mine, stackConfigDir: stacks}\n", "parts/logs.py": "x = 1\n"}
    task = replace(script(f"{does}; exit 255"), folder="", project=project)
    result = run(task)
    name, part, venv, folder = result.errors[0].splitlines()

    assert (name, part) == ("{name: mine, stackConfigDir: stacks}", "x = 1")
    assert venv.endswith(f".venv -> {sys.prefix}")
    assert not Path(folder).exists()
    assert result.text == "config: {}salt\n"
