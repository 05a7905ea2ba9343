"""A drift report for a comment on a pull request: short first, details folded.

Whatever comes from a file or the cloud is escaped: it is shown as it is, formats nothing, links
nothing and calls nobody. What is longer than a comment can be is cut, and says so.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from cloud_siem.drift import Finding, Kind
from cloud_siem.report.contents import DriftReport, Outcome, Status
from cloud_siem.wording import counted, printable

FINDINGS_SHOWN = 20
"""Of one stack; who needs the rest takes the JSON or the HTML."""
LIMIT = 60_000
"""Characters; GitHub's comments end at 65,536, and the caller may add words of its own."""
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>~|&!$:^=%@#]")
_CALLING = re.compile(r"[@#]|GH(?=-)", re.IGNORECASE)
"""GitHub: @somebody, #1, GH-1."""
_CALLING_HTML = re.compile(r"[@#!%~$]|&amp;|GH(?=-)", re.IGNORECASE)
"""Also GitLab's !1, %1, ~label, $1 and &1, where no backslash helps."""


def to_markdown(report: DriftReport) -> str:
    """A heading, a line on the whole, and a folded list for each stack that has something."""
    head = "\n\n".join(_head(report))
    sections = [text for one in report.outcomes for text in _section(report, one)]
    return within(LIMIT, head, sections) + "\n"


def escaped(text: str) -> str:
    """Text that means nothing but itself.

    A comment between a character and a name keeps GitHub from telling ``@somebody`` and linking
    ``#1``, which it does after the Markdown; GitLab goes by the backslash.
    """
    plain = _SPECIAL.sub(r"\\\g<0>", printable(text)).replace("www.", r"www\.")
    return _CALLING.sub(r"\g<0><!-- -->", plain)


def _within_html(text: str) -> str:
    """The same where HTML has begun, and Markdown's backslashes mean themselves."""
    return _CALLING_HTML.sub(r"\g<0><!-- -->", html.escape(printable(text), quote=False))


def _head(report: DriftReport) -> Iterator[str]:
    by_status = report.by_status
    if len(by_status[Status.IN_SYNC]) == len(report.outcomes) and not report.partial:
        yield f"### Log deliveries: {counted(len(report.outcomes), 'stack')} in sync"
    else:
        parts = [
            f"{counted(len(by_status[status]), 'stack')} {status.value}"
            for status in (Status.FAILED, Status.NOT_IN_SYNC, Status.NOT_COUNTED)
            if by_status[status]
        ]
        parts += ["partial"] if report.partial else []
        yield f"### Log deliveries: {', '.join(parts)}"
    if report.partial:
        left = counted(len(report.left_out), "stack")
        yield f"**Partial:** the run was stopped before {left} had been looked at."
    synced = f"{len(by_status[Status.IN_SYNC])} of {counted(len(report.outcomes), 'stack')} in sync"
    yield f"{synced}; {report.found}; {report.coverage}."
    if report.changes:
        yield escaped(report.changes)
        yield from _gone(report)


def _gone(report: DriftReport) -> Iterator[str]:
    gone = report.news.gone if report.news else ()
    if gone:
        lines = [f"- {escaped(one.stack)}: ~~{escaped(one.sentence)}~~" for one in gone]
        yield folded("", f"{len(gone)} gone", _cut(lines))


def _section(report: DriftReport, outcome: Outcome) -> Iterator[str]:
    findings = report.listed(outcome)
    status = report.status(outcome)
    if not findings and status is Status.IN_SYNC:
        return
    lines = [f"- **error**: {escaped(error)}" for error in outcome.errors]
    lines += [_line(report, outcome, one) for one in findings]
    numbers = {kind: sum(one.kind is kind for one in findings) for kind in Kind}
    words = [f"{number} {kind.value}" for kind, number in numbers.items() if number]
    yield folded(outcome.stack, ", ".join((f" {status.value}", *words)), _cut(lines))


def _line(report: DriftReport, outcome: Outcome, finding: Finding) -> str:
    mark = report.mark(outcome, finding)
    kind = f"{finding.kind.value}, {mark.value}" if mark else finding.kind.value
    place = f" ({escaped(str(finding.place))})" if finding.place else ""
    return f"- **{kind}**: {escaped(finding.sentence)}{place}"


def _cut(lines: Sequence[str]) -> Sequence[str]:
    more = len(lines) - FINDINGS_SHOWN
    return lines if more <= 0 else [*lines[:FINDINGS_SHOWN], f"- and {more} more"]


def folded(name: str, title: str, lines: Sequence[str]) -> str:
    """A list behind its title, which begins with the name of what it is about."""
    title = f"<b>{_within_html(name)}</b>{title}" if name else title
    # The blank line after the summary lets Markdown begin again within the HTML.
    return "\n".join([f"<details><summary>{title}</summary>", "", *lines, "", "</details>"])


def within(limit: int, head: str, sections: Sequence[str]) -> str:
    """As many sections as there is room for, and how many there is none for."""
    text, shown = head, 0
    for section in sections:
        if len(text) + len(section) + 100 > limit:
            break
        text, shown = f"{text}\n\n{section}", shown + 1
    left = len(sections) - shown
    if not left:
        return text
    return f"{text[: limit - 100]}\n\nThere is no room here for {counted(left, 'more stack')}."
