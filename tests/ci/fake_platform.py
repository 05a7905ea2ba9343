"""GitHub and GitLab as far as we speak to them: two small HTTP servers on loopback, with state.

Fields, status codes and headers are those of the public documentation. docs.github.com, REST API:
"Issue comments", "Issues", "Users", "Using pagination", "Rate limits", "Troubleshooting" (404 for
what a token may not see), "Permissions required for GitHub Apps" (403 for what it may not do).
docs.gitlab.com, REST API: "Notes", "Issues", "Users", "Pagination", "Authentication", "Status
codes", "CI/CD job token". Not from documents: how the platforms word a refusal.

What a token may do is checked on every call; a page has two entries, so that nobody forgets the
next one; an answer that a test has asked for comes before all else.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

PAGE = 2
REQUEST = 7
"""The number of the pull or merge request."""
NOW = 1_770_000_000
"""What time it is here, in seconds; it stands still."""
Json = dict[str, Any]


@dataclass(kw_only=True)
class Post:
    """A comment or a note."""

    id: int
    author: str
    text: str


@dataclass(kw_only=True)
class Ticket:
    """An issue, or a request, which has comments, too."""

    number: int
    author: str
    title: str = ""
    text: str = ""
    open: bool = True
    labels: list[str] = field(default_factory=list)
    request: bool = False
    posts: list[Post] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as it came, and how it was answered."""

    method: str
    path: str
    """Below the API's base."""
    query: Mapping[str, str]
    body: Json
    status: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    data: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """In the place of JSON."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault of this server
    def __init__(self, status: int, message: str) -> None:
        self.reply = Reply(status=status, data={"message": message})


class FakePlatform:
    """What both have in common; start it with ``with``."""

    base: ClassVar[str]
    routes: ClassVar[tuple[tuple[str, str, str], ...]]
    """Method, pattern of the path, name of the function."""
    longest: ClassVar[int]
    people: ClassVar[Mapping[str, str]]
    """Whose token it is."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tickets = {REQUEST: Ticket(number=REQUEST, author="ann", request=True)}
        self.calls: list[Call] = []
        self.next: list[Reply] = []
        """Given to the next calls, in this order, in the place of what would be."""
        self.drop_labels = False
        """Whether labels of new issues are dropped, as for a token that may set none."""
        self.after: Callable[[Call], None] = lambda _call: None
        """Called after each call, before it is answered: somebody else acts in that moment."""
        self._last_id = 100
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}{self.base}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- for tests --------------------------------------------------------------------------------

    @property
    def posts(self) -> list[Post]:
        """On the request."""
        return self.tickets[REQUEST].posts

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.posts]

    @property
    def issues(self) -> list[Ticket]:
        return [one for one in self.tickets.values() if not one.request]

    @property
    def writes(self) -> list[str]:
        """The methods of the calls that changed something, or wanted to."""
        return [one.method for one in self.calls if one.method != "GET"]

    def post(self, author: str, text: str, number: int = REQUEST) -> Post:
        """Somebody comments."""
        made = Post(id=self._new_id(), author=author, text=text)
        self.tickets[number].posts.append(made)
        return made

    def ticket(self, author: str, text: str, **more: Any) -> Ticket:
        """Somebody opens an issue."""
        made = Ticket(number=max(self.tickets) + 1, author=author, text=text, **more)
        self.tickets[made.number] = made
        return made

    def link_of(self, number: int) -> str:
        """An issue's page."""
        return f"https://{type(self).__name__.lower()}.example/issues/{number}"

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # --- answering --------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        split = urlsplit(target)
        path = split.path.removeprefix(self.base)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        body = json.loads(content) if content else {}
        with self._lock:
            forced = self.next.pop(0) if self.next else None
            reply = forced or self._reply(method, path, query, body, headers)
            call = Call(method=method, path=path, query=query, body=body, status=reply.status)
            self.calls.append(call)
            self.after(call)
        return reply

    def _reply(
        self, method: str, path: str, query: Json, body: Json, headers: Mapping[str, str]
    ) -> Reply:
        try:
            who = self.who(headers)
            self.check(who, method, path)
            return self._paged(path, self._result(who, method, path, query | body), query)
        except Refused as refused:
            return refused.reply

    def _result(self, who: str, method: str, path: str, asked: Json) -> object:
        for verb, pattern, name in self.routes:
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return getattr(self, name)(who, *map(int, found.groups()), asked)
        raise Refused(404, "Not Found")

    def _paged(self, path: str, result: object, query: Json) -> Reply:
        if not isinstance(result, list):
            return result if isinstance(result, Reply) else Reply(status=200, data=result)
        page, size = int(query.get("page", 1)), min(PAGE, int(query.get("per_page", 20)))
        more = len(result) > page * size
        return Reply(
            status=200,
            data=result[(page - 1) * size : page * size],
            headers=self.page_headers(path, page, more=more),
        )

    def _checked(self, text: object) -> str:
        if not isinstance(text, str) or not text:
            raise Refused(400, "body is missing")
        if len(text) > self.longest:
            raise Refused(422, f"body is too long (maximum is {self.longest} characters)")
        return text

    def _ticket(self, number: int) -> Ticket:
        if number not in self.tickets:
            raise Refused(404, "Not Found")
        return self.tickets[number]

    def _find(self, id_: int) -> tuple[Ticket, Post]:
        for ticket in self.tickets.values():
            for post in ticket.posts:
                if post.id == id_:
                    return ticket, post
        raise Refused(404, "Not Found")

    @property
    def environ(self) -> dict[str, str]:
        """What the runner sets in a job for the request."""
        raise NotImplementedError

    def who(self, headers: Mapping[str, str]) -> str:
        raise NotImplementedError

    def check(self, who: str, method: str, path: str) -> None:
        raise NotImplementedError

    def page_headers(self, path: str, page: int, *, more: bool) -> Mapping[str, str]:
        raise NotImplementedError


# --- GitHub ---------------------------------------------------------------------------------------


class FakeGitHub(FakePlatform):
    """One repository. Its tokens: the job's own, one that only reads, a person's."""

    base = "/api/v3"
    longest = 65_536
    people: ClassVar[Mapping[str, str]] = {
        "ghs_job": "github-actions[bot]",
        "ghs_reader": "github-actions[bot]",
        "ghp_ann": "ann",
    }
    routes = (
        ("GET", r"/user", "user"),
        ("GET", r"/repos/acme/siem/issues/(\d+)/comments", "list_posts"),
        ("POST", r"/repos/acme/siem/issues/(\d+)/comments", "add_post"),
        ("PATCH", r"/repos/acme/siem/issues/comments/(\d+)", "change_post"),
        ("DELETE", r"/repos/acme/siem/issues/comments/(\d+)", "drop_post"),
        ("GET", r"/repos/acme/siem/issues", "list_issues"),
        ("POST", r"/repos/acme/siem/issues", "add_issue"),
        ("PATCH", r"/repos/acme/siem/issues/(\d+)", "change_issue"),
    )

    @property
    def environ(self) -> dict[str, str]:
        """What the runner sets in a job for the pull request."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_REF": f"refs/pull/{REQUEST}/merge",
            "GITHUB_REPOSITORY": "acme/siem",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": "ghs_job",
        }

    def who(self, headers: Mapping[str, str]) -> str:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.people:
            raise Refused(401, "Bad credentials")
        return token

    def check(self, who: str, method: str, path: str) -> None:
        of_an_app = who.startswith("ghs_")
        if (path == "/user" and of_an_app) or (who == "ghs_reader" and method != "GET"):
            raise Refused(403, "Resource not accessible by integration")

    def page_headers(self, path: str, page: int, *, more: bool) -> Mapping[str, str]:
        root = self.url.removesuffix(self.base)
        link = f'<{root}{self.base}{path}?per_page={PAGE}&page={page + 1}>; rel="next", '
        return {"Link": f'{link if more else ""}<{root}{self.base}{path}?page=1>; rel="first"'}

    def user(self, who: str, _asked: Json) -> Json:
        return self._user(self.people[who])

    def list_posts(self, _who: str, number: int, _asked: Json) -> list[Json]:
        return [self._post(one) for one in self._ticket(number).posts]

    def add_post(self, who: str, number: int, asked: Json) -> Reply:
        self._ticket(number)
        made = self.post(self.people[who], self._checked(asked.get("body")), number)
        return Reply(status=201, data=self._post(made))

    def change_post(self, _who: str, id_: int, asked: Json) -> Json:
        post = self._find(id_)[1]
        post.text = self._checked(asked.get("body"))
        return self._post(post)

    def drop_post(self, _who: str, id_: int, _asked: Json) -> Reply:
        ticket, post = self._find(id_)
        ticket.posts.remove(post)
        return Reply(status=204)

    def list_issues(self, _who: str, asked: Json) -> list[Json]:
        state, label = asked.get("state", "open"), asked.get("labels")
        return [
            self._issue(one)
            for one in self.tickets.values()
            if state in ("all", _state(one)) and (not label or label in one.labels or one.request)
        ]

    def add_issue(self, who: str, asked: Json) -> Reply:
        labels = [] if self.drop_labels else list(asked.get("labels", []))
        made = self.ticket(
            self.people[who], self._checked(asked.get("body")), title=asked["title"], labels=labels
        )
        return Reply(status=201, data=self._issue(made))

    def change_issue(self, _who: str, number: int, asked: Json) -> Json:
        ticket = self._ticket(number)
        ticket.title = asked.get("title", ticket.title)
        ticket.text = self._checked(asked.get("body", ticket.text))
        ticket.open = asked.get("state", _state(ticket)) == "open"
        return self._issue(ticket)

    def _user(self, login: str) -> Json:
        return {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}

    def _post(self, post: Post) -> Json:
        return {
            "id": post.id,
            "body": post.text,
            "user": self._user(post.author),
            "html_url": f"https://github.example/acme/siem/pull/{REQUEST}#issuecomment-{post.id}",
        }

    def _issue(self, ticket: Ticket) -> Json:
        issue: Json = {
            "number": ticket.number,
            "title": ticket.title,
            "body": ticket.text or None,
            "state": _state(ticket),
            "labels": [{"name": one} for one in ticket.labels],
            "user": self._user(ticket.author),
            "html_url": self.link_of(ticket.number),
        }
        return issue | ({"pull_request": {}} if ticket.request else {})


def _state(ticket: Ticket) -> str:
    return "open" if ticket.open else "closed"


# --- GitLab ---------------------------------------------------------------------------------------


class FakeGitLab(FakePlatform):
    """One project. Its tokens: the project's own, one that only reads, a job's, a person's."""

    base = "/api/v4"
    longest = 1_000_000
    people: ClassVar[Mapping[str, str]] = {
        "glpat-project": "project_1_bot",
        "glpat-reader": "project_1_bot_2",
        "glpat-ann": "ann",
    }
    routes = (
        ("GET", r"/user", "user"),
        ("GET", r"/projects/1/merge_requests/(\d+)/notes", "list_posts"),
        ("POST", r"/projects/1/merge_requests/(\d+)/notes", "add_post"),
        ("PUT", r"/projects/1/merge_requests/(\d+)/notes/(\d+)", "change_post"),
        ("DELETE", r"/projects/1/merge_requests/(\d+)/notes/(\d+)", "drop_post"),
        ("GET", r"/projects/1/issues", "list_issues"),
        ("POST", r"/projects/1/issues", "add_issue"),
        ("PUT", r"/projects/1/issues/(\d+)", "change_issue"),
        ("POST", r"/projects/1/issues/(\d+)/notes", "add_post"),
    )

    @property
    def environ(self) -> dict[str, str]:
        """What the runner sets in a job for the merge request, and the variable of the project."""
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.url,
            "CI_JOB_TOKEN": "glcbt-job",
            "CI_JOB_URL": "https://gitlab.example/acme/siem/-/jobs/4711",
            "CI_MERGE_REQUEST_IID": str(REQUEST),
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
            "CI_PROJECT_ID": "1",
            "GITLAB_TOKEN": "glpat-project",
            "GITLAB_USER_LOGIN": "ann",
        }

    def who(self, headers: Mapping[str, str]) -> str:
        token = headers.get("PRIVATE-TOKEN", "")
        if token not in self.people:  # a job's token is none to these endpoints
            raise Refused(401, "401 Unauthorized")
        return token

    def check(self, who: str, method: str, _path: str) -> None:
        if who == "glpat-reader" and method != "GET":
            raise Refused(403, "403 Forbidden")

    def page_headers(self, _path: str, page: int, *, more: bool) -> Mapping[str, str]:
        return {"X-Page": str(page), "X-Next-Page": str(page + 1) if more else ""}

    def user(self, who: str, _asked: Json) -> Json:
        return {"username": self.people[who]}

    def list_posts(self, _who: str, number: int, _asked: Json) -> list[Json]:
        said = {"id": 1, "body": "added 1 commit", "author": {"username": "ann"}, "system": True}
        return [said, *(self._post(one) for one in self._ticket(number).posts)]

    def add_post(self, who: str, number: int, asked: Json) -> Reply:
        self._ticket(number)
        made = self.post(self.people[who], self._checked(asked.get("body")), number)
        return Reply(status=201, data=self._post(made))

    def change_post(self, _who: str, _number: int, id_: int, asked: Json) -> Json:
        post = self._find(id_)[1]
        post.text = self._checked(asked.get("body"))
        return self._post(post)

    def drop_post(self, _who: str, _number: int, id_: int, _asked: Json) -> Reply:
        ticket, post = self._find(id_)
        ticket.posts.remove(post)
        return Reply(status=204)

    def list_issues(self, _who: str, asked: Json) -> list[Json]:
        state, label = asked.get("state", "all"), asked.get("labels")
        found = [
            self._issue(one)
            for one in self.issues
            if state in ("all", _gitlab_state(one)) and (not label or label in one.labels)
        ]
        return found[::-1]  # the newest first, unless asked otherwise

    def add_issue(self, who: str, asked: Json) -> Reply:
        labels = [] if self.drop_labels else [one for one in asked["labels"].split(",") if one]
        text = self._checked(asked.get("description"))
        made = self.ticket(self.people[who], text, title=asked["title"], labels=labels)
        return Reply(status=201, data=self._issue(made))

    def change_issue(self, _who: str, number: int, asked: Json) -> Json:
        ticket = self._ticket(number)
        ticket.title = asked.get("title", ticket.title)
        ticket.text = self._checked(asked.get("description", ticket.text))
        ticket.open = {"close": False, "reopen": True}.get(
            asked.get("state_event", ""), ticket.open
        )
        return self._issue(ticket)

    def _post(self, post: Post) -> Json:
        return {
            "id": post.id,
            "body": post.text,
            "author": {"username": post.author},
            "system": False,
        }

    def _issue(self, ticket: Ticket) -> Json:
        return {
            "iid": ticket.number,
            "title": ticket.title,
            "description": ticket.text or None,
            "state": _gitlab_state(ticket),
            "labels": ticket.labels,
            "author": {"username": ticket.author},
            "web_url": self.link_of(ticket.number),
        }


def _gitlab_state(ticket: Ticket) -> str:
    return "opened" if ticket.open else "closed"


# --- HTTP -----------------------------------------------------------------------------------------


def _handler(platform: FakePlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: else the other side waits for the second

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            reply = platform.answer(self.command, self.path, dict(self.headers), content)
            data = b"" if reply.data is None else json.dumps(reply.data).encode()
            data = data if reply.raw is None else reply.raw
            self.send_response_only(reply.status)
            self.send_header("Date", formatdate(NOW, usegmt=True))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """The calls are kept; nothing is printed."""

    return Handler
