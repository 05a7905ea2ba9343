"""What a platform is to us, whichever it is: comments on one request, issues, a run's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment that this token's owner wrote on the pull or merge request."""

    id: int
    """Grows with time: of two comments the smaller is the older."""
    text: str
    url: str = ""
    """Empty where the platform does not say."""


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An issue that this token's owner opened."""

    number: int
    """As people know it; grows with time."""
    title: str
    text: str
    open: bool
    labels: tuple[str, ...] = ()
    url: str = ""


class Forge(Protocol):
    """GitHub or GitLab. Every method but ``link`` raises ``PlatformError``."""

    @property
    def name(self) -> str:
        """As people call it."""

    @property
    def link(self) -> str:
        """The page of this run, which has its artifacts; empty when it is not known."""

    def comments(self) -> Sequence[Comment]:
        """Ours on this run's request, the oldest first."""

    def add_comment(self, text: str) -> Comment: ...

    def change_comment(self, comment: Comment, text: str) -> None: ...

    def drop_comment(self, comment: Comment) -> None: ...

    def issues(self, label: str) -> Sequence[Issue]:
        """Ours that have the label, open and closed, the oldest first."""

    def open_issue(self, title: str, text: str, label: str) -> Issue: ...

    def change_issue(self, issue: Issue, *, title: str, text: str, is_open: bool) -> None: ...

    def remark(self, issue: Issue, text: str) -> None:
        """Add a comment to an issue."""
