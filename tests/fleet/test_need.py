"""Who needs the engine; and that who is skipped would have had nothing to do."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_siem.drift import compare
from cloud_siem.fleet.need import BY_EXPORT, BY_RECORD, Need, as_updated, need_of
from cloud_siem.ignore import Ignore
from cloud_siem.model import State
from cloud_siem.recorded import Recorded, recorded
from cloud_siem.report.contents import Outcome
from cloud_siem.stack import Stack
from siem_emulator import EmulatorServer
from tests.conftest import HERE, api_at
from tests.edits import LOGS, ByHand, Declare, Entry, small_world
from tests.edits import Stack as Edited
from tests.exports import PROGRAM, export_of, exported_by
from tests.harness import Program
from tests.test_drift import (
    FIRST,
    HAPPENED,
    LATER,
    PLACES,
    STATES,
    befall,
    declared_after,
    edited,
    harness_on,
    with_reasons,
)


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each example begins it anew."""
    with EmulatorServer(small_world()) as server:
        yield server


def need(siem: EmulatorServer, stack: Stack, found: Recorded | None) -> Need:
    """As the fleet asks; without a record of the engine's, a good run's stands for it."""
    comparison = compare(stack, api_at(siem.url).look(), recorded=found)
    outcome = Outcome(stack="dev", file="", comparison=comparison, recorded=found)
    return need_of(stack, outcome, PROGRAM)


@pytest.mark.parametrize("happened", HAPPENED)
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    first=st.lists(FIRST, min_size=1, max_size=4),
    later=st.lists(LATER, min_size=1, max_size=2),
    hands=st.lists(st.builds(ByHand, PLACES, STATES), min_size=1, max_size=2),
)
def test_a_stack_that_is_skipped_would_have_had_nothing_to_do(
    small: EmulatorServer,
    first: list[Any],
    later: list[Any],
    hands: list[ByHand],
    happened: str,
) -> None:
    """By the export, and by the record of a run that had nothing to do; whatever happened since."""
    small.reset()
    harness = harness_on(small)
    declared = edited(Edited(), first)
    program = with_reasons(declared.program, "one")
    harness.up(program)
    before = dict(harness.state)
    proven = bool(need(small, stack_of(program), exported_by(harness)).proof)
    noted = program
    program = declared_after(happened, declared, later)
    if "refused" in happened or "not shown" in happened:
        small.fault("stale_reads", seconds=60)
        harness.up(program, preview=False)
        small.faults.clear()
    befall(happened, small, harness, hands)

    recorded_too = proven and harness.state == before and program == noted
    found = [need(small, stack_of(program), exported_by(harness))]
    found += [need(small, stack_of(program), None)] if recorded_too else []
    if any(one.proof for one in found):
        previewed = harness.preview(program, refresh=True)
        changes = [step for step in previewed.steps if step[0] not in ("refresh", "gone")]
        assert (changes, previewed.failures) == ([], ()), found


def stack_of(program: Program) -> Stack:
    return Stack(name="dev", perspective=HERE, deliveries=program.deliveries)


# --- one reason after the other -------------------------------------------------------------------

LOG = ("oss", "cloud_siem_oss_access_log")


@pytest.fixture
def updated(small: EmulatorServer) -> tuple[Stack, dict[str, Any]]:
    """A stack and its export, after an update that came to its end."""
    small.reset()
    program = edited(Edited(), [Declare(*LOG, Entry(state=State.OPEN))]).program
    harness = harness_on(small, **{"cloud-siem:closeLimit": "7"})
    assert harness.up(program).ok
    stack = replace(stack_of(program), given={"cloud-siem:closeLimit": "7"})
    return stack, export_of(harness)


def asked(siem: EmulatorServer, stack: Stack, export: dict[str, Any]) -> Need:
    return need(siem, stack, recorded(export, HERE))


def test_what_is_as_declared_and_recorded_is_skipped_and_the_next_run_may_be_spared_the_export(
    small: EmulatorServer, updated: tuple[Stack, dict[str, Any]]
) -> None:
    found = asked(small, *updated)
    assert (found.why, found.proof, found.exported) == ((), BY_EXPORT, True)

    spared = need(small, updated[0], None)
    assert (spared.why, spared.proof, spared.exported) == ((), BY_RECORD, False)


def test_another_program_or_version_needs_the_engine(
    small: EmulatorServer, updated: tuple[Stack, dict[str, Any]]
) -> None:
    stack, export = updated
    (component,) = [
        one for one in export["deployment"]["resources"] if one["type"].startswith("cloud-siem:")
    ]
    component["outputs"] = {"program": "of yesterday"}
    assert "ran another program" in asked(small, stack, export).why[0]

    component["outputs"] = {}
    assert "ran another program" in asked(small, stack, export).why[0]


@pytest.mark.parametrize("given", [{}, {"cloud-siem:closeLimit": "8"}])
def test_a_setting_that_is_not_recorded_needs_the_engine(
    small: EmulatorServer, updated: tuple[Stack, dict[str, Any]], given: dict[str, str]
) -> None:
    """A refresh or destroy goes by the recorded one."""
    stack, export = updated
    found = asked(small, replace(stack, given=given), export)

    assert found.why == ("cloud-siem:closeLimit is not as the last pulumi up recorded it",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "aws:s3:Bucket", "urn": "urn:bucket"}, "the state has urn:bucket"),
        ({"type": "pulumi:pulumi:Stack", "urn": "urn:old", "delete": True}, "state has urn:old"),
    ],
)
def test_what_only_the_engine_knows_needs_the_engine(
    small: EmulatorServer,
    updated: tuple[Stack, dict[str, Any]],
    change: dict[str, Any],
    said: str,
) -> None:
    stack, export = updated
    other = copy.deepcopy(export)
    other["deployment"]["resources"].append(change)
    assert said in asked(small, stack, other).why[0]

    export["deployment"]["pending_operations"] = [{"type": "creating"}]
    assert "an operation that was broken off" in asked(small, stack, export).why[0]


def test_nobody_knows_is_neither_needed_nor_safe_to_skip() -> None:
    stack = Stack(name="dev", perspective=HERE)
    found = need_of(stack, Outcome(stack="dev", file="", errors=("no",), calls=2), PROGRAM)

    assert (found.why, found.proof, found.errors, found.calls) == ((), "", ("no",), 2)


def test_what_the_drift_review_lets_pass_needs_the_engine_all_the_same(
    small: EmulatorServer, updated: tuple[Stack, dict[str, Any]]
) -> None:
    stack, export = updated
    small.switch(*LOG, state="closed")
    ignored = replace(
        stack, drift_ignore=(Ignore(delivery="oss/*", reason="INC-7", until=date(2099, 1, 1)),)
    )

    assert asked(small, ignored, export).proof, "the review's own answer"
    assert "is closed, declared open" in asked(small, as_updated(ignored), export).why[0]


def test_of_many_reasons_the_first_are_told(small: EmulatorServer) -> None:
    small.reset()
    entries = [Declare(code, log, Entry(state=State.OPEN)) for code in LOGS for log in LOGS[code]]
    stack = stack_of(edited(Edited(), entries).program)
    found = need(small, stack, Recorded(perspective=HERE))

    assert len(stack.deliveries) == 7
    assert (len(found.why), found.why[-1]) == (4, "and 4 more findings")
