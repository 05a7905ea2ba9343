"""A roll-up as JSON: the result file, for programs and for ``cloud-siem fleet merge``.

The format is published as ``fleet.schema.json`` beside this module (``cloud-siem schema fleet``)
and has a version: within one, fields are only added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Operation, Result, Status
from cloud_siem.jsontext import parsed
from cloud_siem.version import __version__

FORMAT = "cloud-siem fleet"
VERSION = 1


def to_json(rollup: Rollup) -> str:
    """All of it."""
    return json.dumps(_rollup(rollup), indent=2, ensure_ascii=False) + "\n"


def schema_text() -> str:
    """The JSON Schema of the format, draft 2020-12."""
    file = files("cloud_siem.fleet.formats").joinpath("fleet.schema.json")
    return file.read_text(encoding="utf-8")


def read_rollup(file: Path) -> Rollup:
    """From a file that ``to_json`` wrote.

    :raises CloudSiemError: it cannot be read, or is none.
    """
    try:
        found: object = parsed(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CloudSiemError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CloudSiemError(f"{file} is no JSON: {error}") from None
    match found:
        case {"format": str(format_), "version": int(version)}:
            pass
        case _:
            format_, version = "", 0
    if (format_, version) != (FORMAT, VERSION):
        raise CloudSiemError(
            f"{file} is not a result file of version {VERSION}; write one with"
            " `cloud-siem fleet up --report json=FILE`"
        )
    try:
        return _read(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CloudSiemError(f"{file} is not a whole result file: {error!r}") from None


def _rollup(rollup: Rollup) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "tool": f"pulumi-cloud-siem {__version__}",
        "operation": rollup.operation.value,
        "began": rollup.began.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": rollup.seconds,
        "good": rollup.good,
        "wrote": rollup.wrote,
        "refusal": rollup.refusal or None,
        "interrupted": rollup.interrupted,
        "counts": {
            "stacks": len(rollup.results),
            **{_word(one): rollup.by_status.get(one, 0) for one in Status},
            "opened": rollup.opened,
            "closed": rollup.closed,
            "calls": rollup.calls,
        },
        "notes": list(rollup.notes),
        "stacks": [_result(one) for one in rollup.results],
    }


def _result(result: Result) -> dict[str, object]:
    return {
        "stack": result.stack,
        "status": result.status.value,
        "opened": result.opened,
        "closed": result.closed,
        "calls": result.calls,
        "seconds": result.seconds,
        "errors": list(result.errors),
        "changes": list(result.changes),
        "why": list(result.why),
        "notes": list(result.notes),
        "log": result.log_file or None,
    }


def _word(status: Status) -> str:
    """As a key: ``notStarted``."""
    first, *more = status.value.split()
    return first + "".join(one.capitalize() for one in more)


def _read(found: Any) -> Rollup:
    operation = Operation(found["operation"])
    return Rollup(
        operation=operation,
        began=datetime.fromisoformat(found["began"]),
        seconds=float(found["seconds"]),
        results=Rollup.ordered([_read_result(one) for one in found["stacks"]]),
        refusal=found["refusal"] or "",
        interrupted=bool(found["interrupted"]),
        asked=operation is Operation.UP and not found["wrote"],
        notes=tuple(map(str, found["notes"])),
    )


def _read_result(found: Mapping[str, Any]) -> Result:
    return Result(
        stack=str(found["stack"]),
        status=Status(found["status"]),
        opened=int(found["opened"]),
        closed=int(found["closed"]),
        calls=int(found["calls"]),
        seconds=float(found["seconds"]),
        errors=tuple(map(str, found["errors"])),
        changes=tuple(map(str, found["changes"])),
        why=tuple(map(str, found["why"])),
        notes=tuple(map(str, found["notes"])),
        log_file=str(found["log"] or ""),
    )
