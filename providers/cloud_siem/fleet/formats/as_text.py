"""A roll-up for a terminal, or for a pipeline's log: a row for each stack, errors first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.wording import counted, printable

HEADER = ("STACK", "RESULT", "OPENED", "CLOSED", "CALLS", "TIME")
_SKIPPED_ROWS = 12
"""Of more skipped stacks the number says enough."""
_RIGHT = 2
"""From here on the columns are numbers."""


def to_text(rollup: Rollup) -> str:
    """The table, what is to be said of single stacks, and how it stands."""
    blocks = ["\n".join(one) for one in (_table(rollup), _told(rollup), _summary(rollup))]
    return "\n\n".join(one for one in blocks if one) + "\n"


def row(result: Result) -> tuple[str, ...]:
    """The cells of one stack."""
    return (
        printable(result.stack),
        result.status.value,
        str(result.opened or "-"),
        str(result.closed or "-"),
        str(result.calls or "-"),
        f"{result.seconds:.1f} s" if result.seconds else "-",
    )


def _table(rollup: Rollup) -> list[str]:
    skipped = rollup.by_status.get(Status.SKIPPED, 0) > _SKIPPED_ROWS
    shown = [one for one in rollup.results if not (skipped and one.status is Status.SKIPPED)]
    return aligned([HEADER, *map(row, shown)]) if shown else []


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first row is its header."""
    widths = [max(len(one[at]) for one in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at >= _RIGHT else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(one, widths, strict=True))
        ).rstrip()
        for one in rows
    ]


def _told(rollup: Rollup) -> Iterator[str]:
    for one in rollup.results:
        name = printable(one.stack)
        for error in one.errors:
            yield _hanging(f"{one.status.value}  {name}: ", error)
        if one.status is not Status.SKIPPED:
            yield from (f"  {name}: {printable(told)}" for told in details(one))
        if one.errors and one.log_file:
            yield f"  {name}: its log is {printable(one.log_file)}"


def details(result: Result) -> Sequence[str]:
    """What is to be said of a stack but its errors: what it changes, else why it was looked at."""
    head = "safe to skip" if result.status is Status.SKIPPED else "needed the engine"
    why = () if result.changes else (f"{head}: {one}" for one in result.why)
    return (*result.changes, *why, *result.notes)


def _hanging(head: str, text: str) -> str:
    """Several lines, those after the first below it."""
    first, *more = [printable(line) for line in text.splitlines() if line.strip()] or [""]
    return "\n    ".join((head + first, *more))


def _summary(rollup: Rollup) -> Iterator[str]:
    """The last lines, and what a person reads first."""
    if rollup.refusal:
        yield f"REFUSED: {printable(rollup.refusal)}"
    if rollup.interrupted:
        yield f"PARTIAL: stopped before {counted(len(rollup.left), 'stack')} had been started."
    yield f"{rollup.operation.value}: {rollup.headline}; {rollup.totals}."
    yield from (f"skipped {one}." for one in proofs(rollup))
    yield from (f"{printable(one)}." for one in rollup.notes)
    if rollup.asked and not rollup.refusal:
        due = any(one.status is Status.TO_CHANGE for one in rollup.results)
        yield (
            "Nothing was written: say --yes to write what is shown here."
            if due
            else ("Nothing was written, and nothing is due.")
        )


def proofs(rollup: Rollup) -> Sequence[str]:
    """Why it was safe to skip what was skipped, each once and with how many stacks it is about."""
    skipped = [one for one in rollup.results if one.status is Status.SKIPPED]
    told = dict.fromkeys(why for one in skipped for why in one.why)
    return [
        f"{counted(sum(why in one.why for one in skipped), 'stack')}: {printable(why)}"
        for why in told
    ]
