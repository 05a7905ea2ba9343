"""The harness's state as ``pulumi stack export`` would print it."""

from __future__ import annotations

from typing import Any

from cloud_siem.recorded import Recorded, recorded
from tests.conftest import HERE
from tests.harness import Harness


def export_of(harness: Harness) -> dict[str, Any]:
    """With a resource of the engine's own among ours."""
    ours = [
        {
            "urn": f"urn:pulumi:dev::cloud-siem::pulumi-python:dynamic/cloud-siem:{kind}::{name}",
            "type": f"pulumi-python:dynamic/cloud-siem:{kind}",
            "inputs": one.inputs,
            "outputs": one.outputs,
        }
        for (_, kind, name), one in harness.state.items()
    ]
    stack = {"urn": "urn:pulumi:dev::cloud-siem::s", "type": "pulumi:pulumi:Stack", "outputs": {}}
    return {"version": 3, "deployment": {"manifest": {}, "resources": [stack, *ours]}}


def exported_by(harness: Harness) -> Recorded:
    return recorded(export_of(harness), HERE)
