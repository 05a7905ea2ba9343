"""Which stack files a command line means; every command that takes stacks by name asks here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cloud_siem.catalog import did_you_mean
from cloud_siem.errors import CloudSiemError
from cloud_siem.other_stacks import may_concern
from cloud_siem.project import Project, identity_of, label_of, others_of, stack_of
from cloud_siem.stack import Stack
from cloud_siem.wording import printable

WHICH = "stacks/Pulumi.*.yaml"
"""How help texts name the stack files of a project like ours."""


def project_here() -> Project:
    """The project that commands work on: that of the working directory.

    A folder ``stacks`` in the working directory counts also where Pulumi.yaml lies above it.
    """
    project = Project.find(Path())
    below = Path("stacks")
    if project.folder != Path() and below.is_dir():
        return replace(project, stack_folder=below)
    return project


def all_files() -> list[str]:
    """Every stack file of the project; what only looks like one is reported."""
    project = project_here()
    files = [str(path) for path in project.stack_files()]
    for path in project.unread_files():
        print(
            f"{printable(str(path))} is not read: the stack files of this project are"
            f" {printable(str(project.stack_folder / project.pattern))}",
            file=sys.stderr,
        )
    if not files:
        raise CloudSiemError(
            f"there is no stack file {project.stack_folder / project.pattern} here; run this in"
            " the project's folder, or name the files"
        )
    return files


def place_of(stack: str) -> tuple[str, Path]:
    """The name of a stack that may not be there yet, and its file; given by name or as a path."""
    project = project_here()
    path = Path(stack) if _is_path(stack, project) else project.stack_file(stack)
    return stack_of(path), path


def file_of(stack: str) -> str:
    """The file of a stack, given by name (``demo``) or as a path."""
    project = project_here()
    if _is_path(stack, project):
        return stack
    path = project.stack_file(stack)
    if path.is_file():
        return str(path)
    known = [printable(label_of(file)) for file in all_files()]
    hint = did_you_mean(stack, known) or f"there are: {', '.join(known)}"
    raise CloudSiemError(f"there is no stack {stack} ({path}); {hint}")


def _is_path(stack: str, project: Project) -> bool:
    return "/" in stack or stack.endswith(project.suffix)


def beside(files: Sequence[str], stacks: Sequence[Stack]) -> list[str]:
    """Other stack files in the same folders that may speak of the same accounts.

    Single logs of one account may stand in several files; who judges one stack must know what the
    others declare. Which files those are is seen from the text: to parse hundreds takes a second.
    """
    known = {identity_of(file) for file in files}
    owners = {one.perspective.owner for one in stacks}
    others: set[Path] = set()
    for file in {path.parent: path for path in known}.values():
        with suppress(OSError):
            others.update(others_of(file))
    return sorted(str(path) for path in others - known if _speaks_of(path, owners))


def _speaks_of(path: Path, owners: set[str]) -> bool:
    try:
        return may_concern(path.read_bytes(), owners)
    except OSError:
        return False
