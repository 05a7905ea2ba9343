"""The statistics: medians and spreads of what was measured in pairs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median between the least and the most that was seen."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value or more."""
        seen = sorted(values)
        return cls(median=statistics.median(seen), low=seen[0], high=seen[-1], count=len(seen))

    def show(self, unit: str = "", digits: int = 2) -> str:
        """E.g. `1.04 (0.98-1.12)`; a single value stands alone."""
        text = f"{self.median:.{digits}f}{unit}"
        if self.count == 1:
            return text
        return f"{text} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours to theirs, pair by pair: what disturbs the machine disturbs both halves of a pair."""
    return Spread.of(a / b for a, b in zip(ours, theirs, strict=True))


def interleaved(rounds: int, runs: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Run A B A B ...; what each gave, round by round.

    Every other round goes backward, so that none always runs after the same one.
    """
    results: dict[str, list[T]] = {name: [] for name in runs}
    for number in range(rounds):
        names = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for name in names:
            results[name].append(runs[name]())
    return results
