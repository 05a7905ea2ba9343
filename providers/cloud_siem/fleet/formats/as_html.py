"""A roll-up as one HTML file; the page is ``page/fleet.html``, its style that of all reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloud_siem.fleet.formats import PACKAGE
from cloud_siem.fleet.formats.as_text import details, row
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.fleet.tasks import Status
from cloud_siem.report.onefile import render

_GOOD = (Status.TO_CHANGE, Status.CHANGED, Status.UNCHANGED, Status.SKIPPED)


def to_html(rollup: Rollup) -> str:
    """The whole file."""
    return render(
        "fleet.html",
        package=PACKAGE,
        rollup=rollup,
        began=f"{rollup.began:%Y-%m-%d %H:%M %Z}",
        cards=list(_cards(rollup)),
        rows=[(one, row(one), details(one)) for one in rollup.results],
        link=_link,
    )


def _cards(rollup: Rollup) -> Iterator[tuple[str, str, str]]:
    """Number, words, and what the color is to say."""
    for status in Status:
        if number := rollup.by_status.get(status, 0):
            yield str(number), status.value, "good" if status in _GOOD else "bad"
    opens, closes = rollup.words
    yield str(rollup.opened), opens, ""
    yield str(rollup.closed), closes, ""
    yield str(rollup.calls), "calls", ""


def _link(file: str) -> str:
    """The address of a log on the machine where the run was."""
    return Path(file).absolute().as_uri()
