"""What a refresh sees, and what it must never take for gone."""

from __future__ import annotations

from typing import Any

from siem_emulator import EmulatorServer
from tests.engine.engine import Engine, Golden

PROC = "cloud_siem_aegis_proc"
FLOW = "cloud_siem_waf_flow"
DELIVERIES = {
    "sas": {PROC: "open"},
    "vpc": {"cloud_siem_vpc_flow_log": {"state": "open", "protect": True}},
    "waf": {"*": "open"},
}


def test_a_switch_by_hand_is_seen_and_set_back(engine: Engine, siem: EmulatorServer) -> None:
    """The preview shows what was switched, whole products included, and the way back; the update
    writes no more than that. What the account no longer lists is gone, with a line that says so.
    """
    engine.declare(DELIVERIES)
    assert engine.up().code == 0
    siem.switch("sas", PROC, state="closed")
    siem.switch("waf", FLOW, state="closed")

    previewed = engine.preview("--refresh", "--diff")

    assert previewed.code == 0, previewed.text
    changes = [" ".join(line.split()) for line in previewed.lines if line.startswith("~ state")]
    assert sorted(changes) == [
        '~ state : "closed" => "open"',
        '~ state : "open" => "closed"',
        '~ state : "open" => "partial"',
        '~ state : "partial" => "open"',
    ]

    mended = engine.up("--refresh")

    assert mended.code == 0, mended.text
    assert mended.writes == [f"open sas/{PROC}", "open waf"]
    assert siem.status("sas", PROC)
    assert siem.status("waf", FLOW)

    siem.control("disconnect", product="vpc")
    gone = engine.refresh()

    assert gone.code == 0, gone.text
    assert "is no longer listed by the account: it is taken as gone." in gone.text
    assert sorted(engine.resources) == ["gate", f"sas/{PROC}", "settled", "waf"]


def test_a_refresh_that_cannot_know_changes_nothing(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """Credentials of another account get as far as their own name; an empty list of products and a
    faulty setting end the refresh; the state stays as it was, protected or not.
    """
    engine.declare(DELIVERIES)
    assert engine.up().code == 0
    before = recorded(engine)

    engine.be(siem.key("1777777777777777"))
    other = engine.refresh()

    assert other.code == 1
    assert other.actions == {"GetCallerIdentity": 1}
    assert recorded(engine) == before
    golden("engine/refresh-as-another-account.txt", one_of(other.messages))

    engine.be(siem.key())
    siem.fault("empty_product_list")
    empty = engine.refresh()

    assert empty.code == 1
    assert empty.actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
    assert recorded(engine) == before
    golden("engine/refresh-of-nothing.txt", one_of(empty.messages))

    wrongly_set = engine.refresh(CLOUD_SIEM_DEADLINE="x")

    assert (wrongly_set.code, wrongly_set.calls) == (1, ())
    assert recorded(engine) == before
    golden("engine/refresh-with-a-faulty-setting.txt", one_of(wrongly_set.messages))


def recorded(engine: Engine) -> dict[str, dict[str, Any]]:
    """All that the engine will go by; it also notes when and where, which a refresh may change."""
    kept = ("id", "inputs", "outputs", "protect", "retainOnDelete", "dependencies")

    return {
        name: {key: resource.get(key) for key in kept}
        for name, resource in engine.resources.items()
    }


def one_of(messages: str) -> str:
    """What each delivery says; how many get to it is a race."""
    distinct = {line.partition(": ")[2] for line in messages.splitlines()}

    assert len(distinct) == 1

    return f"{distinct.pop()}\n"
