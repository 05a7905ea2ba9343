"""The review of a real plan against what the update then does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud_siem.cli import main
from siem_emulator import EmulatorServer
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
