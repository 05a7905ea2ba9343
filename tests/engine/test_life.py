"""One stack from its first update to its end."""

from __future__ import annotations

import base64
import pickletools
from collections.abc import Callable
from typing import Any

from siem_emulator import EmulatorServer, World
from siem_emulator.world import Opening
from tests.engine.engine import Engine, Golden, Result

LAG_S = 0.4
DNS = "cloud_siem_aegis_dns"
PROC = "cloud_siem_aegis_proc"
DELIVERIES = {
    "actiontrail": {"cloud_siem_trail_actiontrail": "open"},
    "cfw": {"cloud_siem_cfw_alert": "closed", "cloud_siem_cfw_flow": "open"},
    "oss": {"cloud_siem_oss_access_log": {"state": "open", "onRemove": "keep"}},
    "sas": {DNS: "open", PROC: "open"},
    "waf": {"*": "open"},
}


def test_a_stack_from_its_first_update_to_its_end(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """Every update writes what is missing and nothing else; without a change it asks nothing."""
    engine.declare(DELIVERIES)

    first = engine.up()

    assert first.code == 0, first.text
    assert first.writes == [
        "open cfw/cloud_siem_cfw_flow",
        "open oss/cloud_siem_oss_access_log",
        f"open sas/{DNS}",
        f"open sas/{PROC}",
        "open waf",
    ]
    assert first.actions == {"GetCallerIdentity": 1, "ListDelivery": 2, "OpenDelivery": 5}
    assert "2 of 7 new or changed deliveries are already as declared" in first.text
    golden("state-shape.txt", shape_of(engine.state["resources"]))

    second = engine.up()

    assert (second.code, second.calls) == (0, ())
    assert second.counts == {"unchanged": 11}

    siem.configure(lag_ms=1000 * LAG_S)
    without_waf = {product: logs for product, logs in DELIVERIES.items() if product != "waf"}
    engine.declare(
        {
            **without_waf,
            "cfw": {"cloud_siem_cfw_alert": "open", "cloud_siem_cfw_flow": "open"},
            "sas": {DNS: "closed", PROC: "open"},
        }
    )
    changed = engine.up()

    assert changed.code == 0, changed.text
    assert changed.writes == [f"close sas/{DNS}", "close waf", "open cfw/cloud_siem_cfw_alert"]
    assert changed.counts == {"updated": 4, "deleted": 1, "unchanged": 6}
    assert waited(changed) >= LAG_S

    gone = engine.destroy()

    assert gone.code == 0, gone.text
    assert gone.writes == [
        "close actiontrail/cloud_siem_trail_actiontrail",
        "close cfw/cloud_siem_cfw_alert",
        "close cfw/cloud_siem_cfw_flow",
        f"close sas/{PROC}",
    ]
    assert waited(gone) >= LAG_S
    assert engine.resources == {}
    assert siem.open_logs() == {("oss", "cloud_siem_oss_access_log")}


def waited(result: Result) -> float:
    """For how many seconds after the last write the account was still looked at."""
    writes = [call for call in result.calls if call.action in ("OpenDelivery", "CloseDelivery")]

    return result.calls[-1].time - writes[-1].time


def shape_of(resources: list[dict[str, Any]]) -> str:
    """Of each recorded resource what may never change: else every stack would close and open."""
    return "\n".join(map(_shape, sorted(resources, key=lambda one: str(one["urn"]))))


def _shape(resource: dict[str, Any]) -> str:
    _, _, urn = resource["urn"].partition("::")
    inputs, outputs = resource.get("inputs", {}), resource.get("outputs", {})
    lines = [urn]
    if resource["type"].startswith("pulumi-python:"):
        lines += [
            f"  id {resource['id']}",
            f"  provider {_pickled(inputs['__provider'])}",
            f"  inputs {' '.join(name for name in sorted(inputs) if name != '__provider')}",
            f"  outputs {' '.join(name for name in sorted(outputs) if name != '__provider')}",
        ]
    return "\n".join([*lines, ""])


def _pickled(provider: str) -> str:
    """All that a recorded provider holds, read without running it: its size and every constant."""
    pickled = base64.b64decode(provider)
    constants = [str(constant) for _, constant, _ in pickletools.genops(pickled) if constant]

    return f"{len(pickled)} bytes: {' '.join(constants)}"


def test_adopting_writes_nothing(engine_on: Callable[[EmulatorServer], Engine]) -> None:
    """A stack of what is open already is recorded without a write, and its preview says so; no
    secret is in the preview or the state.
    """
    with EmulatorServer(World.build(logs=20, opened=(Opening(),))) as siem:
        engine = engine_on(siem)
        engine.declare({"sas": {DNS: "open"}, "waf": {"*": "open"}})

        previewed = engine.preview("--json")
        done = engine.up()

    assert previewed.code == 0, previewed.text
    assert previewed.actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
    assert f"are adopted without a write: sas/{DNS}, waf." in previewed.text
    assert done.code == 0, done.text
    assert done.actions == {"GetCallerIdentity": 1, "ListDelivery": 2}
    adopted = [engine.resources[name]["outputs"]["adopted"] for name in (f"sas/{DNS}", "waf")]
    assert adopted == [True, True]
    for text in (previewed.text, done.text, str(engine.state)):
        assert siem.key().secret not in text
        assert siem.key().id not in text


def test_a_stack_without_deliveries_warns(engine: Engine) -> None:
    """An empty stack is legal, asks nothing, and says what it is."""
    engine.declare({})

    done = engine.up()

    assert (done.code, done.calls) == (0, ()), done.text
    assert "warning: Stack dev declares no deliveries." in done.text


def test_the_recorded_config_rules_what_comes_without_the_program(
    engine: Engine, siem: EmulatorServer
) -> None:
    """A refresh uses the endpoint of the last update, the environment overrides it, and a stack
    whose file is gone is destroyed from its state.
    """
    del engine.environment["CLOUD_SIEM_ENDPOINT"]
    with EmulatorServer() as other:
        engine.declare({"sas": {DNS: "open"}}, endpoint=siem.url)
        assert engine.up().code == 0
        engine.declare({"sas": {DNS: "open"}}, endpoint=other.url)

        recorded = engine.refresh()
        engine.file.unlink()
        overridden = engine.destroy(CLOUD_SIEM_ENDPOINT=other.url)

        assert recorded.code == 0, recorded.text
        assert recorded.actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
        assert overridden.code == 0, overridden.text
        assert overridden.calls == ()
        assert other.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
        assert engine.resources == {}
