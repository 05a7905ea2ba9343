"""Profiles of the Python processes of a run: what each was busy with, by sampling."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measures import LATENCY_MS, MANY, Bench
from benchmarks.project import FLOOR, OURS, ROOT, Run

SAMPLER = Path(__file__).parent / "sampler"
LINES = 22


def profiles(bench: Bench) -> dict[str, str]:
    """Of the runs that stand furthest above the floor."""
    project = bench.project(OURS, MANY)

    def refreshed(**environment: str) -> Run:
        project.fresh(opened=True, latency_ms=LATENCY_MS)
        return project.preview_refreshed(**environment)

    def closed(**environment: str) -> Run:
        project.fresh(opened=True, latency_ms=LATENCY_MS)
        project.declare([])
        try:
            return project.up(**environment)
        finally:
            project.declare(project.places)
            project.restore("all")

    return {
        "`up`, nothing changed": sampled(project.up),
        "`up`, nothing changed, the floor": sampled(bench.project(FLOOR, MANY).up),
        "`preview --refresh`, nothing changed": sampled(refreshed),
        f"close {MANY}": sampled(closed),
    }


def sampled(run: Callable[..., Run]) -> str:
    """Where the program and the provider spent their CPU."""
    with tempfile.TemporaryDirectory() as folder:
        run(SAMPLES=folder, PYTHONPATH=f"{SAMPLER}:{ROOT}")
        found = [json.loads(file.read_text()) for file in sorted(Path(folder).glob("*.json"))]
    known = [(role_of(one["command"]), one["spent"]) for one in found]
    return "\n".join(_table(role, spent) for role, spent in known if role)


def role_of(command: str) -> str:
    """Which of the engine's Python processes a command line is; empty for its helpers."""
    if "pulumi.dynamic" in command:
        return "the provider"
    return "the program" if "pulumi-language-python-exec" in command else ""


def _table(role: str, spent: dict[str, float]) -> str:
    busiest = sorted(spent.items(), key=lambda one: -one[1])
    lines = [f"{1000 * seconds:5.0f} ms  {place}" for place, seconds in busiest[:LINES]]
    rest = sum(seconds for _, seconds in busiest[LINES:])
    head = f"{role}: {1000 * sum(spent.values()):.0f} ms of CPU"
    return "\n".join([head, *lines, f"{1000 * rest:5.0f} ms  the rest"]) + "\n"
