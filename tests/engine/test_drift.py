"""Drift and the engine say the same: `drift --state` is in sync just when a refreshed preview is.

tests/test_drift.py holds hundreds of stacks and accounts against the harness; here are some on the
real engine, its own export among them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from siem_emulator import EmulatorServer
from tests.engine.engine import STACK, Engine

PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
FLOW = "cloud_siem_waf_flow"
DELIVERIES: dict[str, dict[str, Any]] = {
    "sas": {PROC: "open", DNS: "closed"},
    "waf": {"*": "open"},
    "oss": {"cloud_siem_oss_access_log": {"state": "open", "onRemove": "keep"}},
}
DRIFT = 7
"""Of both commands."""


def drift(engine: Engine, *arguments: str) -> tuple[int, dict[str, list[str]]]:
    """The exit code, and what was found of each kind."""
    command = ["cloud-siem", "drift", STACK, "--state", "--report=json=-", *arguments]
    done = subprocess.run(
        command,
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    (stack,) = json.loads(done.stdout)["stacks"]
    assert stack["errors"] == []
    found: dict[str, list[str]] = {}
    for one in stack["findings"]:
        found.setdefault(one["kind"], []).append(one["delivery"])
    return done.returncode, found


def both(engine: Engine) -> tuple[int, dict[str, list[str]]]:
    """Ask both; they must agree."""
    previewed = engine.preview("--refresh", "--expect-no-changes")
    code, found = drift(engine)

    assert (code == 0) is (previewed.code == 0), (found, previewed.text)
    return code, found


@pytest.fixture
def updated(engine: Engine) -> Engine:
    """A stack after its first update."""
    engine.declare(DELIVERIES)
    assert engine.up().code == 0
    return engine


def test_what_was_changed_by_hand_is_drift_also_after_a_refresh(
    updated: Engine, siem: EmulatorServer
) -> None:
    """And when the hand has set it back, nothing is to be done, whatever the refresh recorded."""
    siem.switch("sas", PROC, state="closed")
    siem.switch("waf", FLOW, state="closed")
    code, found = both(updated)
    assert (code, found["drifted"]) == (DRIFT, [f"sas/{PROC}", "waf"])

    assert updated.refresh().code == 0
    code, found = both(updated)
    assert (code, found["drifted"]) == (DRIFT, [f"sas/{PROC}", "waf"])

    siem.switch("waf", FLOW, state="open")
    ignore = {"delivery": "sas/*", "reason": "INC-7", "until": "2099-12-31"}
    updated.declare(DELIVERIES, driftIgnore=[ignore])
    code, found = drift(updated)
    assert (code, found["ignored"]) == (0, [f"sas/{PROC}"])
    assert updated.preview("--refresh", "--expect-no-changes").code == DRIFT, "it knows no ignores"

    updated.declare(DELIVERIES)
    siem.switch("sas", PROC, state="open")
    assert both(updated)[0] == 0


VPC = {"cloud_siem_vpc_flow_log": "open"}
EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "a new entry": (lambda d: d.update(vpc=VPC), ["vpc/cloud_siem_vpc_flow_log"]),
    "another state": (lambda d: d["sas"].update({DNS: "open"}), [f"sas/{DNS}"]),
    "an entry removed": (lambda d: d.pop("oss"), ["oss/cloud_siem_oss_access_log"]),
    "an option": (
        lambda d: d["sas"].update({PROC: {"state": "open", "protect": True}}),
        [f"sas/{PROC}"],
    ),
    "single logs": (lambda d: d.update(waf={FLOW: "open"}), ["waf", f"waf/{FLOW}"]),
}


def test_what_is_declared_and_not_yet_applied_is_told_as_that(updated: Engine) -> None:
    for edit, (change, names) in EDITS.items():
        declared: dict[str, Any] = json.loads(json.dumps(DELIVERIES))
        change(declared)
        updated.declare(declared)
        code, found = both(updated)

        assert code == DRIFT, edit
        assert "drifted" not in found, edit
        assert found["unapplied"] == names, edit


def test_after_an_update_both_say_that_nothing_is_to_be_done(
    updated: Engine, siem: EmulatorServer
) -> None:
    """Whatever settings, ignores and the order of the file become; until a product is gone."""
    ignore = {"delivery": "nas/*", "reason": "INC-7", "until": "2099-12-31"}
    turned = dict(reversed(DELIVERIES.items()))
    updated.declare(turned, closeLimit=7, driftIgnore=[ignore])

    code, found = both(updated)
    assert (code, set(found)) == (0, {"unmanaged"})

    siem.control("disconnect", product="oss")
    code, found = both(updated)

    assert code == DRIFT
    assert found["missing"] == ["oss/cloud_siem_oss_access_log"]


def test_an_update_that_broke_off_is_told_until_it_came_to_its_end(
    updated: Engine, siem: EmulatorServer
) -> None:
    """The account shows everything; what the update wrote was not looked at."""
    updated.declare({**DELIVERIES, "vpc": VPC})
    siem.fault("stale_reads", seconds=600)
    assert updated.up(CLOUD_SIEM_DEADLINE="1").code == 1
    siem.faults.clear()
    code, found = both(updated)
    assert (code, found["unapplied"]) == (DRIFT, [""])

    assert updated.up().code == 0
    assert both(updated)[0] == 0


UNMANAGED = "actiontrail/cloud_siem_trail_actiontrail"
"""Open in the demo world from the start."""


def test_before_the_first_update_everything_is_not_yet_applied(engine: Engine) -> None:
    engine.declare({})
    assert both(engine) == (DRIFT, {"unapplied": [""], "unmanaged": [UNMANAGED]})

    engine.declare({"sas": {PROC: "open"}})
    code, found = both(engine)
    assert (code, found["unapplied"]) == (DRIFT, [f"sas/{PROC}"])


def test_a_stack_that_the_engine_does_not_know_is_an_error(engine: Engine) -> None:
    engine.declare(DELIVERIES)
    engine.file.rename(engine.file.with_name("Pulumi.other.yaml"))
    done = subprocess.run(
        ["cloud-siem", "drift", "other", "--state"],
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "no stack named 'other' found" in done.stdout
