"""The JSON Schema of stack files, for editors; written to stacks/schema.json and kept equal to it.

Made from the same tables as the validator. It takes what the validator takes, and refuses what the
validator refuses as far as a schema can say it: not what one value means for another account, file
or environment, and not the text of a number.
"""

from __future__ import annotations

import json
import re

from cloud_siem import catalog
from cloud_siem.keys import (
    ACCOUNT,
    CODE,
    DELIVERIES,
    DOCS,
    DRIFT_IGNORE,
    IGNORE_KINDS,
    KINDS,
    KNOWN_KEYS,
    MEMBER,
    ON_REMOVES,
    OWN_KEYS,
    REASON,
    REGION,
    STATES,
    TAG,
    TAGS,
    VIEW,
)
from cloud_siem.kinds import Switch
from cloud_siem.model import WHOLE_PRODUCT, State
from cloud_siem.settings import BY_CONFIG_KEY, PREFIX, SETTINGS

Schema = dict[str, object]


def stack_schema() -> Schema:
    """The whole schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file: the log deliveries of one Alibaba Cloud account",
        "description": "Pulumi's config of one stack; see docs/stack-file.md.",
        "type": "object",
        "required": ["config"],
        "properties": {"config": _config()},
        "$defs": {"entry": _entry(), "logs": _logs()},
    }


def schema_text() -> str:
    """The schema as it is printed and written."""
    return json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"


def _config() -> Schema:
    """Other namespaces are free; ours has no unknown keys, and none of our names stands bare."""
    structures = {DELIVERIES: _deliveries, TAGS: _tags, DRIFT_IGNORE: _drift_ignore}
    properties: Schema = {}
    for key in OWN_KEYS:
        value = structures[key]() if key in structures else KINDS[key].schema()
        properties[key] = {"description": DOCS[key], **value}
    for one in SETTINGS:
        properties[one.config_key] = {"description": one.doc, **one.kind.schema()}
    names = "|".join(re.escape(key.removeprefix(PREFIX)) for key in KNOWN_KEYS)
    role = f"{PREFIX}roleArn"
    needs_role = ("roleSessionName", "roleDuration", "roleExternalId")
    return {
        "type": "object",
        "required": [ACCOUNT, REGION],
        "properties": properties,
        "patternProperties": {f"^{PREFIX}(?!({names})$)": False, f"^({names})$": False},
        "dependentRequired": {PREFIX + key: [role] for key in needs_role},
        **_member_or_enterprise(),
    }


def _member_or_enterprise() -> Schema:
    switch = BY_CONFIG_KEY[f"{PREFIX}memberInEnterpriseView"].config_key
    return {
        "if": {"required": [MEMBER, VIEW], "properties": {VIEW: {"const": "enterprise"}}},
        "then": {"required": [switch], "properties": {switch: {"enum": [True, "true"]}}},
    }


def _deliveries() -> Schema:
    """Products by code; those known so far have their logs listed, for completion alone."""
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{CODE}$"},
        "properties": {code: _known(code) for code in catalog.PRODUCTS},
        "additionalProperties": {"$ref": "#/$defs/logs"},
    }


def _tags() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{CODE}$"},
        "additionalProperties": TAG.schema(),
    }


def _drift_ignore() -> Schema:
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": list(IGNORE_KINDS),
            "properties": {key: kind.schema() for key, kind in IGNORE_KINDS.items()},
            "additionalProperties": False,
        },
    }


def _known(product: str) -> Schema:
    entries = {log: {"$ref": "#/$defs/entry"} for log in catalog.logs_of(product)}
    named: Schema = {"$ref": "#/$defs/logs"}
    return {**named, "properties": entries} if entries else named


def _logs() -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"anyOf": [{"const": WHOLE_PRODUCT}, {"pattern": f"^{CODE}$"}]},
        "properties": {
            WHOLE_PRODUCT: {"description": "Every log of the product.", "$ref": "#/$defs/entry"}
        },
        "additionalProperties": {"$ref": "#/$defs/entry"},
        "if": {"required": [WHOLE_PRODUCT]},
        "then": {"maxProperties": 1},
    }


def _entry() -> Schema:
    long = {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": STATES.schema(),
            "protect": {"description": "Whether closing is refused.", **Switch().schema()},
            "onRemove": {
                "description": "What removing the entry does to the delivery.",
                **ON_REMOVES.schema(),
            },
            "reason": {"description": "Why it is closed.", **REASON.schema()},
        },
        "allOf": [
            {
                "if": {"required": ["reason"]},
                "then": {"properties": {"state": {"const": State.CLOSED.value}}},
            },
            {
                "if": {"properties": {"state": {"const": State.CLOSED.value}}},
                "then": {"properties": {"protect": {"enum": [False, "false"]}}},
            },
        ],
        "additionalProperties": False,
    }
    return {"anyOf": [STATES.schema(), long]}
