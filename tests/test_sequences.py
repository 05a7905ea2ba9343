"""Sequences of edits on the harness; the campaign `random` has hundreds more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from siem_emulator import EmulatorServer
from tests.edits import Step, small_world, steps, tell
from tests.lives import InHarness

EXAMPLES = 40


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each example begins it anew."""
    with EmulatorServer(small_world()) as server:
        yield server


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
