"""States that earlier versions of this package recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import Engine

STATES = Path(__file__).parent / "states"
PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
DECLARED = {
    "actiontrail": {"cloud_siem_trail_actiontrail": "open"},
    "sas": {
        PROC: {"state": "open", "protect": True},
        DNS: {"state": "open", "onRemove": "keep"},
        "cloud_siem_aegis_login_event": "closed",
    },
    "waf": {"*": "open"},
}


@pytest.fixture
def upgraded(engine: Engine, siem: EmulatorServer) -> Engine:
    """A stack that the version without tickets has recorded, on an account as it left it."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    engine.declare(DECLARED)
    state = STATES / "before-tickets.json"
    imported = engine.run("stack import", "--file", str(state))
    assert imported.code == 0, imported.text
    for log in (PROC, DNS):
        siem.switch("sas", log, state="open")
    siem.switch("waf", state="open")
    return engine


def test_a_state_without_tickets_is_taken_over_without_a_write(upgraded: Engine) -> None:
    """Nothing opens, nothing closes, and the second update changes nothing and makes no call."""
    first = upgraded.up()
    second = upgraded.up("--expect-no-changes")

    assert first.code == 0, first.text
    assert first.writes == []
    assert second.code == 0, second.text
    assert second.calls == ()


def test_a_state_without_tickets_guards_its_closes(upgraded: Engine, siem: EmulatorServer) -> None:
    """The first update with the new version may close, and goes by what the old one recorded."""
    upgraded.declare({**DECLARED, "sas": {}, "waf": {"*": "closed"}})

    assert upgraded.up().writes == []
    assert siem.status("sas", PROC)

    upgraded.declare({**DECLARED, "waf": {"*": "closed"}})
    done = upgraded.up()
    assert done.code == 0, done.text
    assert done.writes == ["close waf"]
