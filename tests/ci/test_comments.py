"""`cloud-siem ci comment`: one comment, kept up to date, whatever else happens on the request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ci.conftest import Run, body, review
from tests.ci.fake_platform import REQUEST, Call, FakePlatform, Reply

MARK = "<!-- cloud-siem:preview -->"
ME = {"github": "github-actions[bot]", "gitlab": "project_1_bot"}
Out = pytest.CaptureFixture[str]


def comment(ci: Run, text: str, *more: str) -> int:
    return ci("comment", "--marker", "preview", "--body", body("review.md", text), *more)


def test_the_first_run_makes_it_and_the_next_changes_it_in_place(
    ci: Run, platform: FakePlatform, provider: str, capsys: Out
) -> None:
    platform.post("ann", "Looks good.")

    assert comment(ci, "1 opens.") == 0
    assert comment(ci, "2 open.") == 0
    assert platform.texts == ["Looks good.", f"{MARK}\n2 open."]
    name = {"github": "GitHub", "gitlab": "GitLab"}[provider]
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: the comment was made",
        f"{name}: the comment was updated",
    ]


def test_the_same_text_is_not_written_again(ci: Run, platform: FakePlatform) -> None:
    """Also where the platform keeps other ends of lines, as GitHub's pages do."""
    comment(ci, "1 opens.\nsas/a")
    platform.posts[0].text = platform.posts[0].text.replace("\n", "\r\n")
    platform.calls.clear()

    assert comment(ci, "1 opens.\nsas/a") == 0
    assert platform.writes == []


def test_it_is_found_on_any_page(ci: Run, platform: FakePlatform) -> None:
    """A page has two entries here."""
    for number in range(3):
        platform.post("ann", f"Remark {number}")
    comment(ci, "1 opens.")
    for number in range(3, 6):
        platform.post("ann", f"Remark {number}")

    assert comment(ci, "2 open.") == 0
    assert len(platform.posts) == 7
    assert platform.texts[3] == f"{MARK}\n2 open."


def test_each_marker_has_a_comment_of_its_own(ci: Run, platform: FakePlatform) -> None:
    comment(ci, "1 opens.")
    ci("comment", "--marker", "validate", "--body", body("other.md", "No faults."))

    assert platform.texts == [f"{MARK}\n1 opens.", "<!-- cloud-siem:validate -->\nNo faults."]


# --- when nothing changes -------------------------------------------------------------------------


def test_where_nothing_changes_and_none_is_there_none_is_made(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    assert comment(ci, "Nothing.", "--review", review("a.json"), review("b.json")) == 0
    assert platform.writes == []
    assert "none was made" in capsys.readouterr().out


def test_where_nothing_changes_any_more_the_comment_says_so_once(
    ci: Run, platform: FakePlatform
) -> None:
    comment(ci, "1 opens.", "--review", review("a.json", "opens"))
    for _ in range(2):
        assert comment(ci, "Nothing.", "--review", review("a.json")) == 0

    assert platform.texts[0].startswith(f"{MARK}\n**Nothing changes any more.**")
    assert platform.writes.count("POST") == 1
    assert len(platform.writes) == 2


@pytest.mark.parametrize("trouble", ["refusal", "failure"])
def test_what_is_refused_or_failed_is_never_quiet(
    ci: Run, platform: FakePlatform, trouble: str
) -> None:
    file = review("a.json", **{trouble: "18 deliveries would close"})

    assert comment(ci, "Refused.", "--review", file) == 0
    assert platform.texts == [f"{MARK}\nRefused."]


# --- others, at any time --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [f"{MARK}\nMine now.", f"> {MARK}\n> 1 opens.\n\nReally?"])
def test_what_somebody_else_wrote_is_never_changed(
    ci: Run, platform: FakePlatform, text: str
) -> None:
    """Whoever may edit a comment could change what it says after we have written it."""
    platform.post("ann", text)

    assert comment(ci, "1 opens.") == 0
    assert platform.texts == [text, f"{MARK}\n1 opens."]


def test_a_comment_of_ours_that_only_quotes_the_marker_is_another(
    ci: Run, platform: FakePlatform, provider: str
) -> None:
    platform.post(ME[provider], f"About this one:\n{MARK}")
    comment(ci, "1 opens.")

    assert len(platform.posts) == 2


def test_one_that_was_deleted_by_hand_is_made_anew(ci: Run, platform: FakePlatform) -> None:
    comment(ci, "1 opens.")
    platform.posts.clear()

    assert comment(ci, "2 open.") == 0
    assert platform.texts == [f"{MARK}\n2 open."]


def test_one_that_is_deleted_while_we_look_is_made_anew(ci: Run, platform: FakePlatform) -> None:
    comment(ci, "1 opens.")

    def somebody_deletes_it(call: Call) -> None:
        if str(REQUEST) in call.path:
            platform.after = lambda _: None
            platform.posts.clear()

    platform.after = somebody_deletes_it
    assert comment(ci, "2 open.") == 0
    assert platform.texts == [f"{MARK}\n2 open."]


@pytest.mark.parametrize("posts", [1, 2])
def test_a_comment_that_may_not_be_written_any_more_is_told(
    ci: Run, platform: FakePlatform, provider: str, posts: int, capsys: Out
) -> None:
    """Where it is to be changed, and where a second one is to be dropped."""
    for _ in range(posts):
        platform.post(ME[provider], f"{MARK}\n1 opens.")

    def locked(call: Call) -> None:
        if call.path == "/user":  # the last that is read
            platform.next.append(Reply(status=403, data={"message": "it is locked"}))

    platform.after = locked
    assert comment(ci, "2 open.") == 1
    assert '(HTTP 403, "it is locked")' in capsys.readouterr().err


def test_two_that_a_race_has_left_become_the_older(
    ci: Run, platform: FakePlatform, provider: str
) -> None:
    for text in ("first", "second", "third"):
        platform.post(ME[provider], f"{MARK}\n{text}")
    older = platform.posts[0].id

    assert comment(ci, "1 opens.") == 0
    assert [(one.id, one.text) for one in platform.posts] == [(older, f"{MARK}\n1 opens.")]


def test_one_that_another_run_has_dropped_already_is_no_fault(
    ci: Run, platform: FakePlatform, provider: str
) -> None:
    for text in ("first", "second"):
        platform.post(ME[provider], f"{MARK}\n{text}")

    def the_other_run(call: Call) -> None:
        if str(REQUEST) in call.path:
            platform.after = lambda _: None
            del platform.posts[1]

    platform.after = the_other_run
    assert comment(ci, "1 opens.") == 0
    assert platform.texts == [f"{MARK}\n1 opens."]


def test_of_two_runs_at_once_one_comment_is_left_with_the_newer_text(
    ci: Run, platform: FakePlatform, provider: str
) -> None:
    """Another run makes its comment after this one has looked, and before it makes its own."""

    def the_other_run(call: Call) -> None:
        if str(REQUEST) in call.path:
            platform.after = lambda _: None
            platform.post(ME[provider], f"{MARK}\nof an older commit")

    platform.after = the_other_run
    assert comment(ci, "1 opens.") == 0
    assert platform.texts == [f"{MARK}\n1 opens."]


# --- long, and many -------------------------------------------------------------------------------


def test_many_files_become_one_text(ci: Run, platform: FakePlatform) -> None:
    files = [body(f"{name}.md", f"### {name}\n") for name in ("dev", "prod")]

    assert ci("comment", "--marker", "preview", "--body", *files) == 0
    assert platform.texts == [f"{MARK}\n### dev\n\n### prod"]


@pytest.mark.parametrize("link", ["", "https://ci.example/artifact"])
def test_a_text_that_is_too_long_is_cut_and_says_where_the_whole_is(
    ci: Run, platform: FakePlatform, link: str
) -> None:
    details = "<details><summary>300 more</summary>\n\n" + "- sas/a opens\n" * 6000 + "</details>"
    more = ("--link", link) if link else ()

    assert comment(ci, f"**300 open.**\n\n{details}", *more) == 0
    (text,) = platform.texts
    assert len(text) < 1000
    assert text.startswith(f"{MARK}\n**300 open.**\n\n300 more: left out\n\n**There is no room")
    assert f"[the whole text]({link or 'https://'}" in text
    assert link or "4711" in text, "the page of the run, which has the artifacts"


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "body review.md: it cannot be read: No such file or directory"),
        (b" \n", "body review.md: it is empty; did the command fail that writes it?"),
        (b"\xff\xfe", "body review.md: it is not UTF-8"),
    ],
)
def test_a_body_that_is_none_is_one_sentence_and_nothing_is_asked(
    ci: Run, platform: FakePlatform, content: bytes | None, said: str, capsys: Out
) -> None:
    if content is not None:
        Path("review.md").write_bytes(content)

    assert ci("comment", "--marker", "preview", "--body", "review.md") == 1
    assert capsys.readouterr().err == f"{said}\n"
    assert platform.calls == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"changes": [{}]}', '{"changes": []}'])
def test_a_review_that_is_none_is_one_sentence(
    ci: Run, platform: FakePlatform, content: str, capsys: Out
) -> None:
    assert comment(ci, "1 opens.", "--review", body("review.json", content)) == 1
    assert capsys.readouterr().err == (
        "review review.json: this is not what `cloud-siem review --format json` prints\n"
    )
    assert platform.calls == []


@pytest.mark.parametrize("name", ["", "a b", "a-->", "x" * 101])
def test_a_marker_that_could_end_its_line_is_refused(ci: Run, name: str, capsys: Out) -> None:
    assert ci("comment", "--marker", name, "--body", body("review.md", "x")) == 2
    assert "is no name of a marker" in capsys.readouterr().err


def test_a_run_that_is_about_no_request_says_so(
    ci: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    monkeypatch.delenv("CI_MERGE_REQUEST_IID", raising=False)

    assert comment(ci, "1 opens.") == 1
    assert "request" in capsys.readouterr().err
    assert platform.calls == []
