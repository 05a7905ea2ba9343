"""One issue for each stack that is not as declared; called by ``cloud-siem ci issue``.

``plan`` is pure: what was found and which issues there are give what is to be done; ``carry_out``
does it. An issue is opened when its stack has findings, changed when they change, closed with a
sentence when there are none, and opened again rather than made twice. A stack that could not be
read, and one that the report leaves out, are never taken for clean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from cloud_siem.ci.bodies import has_marker, marked, same, stack_marker
from cloud_siem.ci.forge import Forge, Issue
from cloud_siem.ci.results import Drifted
from cloud_siem.errors import PlatformError
from cloud_siem.report.as_markdown import escaped
from cloud_siem.wording import counted, printable

LABEL = "cloud-siem-drift"
_CLEAN = "A drift review finds everything as declared again."
_BACK = "A drift review has findings again; they are in the description above."


class Deed(Enum):
    """What is done about one issue; the value is said of it."""

    OPEN = "opened"
    REOPEN = "opened again"
    CHANGE = "changed"
    CLOSE = "closed"
    LEAVE = "left as it is"


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is to be done about one issue, and why."""

    deed: Deed
    stack: str
    why: str
    issue: Issue | None = None
    """None when there is none yet."""
    title: str = ""
    text: str = ""

    def sentence(self, *, done: bool) -> str:
        """E.g. ``prod, issue 7: closed; everything is as declared``."""
        about = f"issue {self.issue.number}" if self.issue else "an issue"
        deed = self.deed.value if done else f"to be {self.deed.value}"
        return f"{printable(self.stack)}, {about}: {deed}; {self.why}"


# --- what is to be done ---------------------------------------------------------------------------


def plan(stacks: Iterable[Drifted], issues: Sequence[Issue], link: str) -> Iterator[Action]:
    """What brings the issues to what was found; nothing for what is as it should be.

    Args:
        stacks: What was found.
        issues: Ours, open and closed.
        link: Where the whole report is, for a text that is cut; may be empty.
    """
    for stack in stacks:
        mark = stack_marker(stack.stack)
        mine = sorted((one for one in issues if has_marker(one.text, mark)), key=_order)
        if stack.found:
            yield from _needed(stack, mine, marked(mark, _text(stack), link))
        elif stack.clean:
            yield from (
                Action(deed=Deed.CLOSE, stack=stack.stack, why=_AS_DECLARED, issue=one)
                for one in mine
                if one.open
            )
        elif mine and mine[0].open:
            why = "the stack could not be read, so that nothing is known to be over"
            yield Action(deed=Deed.LEAVE, stack=stack.stack, why=why, issue=mine[0])


_AS_DECLARED = "everything is as declared"


def _order(issue: Issue) -> tuple[bool, int]:
    """Open before closed; of the open the oldest first, of the closed the newest."""
    return (not issue.open, issue.number if issue.open else -issue.number)


def _needed(stack: Drifted, mine: Sequence[Issue], text: str) -> Iterator[Action]:
    title = f"Log deliveries of {printable(stack.stack)} are not as declared"
    found = counted(len(stack.found), "finding")
    if not mine:
        deed, issue = Deed.OPEN, None
    elif not mine[0].open:
        deed, issue = Deed.REOPEN, mine[0]
    elif same(mine[0].text, text):
        deed, issue = None, mine[0]
    else:
        deed, issue = Deed.CHANGE, mine[0]
    if deed:
        yield Action(deed=deed, stack=stack.stack, why=found, issue=issue, title=title, text=text)
    for one in mine[1:]:
        if one.open:  # two runs at once made one each
            why = f"it says the same as issue {mine[0].number}"
            yield Action(deed=Deed.CLOSE, stack=stack.stack, why=why, issue=one)


def _text(stack: Drifted) -> str:
    """Nothing in it changes while the findings stay the same."""
    lines = [f"- **error**: {escaped(one)}" for one in stack.errors]
    for one in stack.found:
        place = f" ({escaped(one.place)})" if one.place else ""
        lines.append(f"- **{escaped(one.kind)}**: {escaped(one.sentence)}{place}")
    head = f"{counted(len(stack.found), 'finding')} in stack **{escaped(stack.stack)}**:"
    return "\n".join((head, "", *lines, "", _WAY_OUT))


_WAY_OUT = (
    "`pulumi up --refresh` sets back what is not as declared. What is meant to be so belongs into"
    " the stack file, or for some time into its `cloud-siem:driftIgnore`. The next drift review"
    " that finds nothing closes this issue."
)


# --- doing it -------------------------------------------------------------------------------------


def carry_out(forge: Forge, action: Action, label: str) -> str:
    """Do it; returns where, as far as the platform says.

    :raises PlatformError: the platform cannot be asked, or refuses.
    """
    issue = action.issue
    if issue is None:
        return _opened(forge, action, label).url
    _DEEDS[action.deed](forge, action, issue)
    return issue.url


def _opened(forge: Forge, action: Action, label: str) -> Issue:
    issue = forge.open_issue(action.title, action.text, label)
    if label not in issue.labels:
        # A platform drops a label that the token may not set; the next run would open another.
        raise PlatformError(
            f"{forge.name} opened issue {issue.number} without the label {label!r}, by which it is"
            " found again: make the label by hand, and set it there"
        )
    return issue


def _change(forge: Forge, action: Action, issue: Issue) -> None:
    forge.change_issue(issue, title=action.title, text=action.text, is_open=True)


def _reopen(forge: Forge, action: Action, issue: Issue) -> None:
    _change(forge, action, issue)
    forge.remark(issue, _BACK)


def _close(forge: Forge, action: Action, issue: Issue) -> None:
    # The sentence first: closed without one, nobody would add it later.
    forge.remark(issue, _CLEAN if action.why is _AS_DECLARED else f"Closed: {action.why}.")
    forge.change_issue(issue, title=issue.title, text=issue.text, is_open=False)


def _leave(_forge: Forge, _action: Action, _issue: Issue) -> None:
    """It is only told."""


_DEEDS: Mapping[Deed, Callable[[Forge, Action, Issue], None]] = {
    Deed.CHANGE: _change,
    Deed.REOPEN: _reopen,
    Deed.CLOSE: _close,
    Deed.LEAVE: _leave,
}
