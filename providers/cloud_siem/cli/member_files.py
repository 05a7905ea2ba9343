"""The stack files of members: all of them are checked, then written; called by ``fleet_accounts``.

Nothing that is there is touched, and a fault in one of them writes none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cloud_siem.cli.stackfiles import project_here
from cloud_siem.cli.writing import write_new
from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError, Place, Reason, RefusedError, StackError
from cloud_siem.fleet.accounts import NewFile
from cloud_siem.loading import load_stack_text
from cloud_siem.project import Project, file_name_of, stack_of
from cloud_siem.wording import counted, shown

_DEFAULT_TEMPLATE = "the built-in one"


def write_all(files: Sequence[NewFile], template: str | None) -> tuple[Path, ...]:
    """Write all of them, or none; returns where they are.

    Args:
        files: What to write.
        template: The file that they are made from; None for the built-in one.

    Raises:
        CloudSiemError: One of them cannot be, or cannot be written.
    """
    project = project_here()
    folder = project.stack_folder
    if not folder.is_dir():
        raise CloudSiemError(f"there is no folder {folder} here; run this in the project's folder")
    _check_names(files, project)
    _check_texts(files, template or _DEFAULT_TEMPLATE)
    paths: list[Path] = []
    for file in files:
        path = project.stack_file(file.stack)
        try:
            write_new(path, file.text)
        except CloudSiemError as error:
            done = f"{counted(len(paths), 'file')} before it written; run it again for the rest"
            raise CloudSiemError(f"{error}; {done}") from None
        paths.append(path)
    return tuple(paths)


def _check_names(files: Sequence[NewFile], project: Project) -> None:
    """Refuse names that are none, or are taken by a file or by another member."""
    taken: dict[str, NewFile] = {}
    faults = ["Nothing was written; say another --name."]
    for file in files:
        path = project.stack_file(file.stack)
        if stack_of(path) != file.stack:
            faults.append(f"{shown(file.stack)} for member {file.member} is no name of a stack")
        elif file.stack in taken:
            other = taken[file.stack].member
            faults.append(f"{file.member} and {other} would both be stack {file.stack}")
        elif path.exists():
            faults.append(f"{path} is there, and is not about member {file.member}")
        taken.setdefault(file.stack, file)
    if faults[1:]:
        raise RefusedError.of(Code.MEMBER_FILES, "\n".join(faults))


def _check_texts(files: Sequence[NewFile], template: str) -> None:
    """Refuse files that our own loader would not take.

    That of the first one stands for all: they are made from the same template.
    """
    for file in files:
        data = file.text.encode("utf-8")
        try:
            stack = load_stack_text(data, file_name_of(file.stack), os.environ)
        except StackError as error:
            raise StackError(_of_template(one, file, template) for one in error.reasons) from None
        if not file.is_about(stack.perspective):
            message = f"the file of member {file.member} is about {stack.perspective}"
            hint = "write {account} for the member's id, and {region}"
            place = Place(file=template)
            raise StackError([Reason(message=message, place=place, hint=hint)])


def _of_template(reason: Reason, file: NewFile, template: str) -> Reason:
    """The same reason, at its line in the template: the file has as many."""
    place = reason.place and replace(reason.place, file=template)
    message = f"{reason.message}, as the file of member {file.member}"
    return replace(reason, message=message, place=place)
