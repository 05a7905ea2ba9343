"""The real engine with the policies that `cloud-siem ram-policy` prints; see also test_ram.py."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import STACK, Engine, Golden

PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"


def test_each_policy_as_it_is_printed_is_enough_for_the_real_engine(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """Who applies, reviews, or may never close: each does its work; a close is refused in words."""
    engine.environment |= ANY_CLOSE
    engine.declare({"sas": {PROC: "open"}})
    grant(engine, "apply")

    applied = engine.up()

    assert applied.code == 0, applied.text
    assert applied.writes == [f"open sas/{PROC}"]

    grant(engine, "review")
    siem.switch("sas", PROC, state="closed")
    previewed = engine.preview("--refresh")
    refreshed = engine.refresh()
    listed = cloud_siem(engine, "list", STACK)

    assert (previewed.code, refreshed.code, listed.returncode) == (0, 0, 0), previewed.text
    assert previewed.actions == refreshed.actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
    assert previewed.counts == {"to update": 3, "unchanged": 2}
    assert f"sas/{PROC} is closed, declared open" in listed.stdout

    grant(engine, "never-close")
    engine.declare({"sas": {PROC: "open", DNS: "open"}})
    opened = engine.up()

    assert opened.code == 0, opened.text
    assert opened.writes == [f"open sas/{DNS}", f"open sas/{PROC}"]

    engine.declare({"sas": {PROC: "open", DNS: "closed"}})
    refused = engine.up()

    assert refused.code == 1
    assert siem.status("sas", DNS)
    golden("engine/close-denied.txt", refused.messages)

    grant(engine, "apply")
    destroyed = engine.destroy()

    assert destroyed.code == 0, destroyed.text
    assert destroyed.writes == [f"close sas/{DNS}", f"close sas/{PROC}"]


def grant(engine: Engine, purpose: str) -> None:
    """Allow the engine's key what the printed policy says, and nothing else."""
    printed = cloud_siem(engine, "ram-policy", "--for", purpose)
    policy: dict[str, Any] = json.loads(printed.stdout)
    engine.siem.control("grants", key=engine.siem.key().id, policy=policy)


def cloud_siem(engine: Engine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cloud_siem.cli", *arguments],
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
