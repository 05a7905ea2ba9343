"""Which formats there are, and how a report becomes a file: whole, or not at all.

A file is written beside its place and renamed, so that whoever reads it, the next run's baseline
among them, never sees half of one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cloud_siem.errors import CloudSiemError

FORMATS: Mapping[str, str] = {
    "text": "to_text",
    "json": "to_json",
    "markdown": "to_markdown",
    "html": "to_html",
    "junit": "to_junit",
}
"""By name, the function that lays a report out. It is in a module ``as_<name>`` of the package of
the report's kind, so that a run pays for the formats that it was asked for."""
DRIFT = "cloud_siem.report"
"""The package of the drift reports' formats."""
STDOUT = "-"
_MODE = 0o666
"""Less the person's umask, as any new file; temporary files are private at first."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One report to write."""

    format: str
    file: str
    """``-`` is standard output."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """From ``html=drift.html``; raises ``ValueError`` with what is wrong."""
        format_, separator, file = text.partition("=")
        if not separator or not file:
            raise ValueError(f"{text!r} is not FORMAT=FILE, such as html=drift.html")
        if format_ not in FORMATS:
            raise ValueError(f"there is no format {format_!r}; there are: {', '.join(FORMATS)}")
        return cls(format=format_, file=file)


def writer(format_: str, package: str = DRIFT) -> Callable[[Any], str]:
    """The function that lays a report out.

    :raises CloudSiemError: the format needs a package that is not installed.
    """
    try:
        found = getattr(import_module(f"{package}.as_{format_}"), FORMATS[format_])
    except ModuleNotFoundError as error:
        raise CloudSiemError(
            f"the {format_} report needs the Python module {error.name}, which is not installed"
            " here (install pulumi-cloud-siem with its extra: pulumi-cloud-siem[report])"
        ) from error
    return found  # type: ignore[no-any-return] # as the table says


def check_targets(targets: Sequence[Target], package: str = DRIFT) -> None:
    """Refuse what could not be written, before any account is asked.

    :raises CloudSiemError: with every reason.
    """
    reasons = []
    for target in targets:
        try:
            writer(target.format, package)
        except CloudSiemError as error:
            reasons.append(str(error))
        if target.file != STDOUT and (why := _unwritable(Path(target.file))):
            reasons.append(f"report {target.file}: {why}")
    if reasons:
        raise CloudSiemError("\n".join(reasons))


def write_report(report: object, target: Target, package: str = DRIFT) -> None:
    """Write one report into its file.

    :raises CloudSiemError: the file cannot be written; what was there before is still there.
    """
    write_text(target.file, writer(target.format, package)(report))


def write_text(file: str, text: str) -> None:
    """Write a report's text into its file.

    :raises CloudSiemError: as ``write_report``.
    """
    try:
        replace_file(Path(file), text)
    except OSError as error:
        why = error.strerror or str(error)
        raise CloudSiemError(
            f"report {file}: it could not be written ({why}); the file is as it was before"
        ) from None


def _unwritable(file: Path) -> str:
    """Why a file cannot be written there; empty when it can, as far as one can tell before."""
    folder = file.parent
    if file.is_dir():
        return "this is a folder, not a file"
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or choose another"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"nothing may be written into the folder {folder}; choose another"
    return ""


def replace_file(file: Path, text: str) -> None:
    """Write a file whole, or leave what is there; raises ``OSError``."""
    place = file.resolve()  # a link stays a link
    handle, beside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(beside).chmod(_MODE & ~umask)
        Path(beside).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise
