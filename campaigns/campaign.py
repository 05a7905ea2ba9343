"""What a campaign is, and what it gives; made by the modules beside it, laid out by `page`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a campaign is to run."""

    seed: int
    """Of the first round; each further round has the next one."""
    rounds: int
    folder: Path
    """An empty one, for this campaign alone."""

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.rounds)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a campaign found."""

    figures: Mapping[str, int | str]
    """As a person reads them."""
    failures: Sequence[str] = ()
    """Each with its seed, and with what was wrong."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """What the figures do not say, by name."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One claim, and the long run that tries to prove it wrong."""

    name: str
    """As the command line takes it."""
    claim: str
    """A sentence."""
    rounds: int
    """How many, where nobody says."""
    unit: str
    """What a round is."""
    run: Callable[[Plan], Outcome]


def told(seed: int, error: BaseException) -> str:
    """One failure in one line, with the seed that brings it back."""
    words = " ".join(str(error).split()) or "no words"

    return f"--seed {seed}: {type(error).__name__}: {words[:400]}"
