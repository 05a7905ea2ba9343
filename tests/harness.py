"""The engine in small: calls the providers' verbs as the real engine does, without its processes.

For tests that need hundreds of runs. ``tests/engine/test_harness.py`` takes the same runs on both
and compares verbs, calls and records, so that this stays true to the engine (CLI 3.259.0):

Processes
 1. Each run begins a provider process; a preview has one of its own, and ends before any write.
 2. Refresh and destroy run without the program, on the config that the last update recorded. So
    does the refresh of ``up --refresh``: if the config has changed since, the program's part of
    that run has another process.
 3. Bags go through JSON, as they do through the engine's state; an input of None is not there.

An update
 4. In program order: the gate is checked, diffed, created or updated; then each delivery; then
    settled. Checks come one after the other; the steps that follow from them overlap.
 5. A check that fails ends the run, also with ``--continue-on-error``. Whatever was begun when a
    step fails is finished; nothing after it is begun, not even the rest of a replacement.
 6. What stays the same is recorded with the new inputs, protect and keep, and the old outputs.
 7. What the program no longer has is deleted last, dependents first, unless it was *recorded* as
    kept. What was recorded as protected is an error in the preview, and in the update too, which
    then deletes the others all the same, except what the protected resource depends on.

Replacement (``--replace``, ``--target-replace``, ``state taint``)
 8. There is one check, without old inputs, and no diff of the resource itself. Settled is diffed
    once more with unknown values, to see whether it must be replaced with it.
 9. Gate and delivery are deleted, then created; a replaced gate before any delivery is checked.
    Settled is created first; its old record is deleted with what the program no longer has.
10. A delivery that is recorded as protected and still declared so is refused. With the flag taken
    off in the program it is replaced in the same run. What is recorded as kept is not deleted.
11. Between delete and create the record is pending. The next run checks it with and then without
    old inputs, and only creates. Removed from the program, or in a destroy, a pending record is
    dropped without a call.

Targets and excludes
12. What is left out is not checked. If it is recorded, it and all that it depends on stay as they
    are, so that a removed delivery is deleted only if settled takes part, too: ``--target`` of a
    removed delivery alone does nothing. If it is new, it is skipped, and its outputs are unknown.
13. A step that depends on something skipped is an error with ``--target`` or ``--replace``. With
    ``--exclude`` it is taken, and leaves a state that the engine refuses until it is repaired.
14. ``--target-dependents`` adds what depends on a target or is its child. A delete of anything that
    is not named is refused without it.
15. ``--exclude`` spares from deletion all that an excluded resource depends on.
16. A target that does not exist fails the run at its end, an unknown ``--replace`` at its begin.
    An unknown ``--exclude`` is ignored, except by a refresh.
17. ``--refresh`` reads what takes part. All reads are tried; if one fails, nothing else is done.

``--continue-on-error``
18. What depends on a failed resource is checked and diffed, and its step is skipped. Deletes are
    tried, except of what a failed resource depends on.
19. A skipped settled is not a failed one: what it was recorded to depend on is deleted, the state
    is written, and the engine panics; the state must be repaired.
20. If the delete of a replacement fails, the engine waits for ever: the program gets no answer.

Interrupts
21. A create, update or delete is recorded when it ends; what stays the same, when something of it
    has changed; what a refresh has read, with the next write or at the end.
22. After Ctrl-C the calls that were begun are finished and recorded; no other begins. A kill loses
    the record of what was done last. The next run warns of it, and goes on.

State commands
23. ``state delete`` refuses what others depend on, unless they go, too, and what is protected.
24. ``state move`` takes a resource out of its component, so that the next update of the other stack
    creates another one in its place and deletes this one. Dependencies across stacks are cut. It
    needs the provider of the source in the other stack, or none, or one of the same config.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from cloud_siem import provider
from cloud_siem.pacing import Clock
from cloud_siem.process import Process
from tests.deployment import Deployment, Meanwhile, Running, Stop, repair
from tests.projectfolder import ProjectFolder, config_of
from tests.resources import (
    BELOW_STACK,
    DELIVERY,
    GATE,
    SETTLED,
    Config,
    Flags,
    Interrupt,
    Line,
    Program,
    Recorded,
    Records,
    Run,
    Urn,
)

__all__ = [
    "DELIVERY",
    "GATE",
    "SETTLED",
    "THREADS",
    "Flags",
    "Harness",
    "Interrupt",
    "Meanwhile",
    "Program",
    "Recorded",
    "Run",
    "Urn",
]

THREADS = 4
"""Of the process that serves dynamic providers."""
NONE = Flags()
_ids = itertools.count(1)


_folders = tempfile.TemporaryDirectory(prefix="harness-")
atexit.register(_folders.cleanup)


def _new_folder() -> Path:
    """An empty folder that lasts as long as this process."""
    return Path(tempfile.mkdtemp(dir=_folders.name))


@dataclass(kw_only=True)
class Harness:
    """One stack."""

    environ: Mapping[str, str]
    """Of the provider's process: at least where the emulator is."""
    folder: Path = field(default_factory=_new_folder)
    """The project's folder; the stacks of one project share it."""
    config: Config = field(default_factory=dict)
    """Further config of the stack, beside what the program declares."""
    clock: Clock = field(default_factory=Clock)
    parallel: int = THREADS
    """The resources that are created, updated or deleted at a time."""
    records: Records = field(default_factory=Records)
    recorded_config: Config = field(default_factory=dict)
    failing: str = ""
    """The call that fails without being made, e.g. ``delete sas/x``."""
    provider_id: int | None = None
    """Of the recorded default provider."""

    # --- runs ------------------------------------------------------------------------------------

    def preview(self, program: Program, *, refresh: bool = False, flags: Flags = NONE) -> Run:
        return self._update(program, self.records.copy(), flags, refresh=refresh, dry=True)

    def up(
        self,
        program: Program,
        *,
        preview: bool = True,
        refresh: bool = False,
        flags: Flags = NONE,
        interrupt: Interrupt | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Run:
        """Run a preview, and if it has no errors the update."""
        previewed = self.preview(program, refresh=refresh, flags=flags) if preview else None
        if previewed and not previewed.ok:
            return previewed
        run = self._update(
            program,
            self.records,
            flags,
            refresh=refresh,
            dry=False,
            interrupt=interrupt,
            meanwhile=meanwhile,
        )
        return replace(run, lines=previewed.lines + run.lines) if previewed else run

    def refresh(self, *, flags: Flags = NONE) -> Run:
        running = self._running(flags, None, None)
        with self._run(self.recorded_config, running):
            Deployment(running, self.records, flags, dry=False).refresh()
        return running.outcome

    def destroy(
        self,
        *,
        flags: Flags = NONE,
        interrupt: Interrupt | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Run:
        running = self._running(flags, interrupt, meanwhile)
        with self._run(self.recorded_config, running):
            Deployment(running, self.records, flags, dry=False).destroy()
        if not self.state:
            self.provider_id = None
        return running.outcome

    # --- state -----------------------------------------------------------------------------------

    @property
    def state(self) -> dict[Urn, Recorded]:
        """The recorded resources; those that wait for their deletion are left out."""
        return self.records.resources

    @state.setter
    def state(self, resources: Mapping[Urn, Recorded]) -> None:
        self.records.resources = dict(resources)

    @property
    def by_name(self) -> dict[str, Recorded]:
        return {urn.name: recorded for urn, recorded in self.state.items()}

    def taint(self, urn: Urn) -> None:
        self.state[urn] = replace(self.state[urn], tainted=True)

    def untaint(self, urn: Urn) -> None:
        self.state[urn] = replace(self.state[urn], tainted=False)

    def unprotect(self, urn: Urn) -> None:
        self.state[urn] = replace(self.state[urn], protect=False)

    def delete_record(self, urn: Urn, *, dependents: bool = False, force: bool = False) -> str:
        """``pulumi state delete``; returns why not, or nothing."""
        gone = self.records.dependents([urn])
        if gone != {urn} and not dependents:
            return f"{urn.name} can't be safely deleted because other resources depend on it"
        if gone & self.records.protected and not force:
            return f"{urn.name} can't be safely deleted because it is protected"
        self.state = {other: record for other, record in self.state.items() if other not in gone}
        return ""

    def rename_record(self, urn: Urn, name: str) -> str:
        """``pulumi state rename``; returns why not, or nothing."""
        new = urn._replace(name=name)
        if new in self.state:
            return f"{name} corresponds to an already existing resource"
        self.state = {
            new if other == urn else other: _renamed(record, {urn: new})
            for other, record in self.state.items()
        }
        return ""

    def move_records(self, urns: Iterable[Urn], other: Harness) -> str:
        """``pulumi state move`` to another stack; returns why not, or nothing."""
        moved = {urn: urn._replace(parent=BELOW_STACK) for urn in urns}
        if not other.state.keys().isdisjoint(moved.values()):
            return "a resource already exists in destination stack"
        if other.provider_id is None:
            other.provider_id, other.recorded_config = self.provider_id, self.recorded_config
        elif (
            other.provider_id != self.provider_id and other.recorded_config != self.recorded_config
        ):
            return "the provider already exists in destination stack"
        for urn, new in moved.items():
            record = self.state.pop(urn)
            among = tuple(before for before in record.after if before in moved)
            other.state[new] = _renamed(replace(record, after=among), moved)
        repair(self.records)
        return ""

    def repair(self) -> None:
        """``pulumi state repair``."""
        components = self.records.components
        self.state = {
            urn if urn.above in {None, *components} else urn._replace(parent=BELOW_STACK): record
            for urn, record in self.state.items()
        }
        repair(self.records)

    # --- inside ----------------------------------------------------------------------------------

    def _update(
        self,
        program: Program,
        records: Records,
        flags: Flags,
        *,
        refresh: bool,
        dry: bool,
        interrupt: Interrupt | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Run:
        ProjectFolder(self.folder).declare(program, self.config)
        config = config_of(program, self.config)
        running = self._running(flags, interrupt, meanwhile)
        deployment = Deployment(running, records, flags, dry=dry)
        if refresh and records.resources and self.recorded_config != config:
            with self._run(self.recorded_config, running):
                deployment.refresh()
            if running.stopped:
                return running.outcome
            refresh = False
        command = ["pulumi", "up", *flags.arguments("dev")]
        with self._run(config, running, command):
            if refresh:
                deployment.refresh()
            if not dry:
                self.recorded_config = config
                self.provider_id = self.provider_id or next(_ids)
            deployment.update(program)
        return running.outcome

    def _running(
        self, flags: Flags, interrupt: Interrupt | None, meanwhile: Meanwhile | None
    ) -> Running:
        return Running(
            parallel=self.parallel,
            continue_on_error=flags.continue_on_error,
            interrupt=interrupt,
            meanwhile=meanwhile,
            failing=self.failing,
        )

    @contextmanager
    def _run(
        self, config: Config, running: Running, command: Sequence[str] = ()
    ) -> Iterator[Running]:
        """Begin a provider process, and end it; whatever it prints belongs to the run."""
        before = provider._process
        folder, clock = self.folder, self.clock
        process = Process(config, self.environ, folder=folder, clock=clock, command=lambda: command)
        provider.begin(process)
        output = _Output(running.lines)
        try:
            with contextlib.redirect_stdout(output):
                yield running
        except Stop:
            pass
        finally:
            running.close()
            provider.begin(before)


class _Output(io.TextIOBase):
    """Standard output during a run: keeps the lines with their time, and hands them on."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        outer: TextIO = sys.stdout
        self._below: TextIO = outer._below if isinstance(outer, _Output) else outer

    def write(self, text: str) -> int:
        now = time.time()
        self._lines.extend(Line(text=line, time=now) for line in text.splitlines())
        return self._below.write(text)

    def flush(self) -> None:
        self._below.flush()


def _renamed(record: Recorded, names: Mapping[Urn, Urn]) -> Recorded:
    return replace(record, after=tuple(names.get(urn, urn) for urn in record.after))
