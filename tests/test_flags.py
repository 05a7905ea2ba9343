"""Stacks of one account through edits, flags, moves, faults and interrupts, on the harness."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import SystemRandom

import pytest

from siem_emulator import EmulatorServer
from tests.conftest import EXPLORE, spare_authorities
from tests.edits import small_world
from tests.journeys import Event, ViolationError, draw, shrink
from tests.lives import travel_in_harness

RUNS = 60
PARTS = 3
"""Of the runs, which can be taken side by side."""
FIRST = SystemRandom().randrange(10**6) if os.environ.get(EXPLORE) else 0


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each journey begins it anew."""
    spare_authorities()
    with EmulatorServer(small_world()) as server:
        yield server


def violation(events: Sequence[Event], siem: EmulatorServer, folder: Path) -> ViolationError | None:
    siem.reset()
    folder.mkdir()
    try:
        travel_in_harness(events, siem, folder)
    except ViolationError as error:
        return error
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_no_run_closes_a_log_that_it_did_not_name_or_may_not_close(
    small: EmulatorServer, tmp_path: Path, part: int
) -> None:
    """Whatever is edited, moved, switched by hand, tainted or interrupted, and with any flags."""
    folders = (tmp_path / str(number) for number in range(10**6))
    for seed in range(FIRST + part, FIRST + RUNS, PARTS):
        events = draw(seed)
        if (error := violation(events, small, next(folders))) is None:
            continue
        rule = error.rule

        def fails(fewer: list[Event], rule: str = rule) -> bool:
            other = violation(fewer, small, next(folders))
            return other is not None and other.rule == rule

        smallest = "\n".join(f"    {event}," for event in shrink(events, fails))
        pytest.fail(f"seed {seed}: {error}\nThe shortest journey with this violation:\n{smallest}")
