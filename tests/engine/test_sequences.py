"""Some sequences of edits, on the real engine; tests/test_sequences.py runs hundreds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cloud_siem import properties
from siem_emulator import EmulatorServer
from tests.edits import Outcome, Step, Was, small_world, steps, tell
from tests.engine.engine import Engine, program
from tests.harness import Program

EXAMPLES = 4
PARENT = "box:index:Box"
"""The only one that the sequences have."""
sequences = given(story=steps(protect=False, min_size=3, max_size=3))
patient = pytest.mark.timeout(900)
few = settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a shrink would take an hour
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each example begins it anew."""
    with EmulatorServer(small_world()) as server:
        yield server


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


def live(story: list[Step], siem: EmulatorServer, home: Path) -> None:
    siem.reset()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(folder=Path(folder) / "project", home=home, siem=siem)

        tell(story, siem, OnEngine(engine), twice=False)


@patient
@few
@sequences
def test_after_every_update_the_account_is_as_declared(
    small: EmulatorServer, pulumi_home: Path, story: list[Step]
) -> None:
    """What holds on the harness holds on the real engine."""
    live(story, small, pulumi_home)


@patient
@few
@sequences
def test_and_so_it_is_on_another_stack(
    small: EmulatorServer, pulumi_home: Path, story: list[Step]
) -> None:
    """The same for other sequences: two tests, since two can run side by side."""
    live(story, small, pulumi_home)
