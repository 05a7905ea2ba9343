"""The lives that ``tests.edits`` tells: one stack on the harness, or on the real engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud_siem import properties
from cloud_siem.pacing import Clock
from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.edits import Outcome, Was
from tests.engine.engine import Engine, program
from tests.harness import DELIVERY, Harness, Program

PARENT = "box:index:Box"
"""The only one that the sequences have."""


class InHarness:
    """One stack on the harness."""

    def __init__(self, siem: EmulatorServer, clock: Clock | None = None) -> None:
        self._siem = siem
        self.harness = Harness(
            environ={
                "CLOUD_SIEM_ENDPOINT": siem.url,
                "CLOUD_SIEM_REQUEST_RATE": "100000",
                **ANY_CLOSE,
            },
            clock=clock or Clock(),
        )

    def up(self, program: Program, *, refresh: bool) -> Outcome:
        self._siem.calls.clear()
        run = self.harness.up(program, refresh=refresh)
        calls = self._siem.calls.all()

        return Outcome(
            ok=run.ok, changed=bool(run.steps), text="\n".join(run.failures), calls=calls
        )

    def recorded(self) -> Mapping[str, Was]:
        return {
            f"{parent}|{name}": Was(
                product=one.inputs["product"],
                state=one.inputs["state"],
                log=properties.key_of(one.inputs).log,
                protect=one.protect,
                keep=one.retain,
            )
            for (parent, kind, name), one in self.harness.state.items()
            if kind == DELIVERY
        }


class OnEngine:
    """One stack on the real engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def up(self, wanted: Program, *, refresh: bool) -> Outcome:
        engine = self._engine
        engine.rewrite(program(prefix=wanted.prefix, parent=wanted.parent))
        deliveries: dict[str, dict[str, Any]] = {}
        for one in wanted.deliveries:
            deliveries.setdefault(one.key.product, {})[one.key.log or "*"] = {
                "state": one.state.value,
                "protect": one.protect,
                "onRemove": one.on_remove.value,
            }
        engine.declare(deliveries)
        done = engine.up(*["--refresh"][: int(refresh)])

        return Outcome(
            ok=done.code == 0,
            changed=set(done.counts) != {"unchanged"},
            text=done.text,
            calls=done.calls,
        )

    def recorded(self) -> Mapping[str, Was]:
        return {
            f"{PARENT if PARENT in one['urn'] else ''}|{one['urn'].rpartition('::')[2]}": Was(
                product=one["inputs"]["product"],
                state=one["inputs"]["state"],
                log=properties.key_of(one["inputs"]).log,
                protect=one.get("protect", False),
                keep=one.get("retainOnDelete", False),
            )
            for one in self._engine.state.get("resources", [])
            if one["type"].endswith(":LogDelivery")
        }
