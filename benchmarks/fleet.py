"""The measures of a fleet: one command over many stacks, against a loop over the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks import simulate
from benchmarks.figures import Spread
from benchmarks.project import Run
from benchmarks.rows import Row, at_least, at_most, beside

if TYPE_CHECKING:
    from benchmarks.measures import Bench

LOGS = 30
LATENCY_MS = 50
CHANGED_OF = 200
"""Stacks, of which one in a hundred changed."""
SIZES = (100, 550, 1000)
"""Stacks, where nothing changed."""
ALL = 40
"""Stacks, where all of it changed."""
LOOPED = 10
"""So many stacks the loop is run over; the rest of it is extrapolated."""


def changed(bench: Bench) -> Iterator[Row]:
    """1 % of 200 stacks changed, against `pulumi up` over all of them, one after the other."""
    stacks = CHANGED_OF
    name, words = "fleet_changed", f"{stacks} stacks of {LOGS} logs, {LATENCY_MS} ms latency"
    fleet = bench.fleet(stacks=stacks, logs=LOGS)
    some = fleet.names[::100]
    fleet.fresh([], latency_ms=LATENCY_MS)
    yield beside(name, "the run before, without records of an earlier one", _said([fleet.up()]))
    ours: list[Run] = []
    loops: dict[str, list[list[Run]]] = {"--yes": [], "--yes --skip-preview": []}
    for _ in range(bench.rounds(3, 1)):
        fleet.fresh(some, latency_ms=LATENCY_MS)
        fleet.declare(some, more=True)
        ours.append(fleet.up())
        for arguments, seen in loops.items():
            fleet.fresh(some, latency_ms=LATENCY_MS)
            fleet.declare(some, more=True)
            # The first of them is changed, as the first of each hundred is.
            looped = fleet.names[:LOOPED]
            seen.append([fleet.pulumi(one, "up", *arguments.split()) for one in looped])
    what = f"`fleet up`, 1 % of {words}, changed"
    for (arguments, seen), goal in zip(loops.items(), (20, 12), strict=True):
        gain = Spread.of(
            _extrapolated(runs, stacks) / run.wall for runs, run in zip(seen, ours, strict=True)
        )
        loop = f"a loop of `pulumi up {arguments}` to it, {LOOPED} measured and extrapolated"
        yield at_least(name, f"{what}: {loop}", gain, goal)
        each = Spread.of(one.wall for runs in seen for one in runs)
        yield beside(name, f"one `pulumi up {arguments}` of the loop", each.show(" s"))
    yield beside(name, f"{what}: the runs", _said(ours))


def _extrapolated(runs: Sequence[Run], stacks: int) -> float:
    """A loop over so many stacks, of which one in a hundred is changed as the first one is."""
    first, *others = (one.wall for one in runs)
    share = stacks / 100
    return share * first + (stacks - share) * sum(others) / len(others)


def unchanged(bench: Bench) -> Iterator[Row]:
    """Nothing changed: 100, 550 and 1,000 stacks, and what one more costs."""
    name = "fleet_unchanged"
    sizes = SIZES
    fleet = bench.fleet(stacks=sizes[-1], logs=LOGS)
    fleet.fresh([], latency_ms=LATENCY_MS)
    first = fleet.up()
    words = f"{sizes[-1]} stacks, no records of an earlier run yet: every state is exported"
    yield beside(name, words, _said([first]))
    seen: dict[int, list[Run]] = {size: [] for size in sizes}
    for _ in range(bench.rounds(3, 1)):
        for size in sizes:
            fleet.fresh([], latency_ms=LATENCY_MS)
            seen[size].append(fleet.up(*_first(size)))
    for size, runs in seen.items():
        words = f"`fleet up`, nothing changed, {size} stacks of {LOGS} logs"
        yield beside(name, words, _said(runs))
    small, middle, large = ([one.wall for one in runs] for runs in seen.values())
    growth = Spread.of(
        (c - b) / (sizes[2] - sizes[1]) / ((b - a) / (sizes[1] - sizes[0]))
        for a, b, c in zip(small, middle, large, strict=True)
    )
    words = f"one more stack, {sizes[1]} to {sizes[2]}, to one more, {sizes[0]} to {sizes[1]}"
    yield at_most(name, f"`fleet up`, nothing changed: {words}", growth, 1.3)
    peak = Spread.of(one.usage.peak_mb for one in seen[sizes[-1]])
    yield beside(name, f"{sizes[-1]} stacks: its largest process", peak.show(" MB", digits=0))
    more = Spread.of(
        1000 * (c.cpu - a.cpu) / (sizes[2] - sizes[0])
        for a, c in zip(seen[sizes[0]], seen[sizes[2]], strict=True)
    )
    yield beside(name, "one more stack: CPU", more.show(" ms", digits=1))


def _first(size: int) -> tuple[str, ...]:
    """Selectors for so many stacks."""
    return tuple(f"s{at:04d}" for at in range(size))


def all_changed(bench: Bench) -> Iterator[Row]:
    """40 stacks that all need the engine: what the run is bound by, and what more cores bring."""
    name, stacks = "fleet_all", ALL
    cores = os.cpu_count() or 1
    fleet = bench.fleet(stacks=stacks, logs=LOGS)
    fleet.fresh(fleet.names, latency_ms=LATENCY_MS)
    fleet.declare(fleet.names, more=True)
    previewed, run = fleet.preview(), fleet.up()
    what = f"`fleet up`, {stacks} stacks of {LOGS} logs, all changed"
    bound = Spread.of([run.wall / (run.cpu / cores)])
    yield at_most(name, f"{what}: wall to its CPU on {cores} cores", bound, 1.3)
    yield beside(name, f"{what}: the run", _said([run]))
    figures = simulate.Figures(
        preview_cpu_s=previewed.cpu / stacks, up_cpu_s=(run.cpu - previewed.cpu) / stacks
    )
    each = f"{figures.preview_cpu_s:.2f} s, its update {figures.up_cpu_s:.2f} s"
    yield beside(name, "CPU of one refreshed preview", each)
    yield beside(name, "largest process", f"{run.usage.peak_mb:.0f} MB")
    kept = fleet.kept_bytes / stacks / 1024
    yield beside(name, "what the backend keeps of a stack after two updates", f"{kept:.0f} KB")
    alone, two = (
        simulate.simulate(
            simulate.Fleet(stacks=stacks, changed=1, machines=machines, cores=cores, way=way),
            figures,
            simulate.Assumptions(),
        )
        for machines, way in ((1, simulate.Way.SHARDS), (2, simulate.Way.DASK))
    )
    gain = f"{alone.wall_s:.0f} s become {two.wall_s:.0f} s, simulated with this CPU"
    yield beside(name, f"one more machine of {cores} cores", gain)


def _said(runs: Sequence[Run]) -> str:
    """Medians, and the calls of the run that made the most."""
    wall, cpu = Spread.of(one.wall for one in runs), Spread.of(one.cpu for one in runs)
    most = max((dict(one.calls) for one in runs), key=lambda calls: sum(calls.values()))
    calls = ", ".join(f"{number:,} {action}" for action, number in sorted(most.items()))
    return f"{wall.show(' s', digits=1)}, CPU {cpu.show(' s', digits=1)}; {calls or 'no calls'}"
