"""The harness against the real engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from tests.conftest import ANY_CLOSE, HERE
from tests.edits import small_world
from tests.engine.engine import Engine, written
from tests.harness import Harness, Program

Deliveries = dict[str, dict[str, Any]]
"""As in a stack file."""

KEPT = {"state": "open", "onRemove": "keep"}
STORY: list[Deliveries] = [
    {
        "oss": {"cloud_siem_oss_access_log": KEPT, "cloud_siem_oss_meter_log": "closed"},
        "waf": {"*": "open"},
    },
    {"oss": {"cloud_siem_oss_access_log": KEPT}, "waf": {"cloud_siem_waf_flow": "open"}},
    {"oss": {"cloud_siem_oss_delete_log": "open"}, "waf": {"cloud_siem_waf_flow": "closed"}},
]
CHANGES = ("request_id", "written")
"""What is drawn anew by every emulator."""


def test_the_harness_does_what_the_engine_does(
    engine_on: Callable[[EmulatorServer], Engine], tmp_path: Path
) -> None:
    """One story, told to both, has the same calls in every run, and leaves the same records."""
    with EmulatorServer(small_world()) as ours, EmulatorServer(small_world()) as theirs:
        engine = engine_on(theirs)
        harness = Harness(
            environ={
                "CLOUD_SIEM_ENDPOINT": ours.url,
                "CLOUD_SIEM_REQUEST_RATE": "100000",
                **ANY_CLOSE,
            },
            folder=tmp_path,
        )
        for deliveries in STORY:
            engine.declare(deliveries)
            ours.calls.clear()
            real = engine.up()
            run = harness.up(program_of(deliveries), preview=False)

            assert (real.code, run.failures) == (0, ()), real.text
            assert counted(ours.calls.all()) == counted(real.calls)
            assert shown(harness) == recorded(engine)

        for siem in (ours, theirs):
            siem.switch("oss", "cloud_siem_oss_delete_log", state="closed")
        ours.calls.clear()
        real = engine.up("--refresh")
        harness.up(program_of(STORY[-1]), preview=False, refresh=True)

        assert real.code == 0, real.text
        assert counted(ours.calls.all()) == counted(real.calls)
        assert shown(harness) == recorded(engine)

        ours.calls.clear()
        real = engine.destroy()
        harness.destroy()

        assert counted(ours.calls.all()) == counted(real.calls)
        assert not harness.state
        assert not engine.resources
        assert ours.open_logs() == theirs.open_logs() == {("oss", "cloud_siem_oss_access_log")}


def program_of(deliveries: Deliveries) -> Program:
    return Program(
        perspective=HERE,
        deliveries=tuple(
            Delivery(
                key=DeliveryKey(perspective=HERE, product=product, log=None if log == "*" else log),
                state=State.CLOSED if entry == "closed" else State.OPEN,
                on_remove=OnRemove.KEEP if entry is KEPT else OnRemove.CLOSE,
            )
            for product, logs in deliveries.items()
            for log, entry in logs.items()
        ),
    )


def counted(calls: Sequence[Received]) -> tuple[list[str], int, int]:
    """The writes, and how often was asked who calls and how things are."""
    actions = [call.action for call in calls]

    return (
        written(tuple(calls)),
        actions.count("GetCallerIdentity"),
        actions.count("ListDelivery"),
    )


def shown(harness: Harness) -> dict[str, Any]:
    return {
        name: [
            one.id,
            _same(one.inputs),
            _same(one.outputs),
            one.protect,
            one.retain,
            len(one.after),
        ]
        for name, one in harness.by_name.items()
    }


def recorded(engine: Engine) -> dict[str, Any]:
    return {
        name: [
            one["id"],
            _same(one["inputs"]),
            _same(one["outputs"]),
            one.get("protect", False),
            one.get("retainOnDelete", False),
            len(one.get("dependencies", [])),
        ]
        for name, one in engine.resources.items()
    }


def _same(bag: dict[str, Any]) -> dict[str, Any]:
    return {name: "drawn" if name in CHANGES and value else value for name, value in bag.items()}
