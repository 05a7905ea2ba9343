"""A roll-up for a comment on a pull request: short first, details folded, cut to fit."""

from __future__ import annotations

from collections.abc import Iterator

from cloud_siem.fleet.formats.as_text import HEADER, details, proofs, row
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.report.as_markdown import LIMIT, escaped, folded, within
from cloud_siem.wording import counted

ROWS_SHOWN = 200
"""Of the table; who needs the rest takes the JSON or the HTML."""


def to_markdown(rollup: Rollup) -> str:
    """A heading, the table, and a folded list for each stack of which something is to be said."""
    head = "\n\n".join(_head(rollup))
    return within(LIMIT, head, [text for one in rollup.results for text in _section(one)]) + "\n"


def _head(rollup: Rollup) -> Iterator[str]:
    yield f"### Log deliveries, fleet {rollup.operation.value}: {escaped(rollup.headline)}"
    if rollup.refusal:
        yield f"**Refused:** {escaped(rollup.refusal)}"
    if rollup.interrupted:
        left = counted(len(rollup.left), "stack")
        yield f"**Partial:** the run was stopped before {left} had been started."
    yield f"{escaped(rollup.totals)}."
    yield "\n".join(_table(rollup))
    notes = [f"- skipped {escaped(one)}" for one in proofs(rollup)]
    notes += [f"- {escaped(one)}" for one in rollup.notes]
    yield "\n".join(notes)


def _table(rollup: Rollup) -> Iterator[str]:
    shown = [one for one in rollup.results if one.status is not Status.SKIPPED]
    if not shown:
        return
    yield f"| {' | '.join(one.lower() for one in HEADER)} |"
    yield "|---|---|--:|--:|--:|--:|"
    for one in shown[:ROWS_SHOWN]:
        yield f"| {' | '.join(escaped(cell) for cell in row(one))} |"
    if more := len(shown) - min(len(shown), ROWS_SHOWN):
        yield f"| and {more} more | | | | | |"


def _section(result: Result) -> Iterator[str]:
    if result.status is Status.SKIPPED:
        return
    lines = [f"- **{result.status.value}**: {escaped(one)}" for one in result.errors]
    lines += [f"- {escaped(one)}" for one in details(result)]
    if lines:
        yield folded(result.stack, f" {result.status.value}", lines)
