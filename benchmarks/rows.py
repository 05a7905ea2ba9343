"""What a measure gives: rows of the table. Made by `measures`, laid out by `report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import Spread


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, and what it must reach."""

    measure: str
    """The name of the measure, as `--only` takes it."""
    what: str
    goal: str = ""
    """Empty where the figure only stands beside the others."""
    figure: str
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "not reached", None: ""}[self.reached]


def at_most(measure: str, what: str, seen: Spread, most: float, unit: str = "x") -> Row:
    """A row whose median must not be above something."""
    return Row(
        measure=measure,
        what=what,
        goal=f"at most {most:g} {unit}",
        figure=seen.show(f" {unit}", digits=0 if unit == "bytes" else 2),
        reached=seen.median <= most,
    )


def at_least(measure: str, what: str, seen: Spread, least: float, unit: str = "x") -> Row:
    """A row whose median must not be below something."""
    return Row(
        measure=measure,
        what=what,
        goal=f"at least {least:g} {unit}",
        figure=seen.show(f" {unit}"),
        reached=seen.median >= least,
    )


def exactly(measure: str, what: str, seen: object, wanted: object) -> Row:
    """A row that must be just so."""
    return Row(
        measure=measure, what=what, goal=_say(wanted), figure=_say(seen), reached=seen == wanted
    )


def beside(measure: str, what: str, figure: str) -> Row:
    """A row without a goal."""
    return Row(measure=measure, what=what, figure=figure)


def _say(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{number} {name}" for name, number in sorted(value.items())) or "0 calls"
    return str(value)
