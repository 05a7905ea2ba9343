"""The door to the platforms: what goes through it, what goes wrong behind it, what stays inside."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from cloud_siem.ci.github import GitHub
from cloud_siem.ci.web import ATTEMPTS, PATIENCE, Answer, Purpose, Token, Web, limited_for
from cloud_siem.errors import PlatformError
from tests.authority import THIS_HOST, Authority
from tests.canaries import leaks
from tests.ci.conftest import Run
from tests.ci.fake_platform import NOW, FakeGitHub, FakePlatform, Reply
from tests.ci.test_comments import MARK, Out, comment
from tests.conftest import FakeTime, Loopback, http, nobody

DOWN = Reply(status=502, raw=b"<html>Bad gateway</html>")
BUSY = Reply(status=429, headers={"Retry-After": "7"}, data={"message": "Too many"})
LOOK = Purpose(doing="read it", need="give the token more")
Set = Callable[[str], None]


@pytest.fixture
def set_token(provider: str, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Set:
    name = {"github": "GITHUB_TOKEN", "gitlab": "GITLAB_TOKEN"}[provider]
    return lambda value: monkeypatch.setenv(name, value)


@pytest.fixture
def set_base(provider: str, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Set:
    name = {"github": "GITHUB_API_URL", "gitlab": "CI_API_V4_URL"}[provider]
    return lambda value: monkeypatch.setenv(name, value)


def web(url: str, fake: FakeTime) -> Web:
    return Web("Forge", url, Token("Authorization", "secret-token"), clock=fake.clock)


# --- the token ------------------------------------------------------------------------------------


def test_without_a_token_it_says_where_to_get_one(
    ci: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    assert comment(ci, "1 opens.") == 1
    told = capsys.readouterr().err
    assert "there is no token for Git" in told
    assert "GITHUB_TOKEN: ${{ github.token }}" in told or "project access token" in told
    assert platform.calls == []


@pytest.mark.parametrize("token", ["wrong-token", "ghs_reader", "glpat-reader"])
def test_a_token_without_rights_is_told_what_it_lacks(
    ci: Run, platform: FakePlatform, set_token: Set, token: str, capsys: Out
) -> None:
    """One that reads and may not write, as a fork's; the other platform's; one that is none."""
    set_token(token)

    assert comment(ci, "1 opens.") == 1
    told = capsys.readouterr().err
    assert "pull-requests: write" in told or "project access token" in told
    assert "(HTTP 401," in told or "(HTTP 403," in told
    assert token not in told
    assert platform.texts == []


@pytest.mark.parametrize("token", ["two words", "a\r\nX-Evil: 1", "schlüssel"])
def test_a_token_with_odd_characters_is_refused_unseen(
    ci: Run, platform: FakePlatform, set_token: Set, token: str, capsys: Out
) -> None:
    set_token(token)

    assert comment(ci, "1 opens.") == 1
    assert capsys.readouterr().err.startswith("the token has spaces or odd characters in it")
    assert platform.calls == []


def test_blanks_around_a_token_are_no_part_of_it(
    ci: Run, platform: FakePlatform, provider: str, set_token: Set
) -> None:
    set_token({"github": "ghs_job\n", "gitlab": " glpat-project\n"}[provider])

    assert comment(ci, "1 opens.") == 0


def test_the_token_shows_nowhere(
    ci: Run, platform: FakePlatform, set_token: Set, caplog: pytest.LogCaptureFixture, capsys: Out
) -> None:
    """Not in what is said, logged at any level, printed or pickled."""
    secret = "tok-canary-0123456789"
    set_token(secret)
    with caplog.at_level(logging.DEBUG):
        comment(ci, "1 opens.")
        platform.next = [Reply(status=301, headers={"Location": "https://evil.example"})]
        comment(ci, "1 opens.")
    token = Token("Authorization", secret)
    captured = capsys.readouterr()
    told = (
        f"{captured.out}{captured.err}{caplog.text}{token!r}{token}{Web('x', platform.url, token)}"
    )

    assert leaks({"token": secret}, told.encode()) == set()
    with pytest.raises(TypeError, match="never recorded"):
        pickle.dumps(token)


def test_a_netrc_does_not_take_the_place_of_the_token(
    fake: FakeTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would by itself in `requests`, for a host that is not this machine."""
    (tmp_path / "netrc").write_text("machine platform.example login ann password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session = web("https://platform.example", fake)._session
    sent = session.prepare_request(requests.Request("GET", "https://platform.example/x"))

    assert sent.headers["Authorization"] == "secret-token"


def test_a_proxy_is_asked_for_the_way_and_not_given_the_token(
    fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(http(b"[]")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(PlatformError):
            web("https://platform.example", fake).ask("POST", "x", LOOK)

        assert proxy.requests[0].line.startswith("CONNECT platform.example:443")
        assert "authorization" not in proxy.requests[0].headers


# --- limits ---------------------------------------------------------------------------------------


def test_too_many_requests_are_waited_out(
    ci: Run, platform: FakePlatform, patience: FakeTime
) -> None:
    platform.next = [BUSY, BUSY]

    assert comment(ci, "1 opens.") == 0
    assert platform.texts == [f"{MARK}\n1 opens."]
    assert [7 <= one <= 9 for one in patience.slept] == [True, True]


def test_a_limit_that_tells_no_time_is_waited_out_for_a_minute(
    ci: Run, platform: FakePlatform, patience: FakeTime
) -> None:
    platform.next = [Reply(status=403, data={"message": "You exceeded a secondary rate limit."})]

    assert comment(ci, "1 opens.") == 0
    assert 60 <= sum(patience.slept) <= PATIENCE


def test_a_longer_wait_than_that_is_told_and_not_waited(
    ci: Run, platform: FakePlatform, patience: FakeTime, capsys: Out
) -> None:
    platform.next = [Reply(status=403, headers={"Retry-After": "3600"})]

    assert comment(ci, "1 opens.") == 1
    assert "too many requests; it asks to wait 3600 s. Run this again later" in (
        capsys.readouterr().err
    )
    assert patience.slept == []


def test_a_limit_that_does_not_end_is_told_in_time(
    ci: Run, platform: FakePlatform, patience: FakeTime, capsys: Out
) -> None:
    platform.next = [BUSY] * 20

    assert comment(ci, "1 opens.") == 1
    assert "too many requests" in capsys.readouterr().err
    assert len(platform.calls) == ATTEMPTS
    assert sum(patience.slept) <= PATIENCE


@pytest.mark.parametrize(
    ("status", "headers", "words", "wait"),
    [
        (429, {"retry-after": "7"}, "", 7),
        (403, {"retry-after": "0"}, "", 1),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 20)}, "", 20),
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": str(NOW + 20)}, "", 20),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW - 20)}, "", 1),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "", 60),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (429, {}, "", 60),
        (403, {"x-ratelimit-remaining": "9"}, "Resource not accessible by integration", 0),
        (404, {"retry-after": "7"}, "Not Found", 0),
    ],
)
def test_what_a_limit_says_is_understood(
    status: int, headers: dict[str, str], words: str, wait: float
) -> None:
    """By the platform's own clock; and a token without rights is not taken for a limit."""
    date = {"date": "Mon, 02 Feb 2026 02:40:00 GMT"}

    assert (
        limited_for(Answer(status=status, headers=headers | date, data={"message": words})) == wait
    )


# --- down -----------------------------------------------------------------------------------------


def test_a_platform_that_comes_back_is_asked_again(ci: Run, platform: FakePlatform) -> None:
    platform.next = [DOWN, DOWN]

    assert comment(ci, "1 opens.") == 0
    assert platform.texts == [f"{MARK}\n1 opens."]


def test_a_platform_that_is_down_is_one_sentence(
    ci: Run, platform: FakePlatform, set_base: Set, capsys: Out
) -> None:
    platform.next = [DOWN] * ATTEMPTS
    assert comment(ci, "1 opens.") == 1
    assert "(HTTP 502): the platform has a problem of its own" in capsys.readouterr().err

    set_base(nobody())
    assert comment(ci, "1 opens.") == 1
    assert "Connection refused. Run this again later" in capsys.readouterr().err


def test_what_may_have_been_made_is_not_made_again(fake: FakeTime) -> None:
    """No answer came to a POST: the comment may be there, and the next run will find it."""
    with Loopback(b"") as server:
        for method, times in (("POST", 1), ("PATCH", ATTEMPTS)):
            server.requests.clear()
            with pytest.raises(PlatformError, match="could not be asked to read it"):
                web(server.url, fake).ask(method, "x", LOOK)
            assert len(server.requests) == times


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(b"", "Location: https://evil.example", status="302 Found"), "redirects are refused"),
        (http(b"<html>Sign in</html>"), "it is no JSON"),
        (http(b"[" * 100_000), "it is no JSON"),
        (http(b"{}"), "it is no list of objects"),
        (http(b"[1]"), "it is no list of objects"),
        (http(b"", status="410 Gone"), "what was sent did not suit it"),
    ],
)
def test_a_strange_answer_is_one_sentence(fake: FakeTime, answer: bytes, said: str) -> None:
    with Loopback(answer) as server, pytest.raises(PlatformError, match=said):
        list(web(server.url, fake).pages("x", LOOK, lambda _: ""))


def test_an_answer_of_another_service_is_one_sentence(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    platform.next = [Reply(status=200, data=[]), Reply(status=200, data={"hello": "world"})]

    assert comment(ci, "1 opens.") == 1
    assert "answer has no id: is " in capsys.readouterr().err


def test_who_we_are_must_be_known(ci: Run, platform: FakePlatform, capsys: Out) -> None:
    """Else a comment of somebody else could be taken for ours."""
    platform.post("ann", f"{MARK}\nMine now.")
    platform.next = [Reply(status=200, data=[{"id": 1}]), Reply(status=500)]

    assert comment(ci, "1 opens.") == 1
    assert "refused to say whose token this is (HTTP 500)" in capsys.readouterr().err
    assert platform.writes == []


def test_a_list_without_an_end_is_given_up(fake: FakeTime) -> None:
    with Loopback(http(b"[{}]")) as server, pytest.raises(PlatformError, match="it has no end"):
        list(web(server.url, fake).pages("x", LOOK, lambda _: "2"))


def test_an_answer_that_is_too_large_is_given_up(
    fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_siem.ci.web._ANSWER_LIMIT", 1000)
    with Loopback(http(b" " * 1001)) as server, pytest.raises(PlatformError, match="larger than"):
        web(server.url, fake).ask("GET", "x", LOOK)


def test_without_requests_it_says_what_to_install(
    ci: Run, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    for name in ("cloud_siem.ci.github", "cloud_siem.ci.gitlab", "cloud_siem.ci.web"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "requests", None)

    assert comment(ci, "1 opens.") == 1
    assert "pulumi-cloud-siem[ci]" in capsys.readouterr().err


# --- where to -------------------------------------------------------------------------------------


def test_a_certificate_is_verified_by_those_who_are_trusted(
    tmp_path: Path, fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with FakeGitHub(tls=authority.context(THIS_HOST)) as platform:
        forge = GitHub(platform.environ, fake.clock)
        with pytest.raises(PlatformError, match=r"TLS: .*certificate verify failed"):
            forge.add_comment("1 opens.")
        assert fake.slept == [], "to ask again does not help"

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        GitHub(platform.environ).add_comment("1 opens.")
        assert platform.texts == ["1 opens."]


@pytest.mark.parametrize("listed", ["", "api.example.com"])
def test_a_platform_is_called_through_the_proxy_of_the_environment_or_directly_by_no_proxy(
    fake: FakeTime, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    dialed: list[str] = []

    def dial(address: tuple[str, int], *_: object, **__: object) -> None:
        dialed.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("urllib3.util.connection.create_connection", dial)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", listed)
    with pytest.raises(PlatformError, match="Connection refused") as caught:
        web("https://api.example.com", fake).ask("GET", "x", LOOK)

    assert set(dialed) == {"api.example.com" if listed else "proxy.example.com"}
    proxy = "through the proxy http://proxy.example.com:3128 (HTTPS_PROXY)"
    assert (proxy in str(caught.value)) is not bool(listed)
    assert "secret" not in str(caught.value)


def test_a_read_whose_answer_is_cut_in_its_headers_is_sent_again(fake: FakeTime) -> None:
    whole = http(b"[]")
    with Loopback(whole[:30], whole) as server:
        assert web(server.url, fake).ask("GET", "x", LOOK).data == []

    assert len(server.requests) == 2


def test_what_was_not_sent_is_sent_again_even_where_it_makes_something(fake: FakeTime) -> None:
    with pytest.raises(PlatformError, match="Connection refused"):
        web(nobody(), fake).ask("POST", "x", LOOK)

    assert len(fake.slept) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("http://api.example/v3", "plain http"),
        ("https://ann:secret-word@api.example", "a user or password"),
        ("api.example", "is no host"),
        ("https://api.example/v3?x=1", "is no host"),
        ("ftp://api.example", "is no host"),
    ],
)
def test_the_token_goes_nowhere_that_is_not_safe(
    ci: Run, set_base: Set, base: str, said: str, capsys: Out
) -> None:
    set_base(base)

    assert comment(ci, "1 opens.") == 1
    told = capsys.readouterr().err
    assert said in told
    assert "secret-word" not in told
