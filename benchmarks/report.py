"""Lays rows out: a table for the terminal, JSON, and docs/benchmarks.md."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import reasons
from benchmarks.rows import Row


@dataclass(frozen=True, kw_only=True)
class Report:
    """One whole run."""

    rows: Sequence[Row]
    facts: Mapping[str, str]
    """Of the machine."""
    date: str
    command: str
    profiles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By title, lines of text."""

    def after(self, earlier: str) -> Report:
        """This and, from the JSON of earlier reports, what this does not say anew."""
        if not earlier:
            return self
        old = from_json(earlier)
        measured = {row.measure for row in self.rows}
        kept = [row for row in old.rows if row.measure not in measured]
        return dataclasses.replace(
            self, rows=[*kept, *self.rows], profiles=self.profiles or old.profiles
        )


def to_text(rows: Sequence[Row]) -> str:
    """For a terminal: a line for each row, in columns."""
    cells = [(row.what.replace("`", ""), row.figure, row.goal, row.verdict) for row in rows]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    lines = []
    for what, figure, goal, verdict in cells:
        columns = (
            text.ljust(width) for text, width in zip((what, figure, goal), widths, strict=True)
        )
        lines.append("  ".join((*columns, verdict)).rstrip())
    return "\n".join(lines) + "\n"


def to_json(report: Report) -> str:
    return json.dumps(dataclasses.asdict(report), indent=2) + "\n"


def from_json(text: str) -> Report:
    """What `to_json` wrote."""
    whole = json.loads(text)
    return Report(**{**whole, "rows": [Row(**row) for row in whole["rows"]]})


def to_markdown(report: Report) -> str:
    """The page docs/benchmarks.md."""
    parts = [_HEAD, _facts(report), "## Goals\n", _goals(report.rows), _reasons(report.rows)]
    parts += ["## Beside them\n", _beside(report.rows)]
    if report.profiles:
        parts.append("## Profiles\n\nWhere the processes of a run spent their CPU, by sampling.\n")
        parts += [f"### {title}\n\n```\n{text}```\n" for title, text in report.profiles.items()]
    return "\n".join(part for part in parts if part)


_HEAD = """\
# Benchmarks

Written by `make bench`; do not edit. A run of some measures (`make bench ARGS="--only drift"`)
writes theirs anew and leaves the others as an earlier run wrote them. `make bench-quick` prints the
small measures in under two minutes and writes nothing here.

The real engine runs on the emulator, on loopback. **The floor** is what the engine itself costs for
as many plain dynamic resources: same stack file, same inputs and outputs, one resource for each
delivery, and a provider that does nothing, in a module that can be imported. It has no component,
no bookends, no dependencies, no rules, no export and no calls; what those cost is ours, and shows.
**The naive provider** is the one that people write from the API page: in the program itself, a
client for each call, a ListDelivery for each read. What is compared ran in turns, and ratios are
taken pair by pair: the median, and in parentheses the least and the most. CPU is that of all
processes of a run together; updates run with `--skip-preview`. The settings `requestRate` and
`closeLimit` are out of the way. Seconds are those of one machine, and not for comparison. What else
the machine did (its load, below) makes the floor slower, and with it ratios that a latency is part
of smaller; CPU ratios hold.
"""


def _facts(report: Report) -> str:
    facts = {"date": report.date, "last command": f"`{report.command}`", **report.facts}
    return _table(("", ""), list(facts.items()))


def _goals(rows: Sequence[Row]) -> str:
    lines = [(row.what, row.goal, row.figure, row.verdict) for row in rows if row.goal]
    return _table(("measure", "goal", "figure", ""), lines)


def _reasons(rows: Sequence[Row]) -> str:
    missed: dict[str, list[str]] = {}
    for row in rows:
        if row.reached is False:
            missed.setdefault(reasons.WHY.get(row.measure, "Not yet explained."), []).append(
                row.what
            )
    if not missed:
        return ""
    lines = [f"- {'; '.join(whats)}. **Why:** {why}" for why, whats in missed.items()]
    return "\n".join(["## What is not reached\n", *lines, ""])


def _beside(rows: Sequence[Row]) -> str:
    lines = [(row.measure, row.what, row.figure) for row in rows if not row.goal]
    return _table(("measure", "what", "figure"), lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)
