"""What a fleet of any size takes, on paper: a simulation, and the closed form that it must meet.

    python -m benchmarks.simulate                    the tables of docs/scale.md
    python -m benchmarks.simulate --stacks 3000 --changed 0.05 --machines 4

Needs nothing but Python. What goes in (`Figures`) is measured of a single stack by
`make bench ARGS="--only fleet_unchanged fleet_all"`; what comes out is time, calls, machines and
what they cost. The same seed gives the same result.

A run is that of `fleet up`:

1. Every stack is looked at: a few threads of one process, which has one core, ask the account.
2. Those that need the engine are previewed, so many at a time as the machine has cores.
3. When all previews are there they are reviewed together; then each is applied.

With shards each machine does all three for its part. With Dask one machine looks, and all of them
take engine runs from one queue.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from itertools import count


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one stack of 30 logs takes; measured on two cores, by the rows of `fleet` measures."""

    start_s: float = 0.7
    """Until the first call of a run: reading the files apart, importing the SDK."""
    look_cpu_s: float = 0.005
    """CPU of one stack that does not need the engine: its file, its calls, its record."""
    export_cpu_s: float = 0.19
    """CPU of `pulumi stack export`, which tells what is recorded where no record of ours does."""
    preview_cpu_s: float = 3.3
    """CPU of a refreshed preview, all its processes together."""
    up_cpu_s: float = 4.7
    """CPU of the update that applies its plan."""
    latency_s: float = 0.05
    """Of one call."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What is not measured: limits and prices, each to be replaced by one's own."""

    rate: float = 10
    """Calls per second that one credential makes: our setting `requestRate`, not a known quota."""
    price_per_minute: float = 0.008
    """Of a machine of two cores, in any currency: an example."""
    window_s: float = 3600
    """In which a nightly run has to be over."""


class Way(Enum):
    """How several machines share the work."""

    SHARDS = "shards"
    DASK = "Dask"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What is run, and on what."""

    stacks: int
    changed: float = 0.0
    """The share of stacks that need the engine."""
    writes: int = 1
    """Deliveries that are switched in each of those."""
    roles: bool = True
    """A role in each account; else one administrator's credential for all of its members."""
    records: bool = True
    """Whether a record of the last good run stands for every state: on the machine of that run,
    with the state in files; else each state is exported."""
    throttled: float = 0.0
    """The share of accounts that throttle every call throughout."""
    machines: int = 1
    cores: int = 2
    """Of each; as many engine runs at a time."""
    threads: int = 32
    """That look at accounts."""
    way: Way = Way.SHARDS
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run takes."""

    wall_s: float
    calls: Counter[str]
    engine_runs: int
    failed: int
    """Stacks whose account throttled them."""
    busiest: int
    """Calls that the credential with the most calls made."""
    machine_s: float


# --- calls ----------------------------------------------------------------------------------------

LOOK = ("GetCallerIdentity", "ListDelivery")
"""Of a stack without its engine, beside AssumeRole where a role is assumed."""
PREVIEW = LOOK * 2
"""Of a refreshed preview: one provider process refreshes, another one previews."""
BURST = 10
"""Calls that may go out at once before the rate holds them back."""
DEADLINE_S = 60.0
"""After which an account that throttles is given up; the setting `deadline`."""
PAUSES_S = (0.5, 1, 2, 4, 8, 10)
"""Bounds of the waits between attempts; a wait is a random part of its bound. The last goes on."""


def up_calls(writes: int) -> tuple[str, ...]:
    """Of a refreshed update: the same, its writes, and a look after them."""
    return (*PREVIEW, *("OpenDelivery",) * writes, "ListDelivery")


# --- the simulation -------------------------------------------------------------------------------

Process = Generator[float, float, None]
"""Yields when it goes on; is sent the time at which it does."""


class Cores:
    """So many cores, and bursts that take them in the order in which they come."""

    def __init__(self, number: int) -> None:
        self._free = [0.0] * number

    def done(self, now: float, seconds: float) -> float:
        """When a burst that comes now is over."""
        end = max(now, self._free[0]) + seconds
        heapq.heapreplace(self._free, end)
        return end


class Pace:
    """A credential's request rate, which all who use it share."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._due = 0.0
        """When the next call would go out if there were no bursts."""
        self.calls: Counter[str] = Counter()

    def free(self, now: float, action: str) -> float:
        """When a call that is wanted now may go out."""
        self.calls[action] += 1
        at = max(now, self._due - (BURST - 1) * self._gap)
        self._due = max(self._due, at) + self._gap
        return at


@dataclass(frozen=True, kw_only=True)
class _Stack:
    pace: Pace
    throttled: bool
    changed: bool


@dataclass(kw_only=True)
class _Run:
    """One run: its chance, and what it has counted."""

    fleet: Fleet
    figures: Figures
    assumptions: Assumptions
    chance: random.Random = field(init=False)
    engine_runs: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.fleet.seed)  # noqa: S311 - chance for figures, not secrets

    def stacks(self) -> list[_Stack]:
        """Just as many changed and throttled ones as the shares say, anywhere."""
        fleet = self.fleet
        shared = None if fleet.roles else Pace(self.assumptions.rate)
        changed = round(fleet.stacks * fleet.changed)
        throttled = round(fleet.stacks * fleet.throttled)
        numbers = list(range(fleet.stacks))
        self.chance.shuffle(numbers)
        made = [
            _Stack(
                pace=shared or Pace(self.assumptions.rate),
                changed=number < changed,
                throttled=number >= fleet.stacks - throttled,
            )
            for number in numbers
        ]
        if shared:
            shared.free(0, "GetCallerIdentity")  # once for all who share it
        return made

    def _calls(
        self, now: float, stack: _Stack, actions: Iterable[str]
    ) -> Generator[float, float, float]:
        for action in actions:
            now = yield stack.pace.free(now, action)
            now = yield now + self.figures.latency_s * self.chance.uniform(0.8, 1.2)
        return now

    def looking(
        self, todo: Iterator[_Stack], process: Cores, cores: Cores, found: list[_Stack]
    ) -> Process:
        """One thread: takes stacks until there are none."""
        now = yield self.figures.start_s
        actions = ("AssumeRole", *LOOK) if self.fleet.roles else LOOK[1:]
        for stack in todo:
            now = yield process.done(now, self._about(self.figures.look_cpu_s))
            if stack.throttled:
                now = yield from self._given_up(now, stack)
                continue
            now = yield from self._calls(now, stack, actions)
            if stack.changed or not self.fleet.records:
                now = yield cores.done(now, self._about(self.figures.export_cpu_s))
            if stack.changed:
                found.append(stack)

    def _given_up(self, now: float, stack: _Stack) -> Generator[float, float, float]:
        """Ask until the deadline has passed."""
        end, bounds = now + DEADLINE_S, iter(PAUSES_S)
        while now < end:
            now = yield stack.pace.free(now, LOOK[-1])
            pause = next(bounds, PAUSES_S[-1])
            now = yield now + self.figures.latency_s + self.chance.uniform(0, pause)
        self.failed += 1
        return now

    def running(
        self,
        todo: Iterator[_Stack],
        cores: Cores,
        cpu_s: float,
        actions: Sequence[str],
        begin: float,
    ) -> Process:
        """One place for an engine run at a time: half its CPU comes before its calls."""
        now = yield begin
        for stack in todo:
            self.engine_runs += 1
            now = yield cores.done(now, self._about(cpu_s) / 2)
            now = yield from self._calls(now, stack, actions)
            now = yield cores.done(now, self._about(cpu_s) / 2)

    def _about(self, seconds: float) -> float:
        """No two runs take the same."""
        return seconds * self.chance.uniform(0.8, 1.2)


def _all(processes: Iterable[Process], begin: float) -> float:
    """Run processes side by side; returns when the last one ends."""
    number, end = count(), begin
    waiting = [(next(one), next(number), one) for one in processes]
    heapq.heapify(waiting)
    while waiting:
        now, _, one = heapq.heappop(waiting)
        end = max(end, now)
        try:
            heapq.heappush(waiting, (max(now, one.send(now)), next(number), one))
        except StopIteration:
            continue
    return end


def simulate(fleet: Fleet, figures: Figures, assumptions: Assumptions) -> Outcome:
    """Run a fleet on paper."""
    run = _Run(fleet=fleet, figures=figures, assumptions=assumptions)
    stacks = run.stacks()
    shards = fleet.way is Way.SHARDS
    parts = [stacks[at :: fleet.machines] for at in range(fleet.machines)] if shards else [stacks]
    places = fleet.cores if shards else fleet.cores * fleet.machines
    ends = [_one_part(run, part, places) for part in parts]
    paces = {id(one.pace): one.pace for one in stacks}.values()
    return Outcome(
        wall_s=max(ends),
        calls=sum((one.calls for one in paces), Counter()),
        engine_runs=run.engine_runs,
        failed=run.failed,
        busiest=max(one.calls.total() for one in paces),
        # Shards are paid for as long as each runs; workers wait until the last stack is done.
        machine_s=sum(ends) if shards else max(ends) * fleet.machines,
    )


def _one_part(run: _Run, stacks: Sequence[_Stack], places: int) -> float:
    """Look, preview, apply; returns when it is over."""
    fleet, figures = run.fleet, run.figures
    found: list[_Stack] = []
    todo, process, cores = iter(stacks), Cores(1), Cores(fleet.cores)
    now = _all((run.looking(todo, process, cores, found) for _ in range(fleet.threads)), 0.0)
    phases = ((figures.preview_cpu_s, PREVIEW), (figures.up_cpu_s, up_calls(fleet.writes)))
    for cpu_s, actions in phases:
        todo, cores = iter(found), Cores(places)
        begin = now
        engines = (run.running(todo, cores, cpu_s, actions, begin) for _ in range(places))
        now = _all(engines, begin)
    return now


# --- the closed form ------------------------------------------------------------------------------

SLACK = 1.25
"""A run of 100 stacks or more takes no longer than this times the bound; a test holds it."""
MOST_MACHINES = 256


def at_least_s(fleet: Fleet, figures: Figures, assumptions: Assumptions) -> float:
    """The time that no run can beat: what each phase is bound by, one after the other."""
    shards = fleet.machines if fleet.way is Way.SHARDS else 1
    looked = math.ceil(fleet.stacks / shards)
    throttled = fleet.throttled * looked
    calls = 3 if fleet.roles else 1
    looks_s = (
        (looked - throttled) * calls * figures.latency_s + throttled * DEADLINE_S
    ) / fleet.threads
    exported = fleet.changed if fleet.records else 1 - fleet.throttled
    exports_s = looked * exported * figures.export_cpu_s / fleet.cores
    looking = max(looked * figures.look_cpu_s, looks_s, exports_s)
    changed = fleet.changed * fleet.stacks
    machines = fleet.cores * fleet.machines
    engine = changed * (figures.preview_cpu_s + figures.up_cpu_s) / machines
    bound = figures.start_s + looking + engine
    if fleet.roles:
        return bound
    # All calls go through one credential, whoever makes them.
    made = fleet.stacks - throttled * shards
    made += changed * (len(PREVIEW) + len(up_calls(fleet.writes)))
    return max(bound, figures.start_s + (made - BURST) / assumptions.rate)


def machines_for(fleet: Fleet, figures: Figures, assumptions: Assumptions) -> int | None:
    """The fewest machines that are done within the window; None where no number of them is."""
    for machines in range(1, MOST_MACHINES + 1):
        # Several machines share their state, so it is in no file that a record could speak of.
        more = replace(fleet, machines=machines, records=fleet.records and machines == 1)
        if at_least_s(more, figures, assumptions) * SLACK <= assumptions.window_s:
            return machines
    return None


# --- telling --------------------------------------------------------------------------------------

SIZES = (100, 1_000, 10_000)
CASES: tuple[tuple[str, Callable[[int], Fleet]], ...] = (
    ("nothing changed", lambda stacks: Fleet(stacks=stacks)),
    ("1 % changed", lambda stacks: Fleet(stacks=stacks, changed=0.01)),
    ("all changed", lambda stacks: Fleet(stacks=stacks, changed=1)),
    (
        "nothing changed, one administrator's members",
        lambda stacks: Fleet(stacks=stacks, roles=False),
    ),
    (
        "nothing changed, every state exported",
        lambda stacks: Fleet(stacks=stacks, records=False),
    ),
    (
        "1 % changed, 20 % throttled",
        lambda stacks: Fleet(stacks=stacks, changed=0.01, throttled=0.2),
    ),
)


def sizes_table(figures: Figures, assumptions: Assumptions) -> str:
    """On one machine, by size."""
    lines = [
        "| stacks | what | wall | calls | engine runs | machine-minutes | machines needed |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, fleet_of in CASES:
        for stacks in SIZES:
            fleet = fleet_of(stacks)
            done = simulate(fleet, figures, assumptions)
            needed = machines_for(fleet, figures, assumptions)
            cells = (
                f"{stacks:,}",
                what,
                _time(done.wall_s),
                f"{done.calls.total():,}",
                f"{done.engine_runs:,}",
                f"{done.machine_s / 60:,.1f}",
                f"{needed}" if needed else "no number",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def machines_table(figures: Figures, assumptions: Assumptions) -> str:
    """10,000 stacks by machines that share their state, and what the machines cost."""
    lines = [
        "| machines | way | 1 % changed | all changed | cost of 1 % | cost of all |",
        "|---|---|---|---|---|---|",
    ]
    for machines in (1, 10):
        for way in Way if machines > 1 else (Way.SHARDS,):
            fleets = [
                Fleet(stacks=SIZES[-1], changed=share, machines=machines, way=way, records=False)
                for share in (0.01, 1)
            ]
            done = [simulate(one, figures, assumptions) for one in fleets]
            walls = [_time(one.wall_s) for one in done]
            costs = [f"{one.machine_s / 60 * assumptions.price_per_minute:,.2f}" for one in done]
            name = way.value if machines > 1 else "-"
            lines.append(f"| {machines} | {name} | {' | '.join((*walls, *costs))} |")
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    for unit, length in (("s", 1), ("min", 60)):
        if seconds < _READABLE * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"


_READABLE = 100
"""More of a unit is told in the next one."""


def main() -> None:
    fleet, figures, assumptions = _options()
    if fleet is None:
        print(sizes_table(figures, assumptions))
        print(machines_table(figures, assumptions))
        return
    done = simulate(fleet, figures, assumptions)
    bound = at_least_s(fleet, figures, assumptions)
    cost = done.machine_s / 60 * assumptions.price_per_minute
    print(f"{_time(done.wall_s)} ({bound / done.wall_s:.0%} of it is what it is bound by)")
    print(", ".join(f"{number:,} {action}" for action, number in done.calls.items()))
    print(f"{done.engine_runs:,} engine runs, {done.failed:,} stacks failed")
    print(f"{done.machine_s / 60:.1f} machine-minutes, {cost:.2f} at the given price")


def _options() -> tuple[Fleet | None, Figures, Assumptions]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--stacks", type=int, help="run one fleet, and not the tables")
    for one in (Fleet, Figures, Assumptions):
        for each in fields(one):
            if isinstance(each.default, bool):
                parser.add_argument(f"--no-{each.name}", dest=each.name, action="store_false")
            elif isinstance(each.default, int | float):
                kind = type(each.default)
                parser.add_argument(
                    f"--{each.name.replace('_', '-')}",
                    type=kind,
                    default=each.default,
                    help="%(default)s",
                )
    ways = " or ".join(one.value for one in Way)
    parser.add_argument("--way", type=Way, metavar="WAY", default=Way.SHARDS, help=ways)
    args = vars(parser.parse_args())
    fleet, figures, assumptions = (
        {each.name: args[each.name] for each in fields(one)}
        for one in (Fleet, Figures, Assumptions)
    )
    asked = Fleet(**fleet) if args["stacks"] else None
    return asked, Figures(**figures), Assumptions(**assumptions)


if __name__ == "__main__":
    main()
