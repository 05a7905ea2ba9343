"""Who may do what: RAM policies as the cloud writes them, reduced to what these operations need.

`service.py` asks before every operation; `control.py` and `world.py` make policies. The operations
of Cloud SIEM know no resources and no conditions ("All Resource"), so a statement's `Resource` must
cover everything to count, and a policy with conditions is refused where it is made: to ignore one
would be to grant more than it says.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

PREFIX = "yundun-sas:"
"""RAM knows Security Center's operations under this name."""


class Effect(StrEnum):
    """What a statement does."""

    ALLOW = "Allow"
    DENY = "Deny"


class Verdict(StrEnum):
    """What a policy says about one action; the refusals are spelled as in AccessDeniedDetail."""

    ALLOWED = "Allowed"
    IMPLICIT_DENY = "ImplicitDeny"
    EXPLICIT_DENY = "ExplicitDeny"


class PolicyError(ValueError):
    """A policy that is not one, or that says more than the emulator understands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One effect on some actions; an action may contain `*` and `?`."""

    effect: Effect
    actions: tuple[str, ...]

    def covers(self, action: str) -> bool:
        return any(_matches(pattern, action) for pattern in self.actions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What one key or role may do. An explicit deny always wins; what is not allowed is denied."""

    statements: tuple[Statement, ...]

    def verdict(self, action: str) -> Verdict:
        effects = {statement.effect for statement in self.statements if statement.covers(action)}
        if Effect.DENY in effects:
            return Verdict.EXPLICIT_DENY

        return Verdict.ALLOWED if Effect.ALLOW in effects else Verdict.IMPLICIT_DENY

    def denying(self, actions: Iterable[str]) -> Policy:
        """The same policy with an explicit deny of these actions."""
        deny = Statement(effect=Effect.DENY, actions=qualified(actions))

        return Policy(statements=(*self.statements, deny))

    @classmethod
    def allowing(cls, *actions: str) -> Policy:
        """A policy that allows these actions only; `OpenDelivery` is `yundun-sas:OpenDelivery`."""
        allow = Statement(effect=Effect.ALLOW, actions=qualified(actions))

        return cls(statements=(allow,) if actions else ())

    @classmethod
    def from_document(cls, document: object) -> Policy:
        """Read the JSON document of a RAM policy.

        Raises:
            PolicyError: It is not such a document, or has conditions.
        """
        match document:
            case {"Statement": [*statements], **rest} if set(rest) <= {"Version"}:
                return cls(statements=tuple(map(_statement, statements)))
            case _:
                raise PolicyError('A policy looks like {"Version": "1", "Statement": [...]}.')

    def to_document(self) -> dict[str, object]:
        """The JSON document of this policy."""
        return {
            "Version": "1",
            "Statement": [
                {"Effect": str(each.effect), "Action": list(each.actions), "Resource": "*"}
                for each in self.statements
            ],
        }


def qualified(actions: Iterable[str]) -> tuple[str, ...]:
    """The full names of these actions; what has a prefix already, or is `*`, stays as it is."""
    return tuple(each if ":" in each or each == "*" else PREFIX + each for each in actions)


def _statement(statement: object) -> Statement:
    match statement:
        case {"Effect": ("Allow" | "Deny") as effect, "Action": action, **rest}:
            _refuse_the_rest(rest)
            return Statement(effect=Effect(effect), actions=_actions(action))
        case _:
            raise PolicyError("A policy statement needs Effect (Allow or Deny) and Action.")


def _refuse_the_rest(rest: Mapping[Any, object]) -> None:
    if rest.get("Resource", "*") not in ("*", ["*"]):
        raise PolicyError('These operations know no resources: Resource must be "*".')
    if unknown := set(map(str, rest)) - {"Resource"}:
        raise PolicyError(
            f"The emulator does not understand {', '.join(sorted(unknown))} in a policy."
        )


def _actions(action: object) -> tuple[str, ...]:
    match action:
        case str():
            return (action,)
        case [*actions] if actions and all(isinstance(each, str) for each in actions):
            return tuple(map(str, actions))
        case _:
            raise PolicyError("Action is a string or a list of strings.")


@lru_cache(maxsize=1024)
def _matches(pattern: str, action: str) -> bool:
    # RAM compares actions without case; fnmatch's brackets have no meaning there.
    literal = pattern.lower().replace("[", "[[]")

    return fnmatch.fnmatchcase(action.lower(), literal)


EVERYTHING = Policy.allowing("*")
"""What an account's own key and an administrator may do."""
