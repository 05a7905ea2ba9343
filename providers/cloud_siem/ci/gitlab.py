"""GitLab's REST API, version 4.

The pages of docs.gitlab.com this is written after: "Notes API", "Issues API", "REST API, Pagination
and Authentication", "CI/CD job token".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from cloud_siem.ci.environment import gitlab_page, merge_request
from cloud_siem.ci.forge import Comment, Issue
from cloud_siem.ci.web import Answer, Purpose, Token, Web
from cloud_siem.errors import PlatformError
from cloud_siem.pacing import Clock

_NEED = (
    "make a project access token with the scope `api` and the role Reporter, and give it to the job"
    " as the masked variable GITLAB_TOKEN; GitLab lets a job's own token, CI_JOB_TOKEN, write"
    " neither notes nor issues"
)


class GitLab:
    """One project, as the token of this job sees it."""

    name = "GitLab"

    def __init__(self, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        self._environ = environ
        self._own = environ.get("GITLAB_TOKEN", "").strip()
        token = self._own or environ.get("CI_JOB_TOKEN", "").strip()
        if not token:
            raise PlatformError(f"there is no token for GitLab: {_NEED}")
        self._web = Web(
            self.name,
            environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4",
            Token("PRIVATE-TOKEN" if self._own else "JOB-TOKEN", token),
            clock=clock,
        )

    @property
    def link(self) -> str:
        return gitlab_page(self._environ)

    @cached_property
    def _project(self) -> str:
        return _project(self._environ.get("CI_PROJECT_ID", ""))

    @cached_property
    def _request(self) -> tuple[str, str]:
        """The path and the number of the merge request that this job is about."""
        number = merge_request(self._environ)
        # In a fork's pipeline the project is the fork, and the merge request is not in it.
        target = self._environ.get("CI_MERGE_REQUEST_PROJECT_ID")
        home = _project(target) if target else self._project
        return f"{home}/merge_requests/{number}", number

    @cached_property
    def _me(self) -> str:
        """Whose token this is: a project's token has a user of its own, a job's its starter's."""
        if not self._own:
            return self._environ.get("GITLAB_USER_LOGIN", "")
        purpose = Purpose(doing="say whose token this is", need=_NEED)
        return str(_field(self._web.ask("GET", "user", purpose).data, "username"))

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        author = entry.get("author") or {}
        return not entry.get("system") and author.get("username") == self._me

    # --- comments ---------------------------------------------------------------------------------

    def comments(self) -> Sequence[Comment]:
        path = f"{self._request[0]}/notes"
        query = {"order_by": "created_at", "sort": "asc"}
        entries = self._web.pages(path, self._of_notes("read the notes"), _following, query)
        return sorted(
            (_comment(one) for one in entries if self._is_ours(one)), key=lambda one: one.id
        )

    def add_comment(self, text: str) -> Comment:
        path = f"{self._request[0]}/notes"
        answer = self._web.ask("POST", path, self._of_notes("add a note"), body={"body": text})
        return _comment(answer.data)

    def change_comment(self, comment: Comment, text: str) -> None:
        path = f"{self._request[0]}/notes/{comment.id}"
        self._web.ask("PUT", path, self._of_notes("change a note"), body={"body": text})

    def drop_comment(self, comment: Comment) -> None:
        path = f"{self._request[0]}/notes/{comment.id}"
        self._web.ask("DELETE", path, self._of_notes("delete a note"))

    def _of_notes(self, doing: str) -> Purpose:
        return Purpose(doing=f"{doing} on merge request {self._request[1]}", need=_NEED)

    # --- issues -----------------------------------------------------------------------------------

    def issues(self, label: str) -> Sequence[Issue]:
        query = {"labels": label, "state": "all", "scope": "all"}
        purpose = Purpose(doing="list the issues", need=_NEED)
        entries = self._web.pages(f"{self._project}/issues", purpose, _following, query)
        ours = (_issue(one) for one in entries if self._is_ours(one))
        return sorted(ours, key=lambda one: one.number)

    def open_issue(self, title: str, text: str, label: str) -> Issue:
        purpose = Purpose(doing="open an issue", need=_NEED)
        body = {"title": title, "description": text, "labels": label}
        return _issue(self._web.ask("POST", f"{self._project}/issues", purpose, body=body).data)

    def change_issue(self, issue: Issue, *, title: str, text: str, is_open: bool) -> None:
        purpose = Purpose(doing=f"change issue {issue.number}", need=_NEED)
        body = {"title": title, "description": text}
        if is_open is not issue.open:
            body["state_event"] = "reopen" if is_open else "close"
        self._web.ask("PUT", f"{self._project}/issues/{issue.number}", purpose, body=body)

    def remark(self, issue: Issue, text: str) -> None:
        purpose = Purpose(doing=f"add a note to issue {issue.number}", need=_NEED)
        path = f"{self._project}/issues/{issue.number}/notes"
        self._web.ask("POST", path, purpose, body={"body": text})


def _project(number: str) -> str:
    if not number:
        raise PlatformError("CI_PROJECT_ID names no project: is this a job of GitLab's?")
    return f"projects/{quote(number, safe='')}"


def _following(answer: Answer) -> str:
    return str(answer.headers.get("x-next-page", ""))


def _comment(data: Any) -> Comment:
    return Comment(id=_field(data, "id"), text=data.get("body") or "")


def _issue(data: Any) -> Issue:
    return Issue(
        number=_field(data, "iid"),
        title=data.get("title") or "",
        text=data.get("description") or "",
        open=data.get("state") == "opened",
        labels=tuple(str(one) for one in data.get("labels") or ()),
        url=data.get("web_url") or "",
    )


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, dict) or name not in data:
        raise PlatformError(f"GitLab's answer has no {name}: is CI_API_V4_URL that of its API?")
    return data[name]
