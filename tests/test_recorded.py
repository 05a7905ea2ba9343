"""Reading what ``pulumi stack export`` prints; tests/test_drift.py holds it against the engine."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, Perspective, Region, State
from cloud_siem.properties import GateBag
from cloud_siem.recorded import recorded
from siem_emulator import EmulatorServer
from tests.conftest import HERE, PROC, WAF
from tests.exports import export_of
from tests.harness import Harness, Program

KEPT = Delivery(key=PROC, state=State.OPEN, on_remove=OnRemove.KEEP, protect=True)
WHOLE = Delivery(key=WAF, state=State.CLOSED)


@pytest.fixture
def export(siem: EmulatorServer) -> dict[str, Any]:
    """What is recorded after one update of two deliveries."""
    environ = {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"}
    harness = Harness(environ=environ)
    assert harness.up(Program(perspective=HERE, deliveries=(KEPT, WHOLE))).ok
    return export_of(harness)


def ours(export: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    resources: list[dict[str, Any]] = export["deployment"]["resources"]
    return [one for one in resources if one["type"].endswith(f":{kind}")]


def test_an_update_that_came_to_its_end_left_what_it_was_told(export: dict[str, Any]) -> None:
    found = recorded(export, HERE)

    assert found.has(KEPT)
    assert found.has(WHOLE)
    assert found.state_of(PROC) is State.OPEN
    assert found.due(gate(KEPT, WHOLE)) == ""


def gate(*deliveries: Delivery, **more: Any) -> GateBag:
    """What a program would tell the gate."""
    return GateBag(perspective=HERE, stack="dev", deliveries=deliveries, **more)


@pytest.mark.parametrize(
    "declared",
    [
        Delivery(key=PROC, state=State.CLOSED, on_remove=OnRemove.KEEP, protect=True),
        Delivery(key=PROC, state=State.OPEN, on_remove=OnRemove.KEEP),
        Delivery(key=PROC, state=State.OPEN, protect=True),
        Delivery(key=PROC, state=State.OPEN, on_remove=OnRemove.KEEP, protect=True, reason="CHG-1"),
        Delivery(key=DeliveryKey(perspective=HERE, product="sas"), state=State.OPEN),
    ],
)
def test_what_is_declared_otherwise_is_not_what_it_has(
    export: dict[str, Any], declared: Delivery
) -> None:
    assert not recorded(export, HERE).has(declared)


def test_a_refresh_does_not_change_what_the_update_was_told(export: dict[str, Any]) -> None:
    """It writes what the account showed into the gate and the resource; the bookend keeps it."""
    (proc,) = [one for one in ours(export, "LogDelivery") if one["outputs"]["product"] == "sas"]
    proc["outputs"]["state"] = "closed"
    ours(export, "Gate")[0]["outputs"]["sas/cloud_siem_aegis_proc"] = "closed, protected, kept"

    assert recorded(export, HERE).state_of(PROC) is State.OPEN


def test_what_a_refresh_took_from_the_record_an_update_has_to_put_back(
    export: dict[str, Any],
) -> None:
    """It dropped the word that a delivery was adopted, when somebody had switched it by hand."""
    (settled,) = ours(export, "Settled")
    settled["outputs"]["deliveries"]["sas/cloud_siem_aegis_proc"] += ", adopted"
    found = recorded(export, HERE)

    assert found.has(KEPT)
    assert "a refresh changed it meanwhile" in found.due(gate(KEPT, WHOLE))


@pytest.mark.parametrize("change", [{"on_remove": OnRemove.KEEP}, {"tags": {"env": "prod"}}])
def test_what_the_stack_says_for_itself_is_applied_by_an_update_too(
    export: dict[str, Any], change: dict[str, Any]
) -> None:
    found = recorded(export, HERE)

    assert found.due(gate(KEPT, WHOLE, **change)) == (
        "the stack's own onRemove or tags are not applied yet"
    )


def test_an_update_that_broke_off_left_what_each_delivery_says(export: dict[str, Any]) -> None:
    (settled,) = ours(export, "Settled")
    settled["outputs"]["written"] = "of an earlier update"
    (proc,) = [one for one in ours(export, "LogDelivery") if one["outputs"]["product"] == "sas"]
    proc["outputs"]["state"] = "closed"
    found = recorded(export, HERE)

    assert found.due(gate(KEPT, WHOLE)) == "the last pulumi up did not come to its end"
    assert found.state_of(PROC) is State.CLOSED


def test_what_waits_for_its_deletion_is_not_recorded_any_more(export: dict[str, Any]) -> None:
    for one in ours(export, "LogDelivery"):
        one["delete"] = True

    assert recorded(export, HERE).deliveries == {}


def test_another_perspective_has_no_gate_here(export: dict[str, Any]) -> None:
    there = Perspective(account=HERE.account, region=Region.AP_SOUTHEAST_1)
    found = recorded(export, there)

    assert found.gate is None
    assert found.settled is None
    assert set(found.deliveries) == {PROC, WAF}


def test_a_stack_that_was_never_updated_has_nothing() -> None:
    found = recorded({"version": 3, "deployment": {"manifest": {}}}, HERE)

    assert found.deliveries == {}
    assert found.due(gate()) == "no pulumi up has recorded this stack"


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ([], "the answer is not an exported stack"),
        ({"version": 3}, "the answer is not an exported stack"),
        ({"version": 9, "deployment": {"resources": []}}, "version 9, and this reads 3 and 4"),
    ],
)
def test_another_format_is_refused(export: object, message: str) -> None:
    with pytest.raises(CloudSiemError, match=message):
        recorded(export, HERE)


@pytest.mark.parametrize("change", [{"region": "moon"}, {"state": "ajar"}, {"product": None}])
def test_a_delivery_of_another_version_is_refused_and_never_guessed(
    export: dict[str, Any], change: dict[str, object]
) -> None:
    broken = copy.deepcopy(export)
    outputs = ours(broken, "LogDelivery")[0]["outputs"]
    for name, value in change.items():
        outputs.pop(name) if value is None else outputs.update({name: value})

    with pytest.raises(CloudSiemError, match="not as this version records it"):
        recorded(broken, HERE)
