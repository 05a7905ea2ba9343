"""Which program declares a stack: a digest of its files and of this package's version.

An update records it (``resource``), and who wants to know whether an update is needed at all
compares (``fleet``): from another program the same stack file may come to something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cloud_siem.project import PROJECT_FILES
from cloud_siem.version import __version__

OUTPUT = "program"
"""The output of ``AccountDeliveries`` that has the digest."""


def files_of(folder: Path) -> dict[str, str]:
    """The project's own files by name: Pulumi.yaml and the Python files beside it."""
    paths = [*(folder / name for name in PROJECT_FILES), *folder.glob("*.py")]
    return {one.name: one.read_text(encoding="utf-8") for one in sorted(paths) if one.is_file()}


def digest_of(files: Mapping[str, str]) -> str:
    """Changes with any of these files, and with the package."""
    found = hashlib.sha256(__version__.encode())
    for name in sorted(files):
        # Lengths between the parts: no two projects come to the same bytes.
        text = files[name].encode()
        found.update(f"\0{name}\0{len(text)}\0".encode() + text)
    return found.hexdigest()
