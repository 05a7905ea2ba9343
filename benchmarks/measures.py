"""The table of measures: what is run, and what must be reached.

Each measure is a function from a `Bench` to rows. Within a measure the subjects take turns (A B B A
...), and what is compared is compared pair by pair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import fleet
from benchmarks.figures import Spread, interleaved, ratio
from benchmarks.fleets import Fleet
from benchmarks.many import Many
from benchmarks.project import (
    BASELINES,
    BIN,
    FLOOR,
    NAIVE,
    OURS,
    ROOT,
    WITHOUT_CHECKPOINTS,
    Project,
    Run,
    Subject,
    account,
    account_with_large_product,
    rung,
)
from benchmarks.rows import Row, at_most, beside, exactly
from cloud_siem.cli.drift import CONCURRENCY
from siem_emulator import World

MANY = 100
LATENCY_MS = 100
THREADS = 4
"""Of a provider process, whatever `--parallel` says: the engine's SDK has the number fixed."""


class Bench:
    """Where measures have their projects; each is made once and ends with the run.

    Args:
        folder: For the projects; an empty one.
        quick: Whether to run few rounds.
        rounds: At most so many, of every measure.
    """

    def __init__(self, folder: Path, *, quick: bool, rounds: int | None = None) -> None:
        self.quick = quick
        self._folder = folder
        self._rounds = rounds
        self._open = ExitStack()
        self._projects: dict[tuple[str, int], Project] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def rounds(self, full: int, quick: int) -> int:
        wanted = quick if self.quick else full
        return min(wanted, self._rounds) if self._rounds else wanted

    def project(self, subject: Subject, logs: int) -> Project:
        """A project with every log of an account declared and open, and that state kept."""
        name = (subject.name, logs)
        if name not in self._projects:
            project = self.new(subject, account(logs))
            project.declare(project.places)
            project.up(**WITHOUT_CHECKPOINTS)
            project.save("all")
            self._projects[name] = project
        return self._projects[name]

    def many(self, **options: Any) -> Many:
        """Many stacks without an engine; the options are those of `Many`."""
        folder = self._folder / f"many-{sum(1 for _ in self._folder.glob('many-*'))}"
        return self._open.enter_context(Many(folder, **options))

    def fleet(self, **options: Any) -> Fleet:
        """Many stacks with recorded states; the options are those of `Fleet`."""
        folder = self._folder / f"fleet-{sum(1 for _ in self._folder.glob('fleet-*'))}"
        return self._open.enter_context(Fleet(folder, **options))

    def new(self, subject: Subject, world: World) -> Project:
        number = sum(1 for _ in self._folder.glob("project-*"))
        folder = self._folder / f"project-{number}"
        return self._open.enter_context(Project(subject, folder, self._folder / "home", world))


# --- nothing changed ------------------------------------------------------------------------------


def unchanged(bench: Bench) -> Iterator[Row]:
    for logs in (MANY,) if bench.quick else (MANY, 1000):
        projects = {one.name: bench.project(one, logs) for one in (OURS, FLOOR)}
        runs = {name: project.up for name, project in projects.items()}
        seen = interleaved(bench.rounds(11, 2), runs)
        what = f"`up`, nothing changed, {logs} deliveries"
        yield at_most("unchanged", f"{what}: CPU", _cpu(seen), 1.05)
        yield at_most("unchanged", f"{what}: wall", _wall(seen), 1.10)
        most = max((dict(run.calls) for run in seen[OURS.name]), key=len)
        yield exactly("unchanged", f"{what}: calls", most, {})
        yield beside("unchanged", f"{what}: the runs", _both(seen))


def refresh(bench: Bench) -> Iterator[Row]:
    projects = {one.name: bench.project(one, MANY) for one in (OURS, FLOOR, NAIVE)}
    for project in projects.values():
        project.fresh(opened=True, latency_ms=LATENCY_MS)
    runs = {name: project.preview_refreshed for name, project in projects.items()}
    seen = interleaved(bench.rounds(11, 1), runs)
    what = f"`preview --refresh`, nothing changed, {MANY} deliveries, {LATENCY_MS} ms latency"
    wall = _wall(seen)
    yield at_most("refresh", f"{what}: wall", wall, 1.30)
    yield at_most("refresh", f"{what}: wall, second goal", wall, 1.15)
    wanted = {"ListDelivery": 1, "GetCallerIdentity": 1}
    yield exactly("refresh", f"{what}: calls", _calls(seen[OURS.name]), wanted)
    yield beside(
        "refresh", "the naive provider's wall to the floor's", _wall(seen, NAIVE).show(" x")
    )
    yield beside("refresh", "the naive provider's calls", _said(_calls(seen[NAIVE.name])))
    yield beside("refresh", "the runs", _both(seen))


# --- all of them at once --------------------------------------------------------------------------


def create(bench: Bench) -> Iterator[Row]:
    projects = {one.name: bench.project(one, MANY) for one in (OURS, FLOOR, NAIVE)}

    def creating(project: Project) -> Callable[[], Run]:
        def run() -> Run:
            project.restore("empty")
            project.fresh(latency_ms=LATENCY_MS)
            return project.up()

        return run

    runs = {name: creating(project) for name, project in projects.items()}
    if bench.quick:
        del runs[NAIVE.name]
    seen = interleaved(bench.rounds(5, 1), runs)
    what = f"create {MANY} deliveries, {LATENCY_MS} ms latency"
    bound = MANY * LATENCY_MS / 1000 / THREADS
    over = ratio(_walls(seen[OURS.name]), [one.wall + bound for one in seen[FLOOR.name]])
    words = f"{what}: wall to floor + {MANY} x latency / {THREADS}"
    yield at_most("create", words, over, 1.30)
    wanted = {"OpenDelivery": MANY, "ListDelivery": 2, "GetCallerIdentity": 1}
    yield exactly("create", f"{what}: calls", _calls(seen[OURS.name]), wanted)
    if NAIVE.name in runs:
        over = ratio(_walls(seen[NAIVE.name]), [one.wall + bound for one in seen[FLOOR.name]])
        yield beside("create", "the naive provider's wall to the same", over.show(" x"))
        yield beside("create", "a loop of SDK calls, without an engine", _sdk_loop(bench))
    yield beside("create", "the runs", _both(seen))


def _sdk_loop(bench: Bench) -> str:
    project = bench.project(NAIVE, MANY)
    names = [f"{product}/{log}" for product, log in project.places]
    runs: list[Run] = []
    for _ in range(bench.rounds(3, 1)):
        project.fresh(latency_ms=LATENCY_MS)
        command = [sys.executable, str(BASELINES / "sdk_loop.py"), "open", *names]
        runs.append(project.run(command))
    return f"{Spread.of(_walls(runs)).show(' s', digits=1)}; {_said(_calls(runs))}"


def close(bench: Bench) -> Iterator[Row]:
    projects = {one.name: bench.project(one, MANY) for one in (OURS, FLOOR)}
    seen = interleaved(
        bench.rounds(5, 1), {name: _closing(project) for name, project in projects.items()}
    )
    for project in projects.values():  # as others want it
        project.declare(project.places)
        project.restore("all")
    what = f"close {MANY} deliveries, {LATENCY_MS} ms latency"
    bound = MANY * LATENCY_MS / 1000 / THREADS
    over = ratio(_walls(seen[OURS.name]), [one.wall + bound for one in seen[FLOOR.name]])
    words = f"{what}: wall to floor + {MANY} x latency / {THREADS}"
    yield at_most("close", words, over, 1.30)
    calls = _calls(seen[OURS.name])
    yield exactly("close", f"{what}: writes", calls.pop("CloseDelivery", 0), MANY)
    yield beside("close", f"{what}: other calls", _said(calls))
    yield beside("close", "the runs", _both(seen))


def close_product(bench: Bench) -> Iterator[Row]:
    world, product = account_with_large_product(MANY)
    projects = {one.name: bench.new(one, world) for one in (OURS, FLOOR)}
    for project in projects.values():
        project.declare([(product, "*")])
        project.up()
        project.save("all")
    seen = interleaved(
        bench.rounds(5, 1), {name: _closing(project) for name, project in projects.items()}
    )
    what = f'close {MANY} logs as `"*"`, {LATENCY_MS} ms latency'
    over = ratio(
        _walls(seen[OURS.name]), [one.wall + LATENCY_MS / 1000 for one in seen[FLOOR.name]]
    )
    words = f"{what}: wall to floor + latency"
    yield at_most("close_product", words, over, 1.30)
    calls = _calls(seen[OURS.name])
    yield exactly("close_product", f"{what}: writes", calls.pop("CloseDelivery", 0), 1)
    yield beside("close_product", f"{what}: other calls", _said(calls))
    yield beside("close_product", "the runs", _both(seen))


def _closing(project: Project) -> Callable[[], Run]:
    def run() -> Run:
        project.restore("all")
        project.declare([])
        project.fresh(opened=True, latency_ms=LATENCY_MS)
        return project.up()

    return run


# --- size -----------------------------------------------------------------------------------------


def state(bench: Bench) -> Iterator[Row]:
    per_item: dict[str, float] = {}
    for subject in (OURS, FLOOR):
        project = bench.project(subject, MANY)
        whole = project.state_bytes
        project.restore("empty")
        per_item[subject.name] = (whole - project.state_bytes) / MANY
        project.restore("all")
    over = Spread.of([per_item[OURS.name] - per_item[FLOOR.name]])
    what = f"state per delivery above the floor's, {MANY} deliveries"
    yield at_most("state", what, over, 400, "bytes")
    figures = ", ".join(f"{name} {size:.0f} bytes" for name, size in per_item.items())
    yield beside("state", "all of it", figures)


IMPORTS = {
    "an empty Python": "pass",
    "`import cloud_siem`": "import cloud_siem",
    "what every provider process imports": "import dill, grpc, pulumi.dynamic",
    "ours, without a call": "import dill, grpc, pulumi.dynamic, cloud_siem.provider",
    "ours, with calls": "import dill, grpc, pulumi.dynamic, cloud_siem.provider, cloud_siem.sdk",
    "the program": "import pulumi, cloud_siem.resource",
    "a program without us": "import pulumi",
}


def start(bench: Bench) -> Iterator[Row]:
    project = bench.project(FLOOR, MANY)
    file = str(ROOT / "stacks" / "Pulumi.demo.yaml")
    commands = {words: [sys.executable, "-c", code] for words, code in IMPORTS.items()}
    validate = str(BIN / "cloud-siem")
    commands["`cloud-siem validate`"] = [validate, "validate", file]
    runs = {words: partial(project.run, command) for words, command in commands.items()}
    seen = interleaved(bench.rounds(11, 2), runs)
    took = {words: Spread.of(_walls(runs)) for words, runs in seen.items()}
    words = "`cloud-siem validate`"
    yield at_most("start", words, took.pop(words), 0.25, "s")
    for words, spread in took.items():
        cpu = Spread.of(run.cpu for run in seen[words])
        yield beside("start", words, f"{spread.show(' s')}, CPU {cpu.show(' s')}")
    yield from _start_of_many(bench)


def _start_of_many(bench: Bench) -> Iterator[Row]:
    many = bench.many(stacks=200, logs=40)
    runs = [many.validate() for _ in range(bench.rounds(11, 2))]
    words = "`cloud-siem validate`, 200 files, 8,000 deliveries"
    yield at_most("start", words, Spread.of(_walls(runs)), 0.5, "s")


def growth(bench: Bench) -> Iterator[Row]:
    """From 100 to 2,000 deliveries, without checkpoints: what one more costs."""
    costs: dict[tuple[str, str, str], list[float]] = {}
    peaks: dict[str, float] = {}
    large = 2000
    rounds = bench.rounds(3, 1)
    projects = {
        (one.name, n): bench.project(one, n) for one in (OURS, FLOOR) for n in (MANY, large)
    }

    def creating(project: Project) -> Run:
        project.restore("empty")
        project.fresh()
        return project.up(**WITHOUT_CHECKPOINTS)

    def again(project: Project) -> Run:
        return project.up(**WITHOUT_CHECKPOINTS)

    for act, run in {"create": creating, "nothing changed": again}.items():
        for _ in range(rounds):
            for name in (OURS.name, FLOOR.name):
                small, whole = run(projects[name, MANY]), run(projects[name, large])
                peaks[name] = max(peaks.get(name, 0), whole.usage.peak_mb)
                for kind in ("cpu", "wall"):
                    grown = getattr(whole, kind) - getattr(small, kind)
                    costs.setdefault((act, kind, name), []).append(grown / (large - MANY))
        for kind, word in {"cpu": "CPU", "wall": "wall"}.items():
            ours, floor = costs[act, kind, OURS.name], costs[act, kind, FLOOR.name]
            what = f"one more delivery, {MANY} to {large}, {act}: {word}"
            yield at_most("growth", what, ratio(ours, floor), 1.2)
            each = [f"ours {_ms(ours)}", f"floor {_ms(floor)}"]
            yield beside("growth", f"{act}: {word} of each", ", ".join(each))
    peak = ", ".join(f"{name} {mb:.0f} MB" for name, mb in peaks.items())
    yield beside("growth", f"largest process at {large}", peak)


def checkpoints(bench: Bench) -> Iterator[Row]:
    """At 1,000 creates: what the state file's rewriting at every step costs."""
    logs = 1000
    projects = {one.name: bench.project(one, logs) for one in (OURS, FLOOR)}
    for name, project in projects.items():
        walls: dict[str, Run] = {}
        for words, switch in {"on": {}, "off": WITHOUT_CHECKPOINTS}.items():
            project.restore("empty")
            project.fresh()
            walls[words] = project.up(**switch)
        on, off = walls["on"], walls["off"]
        figure = f"{on.wall:.1f} s on, {off.wall:.1f} s off: {on.wall / off.wall:.1f} x"
        yield beside("checkpoints", f"{logs} creates, checkpoints, {name}", figure)


def ladder(bench: Bench) -> Iterator[Row]:
    """What each part of our program adds to the floor when nothing changed."""
    parts = (
        "the floor",
        "+ the component around",
        "+ the gate, on which all depend",
        "+ the bookend, which depends on all",
        "+ the export of every state",
        "+ our import and reading of the stack file",
        "+ our resource class and our verbs: ours",
    )
    subjects = [*(rung(number) for number in range(len(parts) - 1)), OURS]
    projects = {one.name: bench.project(one, MANY) for one in subjects}
    runs = {name: project.up for name, project in projects.items()}
    seen = list(interleaved(bench.rounds(7, 2), runs).values())
    for part, runs_of in zip(parts, seen, strict=True):
        cpu = ratio([one.cpu for one in runs_of], [one.cpu for one in seen[0]])
        wall = ratio(_walls(runs_of), _walls(seen[0]))
        figure = f"CPU {cpu.show(' x')}, wall {wall.show(' x')}"
        yield beside("ladder", f"nothing changed, {MANY} deliveries: {part}", figure)


# --- many accounts --------------------------------------------------------------------------------

DRIFT_LOGS = 60
DRIFT_LATENCY_MS = 50


def drift(bench: Bench) -> Iterator[Row]:
    """`drift --all`: a role in each account; then one administrator's members, at its rate."""
    stacks = 50 if bench.quick else 1000
    many = bench.many(stacks=stacks, logs=DRIFT_LOGS)
    runs = [many.drift(latency_ms=DRIFT_LATENCY_MS) for _ in range(bench.rounds(3, 1))]
    what = f"`drift --all`, {stacks} stacks of {DRIFT_LOGS} logs, {DRIFT_LATENCY_MS} ms latency"
    calls = dict.fromkeys(("AssumeRole", "GetCallerIdentity", "ListDelivery"), stacks)
    yield exactly("drift", f"{what}: calls", _calls(runs), calls)
    bound = 3 * stacks * DRIFT_LATENCY_MS / 1000 / CONCURRENCY
    bounds = [max(bound, run.cpu) for run in runs]
    words = f"{what}: wall to calls x latency / {CONCURRENCY}, or to its CPU where that is larger"
    yield at_most("drift", words, ratio(_walls(runs), bounds), 1.30)
    peak = Spread.of(run.usage.peak_mb for run in runs)
    yield at_most("drift", f"{what}: memory", peak, 300, "MB")
    yield from _drift_of_members(bench, stacks)
    each = Spread.of(_walls(runs)).median / stacks
    yield beside("drift", "the runs", f"{_both({'drift': runs})}, {1000 * each:.0f} ms a stack")
    if not bench.quick:
        yield beside("drift", "`pulumi refresh --preview-only` beside it", _refreshed(bench, each))


def _drift_of_members(bench: Bench, stacks: int) -> Iterator[Row]:
    rate = 50
    many = bench.many(stacks=stacks, logs=DRIFT_LOGS, members=True, rate=rate)
    run = many.drift(latency_ms=DRIFT_LATENCY_MS)
    what = f"`drift --all`, {stacks} members of one administrator, {rate} calls a second"
    calls = {"GetCallerIdentity": 1, "ListDelivery": stacks}
    yield exactly("drift", f"{what}: calls", dict(run.calls), calls)
    over = ratio([run.wall], [max((stacks + 1) / rate, run.cpu)])
    yield at_most("drift", f"{what}: wall to calls / rate, or to its CPU", over, 1.30)


def _refreshed(bench: Bench, each: float) -> str:
    """What the engine takes for one such stack, five times."""
    project = bench.project(OURS, DRIFT_LOGS)
    runs = []
    for _ in range(5):
        project.fresh(opened=True, latency_ms=DRIFT_LATENCY_MS)
        runs.append(project.pulumi("refresh", "--preview-only"))
    took = Spread.of(_walls(runs))
    return f"{took.show(' s')} a stack: {took.median / each:.0f} x"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure."""

    name: str
    run: Callable[[Bench], Iterator[Row]]
    quick: bool = True
    """Whether `make bench-quick` has the time for it."""


MEASURES: tuple[Measure, ...] = (
    Measure(name="unchanged", run=unchanged),
    Measure(name="refresh", run=refresh),
    Measure(name="create", run=create),
    Measure(name="close", run=close),
    Measure(name="close_product", run=close_product),
    Measure(name="state", run=state),
    Measure(name="start", run=start),
    Measure(name="drift", run=drift),
    Measure(name="growth", run=growth, quick=False),
    Measure(name="checkpoints", run=checkpoints, quick=False),
    Measure(name="ladder", run=ladder, quick=False),
    Measure(name="fleet_changed", run=fleet.changed, quick=False),
    Measure(name="fleet_unchanged", run=fleet.unchanged, quick=False),
    Measure(name="fleet_all", run=fleet.all_changed, quick=False),
)


# --- in words -------------------------------------------------------------------------------------

Seen = dict[str, list[Run]]


def _walls(runs: Sequence[Run]) -> list[float]:
    return [run.wall for run in runs]


def _wall(seen: Seen, subject: Subject = OURS) -> Spread:
    return ratio(_walls(seen[subject.name]), _walls(seen[FLOOR.name]))


def _cpu(seen: Seen) -> Spread:
    return ratio([run.cpu for run in seen[OURS.name]], [run.cpu for run in seen[FLOOR.name]])


def _calls(runs: Sequence[Run]) -> dict[str, int]:
    """Of each action the most calls that one run made."""
    actions = {action for run in runs for action in run.calls}
    return {action: max(run.calls.get(action, 0) for run in runs) for action in sorted(actions)}


def _said(calls: dict[str, int]) -> str:
    return ", ".join(f"{number} {action}" for action, number in calls.items()) or "none"


def _both(seen: Seen) -> str:
    """Medians in seconds: to tell a quiet machine from a busy one, not to compare."""
    parts = []
    for name, runs in seen.items():
        wall, cpu = Spread.of(_walls(runs)).median, Spread.of(run.cpu for run in runs).median
        parts.append(f"{name} {wall:.1f} s (CPU {cpu:.1f} s)")
    return ", ".join(parts)


def _ms(seconds: Sequence[float]) -> str:
    return f"{1000 * Spread.of(seconds).median:.2f} ms"
