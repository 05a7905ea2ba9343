"""What happens to a state, as values: `state.py` applies them, `journal.py` keeps them as lines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from .catalog import Place


class EventError(ValueError):
    """A line that is no event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Switched:
    """Some logs of one panel were opened, or closed."""

    account: str
    region: str
    view: str
    places: tuple[Place, ...]
    opened: bool
    by_service: bool = False
    """Whether the service did it by itself: no call and no person named these logs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperableSet:
    """A log may be switched from now on, or may not."""

    account: str
    place: Place
    operable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Connected:
    """A product was connected to an account, or disconnected."""

    account: str
    product: str
    connected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyMade:
    """There is a new key, or an old one has another policy; the policy is a RAM document."""

    id: str
    secret: str
    account: str
    user: str
    policy: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleGranted:
    """A role has another policy."""

    account: str
    role: str
    policy: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionsEnded:
    """Every session issued before this second is over."""

    before: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset:
    """Everything is as it was at the start."""


Event = Switched | OperableSet | Connected | KeyMade | RoleGranted | SessionsEnded | Reset

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (Switched, OperableSet, Connected, KeyMade, RoleGranted, SessionsEnded, Reset)
}


def to_line(event: Event) -> str:
    return json.dumps([type(event).__name__, asdict(event)], separators=(",", ":")) + "\n"


def from_line(line: str) -> Event:
    """Read an event back.

    Raises:
        EventError: The line is torn, or from another program.
    """
    try:
        name, fields = json.loads(line)
        return _KINDS[name](**{key: _tuples(value) for key, value in fields.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventError(f"This is no event: {line[:80]!r}") from error


def _tuples(value: object) -> Any:
    """JSON has lists where the events have tuples; the lists of a policy document stay lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
