"""Which stack files a command line means; every command that takes stacks by name asks here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cloud_siem.catalog import did_you_mean
from cloud_siem.errors import CloudSiemError
from cloud_siem.loading import name_of
from cloud_siem.stack import Stack
from cloud_siem.wording import printable

FOLDER = "stacks"
PATTERN = "Pulumi.*.yaml"


def all_files() -> list[str]:
    """Every stack file of the project whose folder this is."""
    files = sorted(str(path) for path in Path(FOLDER).glob(PATTERN))
    if not files:
        raise CloudSiemError(
            f"there is no stack file {FOLDER}/{PATTERN} here; run this in the project's folder,"
            " or name the files"
        )
    return files


def place_of(stack: str) -> tuple[str, Path]:
    """The name of a stack that may not be there yet, and its file; given by name or as a path."""
    path = Path(stack)
    if "/" not in stack and path.suffix != ".yaml":
        path = Path(FOLDER) / f"Pulumi.{stack}.yaml"
    return name_of(path), path


def file_of(stack: str) -> str:
    """The file of a stack, given by name (``demo``) or as a path."""
    if "/" in stack or stack.endswith(".yaml"):
        return stack
    path = Path(FOLDER) / f"Pulumi.{stack}.yaml"
    if path.is_file():
        return str(path)
    known = [
        printable(Path(file).name.removeprefix("Pulumi.").removesuffix(".yaml"))
        for file in all_files()
    ]
    hint = did_you_mean(stack, known) or f"there are: {', '.join(known)}"
    raise CloudSiemError(f"there is no stack {stack} ({FOLDER}/Pulumi.{stack}.yaml); {hint}")


def beside(files: Sequence[str], stacks: Sequence[Stack]) -> list[str]:
    """Other stack files in the same folders that speak of the same accounts.

    Single logs of one account may stand in several files; who judges one stack must know what the
    others declare. Which files those are is seen from the text: to parse hundreds takes a second.
    """
    known = {Path(file).resolve() for file in files}
    owners = [one.perspective.owner.encode() for one in stacks]
    others = {path for folder in {file.parent for file in known} for path in folder.glob(PATTERN)}
    return sorted(str(path) for path in others - known if _speaks_of(path, owners))


def _speaks_of(path: Path, owners: Sequence[bytes]) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return any(owner in text for owner in owners)
