"""What travels to a worker, and what comes back. Frozen, picklable, and never a secret in it.

A worker may be a thread here or a machine far away that shares no disk with us: so a task carries
the texts of the project, and a result the text of the log. Credentials do not travel: a worker here
is handed a session beside the task, a worker elsewhere has its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from cloud_siem import tally
from cloud_siem.codes import Code
from cloud_siem.other_stacks import SENT_ACCOUNTS
from cloud_siem.settings import ASSUMED, BY_CONFIG_KEY, ENVIRON_PREFIX, PREFIX

LIMIT_S = 3600.0
"""Seconds; a run of the engine that takes longer hangs, and is asked to end."""
PATIENCE_S = 120.0
"""Seconds; so long a lock that somebody else holds, or throttling, is waited out."""

BACKEND = "PULUMI_BACKEND_URL"
_STAYS = (
    BY_CONFIG_KEY[f"{PREFIX}roleExternalId"].environ_name,
    ASSUMED,
    tally.ENVIRON_NAME,
    SENT_ACCOUNTS,
)
"""Of our variables: a secret, and what is about one process on one machine."""
_SECRET = re.compile(r"secret|password|token|key", re.IGNORECASE)
_OURS = re.compile(rf"{ENVIRON_PREFIX}[A-Z_]+")


class Operation(Enum):
    """What the engine is asked to do; the text is its own word."""

    PREVIEW = "preview"
    """A refreshed preview, whose plan comes back."""
    UP = "up"
    """A refreshed update; with a plan, nothing beyond it."""
    REFRESH = "refresh"


class Status(Enum):
    """What became of a stack, in the order in which people see it."""

    FAILED = "failed"
    REFUSED = "refused"
    """A guard rail said no."""
    NOT_STARTED = "not started"
    """The run was stopped, refused or broken off before its turn."""
    TO_CHANGE = "to change"
    """Previewed: the engine would change something."""
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """The engine ran, and there was nothing to do."""
    SKIPPED = "skipped"
    """The engine was not needed."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of the engine on one stack."""

    stack: str
    operation: Operation
    text: str
    """The stack file's."""
    project: Mapping[str, str] = field(default_factory=dict)
    """The project's other files by name: Pulumi.yaml and the program."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """The texts of other stack files by name, for a worker elsewhere: what they declare open may
    not close. Only those that may be about one of ``accounts``."""
    accounts: tuple[str, ...] = ()
    """The accounts whose logs the stack's deliveries switch."""
    folder: str = ""
    """Where all of it lies on the machine that asks; a worker elsewhere makes its own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings for this run; see ``portable``."""
    plan: bytes = b""
    """What ``--save-plan`` wrote, for an update that may do nothing else."""
    limit_s: float = LIMIT_S
    patience_s: float = PATIENCE_S
    again: bool = False
    """Whether a worker was lost with this task before: the lock that it left is then explained."""

    def __post_init__(self) -> None:
        if kept := self.environment.keys() - portable(self.environment).keys():
            raise ValueError(
                f"a task never carries {', '.join(sorted(kept))}: it stays where it is"
            )


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one stack."""

    stack: str
    status: Status
    opened: int = 0
    """Deliveries that were opened; previewed, that would be."""
    closed: int = 0
    calls: int = 0
    """Requests to the cloud, retries included; those that assume a role are not among them."""
    seconds: float = 0.0
    errors: tuple[str, ...] = ()
    """Why it failed or was refused; whole sentences."""
    codes: tuple[Code, ...] = ()
    """The rules that refused it."""
    why: tuple[str, ...] = ()
    """Why it needed the engine; or, skipped, why it did not."""
    notes: tuple[str, ...] = ()
    """What else is to be said, of what was repeated for example."""
    changes: tuple[str, ...] = ()
    """What a preview would do to deliveries, each a sentence; what closes first."""
    log: str = ""
    """What the engine said."""
    log_file: str = ""
    """Where that was written."""
    plan: bytes = b""
    steps: str = ""
    """Of a preview, as JSON: what ``review`` reads."""
    text: str = ""
    """The stack file's text, where the engine changed it (a new stack's salt); else empty."""


def portable(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment may travel: our settings and the backend, unless it may be secret."""
    return {
        name: value
        for name, value in environ.items()
        if (_OURS.fullmatch(name) and name not in _STAYS)
        or (name == BACKEND and not _has_password(value))
    }


def _has_password(url: str) -> bool:
    """Whether a URL may name a secret: user and password, or keys in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.netloc or bool(_SECRET.search(parts.query))
