"""A drift report for a terminal: a table of findings, and below it how all stacks stand.

On a terminal it has colors and keeps to its width; piped, each finding is one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloud_siem.drift import Finding, Kind
from cloud_siem.report.contents import DriftReport, Outcome, Status
from cloud_siem.wording import counted, printable

NARROWEST = 60
"""Columns; below that a table is no table, and a terminal that says so is broken."""
WIDEST = 160
"""Columns; longer lines do not read well."""
_NAMED = 12
"""How many stacks in sync are named; of more the number says enough."""
_RESET = "\x1b[0m"
_COLORS = {
    Kind.DRIFTED: "\x1b[31m",
    Kind.MISSING: "\x1b[31m",
    Kind.UNAPPLIED: "\x1b[33m",
    Kind.UNMANAGED: "\x1b[33m",
    Kind.INOPERABLE: "\x1b[35m",
    Kind.EXPIRED: "\x1b[33m",
    Kind.IGNORED: "\x1b[2m",
}
_ERROR = "\x1b[1;31m"
_GOOD = "\x1b[32m"
_HEADER = ("STACK", "KIND", "FINDING")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the text is to look."""

    width: int | None = None
    """Columns to wrap at; None leaves each finding on one line."""
    color: bool = False

    @classmethod
    def of_terminal(cls, columns: int, *, color: bool) -> Look:
        """For a terminal that says it has so many columns, whatever it says."""
        usable = columns if columns >= NARROWEST else 80
        return cls(width=min(usable, WIDEST), color=color)


def to_text(report: DriftReport, look: Look | None = None) -> str:
    """The table, the errors, and the summary."""
    pen = _Pen(look or Look())
    blocks = [
        pen.table(report),
        pen.errors(report),
        pen.gone(report),
        pen.summary(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


class _Pen:
    """Writes with or without colors, within a width or not."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def table(self, report: DriftReport) -> str:
        """A row for each finding that is told."""
        rows = [
            (outcome, finding, _kind(report, outcome, finding))
            for outcome in report.outcomes
            for finding in report.listed(outcome)
        ]
        if not rows:
            return ""
        stacks = [len(printable(outcome.stack)) for outcome, _, _ in rows]
        widths = (
            max(len(_HEADER[0]), *stacks),
            max(len(_HEADER[1]), *(len(kind) for _, _, kind in rows)),
        )
        lines = [self._row(widths, _HEADER, "")]
        lines += [
            self._row(
                widths,
                (printable(outcome.stack), kind, printable(finding.sentence)),
                _COLORS[finding.kind],
            )
            for outcome, finding, kind in rows
        ]
        return "\n".join(lines)

    def errors(self, report: DriftReport) -> str:
        """Why stacks, or parts of them, could not be read."""
        found = [
            self._hanging(self._paint("error", _ERROR), printable(f"{outcome.stack}: {error}"), 7)
            for outcome in report.outcomes
            for error in outcome.errors
        ]
        return "\n".join(found)

    def gone(self, report: DriftReport) -> str:
        """What was found in the baseline and is no more."""
        if report.news is None:
            return ""
        return "\n".join(
            self._hanging(
                self._paint("gone", _GOOD),
                printable(f"{one.stack}: no longer {one.kind}: {one.sentence}"),
                6,
            )
            for one in report.news.gone
        )

    def summary(self, report: DriftReport) -> str:
        """How all of it stands: the last lines, and what a person reads first."""
        return "\n".join(self._wrapped(line) for line in _summary(report))

    def _row(self, widths: tuple[int, int], cells: Sequence[str], color: str) -> str:
        stack, kind, text = cells
        head = f"{stack.ljust(widths[0])}  {self._paint(kind.ljust(widths[1]), color)}"
        return self._hanging(head, text, sum(widths) + 4)

    def _hanging(self, head: str, text: str, indent: int) -> str:
        """Text beside a head of a known width, wrapped within the rest of the line."""
        width = self._look.width
        if width is None:
            return f"{head}  {text}"
        room = max(width - indent, 20)
        lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        return f"\n{' ' * indent}".join((f"{head}  {lines[0]}", *lines[1:]))

    def _wrapped(self, line: str) -> str:
        width = self._look.width
        return line if width is None else textwrap.fill(line, width, break_on_hyphens=False)

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self._look.color and color else text


def _kind(report: DriftReport, outcome: Outcome, finding: Finding) -> str:
    mark = report.mark(outcome, finding)
    return f"{finding.kind.value}, {mark.value}" if mark else finding.kind.value


def _summary(report: DriftReport) -> Iterator[str]:
    if report.partial:
        left = counted(len(report.left_out), "stack")
        yield f"PARTIAL: stopped before {left} had been looked at."
    by_status = report.by_status
    yield (
        ", ".join(
            f"{counted(len(by_status[status]), 'stack')} {status.value}"
            for status in (Status.IN_SYNC, Status.NOT_COUNTED, Status.NOT_IN_SYNC, Status.FAILED)
            if by_status[status]
        )
        + _named(by_status[Status.IN_SYNC])
        + "."
    )
    totals = report.totals
    declared = counted(totals.declared, "declared delivery")
    yield f"{totals.as_declared} of {declared} as declared; {report.found}; {report.coverage}."
    if report.changes:
        yield printable(report.changes)


def _named(outcomes: Sequence[Outcome]) -> str:
    names = ", ".join(printable(one.stack) for one in outcomes)
    return f" (in sync: {names})" if outcomes and len(outcomes) <= _NAMED else ""
