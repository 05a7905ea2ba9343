"""One task: one run of the real engine. Called by ``executing``, here or on a worker elsewhere.

1. The project's folder: the one that the task names, as a person would run it there; else one
   made of the task's texts, and gone afterwards.
2. The engine runs. What may pass is waited out: a lock that somebody else holds, and throttling,
   as long as nothing was written. A lock that nobody holds any more is told, with the way out; it
   is never broken, since only a person can know that nobody does.
3. Whatever happens is the result; ``run`` never raises.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_siem import tally
from cloud_siem.errors import CloudSiemError, RefusedError
from cloud_siem.exporting import NoStackError, check_recorded_code
from cloud_siem.fleet.tasks import Operation, Result, Status, Task
from cloud_siem.machine import runs_engine
from cloud_siem.other_stacks import SENT_ACCOUNTS
from cloud_siem.pacing import Clock, Deadline, backoff
from cloud_siem.project import Project

if TYPE_CHECKING:
    from cloud_siem.fleet.engine import Engine

_EXPERIMENTAL = {"PULUMI_EXPERIMENTAL": "true"}
"""Plans are still said to be an experiment of the engine's."""
_HELD = re.compile(r"created by (?P<who>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
"""How the engine tells a lock in a backend of one's own (pkg/backend/diy/lock.go, 3.259)."""
_PROGRAM = "pulumi"
_THROTTLED = re.compile(r"\[Throttling[.\w]*|\[Rejected\.Throttling|HTTP 429")
_LOG_LIMIT = 1_000_000
"""Characters of a log that a result carries; a run within reason has a hundredth."""


def run(task: Task, session: Mapping[str, str] | None = None, clock: Clock | None = None) -> Result:
    """Run a task; never raises.

    Args:
        task: What to do.
        session: Credentials of a role that were assumed for this stack already, as environment
            variables; on another machine there are none, and the provider assumes the role itself.
        clock: The outside world of waiting.
    """
    began = time.monotonic()
    try:
        with _project(task) as folder, tempfile.TemporaryDirectory(prefix="cloud-siem-") as aside:
            result = _Run(task, folder, Path(aside), session or {}, clock or Clock()).result()
    except RefusedError as error:
        codes = tuple(one.code for one in error.refusals)
        result = replace(_failed(task, str(error)), status=Status.REFUSED, codes=codes)
    except CloudSiemError as error:
        result = _failed(task, str(error))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        result = _failed(task, f"the run could not be prepared: {what}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - one stack's failure, ours included, hides no other
        result = _failed(
            task,
            f"unexpected {type(error).__name__}: {error}. This is a fault of pulumi-cloud-siem;"
            " please report it.",
        )
    return replace(result, seconds=round(time.monotonic() - began, 1))


def _failed(task: Task, *errors: str) -> Result:
    return Result(stack=task.stack, status=Status.FAILED, errors=errors)


# --- the project ----------------------------------------------------------------------------------


@contextmanager
def _project(task: Task) -> Iterator[Path]:
    """A folder that holds what the task says."""
    if task.folder:
        yield Path(task.folder)
        return
    with tempfile.TemporaryDirectory(prefix="cloud-siem-") as made:
        folder = Path(made)
        for name, text in task.project.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        _write_stack_files(task, Project.find(folder))
        (folder / ".venv").symlink_to(sys.prefix)
        yield folder


def _write_stack_files(task: Task, project: Project) -> None:
    """Write the task's stack file, and those of other stacks beside it."""
    folder = project.stack_folder
    if not folder.is_relative_to(project.folder):
        raise CloudSiemError(
            f"stackConfigDir leads out of the project ({os.path.relpath(folder, project.folder)});"
            " a worker on another machine has the project's own folder alone"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in task.beside.items():
        (folder / name).write_text(text, encoding="utf-8")
    project.stack_file(task.stack).write_text(task.text, encoding="utf-8")


_CHANGED = {True: Status.TO_CHANGE, False: Status.CHANGED}
"""By whether it was a preview."""


# --- the run --------------------------------------------------------------------------------------


@dataclass
class _Run:
    task: Task
    folder: Path
    aside: Path
    """For files of this run alone."""
    session: Mapping[str, str]
    clock: Clock
    notes: list[str] = field(default_factory=list)

    def result(self) -> Result:
        from cloud_siem.fleet import engine  # noqa: PLC0415 - see there

        if shutil.which(_PROGRAM) is None:
            raise CloudSiemError("pulumi is not on PATH of the worker: install it there")
        running = engine.Engine(
            self.task.stack, self.folder, self._environ(), limit_s=self.task.limit_s
        )
        self._check_state()
        patience = Deadline.of(self.task.patience_s, self.clock)
        attempt = 1
        while True:
            try:
                return self._done(running, *self._operate(running))
            except engine.StackNotFoundError:
                if attempt > 1:
                    return self._not_done(running)
                running.make()
            except engine.CommandError as error:
                pause = backoff(attempt, self.clock)
                held = isinstance(error, engine.ConcurrentUpdateError)
                why = self._may_pass(running, held=held)
                if not why or pause >= patience.left:
                    return self._not_done(running)
                self.notes.append(f"run again: {why}")
                self.clock.sleep(pause)
            attempt += 1

    def _check_state(self) -> None:
        """Refuse a state that names other code than ours, before a refresh runs it."""
        with suppress(NoStackError):
            environ = {**os.environ, **self._environ()}
            check_recorded_code(self.task.stack, self.folder, environ)

    def _environ(self) -> dict[str, str]:
        """What is put over the environment; the session last, it is meant for this stack."""
        here = {"PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ.get("PATH", os.defpath)])}
        ours = {tally.ENVIRON_NAME: str(self._tally)}
        if not self.task.folder:
            ours[SENT_ACCOUNTS] = ",".join(self.task.accounts)
        return {**here, **_EXPERIMENTAL, **self.task.environment, **ours, **self.session}

    @property
    def _tally(self) -> Path:
        return self.aside / "tally"

    @property
    def _plan(self) -> Path:
        return self.aside / "plan"

    def _operate(self, running: Engine) -> tuple[bool, str]:
        """Whether it changed or would change something, and the steps of a preview."""
        match self.task.operation:
            case Operation.PREVIEW:
                return running.preview(self._plan)
            case Operation.UP:
                if self.task.plan:
                    self._plan.write_bytes(self.task.plan)
                return running.up(self._plan if self.task.plan else None), ""
            case Operation.REFRESH:
                return running.refresh(), ""

    def _done(self, running: Engine, changed: bool, steps: str) -> Result:
        previewed = self.task.operation is Operation.PREVIEW
        return replace(
            self._counted(running),
            status=_CHANGED[previewed] if changed else Status.UNCHANGED,
            steps=steps,
            plan=self._plan.read_bytes() if previewed else b"",
        )

    def _not_done(self, running: Engine) -> Result:
        codes = running.codes
        told = self._stale(running.failure) or running.failure
        if running.timed_out:
            told = f"it did not end within {self.task.limit_s:g} s and was asked to end; {told}"
        return replace(
            self._counted(running),
            status=Status.REFUSED if codes else Status.FAILED,
            errors=(told,),
            codes=codes,
        )

    def _counted(self, running: Engine) -> Result:
        found = tally.counted_in(self._tally)
        file = Project.find(self.folder).stack_file(self.task.stack)
        text = file.read_text(encoding="utf-8")
        return Result(
            stack=self.task.stack,
            status=Status.FAILED,
            opened=found.opened,
            closed=found.closed,
            calls=found.calls,
            notes=tuple(dict.fromkeys(self.notes)),
            log=running.log[-_LOG_LIMIT:],
            text=text if text != self.task.text else "",
        )

    # --- what may pass ----------------------------------------------------------------------------

    def _may_pass(self, running: Engine, *, held: bool) -> str:
        """Why the same run may succeed a little later; empty where it cannot."""
        if held:
            stale = self._stale(running.failure)
            return "" if stale else "another update held the lock of the stack"
        found = tally.counted_in(self._tally)
        if _THROTTLED.search(running.failure) and not (found.opened or found.closed):
            return "the cloud asked to slow down"
        return ""

    def _stale(self, text: str) -> str:
        """The sentence about a lock that nobody holds any more; empty where there is none."""
        held = _HELD.search(text)
        if held is None:
            return ""
        way_out = (
            f"make sure that nobody updates it, then run `pulumi cancel --stack {self.task.stack}`"
            " and this again"
        )
        whose = f"{held['who']}, process {held['pid']}, since {held['at']}"
        if held["who"].rpartition("@")[2] == socket.gethostname() and not runs_engine(
            int(held["pid"])
        ):
            return f"the stack is locked by a run that is over ({whose}): {way_out}"
        if self.task.again:
            return (
                f"the stack is locked, as it seems by the worker that was lost ({whose}): {way_out}"
            )
        return ""
