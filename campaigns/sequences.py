"""Random lives of a stack, with faults: hundreds on the harness, dozens on the real engine."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

from campaigns.campaign import Campaign, Outcome, Plan, told
from campaigns.chance import chance
from campaigns.stories import story
from siem_emulator import EmulatorServer
from tests import edits
from tests.conftest import FakeTime, spare_authorities
from tests.edits import Life, Was, small_world, tell
from tests.engine.engine import Engine
from tests.harness import THREADS, Program
from tests.journeys import draw
from tests.lives import InHarness, OnEngine, travel_in_harness, travel_on_engine

FORGOTTEN = 0.3
"""How many updates are lived through twice, since nothing of the first was recorded."""
IN_PARALLEL = 4
"""Each journey whose seed this divides takes its steps side by side."""
ENGINE_DEADLINE_S = 5
"""Of one operation on the engine, where time is real and a lasting fault is waited out."""


class _Counted:
    """A life, with its updates counted."""

    def __init__(self, life: Life, count: Counter[str]) -> None:
        self._life = life
        self._count = count

    def up(self, program: Program, *, refresh: bool) -> edits.Outcome:
        outcome = self._life.up(program, refresh=refresh)
        self._count["updates"] += 1
        self._count["struck by a fault"] += any(call.fault for call in outcome.calls)
        self._count["failed or refused, with words"] += not outcome.ok
        for call in outcome.writes:
            self._count[call.action] += 1

        return outcome

    def recorded(self) -> Mapping[str, Was]:
        return self._life.recorded()


class _Forgetting:
    """A life on the harness in which now and then an engine dies that wrote no checkpoints.

    What it did stays done, and nothing of it is recorded; then comes the update after it.
    """

    def __init__(self, life: InHarness, random: Random, count: Counter[str]) -> None:
        self._life = life
        self._random = random
        self._count = count

    def up(self, program: Program, *, refresh: bool) -> edits.Outcome:
        if self._random.random() >= FORGOTTEN:
            return self._life.up(program, refresh=refresh)
        before = self._life.harness.records.copy()
        forgotten = self._life.up(program, refresh=refresh)
        self._life.harness.records = before
        self._count["forgotten by the engine"] += 1
        again = self._life.up(program, refresh=refresh)

        return replace(again, calls=[*forgotten.calls, *again.calls])

    def recorded(self) -> Mapping[str, Was]:
        return self._life.recorded()


def _lived(plan: Plan, tell_one: Callable[[int, EmulatorServer, Counter[str]], None]) -> Outcome:
    """Live through a story for each seed."""
    spare_authorities()
    count: Counter[str] = Counter()
    failures: list[str] = []
    with EmulatorServer(small_world()) as siem:
        for seed in plan.seeds:
            siem.reset()
            try:
                with _silent():
                    tell_one(seed, siem, count)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                failures.append(told(seed, error))

    return Outcome(
        figures={
            "sequences": plan.rounds,
            **dict(sorted(count.items())),
            "wrong end states": len(failures),
        },
        failures=failures,
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what the provider tells a person."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _on_harness(plan: Plan) -> Outcome:
    def one(seed: int, siem: EmulatorServer, count: Counter[str]) -> None:
        life = InHarness(siem, FakeTime().clock)
        tell(story(seed), siem, _Counted(life, count), twice=True)

    return _lived(plan, one)


def _forgetting(plan: Plan) -> Outcome:
    def one(seed: int, siem: EmulatorServer, count: Counter[str]) -> None:
        life = InHarness(siem, FakeTime().clock)
        forgetting = _Forgetting(life, chance("forgotten", seed), count)
        tell(story(seed), siem, _Counted(forgetting, count), twice=True)

    return _lived(plan, one)


def _on_engine(plan: Plan) -> Outcome:
    home = plan.folder / "home"
    home.mkdir()

    def one(seed: int, siem: EmulatorServer, count: Counter[str]) -> None:
        engine = Engine(folder=plan.folder / str(seed), home=home, siem=siem)
        engine.environment["CLOUD_SIEM_DEADLINE"] = str(ENGINE_DEADLINE_S)
        # Updates have no preview here, so that nothing may be protected.
        steps = story(seed, steps=3, protect=False)
        tell(steps, siem, _Counted(OnEngine(engine), count), twice=False)

    return _lived(plan, one)


def _flags_on_harness(plan: Plan) -> Outcome:
    def one(seed: int, siem: EmulatorServer, count: Counter[str]) -> None:
        folder = plan.folder / str(seed)
        folder.mkdir()
        # With one thread a seed always comes out the same; with more, other orders are seen.
        parallel = THREADS if seed % IN_PARALLEL == 0 and seed else 1
        # A run in the midst of another one would take over its threads here: all are one process.
        events = draw(seed, meanwhile=parallel == 1)
        travel_in_harness(events, siem, folder, parallel=parallel, count=count)

    return _lived(plan, one)


def _flags_on_engine(plan: Plan) -> Outcome:
    home = plan.folder / "home"
    home.mkdir()

    def one(seed: int, siem: EmulatorServer, count: Counter[str]) -> None:
        engine = Engine(folder=plan.folder / str(seed), home=home, siem=siem)
        engine.environment["CLOUD_SIEM_DEADLINE"] = str(ENGINE_DEADLINE_S)
        travel_on_engine(draw(seed, runs=3, meanwhile=False), engine, count)

    return _lived(plan, one)


HARNESS = Campaign(
    name="random",
    claim="Whatever is edited, switched by hand and goes wrong on the way: the account ends as"
    " declared, and nothing closes that nobody asked for.",
    rounds=500,
    unit="sequence of edits, hand switches and faults, with an update after each",
    run=_on_harness,
)
FORGETTING = Campaign(
    name="random-forgotten",
    claim="So it is where engines die that wrote no checkpoints: the next update finds the account"
    " changed, records that, and goes on.",
    rounds=500,
    unit="sequence, in which 3 of 10 updates are not recorded",
    run=_forgetting,
)
ENGINE = Campaign(
    name="random-engine",
    claim="What holds on the harness holds on the real engine, faults and all.",
    rounds=50,
    unit="sequence",
    run=_on_engine,
)
FLAGS = Campaign(
    name="flags",
    claim="With any flags, over several stacks, through renamed and moved entries, edits of the"
    " state and interrupts: no run closes a log that it had not named, that is protected or that a"
    " stack file declares open, nor more than its limit, nor the last one without a word for it.",
    rounds=1000,
    unit="journey of one to three stacks",
    run=_flags_on_harness,
)
FLAGS_ON_ENGINE = Campaign(
    name="flags-engine",
    claim="That holds on the real engine, too.",
    rounds=80,
    unit="journey",
    run=_flags_on_engine,
)
