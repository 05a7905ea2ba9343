from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from cloud_siem_policies import config
from cloud_siem_policies.rules import EVERY_STACK, Rule

ROOT = Path(__file__).parents[2]
EXAMPLE: dict[str, Any] = json.loads((ROOT / "policies" / "example.json").read_text())
SCHEMAS = {
    "mandatory-logs": config.MANDATORY_LOGS,
    "protect-required": config.PROTECT_REQUIRED,
    "enterprise-view": config.STACKS,
    "gate-required": config.STACKS,
}


def faults(properties: config.Schema, given: dict[str, Any]) -> list[str]:
    """What the engine finds, which holds a policy's config against its schema in the same way."""
    schema = {"type": "object", "properties": properties}
    Draft7Validator.check_schema(schema)

    return [".".join(map(str, fault.path)) for fault in Draft7Validator(schema).iter_errors(given)]


@pytest.mark.parametrize("policy", SCHEMAS)
def test_the_example_fits_the_schema(policy: str) -> None:
    assert faults(SCHEMAS[policy], EXAMPLE[policy]) == []


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        ({"tags": {"env": "prod"}}, "rules.0"),  # no logs
        ({"logs": []}, "rules.0.logs"),
        ({"logs": ["actiontrail"]}, "rules.0.logs.0"),
        ({"logs": ["*/x"]}, "rules.0.logs.0"),
        ({"logs": ["sas/x"], "tag": {}}, "rules.0"),
        ({"logs": ["sas/x"], "tags": {"env": 1}}, "rules.0.tags.env"),
        ({"logs": ["sas/x"], "tags": {"env": []}}, "rules.0.tags.env"),
        ({"logs": ["sas/x"], "tags": {"env": ""}}, "rules.0.tags.env"),
        ({"logs": ["sas/x"], "stacks": "prod"}, "rules.0.stacks"),
        ({"logs": ["sas/x"], "reason": ""}, "rules.0.reason"),
    ],
)
def test_a_rule_that_would_not_mean_what_it_says_is_refused(rule: dict[str, Any], at: str) -> None:
    assert faults(config.MANDATORY_LOGS, {"rules": [rule]}) == [at]


def test_rules_are_read_with_their_place() -> None:
    given = {
        "rules": [
            {"tags": {"env": "prod"}, "logs": ["sas/x"], "reason": "SEC-12"},
            {"tags": {"env": ["prod", "staging"]}, "stacks": ["eu-*"]},
        ]
    }

    assert config.rules_of(given) == (
        Rule(name="rules.0", tags={"env": ("prod",)}, logs=("sas/x",), reason="SEC-12"),
        Rule(name="rules.1", tags={"env": ("prod", "staging")}, stacks=("eu-*",)),
    )
    assert config.rules_of({"rules": [{}]})[0].stacks == EVERY_STACK


def test_patterns_of_stacks_are_read() -> None:
    assert config.stacks_of({"stacks": ["a", "b-*"]}) == ("a", "b-*")
    assert config.stacks_of({}) == ()
