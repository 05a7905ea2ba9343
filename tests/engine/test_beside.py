"""Stacks of one project beside each other: what one declares open, no other one closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import Engine

PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
TRAIL = {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}}


@pytest.fixture
def second(engine: Engine) -> Engine:
    """Another stack on the same account; both with the default limits."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    return engine.beside("second")


def up(engine: Engine, deliveries: dict[str, Any], **config: object) -> None:
    engine.declare(deliveries, **config)
    done = engine.up()
    assert done.code == 0, done.text


@pytest.mark.parametrize("receiver_first", [False, True])
def test_an_entry_that_moves_to_another_stack_file_stays_open(
    engine: Engine, second: Engine, siem: EmulatorServer, receiver_first: bool
) -> None:
    """In whichever order the two stacks are updated."""
    up(engine, {**TRAIL, "sas": {PROC: "open"}})
    up(second, {"sas": {DNS: "open"}})

    engine.declare(TRAIL)
    second.declare({"sas": {DNS: "open", PROC: "open"}})
    for stack in (second, engine) if receiver_first else (engine, second):
        moved = stack.up()
        assert moved.code == 0, moved.text
        assert moved.writes == []

    assert siem.status("sas", PROC)
    assert f"sas/{PROC}" not in engine.resources
    assert f"sas/{PROC}" in second.resources


def test_a_destroy_leaves_open_what_another_stack_declares_open(
    engine: Engine, second: Engine, siem: EmulatorServer
) -> None:
    up(engine, {"sas": {PROC: "open", DNS: "open"}})
    second.declare({"sas": {PROC: "open"}})

    done = engine.destroy()

    assert done.code == 0, done.text
    assert done.writes == [f"close sas/{DNS}"]
    assert "stack second declares it open" in done.text
    assert siem.status("sas", PROC)


def test_all_logs_of_a_product_close_save_those_that_another_stack_declares_open(
    engine: Engine, second: Engine, siem: EmulatorServer
) -> None:
    up(engine, {**TRAIL, "oss": {"*": "open"}})
    second.declare({"oss": {"cloud_siem_oss_access_log": "open"}})
    engine.declare(TRAIL)

    done = engine.up()

    assert done.code == 0, done.text
    assert done.writes == [
        "close oss/cloud_siem_oss_delete_log",
        "close oss/cloud_siem_oss_meter_log",
    ]
    assert siem.status("oss", "cloud_siem_oss_access_log")


def test_what_is_declared_closed_here_and_open_there_is_refused(
    engine: Engine, second: Engine
) -> None:
    up(engine, {**TRAIL, "sas": {PROC: "open"}})
    second.declare({"sas": {PROC: "open"}})
    engine.declare({**TRAIL, "sas": {PROC: "closed"}})

    refused = engine.up()

    assert refused.code == 1
    assert refused.writes == []
    assert codes_in(refused.text) == (Code.DECLARED_ELSEWHERE,), refused.text


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  cloud-siem:deliveries: [",
        "config:\n  cloud-siem:deliveries:\n    secure: AAABAA==\n",
    ],
)
def test_while_another_stack_file_cannot_be_read_nothing_closes_that_is_not_named(
    engine: Engine, second: Engine, siem: EmulatorServer, text: str
) -> None:
    up(engine, {**TRAIL, "sas": {PROC: "open"}})
    second.file.write_text(text)
    engine.declare(TRAIL)

    refused = engine.up()

    assert refused.code == 1
    assert codes_in(refused.text) == (Code.SIBLINGS_UNKNOWN,), refused.text
    assert refused.writes == []
    named = engine.up(CLOUD_SIEM_CLOSE=f"{siem.world.first.id}/sas/{PROC}")
    assert named.code == 0, named.text
    assert named.writes == [f"close sas/{PROC}"]


def test_two_updates_at_once_never_close_the_last_open_log(
    engine: Engine, second: Engine, siem: EmulatorServer
) -> None:
    """Each sees the other's log open before it closes its own; the one that sees nothing open
    afterwards opens its own again.
    """
    up(engine, {"sas": {PROC: "open"}})
    up(second, {"sas": {DNS: "open"}})
    siem.switch("actiontrail", "cloud_siem_trail_actiontrail", state="closed")
    for stack in (engine, second):
        stack.declare({})
    siem.fault("meet", action="CloseDelivery", times=2)

    with ThreadPoolExecutor(2) as both:
        results = list(both.map(lambda stack: stack.up(), (engine, second)))

    assert siem.open_logs()
    assert any(Code.STOPPED_LAST_OPEN_LOG in codes_in(result.text) for result in results), [
        result.text for result in results
    ]


TWO = """
from dataclasses import replace

import cloud_siem
import pulumi

stack = cloud_siem.load_stack()
first = []
for number, name in enumerate(("first", "second")):
    mine = [one for one in stack.deliveries if {where}.get(one.key.log, 0) == number]
    component = cloud_siem.AccountDeliveries(
        name,
        replace(stack, deliveries=tuple(mine)),
        prefix=name + "-",
        opts=pulumi.ResourceOptions(depends_on=list(first)),
    )
    first += [component] if {in_order} else []
"""


def test_what_moves_to_another_component_stays_open_also_where_a_target_hides_it(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The gate is shown what the other components declare, though their gates are left out."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    engine.rewrite(TWO.format(where={}, in_order=False))
    up(engine, {**TRAIL, "sas": {PROC: "open"}})

    engine.rewrite(TWO.format(where={PROC: 1}, in_order=False))
    names = ("first-gate", "first-settled", f"first-sas/{PROC}")
    targets = [text for name in names for text in ("--target", engine.resources[name]["urn"])]
    done = engine.up(*targets)

    assert done.code == 0, done.text
    assert done.writes == []
    assert siem.status("sas", PROC)


def test_a_refusal_of_one_component_says_what_the_run_has_closed_before(
    engine: Engine, siem: EmulatorServer
) -> None:
    """All or nothing is a promise of each component: the first has closed its own by then."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    engine.rewrite(TWO.format(where=dict.fromkeys((PROC, DNS), 1), in_order=True))
    logs = {PROC: {"state": "open", "protect": True}, DNS: "open"}
    up(engine, {**TRAIL, "sas": logs, "oss": {"*": "open"}})

    engine.declare({**TRAIL, "sas": {PROC: "closed", DNS: "open"}, "oss": {"*": "closed"}})
    result = engine.up()

    assert result.code == 1, result.text
    assert result.writes == ["close oss"]
    assert codes_in(result.text) == (Code.PROTECTED,)
    assert "This run has closed 3 logs before." in result.text
    assert siem.status("sas", PROC)


def test_a_log_that_nobody_asked_to_close_stops_the_run(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The service closes another log with the first close: nothing more is closed, and the next run
    goes on.
    """
    logs = ("cloud_siem_aegis_beaver_dns", DNS, PROC)
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")
    up(engine, {**TRAIL, "sas": dict.fromkeys(logs, "open"), "waf": {"*": "open"}})
    engine.declare({**TRAIL, "waf": {"*": "open"}})
    siem.fault("collateral", action="CloseDelivery", times=1, closes=["waf/cloud_siem_waf_flow"])

    stopped = engine.up("--parallel", "1")
    siem.faults.clear()

    assert stopped.code, stopped.text
    assert codes_in(stopped.text) == (Code.UNEXPECTED_CLOSE,), stopped.text
    assert stopped.writes == [f"close sas/{log}" for log in logs[:1]] or len(stopped.writes) < 3
    assert "waf/cloud_siem_waf_flow" in stopped.text
    again = engine.up("--refresh")
    assert again.code == 0, again.text
    assert siem.status("waf", "cloud_siem_waf_flow")
    assert not any(siem.status("sas", log) for log in logs)
