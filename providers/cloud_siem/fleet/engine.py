"""The one door to the real engine: Pulumi's Automation API, on one stack in one folder.

Imported when a run is due: it takes most of a second and a hundred megabytes. What the Automation
API leaves open is closed here: its programs run in a process group of their own, so that Ctrl-C at
the terminal ends no update half-way; no stack is selected, which would change the person's own
selection; and all that is said is kept.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from pulumi import automation
from pulumi.automation.errors import (
    CommandError,
    ConcurrentUpdateError,
    StackNotFoundError,
    create_command_error,
)
from pulumi.automation.events import EngineEvent, StepEventStateMetadata
from semver import VersionInfo

from cloud_siem.codes import Code, codes_in, refusals_of
from cloud_siem.doctor import ENGINE_AT_LEAST
from cloud_siem.errors import CloudSiemError
from cloud_siem.versions import dotted, version_of

__all__ = ["CommandError", "ConcurrentUpdateError", "Engine", "StackNotFoundError"]

GRACE_S = 60.0
"""Seconds; so long a run that was asked to end may take until its lock is given back."""
_DONE_NOTHING = ("same", "read", "refresh")


class Engine:
    """One stack; every method raises ``CommandError`` when the engine fails.

    Args:
        stack: Its name.
        folder: The project's folder.
        environ: What is put over the environment of this process.
        limit_s: How long one command of the engine may take.
    """

    def __init__(
        self, stack: str, folder: Path, environ: Mapping[str, str], *, limit_s: float
    ) -> None:
        self._command = _Command(limit_s)
        self._workspace = _Workspace(
            work_dir=str(folder), env_vars=dict(environ), pulumi_command=self._command
        )
        self._name = stack
        self._stack = automation.Stack.select(stack, self._workspace)
        self._seen = _Seen()

    @property
    def log(self) -> str:
        """All that it said so far."""
        return "".join(f"{line}\n" for line in self._command.lines)

    @property
    def failure(self) -> str:
        """What it failed for: its diagnostics, else its last words."""
        said = self._command.said
        _, _, told = said.partition("\nDiagnostics:\n")
        for end in ("\nOutputs:\n", "\nResources:\n", "\nDuration:"):
            told = told.partition(end)[0]
        return (told or said).strip()

    @property
    def codes(self) -> tuple[Code, ...]:
        """The rules that refused the last command."""
        return codes_in("\n".join(refusals_of(self._seen.diagnostics)))

    @property
    def timed_out(self) -> bool:
        """Whether a command was asked to end because of its limit."""
        return self._command.timed_out

    def make(self) -> None:
        """Make the stack, empty."""
        self._workspace.create_stack(self._name)

    def preview(self, plan: Path) -> tuple[bool, str]:
        """A refreshed preview: whether it would change anything, and its steps."""
        self._seen = _Seen()
        done = self._stack.preview(
            refresh=True, plan=str(plan), on_event=self._seen, color="never", suppress_progress=True
        )
        summary = {str(op): count for op, count in done.change_summary.items()}
        return _changes(summary), self._seen.text

    def up(self, plan: Path | None) -> bool:
        """A refreshed update: whether it changed anything."""
        self._seen = _Seen()
        done = self._stack.up(
            refresh=True,
            on_event=self._seen,
            plan=str(plan) if plan else None,
            color="never",
            show_secrets=False,
            suppress_progress=True,
        )
        return _changes(done.summary.resource_changes)

    def refresh(self) -> bool:
        """Whether the record changed."""
        self._seen = _Seen()
        done = self._stack.refresh(
            on_event=self._seen, color="never", show_secrets=False, suppress_progress=True
        )
        return _changes(done.summary.resource_changes)


def interrupt() -> None:
    """Ask every engine that runs in this process to end, as Ctrl-C would."""
    for process in list(_running):
        process.send_signal(signal.SIGINT)


# --- inside ---------------------------------------------------------------------------------------


_running: set[subprocess.Popen[bytes]] = set()


class _Workspace(automation.LocalWorkspace):
    def select_stack(self, stack_name: str) -> None:
        """Nothing: every command names its stack, and the person's own selection stays."""

    def create_stack(self, stack_name: str) -> None:
        self.pulumi_command.run(
            ["stack", "init", "--no-select", "--", stack_name], self.work_dir, self.env_vars
        )


class _Command(automation.PulumiCommand):
    """Runs the CLI in a process group of its own, within a limit, and keeps what it says."""

    def __init__(self, limit_s: float) -> None:
        self.command = "pulumi"
        self.version = _version()
        self.lines: list[str] = []
        self.said = ""
        """By the last command."""
        self.timed_out = False
        self._limit_s = limit_s

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> automation.CommandResult:
        # Into files, not pipes: should this process be killed, the engine comes to its end and
        # gives its lock back; a pipe without a reader would end it at its next word.
        with TemporaryFile() as output, TemporaryFile() as errors:
            with subprocess.Popen(
                [self.command, "--non-interactive", *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if _is_told(args) else errors,
                cwd=cwd,
                env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
                start_new_session=True,
            ) as process:
                _running.add(process)
                try:
                    code = self._ended(process)
                finally:
                    _running.discard(process)
            said, apart = (_text_of(one) for one in (output, errors))
        for text, listener in ((said, on_output), (apart, on_error)):
            if listener:
                listener(text)
        self.said = f"{said}\n{apart}"
        if _is_told(args):
            self.lines += said.splitlines()
        result = automation.CommandResult(stdout=said, stderr=apart or said, code=code)
        if code:
            raise create_command_error(result)
        return result

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._end(process)
            return process.wait()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask it to end, as Ctrl-C would: it then gives its lock back."""
        self.timed_out = True
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _is_told(args: list[str]) -> bool:
    """Whether what a command says belongs into the log; answers for programs do not."""
    return "--json" not in args


@cache
def _version() -> VersionInfo:
    """Of the CLI, asked for once, and out of reach of the terminal's Ctrl-C like all else.

    :raises CloudSiemError: it cannot be used.
    """
    done = subprocess.run(
        ["pulumi", "version"],
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        check=False,
    )
    said = done.stdout.strip().removeprefix("v")
    if done.returncode or version_of(said) < ENGINE_AT_LEAST:
        told = said or f"it ended with exit code {done.returncode}"
        needed = f"version {dotted(ENGINE_AT_LEAST)} or newer is needed"
        raise CloudSiemError(f"the pulumi on PATH cannot be used ({told}): {needed}")
    return VersionInfo.parse(said)


class _Seen:
    """Collects events into what ``pulumi preview --json`` would print."""

    def __init__(self) -> None:
        self._config: Mapping[str, str] = {}
        self._steps: list[dict[str, object]] = []
        self.diagnostics: list[dict[str, object]] = []

    def __call__(self, event: EngineEvent) -> None:
        if event.prelude_event:
            self._config = event.prelude_event.config
        if event.resource_pre_event:
            step = event.resource_pre_event.metadata
            states = {"oldState": _state(step.old), "newState": _state(step.new)}
            self._steps.append({"op": step.op.value, **states})
        if event.diagnostic_event:
            told = event.diagnostic_event
            self.diagnostics.append(
                {"severity": told.severity, "message": told.message, "urn": told.urn}
            )

    @property
    def text(self) -> str:
        return json.dumps(
            {
                "config": dict(self._config),
                "steps": self._steps,
                "diagnostics": self.diagnostics,
            }
        )


def _state(state: StepEventStateMetadata | None) -> dict[str, object] | None:
    if state is None:
        return None
    return {
        "type": state.type,
        "inputs": dict(state.inputs or {}),
        "outputs": dict(state.outputs or {}),
        "retainOnDelete": bool(state.retain_on_delete),
    }


def _changes(summary: Mapping[Any, int] | None) -> bool:
    return any(count for op, count in (summary or {}).items() if str(op) not in _DONE_NOTHING)
