"""A run over a fleet, in its order. Called by the commands.

An update goes through five steps; the first write comes after the last look:

1. who needs the engine (``need``): one ListDelivery for each stack, and what its state records;
2. a refreshed preview of each of those, its plan saved;
3. all previews together (``rails``): one refusal, and nothing is written anywhere;
4. without the word that it may write, the run ends here;
5. a refreshed update of each, held to its plan.

Whatever fails is the result of that stack alone. Once ``stopping`` is set, what runs comes to its
end, and nothing more is started; a run that is started again does what is left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from cloud_siem import program
from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet import need, paces, rails
from cloud_siem.fleet.beside import Beside
from cloud_siem.fleet.executing import Workers, execute
from cloud_siem.fleet.need import Need
from cloud_siem.fleet.records import Records
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Operation, Result, Status, Task, portable
from cloud_siem.model import Snapshot, State
from cloud_siem.origin import commit_of
from cloud_siem.project import Project
from cloud_siem.report.writing import replace_file
from cloud_siem.stack import Stack
from cloud_siem.survey import Survey, each

READY = (Status.TO_CHANGE, Status.UNCHANGED)
"""The preview came to its end. One with nothing to change is updated, too: its program or settings
are then recorded."""


class Watch(Protocol):
    """Whoever is told how far it is."""

    def begin(self, doing: str, total: int) -> None:
        """So many stacks are to be looked at, previewed or updated now."""

    def done(self, result: Result) -> None:
        """One of them is."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The stacks that were chosen, as they were read."""

    folder: Path
    """The project's."""
    stacks: tuple[Stack, ...] = ()
    texts: Mapping[str, str]
    """The stack files' texts by stack."""
    faults: Mapping[str, tuple[str, ...]]
    """Why a stack that was chosen cannot be used, by its name."""

    @property
    def opened(self) -> int:
        """How many deliveries are declared open, in all of them."""
        return sum(one.state is State.OPEN for stack in self.stacks for one in stack.deliveries)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run goes."""

    operation: Operation
    changed_only: bool
    """Whether stacks that do not need the engine are skipped."""
    write: bool = True
    """Whether an update may write; else it ends with its review."""
    fail_fast: bool = False
    concurrency: int = 32
    """How many accounts are looked at at once."""
    limit: rails.Limit
    logs: Path
    """The folder for the engine's logs."""


class Fleet:
    """One run.

    Args:
        chosen: Over what.
        options: How.
        workers: Where the engine runs.
        environ: The environment.
        watch: Is told how far it is.
        stopping: Whoever sets it stops the run.
    """

    def __init__(
        self,
        chosen: Chosen,
        options: Options,
        *,
        workers: Workers,
        environ: Mapping[str, str],
        watch: Watch,
        stopping: threading.Event,
    ) -> None:
        self._chosen = chosen
        self._options = options
        self._workers = workers
        self._environ = environ
        self._watch = watch
        self._stopping = stopping
        self._stacks = {one.name: need.as_updated(one) for one in chosen.stacks}
        self._records = Records(chosen.folder, chosen.texts, environ)
        self._survey = Survey(
            list(self._stacks.values()),
            commit=commit_of(chosen.folder),
            recording=self._records.recorded,
        )
        self._files = program.files_of(chosen.folder)
        self._project = Project.find(chosen.folder)

    def run(self) -> Rollup:
        began, started = datetime.now(UTC), time.monotonic()
        faulty = [
            Result(stack=name, status=Status.FAILED, errors=errors)
            for name, errors in self._chosen.faults.items()
        ]
        if faulty and self._options.fail_fast:
            self._stopping.set()
        needs, results = self._needs() if self._options.changed_only else ({}, [])
        due = [one for one in self._stacks if one in needs or not self._options.changed_only]
        refusal, ran = self._operate(due)
        results += [_with(needs.get(one.stack), one) for one in ran]
        return Rollup(
            operation=self._options.operation,
            began=began,
            seconds=round(time.monotonic() - started, 1),
            results=Rollup.ordered([*faulty, *map(self._logged, results)]),
            refusal=refusal,
            asked=self._options.operation is Operation.UP and not self._options.write,
            notes=tuple(self._notes(due)),
        )

    def _notes(self, due: Sequence[str]) -> Iterator[str]:
        if due:
            where = "on this machine" if self._workers.here else "on other machines"
            yield f"the engine ran {where}, {self._workers.slots} at a time"
        yield from paces.notes([self._stacks[one] for one in due], self._workers.slots)

    # --- 1. who needs the engine ------------------------------------------------------------------

    def _needs(self) -> tuple[dict[str, Need], list[Result]]:
        """Who does, and what is to be said of all others."""
        self._watch.begin("Looking at accounts", len(self._stacks))
        needed: dict[str, Need] = {}
        results: list[Result] = []
        left = set(self._stacks)
        looking = each(
            list(self._stacks.values()), self._need, concurrency=self._options.concurrency
        )
        for one in looking:
            left.discard(one.stack)
            if one.exported:
                self._records.note(one.stack)
            if one.why:
                needed[one.stack] = one
            else:
                results.append(_not_needed(one))
                self._watch.done(results[-1])
                if one.errors and self._options.fail_fast:
                    self._stopping.set()
            if self._stopping.is_set():
                break
        results += [Result(stack=name, status=Status.NOT_STARTED) for name in sorted(left)]
        return needed, results

    def _need(self, stack: Stack) -> Need:
        return need.need_of(stack, self._survey.outcome(stack), self._records.program)

    # --- 2. to 5. the engine ----------------------------------------------------------------------

    def _operate(self, due: Sequence[str]) -> tuple[str, list[Result]]:
        """Why nothing was written, if so, and what became of these stacks."""
        operation = self._options.operation
        if operation is Operation.REFRESH:
            return "", list(self._executed(operation, due, {}))
        previews = {one.stack: one for one in self._executed(Operation.PREVIEW, due, {})}
        refusal = rails.refusal(
            list(previews.values()), self._options.limit, opened=self._chosen.opened
        )
        if operation is Operation.PREVIEW or not self._options.write:
            return refusal, list(previews.values())
        ready = [one for one in due if previews[one].status in READY]
        if refusal:
            held = {one: _held(previews[one]) for one in ready}
            return refusal, list((previews | held).values())
        plans = {one: previews[one].plan for one in ready}
        for one in self._executed(operation, ready, plans):
            previews[one.stack] = _after(previews[one.stack], one)
        return "", list(previews.values())

    def _executed(
        self, operation: Operation, due: Sequence[str], plans: Mapping[str, bytes]
    ) -> Iterator[Result]:
        if due:
            self._watch.begin(_DOING[operation], len(due))
        rates = paces.shares([self._stacks[one] for one in due], self._workers.slots)
        # A worker here reads the files themselves.
        beside = Beside() if self._workers.here else Beside.read(self._project)
        done = execute(
            [self._task(operation, one, plans.get(one, b""), rates[one], beside) for one in due],
            self._workers,
            session=lambda task: self._survey.session(self._stacks[task.stack]),
            stopping=self._stopping,
            fail_fast=self._options.fail_fast,
        )
        for result in done:
            told = result
            if operation is Operation.PREVIEW:
                stack = self._stacks[result.stack]
                look = partial(self._look, stack)
                told = rails.reviewed_result(result, stack.settings, look)
            self._keep_text(told)
            self._watch.done(told)
            yield told

    def _look(self, stack: Stack, *_of_plan: object) -> Snapshot | None:
        with suppress(CloudSiemError):  # the preview has read it; without it the entries count
            return self._survey.look(stack)
        return None

    def _task(
        self, operation: Operation, stack: str, plan: bytes, rate: float, beside: Beside
    ) -> Task:
        accounts = (self._stacks[stack].perspective.owner,)
        return Task(
            stack=stack,
            operation=operation,
            text=self._text(stack),
            project=self._files,
            beside=beside.of(self._file(stack).name, accounts),
            accounts=accounts,
            folder=str(self._chosen.folder),
            environment={**portable(self._environ), paces.RATE.environ_name: f"{rate:g}"},
            plan=plan,
        )

    def _text(self, stack: str) -> str:
        """The stack file as it is now; a worker elsewhere may have given it its salt meanwhile."""
        with suppress(OSError):
            return self._file(stack).read_text(encoding="utf-8")
        return self._chosen.texts[stack]

    def _file(self, stack: str) -> Path:
        return self._project.stack_file(stack)

    def _keep_text(self, result: Result) -> None:
        """Write what the engine added to a stack file elsewhere: a new stack's salt."""
        if result.text and not self._workers.here:
            with suppress(OSError):  # the engine makes another one the next time
                replace_file(self._file(result.stack), result.text)

    def _logged(self, result: Result) -> Result:
        """With its log in a file, and without all that the report does not tell."""
        bare = replace(result, log="", plan=b"", steps="", text="")
        if not result.log:
            return bare
        file = self._options.logs / f"{result.stack}.log"
        try:
            self._options.logs.mkdir(parents=True, exist_ok=True)
            replace_file(file, result.log)
        except OSError as error:
            why = f"its log could not be written into {file} ({error.strerror or error})"
            return replace(bare, notes=(*bare.notes, why))
        return replace(bare, log_file=str(file))


_DOING = {
    Operation.PREVIEW: "Previewing",
    Operation.UP: "Updating",
    Operation.REFRESH: "Refreshing",
}


def _not_needed(one: Need) -> Result:
    status = Status.FAILED if one.errors else Status.SKIPPED
    why = (one.proof,) if one.proof else ()
    return Result(stack=one.stack, status=status, errors=one.errors, why=why, calls=one.calls)


def _with(needed: Need | None, result: Result) -> Result:
    """With what was found before the engine ran."""
    if needed is None:
        return result
    return replace(result, calls=result.calls + needed.calls, why=needed.why)


def _held(preview: Result) -> Result:
    """A preview that was not followed by its update."""
    return replace(preview, status=Status.NOT_STARTED, opened=0, closed=0)


def _after(preview: Result, update: Result) -> Result:
    """An update with the preview that it was held to."""
    if update.status is Status.NOT_STARTED:
        return replace(_held(preview), errors=update.errors)
    return replace(
        update,
        calls=preview.calls + update.calls,
        seconds=round(preview.seconds + update.seconds, 1),
        notes=(*preview.notes, *update.notes),
        changes=preview.changes,
        log=f"{preview.log}\n{update.log}",
    )
