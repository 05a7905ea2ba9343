"""What the last ``pulumi up`` recorded, asked of the engine: ``pulumi stack export``.

Called by the commands that hold the record against an account, the drift review and the fleet.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from cloud_siem.errors import CloudSiemError
from cloud_siem.jsontext import parsed
from cloud_siem.project import Project, identity_of
from cloud_siem.recorded import Recorded, read, recorded
from cloud_siem.recorded_code import allowed_in, require_own
from cloud_siem.stack import Stack

_TIMEOUT_S = 120
"""The engine answers within a second from a local backend; a remote one may take its time."""
_UNKNOWN = 6
"""The engine's exit code for a stack that its backend does not have (tried: 3.259)."""
_AT_ONCE = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
"""Engines; each keeps a core busy and takes a hundred megabytes, however many stacks there are."""
_TAIL = 400
"""Characters of what the engine says."""


class NoStackError(CloudSiemError):
    """The backend has no such stack: nobody has made or updated it yet."""


def recorded_of(stack: Stack) -> Recorded:
    """What is recorded of a stack.

    :raises NoStackError: the engine has no such stack.
    :raises RefusedError: the state names other code than ours.
    :raises CloudSiemError: there is no engine, or it cannot read the stack.
    """
    return recorded(export_of(stack.name, _folder_of(stack)), stack.perspective)


def check_recorded_code(stack: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Refuse a state that names other code than ours, before the engine runs it.

    Args:
        stack: The stack's name.
        folder: The project's.
        environ: Of the engine's process; it also says which other types a person trusts.

    Raises:
        NoStackError: The engine has no such stack.
        RefusedError: The state names other code than ours.
        CloudSiemError: There is no engine, or it cannot read the stack.
    """
    resources, _ = read(export_of(stack, folder, environ))
    require_own(resources, stack, allowed=allowed_in(environ))


def export_of(stack: str, folder: Path, environ: Mapping[str, str] = os.environ) -> object:
    """The JSON of ``pulumi stack export``; it raises what ``recorded_of`` raises.

    Args:
        stack: The stack's name.
        folder: The project's.
        environ: Of the engine's process.
    """
    command = ["pulumi", "stack", "export", f"--stack={stack}", "--non-interactive"]
    try:
        with _AT_ONCE:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
    except FileNotFoundError:
        raise CloudSiemError(
            "pulumi is not on PATH, and it alone knows what the last pulumi up recorded; install"
            " it, or, with `cloud-siem drift`, leave --state out"
        ) from None
    except subprocess.TimeoutExpired:
        raise CloudSiemError(
            f"`{' '.join(command)}` did not answer within {_TIMEOUT_S} s; check the backend"
        ) from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-_TAIL:]
        kind = NoStackError if done.returncode == _UNKNOWN else CloudSiemError
        raise kind(
            f"`{' '.join(command)}` in {folder} failed (exit code {done.returncode}): {said}"
        )
    try:
        return parsed(done.stdout)
    except ValueError:
        raise CloudSiemError(
            f"`{' '.join(command)}` answered no JSON ({len(done.stdout)} characters)"
        ) from None


def _folder_of(stack: Stack) -> Path:
    """The folder of the project that a stack file belongs to."""
    project = Project.find(identity_of(stack.file).parent)
    if project.file_name:
        return project.folder
    raise CloudSiemError(
        f"{stack.file}: there is no Pulumi.yaml in any folder above it, which pulumi needs to say"
        " what it recorded"
    )
