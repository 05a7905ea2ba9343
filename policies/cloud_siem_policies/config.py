"""What the organization demands: the schema of each policy's config, and its reading.

The engine holds the config against the schemas before it runs a policy, and tells every fault at
once with its place; so what is read here is known to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud_siem_policies.rules import EVERY_STACK, Rule

Config = Mapping[str, Any]
"""A policy's own config, without its enforcement level."""
Schema = dict[str, dict[str, Any]]

_TEXT = {"type": "string", "minLength": 1}
_STACKS = {
    "type": "array",
    "items": _TEXT,
    "description": "Patterns of stacks' names, e.g. prod-*.",
}
_TAGS = {
    "type": "object",
    "additionalProperties": {**_TEXT, "type": ["string", "array"], "items": _TEXT, "minItems": 1},
    "description": "Values of cloud-siem:tags, one or several; all names must be met.",
}
_LOGS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "pattern": r"^[A-Za-z0-9_.-]+/([A-Za-z0-9_.-]+|\*)$"},
    "description": "product/log, or product/* for every log of the product.",
}


def _rules(*required: str) -> Schema:
    rule = {
        "type": "object",
        "properties": {"tags": _TAGS, "stacks": _STACKS, "logs": _LOGS, "reason": _TEXT},
        "required": list(required),
        "additionalProperties": False,
    }
    return {"rules": {"type": "array", "items": rule}}


MANDATORY_LOGS = _rules("logs")
PROTECT_REQUIRED = _rules()
STACKS: Schema = {"stacks": _STACKS}


def rules_of(config: Config) -> tuple[Rule, ...]:
    """The rules in a policy's config."""
    return tuple(_rule(f"rules.{at}", rule) for at, rule in enumerate(config.get("rules", ())))


def stacks_of(config: Config) -> tuple[str, ...]:
    """The patterns of stacks' names in a policy's config."""
    return tuple(config.get("stacks", ()))


def _rule(name: str, rule: Mapping[str, Any]) -> Rule:
    return Rule(
        name=name,
        tags={tag: _values(value) for tag, value in rule.get("tags", {}).items()},
        stacks=tuple(rule.get("stacks", EVERY_STACK)),
        logs=tuple(rule.get("logs", ())),
        reason=rule.get("reason", ""),
    )


def _values(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
