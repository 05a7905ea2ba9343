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
