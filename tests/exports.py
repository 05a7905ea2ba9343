"""The harness's state as ``pulumi stack export`` would print it."""

from __future__ import annotations

from typing import Any

from cloud_siem.program import OUTPUT
from cloud_siem.recorded import Recorded, recorded
from tests.conftest import HERE
from tests.harness import Harness

PROGRAM = "digest of the program"


def export_of(harness: Harness) -> dict[str, Any]:
    """With resources of the engine's own among ours."""
    ours = [
        {
            "urn": f"urn:pulumi:dev::cloud-siem::pulumi-python:dynamic/cloud-siem:{kind}::{name}",
            "type": f"pulumi-python:dynamic/cloud-siem:{kind}",
            "inputs": one.inputs,
            "outputs": one.outputs,
            "retainOnDelete": one.retain,
        }
        for (_, kind, name), one in harness.state.items()
    ]
    stack = {"urn": "urn:pulumi:dev::cloud-siem::s", "type": "pulumi:pulumi:Stack", "outputs": {}}
    component = {
        "urn": "urn:pulumi:dev::cloud-siem::cloud-siem:index:AccountDeliveries::deliveries",
        "type": "cloud-siem:index:AccountDeliveries",
        "outputs": {OUTPUT: PROGRAM},
    }
    provider = {
        "urn": "urn:pulumi:dev::cloud-siem::pulumi:providers:pulumi-python::default",
        "type": "pulumi:providers:pulumi-python",
        "inputs": dict(harness.recorded_config),
    }
    resources = [stack, component, provider, *ours]
    return {"version": 3, "deployment": {"manifest": {}, "resources": resources}}


def exported_by(harness: Harness) -> Recorded:
    return recorded(export_of(harness), HERE)
