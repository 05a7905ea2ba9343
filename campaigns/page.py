"""Keeps what campaigns found, and lays it out: docs/reliability.md."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns.campaign import Campaign, Outcome


@dataclass(frozen=True, kw_only=True)
class Result:
    """The last run of one campaign."""

    name: str
    rounds: int
    """The first has seed 0, each further one the next."""
    date: str
    seconds: int
    machine: str
    figures: Mapping[str, int | str]
    failures: Sequence[str]
    beside: Mapping[str, str]

    @classmethod
    def of(cls, campaign: Campaign, outcome: Outcome, **run: object) -> Result:
        found = {field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)}
        return cls(name=campaign.name, **found, **run)  # type: ignore[arg-type]

    @classmethod
    def read(cls, file: Path) -> Result:
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @property
    def lines(self) -> list[str]:
        """For a terminal."""
        figures = [f"{what}: {figure}" for what, figure in self.figures.items()]
        return [f"{self.name}: {', '.join(figures)} ({self.seconds} s)", *self.failures]


def to_markdown(campaigns: Sequence[Campaign], results: Mapping[str, Result]) -> str:
    """The page; campaigns that never ran are told as such."""
    ran = [(one, results[one.name]) for one in campaigns if one.name in results]

    return "\n".join([_HEAD, _summary(campaigns, results), *(_section(*one) for one in ran)])


_HEAD = """\
# Reliability

Written by `make campaign`; do not edit. Each campaign tries for long to prove one claim wrong.
`make test` has the first rounds of those that need no engine, and every fault in every verb
(tests/test_faults.py). Faults are [the emulator's](emulator.md#faults); certificates of another
host and reads that show the past, which no single look can tell from the truth, are in the tests
alone.

A failure is told with its seed, and comes back with it: `make campaign ARGS="random --seed N
--rounds 1"`. What is mended is kept as a test (CONTRIBUTING.md).
"""


def _summary(campaigns: Sequence[Campaign], results: Mapping[str, Result]) -> str:
    rows = []
    for campaign in campaigns:
        result = results.get(campaign.name)
        ran = f"{result.rounds} of {campaign.rounds}" if result else "never"
        rows.append(
            (campaign.name, ran, str(len(result.failures)) if result else "", campaign.unit)
        )

    return _table(("campaign", "rounds", "failures", "a round is"), rows)


def _section(campaign: Campaign, result: Result) -> str:
    facts = {
        "command": f'`make campaign ARGS="{result.name} --rounds {result.rounds}"`',
        "seeds": f"0 to {result.rounds - 1}",
        "date": result.date,
        "machine": result.machine,
        "took": f"{result.seconds} s",
    }
    rows = [(what, str(figure)) for what, figure in {**result.figures, **facts}.items()]
    parts = [f"## {campaign.name}\n", f"{campaign.claim}\n", _table(("", ""), rows)]
    parts += [f"- {what}: {words}\n" for what, words in result.beside.items()]
    if result.failures:
        parts += ["Failures:\n", *(f"- {one}" for one in result.failures), ""]

    return "\n".join(parts)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]

    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)
