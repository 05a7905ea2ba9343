"""The JSON of an earlier run, read back: for the baseline, and for the issues of a pipeline.

Strictly: what is not as ``as_json`` wrote it is refused, since it decides what counts as over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cloud_siem.errors import CloudSiemError
from cloud_siem.jsontext import parsed
from cloud_siem.report.as_json import FORMAT, VERSION

Json = Mapping[str, object]
T = TypeVar("T")


class Strange(Exception):  # noqa: N818 - it never leaves ``read_report``
    """Something is not where the format has it."""


def read_report(path: str, what: str, missing: str, parse: Callable[[Json], T]) -> T:
    """What ``parse`` makes of a drift report.

    Args:
        path: The file.
        what: What the file is to the caller, for errors.
        missing: How to get one, for errors.
        parse: May raise ``Strange``.

    :raises CloudSiemError: it cannot be read, or is something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CloudSiemError(f"{what} {path}: there is no such file; {missing}") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CloudSiemError(f"{what} {path}: it cannot be read: {why}") from None
    try:
        report = parsed(text)
        _check(report, what, path)
        return parse(report)
    except (ValueError, RecursionError, Strange):
        raise CloudSiemError(
            f"{what} {path}: this is not a report that `cloud-siem drift --report json=...` wrote"
        ) from None


def _check(report: object, what: str, path: str) -> None:
    match report:
        case {"format": str(format_), "version": int(version)}:
            pass
        case _:
            raise Strange
    if format_ != FORMAT:
        raise Strange
    if version != VERSION:
        raise CloudSiemError(
            f"{what} {path}: its format has version {version}, and this reads version {VERSION};"
            " make a new one with this version of pulumi-cloud-siem"
        )


def entries(value: object, name: str) -> Sequence[object]:
    """A list in an object; raises ``Strange`` where there is none."""
    match value:
        case dict() if isinstance(found := value.get(name), list):
            return found
        case _:
            raise Strange
