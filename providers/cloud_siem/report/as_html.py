"""A drift report as one HTML file that opens from disk, asks nobody for anything, and prints.

The page is ``page/drift.html``, its style and its script are beside it and stand in the file.
``onefile`` escapes whatever comes from a file or the cloud, and forbids what is not the file's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloud_siem.drift import Finding, Kind, Seen
from cloud_siem.model import State
from cloud_siem.report.contents import DriftReport, Outcome, Status, percent
from cloud_siem.report.onefile import render
from cloud_siem.wording import counted, printable

_GLYPHS = {
    Kind.MISSING: "✕",
    Kind.UNAPPLIED: "◇",
    Kind.UNMANAGED: "◆",
    Kind.INOPERABLE: "■",
    Kind.IGNORED: "▫",
}
_DARK, _LIT, _OPEN, _CLOSED, _UNDECLARED = "▼", "▲", "●", "○", "·"
LEGEND = (
    (_OPEN, "", "open, as declared"),
    (_CLOSED, "", "closed, as declared"),
    (_UNDECLARED, "", "closed, not declared"),
    (_DARK, "drifted", "closed, declared open"),
    (_LIT, "drifted", "open, declared closed"),
    *((glyph, kind.value, kind.doc) for kind, glyph in _GLYPHS.items()),
)
"""Every sign of the matrix, its kind and what it means."""
_STATE_LETTERS: Mapping[State | None, str] = {State.OPEN: "o", State.CLOSED: "c", None: "-"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finding, as the table has it."""

    stack: str
    product: str
    kind: str
    mark: str
    counts: bool
    delivery: str
    sentence: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One product of one stack, as the matrix has it."""

    product: str
    signs: Sequence[tuple[str, str]]
    """Runs of signs with their kind; an empty kind is as it should be."""
    label: str
    """The same in words."""
    kind: str
    """The worst kind in it."""
    logs: str
    """For the script: of each log of the product three letters, see ``_letters``."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stack of the matrix."""

    stack: str
    status: str
    whose: str
    coverage: str
    cells: Sequence[Cell | None]
    """By product; None where the account does not list it."""


def to_html(report: DriftReport) -> str:
    """The whole file."""
    columns = _columns(report)
    rows = list(_rows(report))
    return render(
        "drift.html",
        script="drift.js",
        report=report,
        began=f"{report.began:%Y-%m-%d %H:%M %Z}",
        cards=list(_cards(report)),
        failed=[one for one in report.outcomes if one.errors],
        rows=rows,
        kinds=[kind for kind in Kind if any(row.kind == kind.value for row in rows)],
        stacks=sorted({row.stack for row in rows}),
        products=sorted({row.product for row in rows if row.product}),
        columns=list(columns),
        lines=[_line(report, one, columns) for one in report.outcomes],
        codes=[[printable(log) for log in logs] for logs in columns.values()],
        legend=LEGEND,
    )


def _rows(report: DriftReport) -> Iterator[Row]:
    for outcome in report.outcomes:
        for one in report.listed(outcome):
            mark = report.mark(outcome, one)
            yield Row(
                stack=printable(outcome.stack),
                product=printable(one.product),
                kind=one.kind.value,
                mark=mark.value if mark else "",
                counts=one.counts_as(report.fail_on),
                delivery=printable(one.delivery),
                sentence=printable(one.sentence),
                place=_place(one),
            )


def _place(finding: Finding) -> str:
    return printable(str(finding.place)) if finding.place else ""


def _cards(report: DriftReport) -> Iterator[tuple[str, str, str]]:
    """Number, words, and what the color is to say."""
    by_status, totals = report.by_status, report.totals
    for status, tone in ((Status.IN_SYNC, "good"), (Status.NOT_IN_SYNC, "bad")):
        number = len(by_status[status])
        yield (str(number), f"{'stack' if number == 1 else 'stacks'} {status.value}", tone)
    if other := len(by_status[Status.NOT_COUNTED]):
        yield str(other), f"{'stack' if other == 1 else 'stacks'} {Status.NOT_COUNTED.value}", ""
    if failed := len(by_status[Status.FAILED]):
        yield str(failed), f"{'stack' if failed == 1 else 'stacks'} failed", "bad"
    if report.left_out:
        yield str(len(report.left_out)), "not looked at", "bad"
    for kind in Kind:
        if number := totals.kinds.get(kind, 0):
            yield str(number), kind.value, kind.value
    yield percent(totals.coverage), "of the open logs declared", ""


def _columns(report: DriftReport) -> Mapping[str, Sequence[str]]:
    """Every product, with every log that any stack has of it."""
    found: dict[str, set[str]] = {}
    for outcome in report.outcomes:
        for one in outcome.comparison.logs if outcome.comparison else ():
            found.setdefault(one.product, set()).add(one.log)
    return {product: sorted(found[product]) for product in sorted(found)}


def _line(report: DriftReport, outcome: Outcome, columns: Mapping[str, Sequence[str]]) -> Line:
    by_product: dict[str, dict[str, Seen]] = {}
    for one in outcome.comparison.logs if outcome.comparison else ():
        by_product.setdefault(one.product, {})[one.log] = one
    return Line(
        stack=printable(outcome.stack),
        status=report.status(outcome).value,
        whose=str(outcome.perspective or ""),
        coverage=percent(outcome.comparison.coverage) if outcome.comparison else "",
        cells=[
            _cell(outcome, product, by_product[product], logs) if product in by_product else None
            for product, logs in columns.items()
        ],
    )


def _cell(outcome: Outcome, product: str, seen: Mapping[str, Seen], logs: Sequence[str]) -> Cell:
    found = [seen[log] for log in logs if log in seen]
    kinds = [one.kind for one in found if one.kind]
    opened = sum(one.observed is State.OPEN for one in found)
    words = [f"{opened} of {counted(len(found), 'log')} open"]
    words += [f"{kinds.count(kind)} {kind.value}" for kind in Kind if kind in kinds]
    return Cell(
        product=printable(product),
        signs=_signs(found),
        label=f"{printable(outcome.stack)}, {printable(product)}: {', '.join(words)}",
        kind=next((kind.value for kind in Kind if kind in kinds), ""),
        logs="".join(_letters(seen.get(log)) for log in logs),
    )


def _signs(found: Sequence[Seen]) -> Sequence[tuple[str, str]]:
    runs: list[tuple[str, str]] = []
    for one in found:
        kind = one.kind.value if one.kind else ""
        if runs and runs[-1][1] == kind:
            runs[-1] = (runs[-1][0] + _sign(one), kind)
        else:
            runs.append((_sign(one), kind))
    return runs


def _sign(one: Seen) -> str:
    if one.kind is Kind.DRIFTED:
        return _LIT if one.observed is State.OPEN else _DARK
    if one.kind is not None:
        return _GLYPHS.get(one.kind, "?")
    if one.observed is State.OPEN:
        return _OPEN
    return _CLOSED if one.declared else _UNDECLARED


def _letters(one: Seen | None) -> str:
    """Observed, declared, kind; three blanks where the account does not list the log."""
    if one is None:
        return "   "
    kind = str(tuple(Kind).index(one.kind)) if one.kind else "."
    return _STATE_LETTERS[one.observed] + _STATE_LETTERS[one.declared] + kind
