"""The guardrails on the real engine; tests/test_guard_rails.py has every rule by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import Engine, Result
from tests.fleet.machines import until

TRAIL = {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}}
"""The one log that is open from the start."""
DNS, PROC = "cloud_siem_aegis_dns", "cloud_siem_aegis_proc"


@pytest.fixture(autouse=True)
def with_the_limit(engine: Engine) -> None:
    """The other engine tests allow every close."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")


def single_logs(siem: EmulatorServer, number: int) -> dict[str, dict[str, Any]]:
    """So many logs, all declared open; the first is open from the start."""
    found: dict[str, dict[str, Any]] = {}
    for product in sorted(set(siem.world.catalog.products) - siem.world.first.not_connected):
        for log in siem.world.catalog.products[product].logs:
            if product != "bastionhost" and sum(map(len, found.values())) < number:
                found.setdefault(product, {})[log.code] = "open"
    return found


def refused(result: Result, *codes: Code) -> None:
    assert result.code == 1, result.text
    assert result.writes == []
    assert set(codes_in(result.text)) == set(codes), result.text
    assert "Nothing was closed." in result.text
    assert "Traceback" not in result.text


def test_twenty_open_deliveries_are_not_cut_to_two_by_accident(
    engine: Engine, siem: EmulatorServer
) -> None:
    """Refused at preview, in every update and by every destroy, with no call that closes; allowed
    for one run, each log is announced with how to undo it.
    """
    engine.declare(single_logs(siem, 20), closeLimit="30%")
    assert engine.up().code == 0
    before = siem.open_logs()
    engine.declare(single_logs(siem, 2), closeLimit="30%")
    numbers = "18 logs would close; cloud-siem:closeLimit allows 6 (30% of 20 open logs)"

    for result in (engine.preview(), *(engine.up("--continue-on-error") for _ in range(3))):
        refused(result, Code.CLOSE_LIMIT)
        assert numbers in result.text

    all_of_it = "20 logs would close; cloud-siem:closeLimit allows 6 (30% of 20 open logs)"
    engine.declare(single_logs(siem, 2), closeLimit=100)
    for result in (engine.destroy(), engine.destroy("--continue-on-error")):
        refused(result, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG)
        assert all_of_it in result.text
    assert siem.open_logs() == before

    allowed = engine.up(CLOUD_SIEM_CLOSE_LIMIT="18")
    assert allowed.code == 0, allowed.text
    assert len(allowed.writes) == 18
    assert {line.strip() for line in allowed.lines} >= {*allowed.writes, "18 logs close:"}
    assert "cloud_siem_cfw_alert: open" in allowed.text

    alone = engine.destroy("--target", engine.resources["settled"]["urn"])
    refused(alone, Code.LAST_OPEN_LOG)
    refused(engine.destroy(CLOUD_SIEM_CLOSE_LIMIT="20"), Code.LAST_OPEN_LOG)


def test_nothing_protected_closes_by_one_edit_and_keep_is_applied_first(engine: Engine) -> None:
    """Not even with Pulumi's own flag taken off, nor by a destroy, however much is allowed."""
    protected = {"state": "open", "protect": True}
    engine.declare({**TRAIL, "sas": {DNS: protected, PROC: "open"}})
    assert engine.up().code == 0
    assert engine.run("state", "unprotect", "--all", "--yes").code == 0

    engine.declare({**TRAIL, "sas": {DNS: "closed"}})
    refused(engine.up(**ANY_CLOSE), Code.PROTECTED)
    refused(engine.destroy(**ANY_CLOSE), Code.PROTECTED)

    engine.declare({**TRAIL, "sas": {DNS: protected}}, onRemove="keep")
    refused(engine.up(), Code.KEEP_FIRST)

    engine.declare({**TRAIL, "sas": {DNS: "open", PROC: "open"}}, onRemove="keep")
    assert engine.up().code == 0
    closed = {"state": "closed", "reason": "CHG-1234 too loud"}
    engine.declare({**TRAIL, "sas": {DNS: closed}}, onRemove="keep")
    done = engine.up()

    assert done.code == 0, done.text
    assert done.writes == [f"close sas/{DNS}"]
    assert engine.resources[f"sas/{DNS}"]["outputs"]["reason"] == "CHG-1234 too loud"


def test_what_is_switched_by_hand_after_the_preview_is_told_and_not_written(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The update looks again before it writes."""
    engine.declare({**TRAIL, "sas": {DNS: "open", PROC: "open"}})
    assert engine.up().code == 0
    engine.declare({**TRAIL, "sas": {DNS: "closed"}})
    previewed = engine.preview("--diff")

    assert previewed.code == 0
    assert f'sas/{DNS} : "open" => "closed"' in " ".join(previewed.text.split())
    lines = {line.strip() for line in previewed.lines}
    assert {"2 logs close:", f"close sas/{DNS}", f"close sas/{PROC}"} <= lines

    siem.switch("sas", DNS, state="closed")
    siem.switch("sas", PROC, state="closed")
    done = engine.up()

    assert done.code == 0, done.text
    assert done.writes == []
    for log in (DNS, PROC):
        assert f"sas/{log} is closed already: it was changed outside Pulumi" in done.text


def test_of_two_updates_at_once_the_backend_lets_one_through(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The other one is told, and writes nothing.

    If both began in the same moment, the backend would let neither through.
    """
    siem.configure(latency_ms=1500)
    engine.declare({**TRAIL, "sas": {DNS: "open", PROC: "open"}})

    with ThreadPoolExecutor() as threads:
        first = threads.submit(engine.up)
        locks = engine.folder / "backend" / ".pulumi" / "locks"
        until(lambda: any(locks.rglob("*.json")), "the lock of the first update")
        second = engine.up()

    assert first.result().code == 0, first.result().text
    assert second.code
    assert "the stack is currently locked" in second.text
    assert len(siem.calls_of("OpenDelivery")) == 2


def test_with_target_no_more_than_the_limit_closes_even_if_all_was_named(
    engine: Engine, siem: EmulatorServer
) -> None:
    """``--target`` leaves the gate out: nothing is authorized, and what was named is counted."""
    eight = single_logs(siem, 8)
    engine.declare(eight)
    assert engine.up().code == 0
    names = [f"{product}/{log}" for product, logs in eight.items() for log in logs][1:]
    closed = {product: dict.fromkeys(logs, "closed") for product, logs in eight.items()}
    engine.declare({**closed, **TRAIL})
    targets = [text for name in names for text in ("--target", engine.resources[name]["urn"])]

    refused(engine.up(*targets), Code.NOT_AUTHORIZED)

    word = ",".join(f"{siem.world.first.id}/{name}" for name in names)
    done = engine.up(*targets, CLOUD_SIEM_CLOSE=word)
    assert done.code == 1
    assert codes_in(done.text) == (Code.CLOSE_LIMIT,)
    assert len(done.writes) <= 5

    rest = engine.up(*targets, CLOUD_SIEM_CLOSE=word, CLOUD_SIEM_CLOSE_LIMIT="7")
    assert rest.code == 0, rest.text
    assert len(siem.open_logs()) == 1
