"""How far a fleet's run is, on standard error: a live table on a terminal, else a line a stack."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloud_siem.cli.streams import unfiltered
from cloud_siem.fleet.fleets import Watch
from cloud_siem.fleet.formats.as_text import HEADER, row
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.wording import counted, printable

_ROWS = 10
"""The live table shows so many of the last stacks; the report has them all."""
_STYLES = {Status.FAILED: "red", Status.REFUSED: "red", Status.CHANGED: "green"}


@contextmanager
def watching() -> Iterator[Watch]:
    """Whoever tells a person, as far as one watches; the extra ``progress`` brings the table."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    try:
        from rich.live import Live  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError:
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415

    with Live(
        console=Console(file=unfiltered(sys.stderr)), refresh_per_second=4, transient=True
    ) as live:
        yield Table(live)


class Lines:
    """A line for each stack that is done; of skipped ones the report says enough."""

    def begin(self, doing: str, total: int) -> None:
        print(f"{doing}: {counted(total, 'stack')}.", file=sys.stderr, flush=True)

    def done(self, result: Result) -> None:
        if result.status is Status.SKIPPED:
            return
        print(f"  {_line(result)}", file=sys.stderr, flush=True)


def _line(result: Result) -> str:
    head = f"{printable(result.stack)}: {result.status.value}"
    if result.errors:
        return f"{head}: {printable(result.errors[0])}"
    planned = result.status is Status.TO_CHANGE
    opens, closes = ("to open", "to close") if planned else ("opened", "closed")
    numbers = f"{result.opened} {opens}, {result.closed} {closes}"
    return f"{head}, {numbers}, {result.seconds:.1f} s"


class Table:
    """The last stacks, and how many there are of each result."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._last: deque[Result] = deque(maxlen=_ROWS)
        self._counts: Counter[Status] = Counter()
        self._title = ""
        self._total = 0

    def begin(self, doing: str, total: int) -> None:
        self._title, self._total = doing, total
        self._last.clear()
        self._counts.clear()
        self._show()

    def done(self, result: Result) -> None:
        self._counts[result.status] += 1
        self._last.append(result)
        self._show()

    def _show(self) -> None:
        from rich.table import Table as Grid  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415 - a plain str may be rich's own markup

        done = self._counts.total()
        counts = ", ".join(f"{count} {one.value}" for one, count in self._counts.items())
        grid = Grid(title=f"{self._title}: {done} of {self._total}", caption=counts or None)
        for at, name in enumerate(HEADER):
            grid.add_column(name, justify="left" if at < 2 else "right")  # noqa: PLR2004
        for one in self._last:
            grid.add_row(*map(Text, row(one)), style=_STYLES.get(one.status))
        self._live.update(grid)
