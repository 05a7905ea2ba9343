"""Updates that end half-way: what the account shows late, and what fails."""

from __future__ import annotations

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.engine.engine import Engine, Golden

DEADLINE_S = 4


def test_what_does_not_settle_in_time_is_named(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """An update whose writes the account does not show by the deadline fails and names them; the
    next one looks, and writes nothing again.
    """
    engine.declare(
        {"cfw": {"cloud_siem_cfw_flow": "open"}, "waf": {"*": "open"}}, deadline=DEADLINE_S
    )
    siem.configure(lag_ms=60_000)

    late = engine.up()

    assert late.code == 1
    assert late.writes == ["open cfw/cloud_siem_cfw_flow", "open waf"]
    assert late.actions["ListDelivery"] > 2
    golden("engine/not-settled.txt", late.messages)

    siem.configure(lag_ms=0)
    settled = engine.up()

    assert settled.code == 0, settled.text
    assert settled.writes == []
    assert settled.counts == {"created": 1, "unchanged": 5}


def test_what_failed_half_way_can_be_destroyed(engine: Engine, siem: EmulatorServer) -> None:
    """Its settled resource was never created: what the destroy closes has to be named."""
    flow = "cloud_siem_cfw_flow"
    engine.declare({"cfw": {flow: "open"}, "waf": {"*": "open"}})
    siem.fault("error_mapping", action="OpenDelivery", match={"ProductCode": "waf"})

    failed = engine.up()

    assert failed.code == 1
    assert "the product does not have this log" in failed.text
    assert sorted(engine.resources) == [f"cfw/{flow}", "gate"]

    refused = engine.destroy()

    assert codes_in(refused.text) == (Code.NOT_AUTHORIZED,)
    assert refused.writes == []

    gone = engine.destroy(CLOUD_SIEM_CLOSE=f"{siem.world.first.id}/cfw/{flow}")

    assert gone.code == 0, gone.text
    assert gone.writes == [f"close cfw/{flow}"]
    assert not engine.resources
