"""The simulation behind docs/scale.md meets its closed form, and the page says what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.simulate import (
    BURST,
    SLACK,
    Assumptions,
    Figures,
    Fleet,
    Way,
    at_least_s,
    machines_for,
    machines_table,
    simulate,
    sizes_table,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FIGURES, ASSUMED = Figures(), Assumptions()
FLEETS = st.builds(
    Fleet,
    stacks=st.integers(100, 400),
    changed=st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    writes=st.integers(1, 5),
    roles=st.booleans(),
    records=st.booleans(),
    machines=st.integers(1, 4),
    cores=st.integers(1, 4),
    way=st.sampled_from(Way),
    seed=st.integers(0, 9),
)


@settings(max_examples=60)
@given(fleet=FLEETS)
def test_no_run_beats_its_bound(fleet: Fleet) -> None:
    """Chance moves what single stacks take by a fifth, and of many by less than a twentieth."""
    done = simulate(fleet, FIGURES, ASSUMED)

    assert done.wall_s >= 0.9 * at_least_s(fleet, FIGURES, ASSUMED)


@pytest.mark.parametrize(
    "fleet",
    [
        Fleet(stacks=2000),
        Fleet(stacks=2000, changed=0.1),
        Fleet(stacks=500, changed=1),
        Fleet(stacks=500, changed=1, machines=4, way=Way.DASK),
        Fleet(stacks=2000, changed=1, machines=10),
        Fleet(stacks=2000, roles=False),
        Fleet(stacks=2000, throttled=0.2),
        Fleet(stacks=2000, records=False),
    ],
)
def test_a_large_run_is_near_its_bound(fleet: Fleet) -> None:
    """So that the closed form may stand for the simulation where machines are counted."""
    done = simulate(fleet, FIGURES, ASSUMED)

    assert done.wall_s <= SLACK * at_least_s(fleet, FIGURES, ASSUMED)


def test_every_stack_is_looked_at_and_every_changed_one_run_twice() -> None:
    """By hand: 200 looks of 3 calls, and 4 changed stacks with 4 and 6 calls more."""
    done = simulate(Fleet(stacks=200, changed=0.02), FIGURES, ASSUMED)

    assert done.engine_runs == 8
    assert done.calls == {
        "AssumeRole": 200,
        "GetCallerIdentity": 200 + 4 * 4,
        "ListDelivery": 200 + 4 * 5,
        "OpenDelivery": 4,
    }


def test_the_same_seed_is_the_same_run() -> None:
    fleet = Fleet(stacks=200, changed=0.1, throttled=0.1)

    assert simulate(fleet, FIGURES, ASSUMED) == simulate(fleet, FIGURES, ASSUMED)


def test_one_administrators_rate_is_not_made_larger_by_machines() -> None:
    """What is counted for one account is bound by its quota, whoever calls."""
    fleet = Fleet(stacks=1000, roles=False, machines=10)
    done = simulate(fleet, FIGURES, ASSUMED)

    assert done.busiest == 1001
    assert done.wall_s >= (1001 - BURST) / ASSUMED.rate
    assert machines_for(Fleet(stacks=100_000, roles=False), FIGURES, ASSUMED) is None


def test_accounts_that_throttle_fail_and_the_others_do_not() -> None:
    done = simulate(Fleet(stacks=300, throttled=0.2), FIGURES, ASSUMED)

    assert done.failed == 60


@pytest.mark.parametrize("table", [sizes_table, machines_table])
def test_the_page_has_the_table(table: Callable[[Figures, Assumptions], str]) -> None:
    page = Path(__file__).parent.parent / "docs" / "scale.md"

    assert table(FIGURES, ASSUMED) in page.read_text(encoding="utf-8")
