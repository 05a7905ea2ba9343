"""Some sequences of edits, on the real engine; tests/test_sequences.py runs hundreds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from siem_emulator import EmulatorServer
from tests.edits import Step, small_world, steps, tell
from tests.engine.engine import Engine
from tests.journeys import draw
from tests.lives import OnEngine, travel_on_engine

EXAMPLES = 4
SEEDS = range(4)
"""Of journeys."""
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


@patient
@pytest.mark.parametrize("seed", SEEDS)
def test_no_run_closes_a_log_that_it_did_not_name_or_may_not_close(
    small: EmulatorServer, pulumi_home: Path, tmp_path: Path, seed: int
) -> None:
    """With flags, moves and interrupts over several stacks; tests/test_flags.py has more."""
    small.reset()
    engine = Engine(folder=tmp_path / "project", home=pulumi_home, siem=small)
    engine.environment["CLOUD_SIEM_DEADLINE"] = "5"

    travel_on_engine(draw(seed, runs=3, meanwhile=False), engine)
