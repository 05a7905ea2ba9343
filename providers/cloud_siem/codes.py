"""The codes of refusals: an interface for programs, written and read here alone.

A message ends with its code in brackets (``[refused:close-limit]``). Sentences may change with any
version; codes stay. Whoever needs to know why a run was refused reads the codes of the diagnostics
of this package's resources (``codes_in``), never a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum


class Code(Enum):
    """Why a run, or a part of it, was refused or stopped. The value is what messages show."""

    CLOSE_LIMIT = "refused:close-limit"
    """The run would close more logs than ``closeLimit`` allows."""
    LAST_OPEN_LOG = "refused:last-open-log"
    """After the run the account would have no open log."""
    PROTECTED = "refused:protected"
    """A delivery that is recorded as protected would close, or would no longer be declared."""
    KEEP_FIRST = "refused:keep-first"
    """An entry is removed in the same update that sets ``onRemove: keep``."""
    DECLARED_ELSEWHERE = "refused:declared-elsewhere"
    """A log is declared closed here and open in another stack file."""
    SIBLINGS_UNKNOWN = "refused:siblings-unknown"
    """It is not known what the other stack files declare."""
    NOT_AUTHORIZED = "refused:not-authorized"
    """Nothing in this run has compared the whole declaration with what was recorded before."""
    CONTRADICTION = "refused:contradiction"
    """Two deliveries of one program want different states of the same log."""
    KEY_CHANGED = "refused:key-changed"
    """A resource would come to mean another delivery."""
    NO_LOG = "refused:no-log"
    """The log code is missing, which would mean every log of the product."""
    OTHER_ACCOUNT = "refused:other-account"
    """The credentials belong to another account than the stack declares."""
    FOREIGN_PROVIDER = "refused:foreign-provider"
    """A state names other code than ours, which a refresh would run with the credentials."""
    EXPLICIT_PROVIDER = "refused:explicit-provider"
    """A resource is given a provider instance of its own, which is a process of its own."""
    UNEXPECTED_CLOSE = "stopped:unexpected-close"
    """A log closed that neither the run nor any stack file asked to close."""
    STOPPED_LAST_OPEN_LOG = "stopped:last-open-log"
    """No log of the account was open any more; what the run had closed was opened again."""
    FLEET_CLOSE_LIMIT = "refused:fleet-close-limit"
    """The stacks of a fleet's run would together close more logs than the fleet's limit allows."""
    FLEET_STACK = "refused:fleet-stack"
    """One stack of a fleet's run is refused, so the fleet writes nothing."""
    STALE_COMMIT = "refused:stale-commit"
    """A deployment is not of the newest commit of its branch."""
    NOT_ADOPTED = "refused:not-adopted"
    """``cloud-siem adopt`` does not write the stack file."""
    MEMBER_FILES = "refused:member-files"
    """``cloud-siem fleet accounts`` writes no stack file."""

    def __str__(self) -> str:
        """As messages end with it."""
        return f"[{self.value}]"


_BY_VALUE = {code.value: code for code in Code}
_WRITTEN = re.compile(r"\[((?:refused|stopped):[a-z-]+)\]")


_OUR_RESOURCE = re.compile(r"(.*\$)?pulumi-python:dynamic/cloud-siem:(Gate|LogDelivery|Settled)")


def refusals_of(diagnostics: Iterable[object]) -> list[str]:
    """The messages among an engine's diagnostics by which our own resources refuse something.

    What any other resource, or the program, prints is not read: it may say what it likes.

    Args:
        diagnostics: Objects with ``severity``, ``urn`` and ``message``, as ``pulumi preview
            --json`` and the engine's events have them.
    """
    return [
        message.strip()
        for diagnostic in diagnostics
        if isinstance(diagnostic, Mapping)
        and diagnostic.get("severity") == "error"
        and _is_ours(str(diagnostic.get("urn", "")))
        and codes_in(message := str(diagnostic.get("message", "")))
    ]


def _is_ours(urn: str) -> bool:
    """Whether a URN (``urn:pulumi:<stack>::<project>::<types>::<name>``) is of our resources."""
    parts = urn.split("::", 3)
    return len(parts) == 4 and bool(_OUR_RESOURCE.fullmatch(parts[2]))  # noqa: PLR2004


def codes_in(text: str) -> tuple[Code, ...]:
    """The codes that a diagnostic has, each once, in the order of the text."""
    values = dict.fromkeys(_WRITTEN.findall(text))
    return tuple(_BY_VALUE[value] for value in values if value in _BY_VALUE)
