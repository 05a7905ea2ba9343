"""The record of the last good run, which stands for ``pulumi stack export`` where it can.

An export takes the engine a sixth of a second, most of a fleet's run in which nothing changed. So
who has compared an export and found nothing to do leaves a digest of all that it went by: the stack
file, the program with the version of this package, and the state. As long as all are the same, so
is the answer, and only the account has to be looked at.

Whether the state is the same is seen from its bytes, in a backend of files (``file://``). Of any
other backend nothing is known without asking it, and the export is taken. So it is without a
record, with one that cannot be read, and where the state changes while it is exported.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from cloud_siem import program
from cloud_siem.exporting import NoStackError, recorded_of
from cloud_siem.fleet.tasks import BACKEND
from cloud_siem.project import Project
from cloud_siem.recorded import Recorded
from cloud_siem.report.writing import replace_file
from cloud_siem.stack import Stack

_FILES = "file://"


class Records:
    """Reads and writes the records of one project and backend; safe to use from threads.

    Args:
        folder: The project's.
        texts: The stack files' texts by stack, read before they were parsed.
        environ: The environment: which backend, and where the person's caches are.
        export: Reads what is recorded of a stack.
    """

    def __init__(
        self,
        folder: Path,
        texts: Mapping[str, str],
        environ: Mapping[str, str],
        export: Callable[[Stack], Recorded] = recorded_of,
    ) -> None:
        files = program.files_of(folder)
        self.program = program.digest_of(files)
        self._texts = texts
        self._export = export
        self._project = Project.find(folder).name
        self._backend = environ.get(BACKEND, "")
        self._folder = cache_of(environ) / "records"
        self._states: dict[str, str] = {}
        """By stack, the state that an export of this run showed."""

    def recorded(self, stack: Stack) -> Recorded | None:
        """What is recorded of a stack; None where the record says that it is what is declared.

        :raises CloudSiemError: the engine could not say.
        """
        before = self._state(stack.name)
        if before and self._noted(stack.name) == self._digest(stack.name, before):
            return None
        try:
            found = self._export(stack)
        except NoStackError:
            return Recorded(perspective=stack.perspective)
        if before and self._state(stack.name) == before:
            self._states[stack.name] = before
        return found

    def note(self, stack: str) -> None:
        """Leave a record: the export of this run was compared, and an update has nothing to do."""
        state = self._states.get(stack)
        if state is None:
            return
        with suppress(OSError):  # without a record the next run takes the export again
            self._folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"stack": stack, "digest": self._digest(stack, state)})
            replace_file(self._file(stack), text)

    def _noted(self, stack: str) -> str:
        try:
            noted: object = json.loads(self._file(stack).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(noted.get("digest", "")) if isinstance(noted, dict) else ""

    def _file(self, stack: str) -> Path:
        whose = f"{self._backend}\0{self._project}\0{stack}"
        return self._folder / f"{hashlib.sha256(whose.encode()).hexdigest()[:32]}.json"

    def _digest(self, stack: str, state: str) -> str:
        parts = "\0".join((self.program, state, self._texts[stack]))
        return hashlib.sha256(parts.encode()).hexdigest()

    def _state(self, stack: str) -> str:
        """A digest of the state's bytes; empty where nobody can tell."""
        if not (self._backend.startswith(_FILES) and self._project):
            return ""
        root = Path(unquote(self._backend.removeprefix(_FILES))).expanduser()
        folder = root / ".pulumi" / "stacks" / self._project
        for name in (f"{stack}.json", f"{stack}.json.gz"):
            with suppress(OSError):
                return hashlib.sha256((folder / name).read_bytes()).hexdigest()
        return ""


def cache_of(environ: Mapping[str, str]) -> Path:
    """Where the fleet keeps what can be had again: in the person's cache."""
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path is to be ignored.
    home = given if given.is_absolute() else Path(environ.get("HOME", os.curdir)) / ".cache"
    return home / "cloud-siem" / "fleet"
