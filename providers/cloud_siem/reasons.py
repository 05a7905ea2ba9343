"""The faults of stack files, laid out for who shows them: programs, GitHub, GitLab.

Called by ``cloud-siem validate``. Each function is pure: reasons in, the whole text out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from cloud_siem.errors import Reason, Severity
from cloud_siem.wording import harmless

JSON_VERSION = 1
"""Of the document that ``as_json`` writes; a new one when what programs rely on changes."""
CHECK = "cloud-siem validate"
"""Who says so."""
NO_FILE = "environment"
"""What GitLab is told, which wants a file, where a fault stands in none: in a variable."""


def as_json(reasons: Sequence[Reason], counts: Mapping[str, int]) -> str:
    """One document: how much was checked, and each fault and warning with its place."""
    faults = [_entry(one) for one in reasons if one.severity is Severity.ERROR]
    warnings = [_entry(one) for one in reasons if one.severity is Severity.WARNING]
    document = {"version": JSON_VERSION, **counts, "faults": faults, "warnings": warnings}
    return json.dumps(document, indent=2)


def _entry(reason: Reason) -> Mapping[str, object]:
    return {
        "file": reason.place.file if reason.place else None,
        "line": reason.place.line if reason.place else None,
        "column": reason.place.column if reason.place else None,
        "path": list(reason.path),
        "message": reason.message,
        "hint": reason.hint,
    }


# --- GitHub ---------------------------------------------------------------------------------------


def as_github(reasons: Sequence[Reason]) -> str:
    """One workflow command for each fault, which GitHub shows beside the line.

    The form and the escapes are those of actions/toolkit, packages/core/src/command.ts.
    """
    return "\n".join(_command(reason) for reason in reasons)


def _command(reason: Reason) -> str:
    where: Mapping[str, object] = {}
    if place := reason.place:
        where = {"file": harmless(place.file), "line": place.line, "col": place.column}
    properties = ",".join(
        f"{name}={_escaped(str(value), ':,')}"
        for name, value in {**where, "title": CHECK}.items()
        if value is not None
    )
    return f"::{reason.severity.value} {properties}::{_escaped(reason.sentence)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in "%\r\n" + also else char for char in text)


# --- GitLab ---------------------------------------------------------------------------------------


def as_gitlab(reasons: Sequence[Reason]) -> str:
    """A Code Quality report (docs.gitlab.com, ci/testing/code_quality, "report format")."""
    seen: Counter[str] = Counter()
    return json.dumps([_issue(reason, seen) for reason in reasons], indent=2)


_GITLAB = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def _issue(reason: Reason, seen: Counter[str]) -> dict[str, object]:
    file = reason.place.file if reason.place else NO_FILE
    line = reason.place.line if reason.place else None
    return {
        "description": reason.sentence,
        "check_name": CHECK,
        "fingerprint": _fingerprint(file, reason, seen),
        "severity": _GITLAB[reason.severity],
        "location": {"path": file, "lines": {"begin": line or 1}},
    }


def _fingerprint(file: str, reason: Reason, seen: Counter[str]) -> str:
    """The fault's own name, the same in every run: so without line numbers, which move."""
    about = json.dumps([file, reason.path, re.sub("[0-9]+", "", reason.message)])
    seen[about] += 1
    return hashlib.sha256(f"{about} {seen[about]}".encode()).hexdigest()
