"""Stacks of one account through edits, flags, moves, faults and interrupts, on the harness."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import SystemRandom

import pytest

from cloud_siem.model import State
from siem_emulator import EmulatorServer
from tests.conftest import EXPLORE, spare_authorities
from tests.edits import Declare, Entry, Move, Remove, Rename, small_world
from tests.harness import Interrupt
from tests.journeys import (
    ChangeEntry,
    Choice,
    Connect,
    EditFile,
    EditState,
    Event,
    MoveEntry,
    MoveState,
    RenameFile,
    RunStack,
    SetLimit,
    ViolationError,
    Words,
    draw,
    shrink,
    source,
)
from tests.lives import travel_in_harness

RUNS = 60
PARTS = 3
"""Of the runs, which can be taken side by side."""
FIRST_SEED = SystemRandom().randrange(10**6) if os.environ.get(EXPLORE) else 0

ACCESS, METER, DELETE = (
    f"cloud_siem_oss_{name}" for name in ("access_log", "meter_log", "delete_log")
)
FLOW, ALERT = "cloud_siem_waf_flow", "cloud_siem_waf_alert"
CLOSED = State.CLOSED
GATE, FIRST = 1, 2
"""The numbers of resources: the component, the gate, the deliveries by name, settled."""


def declare(
    product: str, log: str | None = None, state: State = State.OPEN, *, stack: int = 0, **more: bool
) -> EditFile:
    return EditFile(stack=stack, edit=Declare(product, log, Entry(state=state, **more)))


def remove(number: int, *, stack: int = 0) -> EditFile:
    return EditFile(stack=stack, edit=Remove(number))


UP = RunStack(stack=0)
JOURNEYS: dict[str, list[Event]] = {
    "a product that is removed counts as its logs": [
        declare("oss"),
        declare("waf", FLOW),
        SetLimit(stack=0, limit=2),
        UP,
        remove(0),
        UP,
    ],
    "a product that is declared closed counts as its logs": [
        *(declare("oss", log) for log in (ACCESS, METER, DELETE)),
        declare("waf", FLOW),
        SetLimit(stack=0, limit=2),
        UP,
        declare("oss", None, CLOSED),
        UP,
    ],
    "what is protected is replaced together with the gate": [
        declare("oss", ACCESS, protect=True),
        declare("waf", FLOW),
        UP,
        ChangeEntry(stack=0, number=0, change="closed"),
        RunStack(stack=0, choice=Choice(replaces=(GATE, FIRST))),
    ],
    "what is protected is closed under another name": [
        declare("oss", ACCESS, protect=True),
        declare("waf", FLOW),
        UP,
        ChangeEntry(stack=0, number=0, change="closed"),
        EditFile(stack=0, edit=Rename("new-")),
        UP,
    ],
    "what is protected is closed below another parent": [
        declare("oss", ACCESS, protect=True),
        declare("waf", FLOW),
        UP,
        ChangeEntry(stack=0, number=0, change="closed"),
        EditFile(stack=0, edit=Move("box:index:Box")),
        UP,
    ],
    "a product that is declared closed, alone": [
        declare("oss", ACCESS, protect=True),
        declare("oss", METER, protect=True),
        declare("waf", FLOW),
        UP,
        declare("oss", None, CLOSED),
        RunStack(stack=0, choice=Choice(targets=(FIRST,))),
    ],
    "keep that the gate alone has recorded": [
        declare("oss", ACCESS),
        declare("waf", FLOW),
        UP,
        ChangeEntry(stack=0, number=0, change="keep"),
        RunStack(stack=0, interrupt=Interrupt(after=1)),
        remove(0),
        UP,
    ],
    "a close that is left over from an interrupted run": [
        declare("oss", ACCESS),
        declare("waf", FLOW),
        UP,
        remove(0),
        RunStack(stack=0, interrupt=Interrupt(after=1)),
        UP,
    ],
    "an entry in another stack file": [
        declare("oss", ACCESS),
        declare("waf", FLOW),
        UP,
        MoveEntry(stack=0, to=1, number=0),
        RunStack(stack=1),
        UP,
    ],
    "an entry in another stack file, and a log that was moved there": [
        declare("oss", ACCESS),
        declare("waf", FLOW),
        UP,
        MoveEntry(stack=0, to=1, number=0),
        MoveState(stack=0, to=1, number=0),
        RunStack(stack=1),
        UP,
    ],
    "a stack file with another name": [
        declare("oss", ACCESS),
        declare("waf", FLOW, stack=2),
        UP,
        RunStack(stack=2),
        RenameFile(stack=0, to=1),
        RunStack(stack=1),
        RunStack(stack=0, command="destroy"),
    ],
    "closed here and open in another stack": [
        declare("oss", ACCESS),
        declare("oss", METER),
        UP,
        declare("oss", None, CLOSED, stack=1),
        RunStack(stack=1),
    ],
    "a limit for one run is not a word for the last log": [
        declare("oss", ACCESS),
        UP,
        remove(0),
        RunStack(stack=0, words=Words(limit=1)),
    ],
    "a replaced gate": [
        declare("oss", ACCESS),
        declare("oss", METER),
        declare("waf", FLOW),
        UP,
        remove(0),
        RunStack(stack=0, choice=Choice(replaces=(GATE,))),
    ],
    "a tainted gate": [
        declare("oss", ACCESS),
        declare("oss", METER),
        declare("waf", FLOW),
        UP,
        remove(0),
        EditState(stack=0, command="taint", number=0),
        UP,
    ],
    "a product that a refresh did not find": [
        declare("oss", ACCESS, protect=True),
        declare("waf", FLOW),
        UP,
        Connect(product="oss", connected=False),
        RunStack(stack=0, command="refresh"),
        Connect(product="oss", connected=True),
        ChangeEntry(stack=0, number=0, change="closed"),
        UP,
    ],
    "two updates at once": [
        declare("oss", ACCESS),
        declare("waf", FLOW, stack=1),
        UP,
        RunStack(stack=1),
        remove(0),
        remove(0, stack=1),
        RunStack(stack=0, meanwhile=RunStack(stack=1), before=3),
    ],
}


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


@pytest.mark.parametrize("about", JOURNEYS)
def test_a_known_way_to_close_a_log_is_refused(
    small: EmulatorServer, tmp_path: Path, about: str
) -> None:
    """Each was once a way to close a log that nobody had named, or that had to stay open."""
    error = violation(JOURNEYS[about], small, tmp_path / "project")

    assert error is None, error


@pytest.mark.parametrize("part", range(PARTS))
def test_no_run_closes_a_log_that_it_did_not_name_or_may_not_close(
    small: EmulatorServer, tmp_path: Path, part: int
) -> None:
    """Whatever is edited, moved, switched by hand, tainted or interrupted, and with any flags."""
    folders = (tmp_path / str(number) for number in range(10**6))
    for seed in range(FIRST_SEED + part, FIRST_SEED + RUNS, PARTS):
        events = draw(seed)
        if (error := violation(events, small, next(folders))) is None:
            continue
        rule = error.rule

        def fails(fewer: list[Event], rule: str = rule) -> bool:
            other = violation(fewer, small, next(folders))
            return other is not None and other.rule == rule

        smallest = "\n".join(f"    {source(event)}," for event in shrink(events, fails))
        pytest.fail(f"seed {seed}: {error}\nThe shortest journey with this violation:\n{smallest}")
