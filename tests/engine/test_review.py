"""The review of a real plan against what the update then does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import Engine

KEPT = {"state": "open", "onRemove": "keep"}


def test_a_review_tells_what_the_update_then_writes(
    engine: Engine, siem: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What closes, opens, is adopted, kept or declared in another place; with what was opened by
    hand, since the preview refreshes.
    """
    engine.declare(
        {
            "cfw": {"cloud_siem_cfw_alert": "closed", "cloud_siem_cfw_flow": "open"},
            "oss": {"cloud_siem_oss_access_log": KEPT},
            "sas": {"cloud_siem_aegis_dns": "open"},
            "waf": {"cloud_siem_waf_flow": "open"},
        }
    )
    assert engine.up().code == 0
    siem.switch("cfw", "cloud_siem_cfw_alert", state="open")
    engine.declare(
        {
            "actiontrail": {"cloud_siem_trail_actiontrail": "open"},
            "cfw": {"cloud_siem_cfw_alert": "closed"},
            "rds": {"cloud_siem_rds_audit_log": "open"},
            "sas": {"cloud_siem_aegis_dns": {"state": "closed", "reason": "CHG-1"}},
            "waf": {"*": "open"},
        }
    )

    plan = tmp_path / "plan.json"
    plan.write_text(engine.preview("--refresh", "--json").stdout)
    code = main(["review", str(plan), "--format", "json"])
    review = json.loads(capsys.readouterr().out)
    done = engine.up("--refresh")

    def told(effect: str) -> list[str]:
        return sorted(one["delivery"] for one in review["changes"] if one["effect"] == effect)

    assert code == 20
    assert done.code == 0, done.text
    assert done.writes == sorted(
        [f"close {name}" for name in told("closes")] + [f"open {name}" for name in told("opens")]
    )
    assert told("closes") == [
        "cfw/cloud_siem_cfw_alert",
        "cfw/cloud_siem_cfw_flow",
        "sas/cloud_siem_aegis_dns",
    ]
    assert told("adopted") == ["actiontrail/cloud_siem_trail_actiontrail"]
    assert told("kept") == ["oss/cloud_siem_oss_access_log"]
    assert told("moved") == ["waf/cloud_siem_waf_flow"]
    assert review["dark"] == ["cfw", "sas"]


def test_a_review_goes_by_all_that_is_declared_and_not_by_the_steps_that_are_printed(
    engine: Engine, siem: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of eleven is removed; the other ten have no step unless the engine is asked for them."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    logs = [log.code for log in siem.world.catalog.products["sas"].logs][:11]
    engine.declare({"sas": dict.fromkeys(logs, "open")}, closeLimit="30%")
    assert engine.up().code == 0
    engine.declare({"sas": dict.fromkeys(logs[1:], "open")}, closeLimit="30%")

    plan, reviews = tmp_path / "plan.json", []
    for more in ([], ["--show-sames"]):
        plan.write_text(engine.preview("--refresh", "--json", *more).stdout)
        assert main(["review", str(plan), "--format", "json"]) == 20
        reviews.append(json.loads(capsys.readouterr().out))

    assert reviews[0] == reviews[1]
    assert (reviews[0]["refusal"], reviews[0]["dark"], reviews[0]["logs"]) == (None, [], 1)
    done = engine.up("--refresh")
    assert (done.code, done.writes) == (0, [f"close sas/{logs[0]}"]), done.text


def test_a_review_of_a_refused_preview_has_the_codes_that_the_update_ends_with(
    engine: Engine, siem: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    logs = [log.code for log in siem.world.catalog.products["sas"].logs][:7]
    trail = {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}}
    protected = {logs[0]: {"state": "open", "protect": True}}
    engine.declare({**trail, "sas": dict.fromkeys(logs, "open") | protected})
    assert engine.up().code == 0
    engine.declare({})

    plan = tmp_path / "plan.json"
    plan.write_text(engine.preview("--refresh", "--json").stdout)
    assert main(["review", str(plan), "--format", "json"]) == 21
    review = json.loads(capsys.readouterr().out)

    codes = {Code.PROTECTED, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG}
    assert {Code(value) for value in review["codes"]} == codes
    done = engine.up("--refresh")
    assert set(codes_in(done.text)) == codes
    assert done.writes == []
