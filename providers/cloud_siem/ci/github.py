"""GitHub's REST API, version 2022-11-28.

The pages of docs.github.com this is written after: "REST API endpoints for issue comments", "REST
API endpoints for issues", "Using pagination in the REST API".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cloud_siem.ci.environment import github_page, pull_request
from cloud_siem.ci.forge import Comment, Issue
from cloud_siem.ci.web import Answer, Purpose, Token, Web
from cloud_siem.errors import PlatformError
from cloud_siem.pacing import Clock

_COMMENTS = (
    "give the job `permissions: pull-requests: write`; a fork's pull request never has more than"
    " read"
)
_ISSUES = "give the job `permissions: issues: write`, and have issues enabled in the repository"
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


class GitHub:
    """One repository, as the token of this run sees it."""

    name = "GitHub"

    def __init__(self, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        self._environ = environ
        token = environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise PlatformError(
                "there is no token for GitHub: give the step `env: GITHUB_TOKEN:"
                " ${{ github.token }}`"
            )
        self._web = Web(
            self.name,
            environ.get("GITHUB_API_URL") or "https://api.github.com",
            Token("Authorization", token, prefix="Bearer "),
            headers={
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            clock=clock,
        )
        repository = environ.get("GITHUB_REPOSITORY", "")
        if not _REPOSITORY.fullmatch(repository):
            raise PlatformError("GITHUB_REPOSITORY names no repository: is this a job of GitHub's?")
        self._here = f"repos/{repository}"

    @property
    def link(self) -> str:
        return github_page(self._environ)

    @cached_property
    def _pull(self) -> int:
        return pull_request(self._environ)

    @cached_property
    def _me(self) -> str:
        """Whose token this is; empty for an app's, such as the job's own, which may not ask."""
        purpose = Purpose(doing="say whose token this is", need="use the job's own token")
        try:
            answer = self._web.ask("GET", "user", purpose)
        except PlatformError as error:
            if error.status in (403, 404):
                return ""
            raise
        return str(_field(answer.data, "login"))

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        """Whether we wrote it; an app's token cannot know its name, but no person is a bot."""
        user = entry.get("user") or {}
        return user.get("login") == self._me if self._me else user.get("type") == "Bot"

    # --- comments ---------------------------------------------------------------------------------

    def comments(self) -> Sequence[Comment]:
        purpose = self._of_comments("read the comments")
        entries = self._web.pages(f"{self._here}/issues/{self._pull}/comments", purpose, _following)
        return sorted(
            (_comment(one) for one in entries if self._is_ours(one)), key=lambda one: one.id
        )

    def add_comment(self, text: str) -> Comment:
        purpose = self._of_comments("comment")
        path = f"{self._here}/issues/{self._pull}/comments"
        return _comment(self._web.ask("POST", path, purpose, body={"body": text}).data)

    def change_comment(self, comment: Comment, text: str) -> None:
        path = f"{self._here}/issues/comments/{comment.id}"
        self._web.ask("PATCH", path, self._of_comments("change a comment"), body={"body": text})

    def drop_comment(self, comment: Comment) -> None:
        path = f"{self._here}/issues/comments/{comment.id}"
        self._web.ask("DELETE", path, self._of_comments("delete a comment"))

    def _of_comments(self, doing: str) -> Purpose:
        return Purpose(doing=f"{doing} on pull request {self._pull}", need=_COMMENTS)

    # --- issues -----------------------------------------------------------------------------------

    def issues(self, label: str) -> Sequence[Issue]:
        purpose = Purpose(doing="list the issues", need=_ISSUES)
        query = {"labels": label, "state": "all", "sort": "created", "direction": "asc"}
        entries = self._web.pages(f"{self._here}/issues", purpose, _following, query)
        # To this API a pull request is an issue, too.
        ours = (one for one in entries if "pull_request" not in one and self._is_ours(one))
        return sorted((_issue(one) for one in ours), key=lambda one: one.number)

    def open_issue(self, title: str, text: str, label: str) -> Issue:
        purpose = Purpose(doing="open an issue", need=_ISSUES)
        body = {"title": title, "body": text, "labels": [label]}
        return _issue(self._web.ask("POST", f"{self._here}/issues", purpose, body=body).data)

    def change_issue(self, issue: Issue, *, title: str, text: str, is_open: bool) -> None:
        purpose = Purpose(doing=f"change issue {issue.number}", need=_ISSUES)
        body = {"title": title, "body": text, "state": "open" if is_open else "closed"}
        self._web.ask("PATCH", f"{self._here}/issues/{issue.number}", purpose, body=body)

    def remark(self, issue: Issue, text: str) -> None:
        purpose = Purpose(doing=f"comment on issue {issue.number}", need=_ISSUES)
        path = f"{self._here}/issues/{issue.number}/comments"
        self._web.ask("POST", path, purpose, body={"body": text})


def _following(answer: Answer) -> str:
    """The number of the next page; its address is not used, since the token would go there."""
    query = urlsplit(answer.following).query
    return parse_qs(query).get("page", [""])[0]


def _comment(data: Any) -> Comment:
    return Comment(
        id=_field(data, "id"), text=data.get("body") or "", url=data.get("html_url") or ""
    )


def _issue(data: Any) -> Issue:
    return Issue(
        number=_field(data, "number"),
        title=data.get("title") or "",
        text=data.get("body") or "",
        open=data.get("state") == "open",
        labels=tuple(str(one.get("name")) for one in data.get("labels") or ()),
        url=data.get("html_url") or "",
    )


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, dict) or name not in data:
        raise PlatformError(f"GitHub's answer has no {name}: is GITHUB_API_URL that of its API?")
    return data[name]
