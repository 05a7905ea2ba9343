"""Hundreds of sequences of edits, on the harness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from cloud_siem import properties
from siem_emulator import EmulatorServer
from tests.edits import Outcome, Step, Was, small_world, steps, tell
from tests.harness import DELIVERY, Harness, Program

EXAMPLES = 200


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each example begins it anew."""
    with EmulatorServer(small_world()) as server:
        yield server


class InHarness:
    """One stack on the harness."""

    def __init__(self, siem: EmulatorServer) -> None:
        self._siem = siem
        self._harness = Harness(
            environ={
                "CLOUD_SIEM_ENDPOINT": siem.url,
                "CLOUD_SIEM_REQUEST_RATE": "100000",
                "CLOUD_SIEM_CLOSE_LIMIT": "100",
            },
            folder=Path("/"),
        )

    def up(self, program: Program, *, refresh: bool) -> Outcome:
        self._siem.calls.clear()
        run = self._harness.up(program, refresh=refresh)
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
            for (parent, kind, name), one in self._harness.state.items()
            if kind == DELIVERY
        }


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(story=steps(protect=True, min_size=1, max_size=5))
def test_after_every_update_the_account_is_as_declared(
    small: EmulatorServer, story: list[Step]
) -> None:
    """Whatever was edited, named anew or switched by hand: the update makes the account what the
    stack declares, closes nothing that was not asked for, and has nothing left to do.
    """
    small.reset()

    tell(story, small, InHarness(small), twice=True)
