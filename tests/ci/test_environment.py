"""What the runners tell a job, and what a job tells the next ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloud_siem.ci.environment import pull_request
from cloud_siem.ci.github import GitHub
from cloud_siem.ci.gitlab import GitLab
from cloud_siem.ci.outputs import SUMMARY_LIMIT, write_dotenv, write_summary
from cloud_siem.errors import PlatformError
from cloud_siem.report.as_json import to_json
from tests.ci.conftest import Run, body, review
from tests.ci.fake_platform import FakeGitLab, FakePlatform
from tests.ci.test_comments import MARK, Out, comment
from tests.report.reports import EVERYTHING

# --- which request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "ref", "number"),
    [
        ({"pull_request": {"number": 12}}, "refs/heads/main", 12),
        ({}, "refs/pull/13/merge", 13),
        ("{", "refs/pull/13/merge", 13),
        ([], "refs/pull/13/head", 13),
        (None, "refs/pull/13/merge", 13),
    ],
)
def test_the_event_or_the_ref_names_the_pull_request(
    tmp_path: Path, event: object, ref: str, number: int
) -> None:
    """With `pull_request_target` only the event does; by hand, the ref is easier."""
    file = tmp_path / "event.json"
    if event is not None:
        file.write_text(event if isinstance(event, str) else json.dumps(event))

    assert pull_request({"GITHUB_EVENT_PATH": str(file), "GITHUB_REF": ref}) == number


def test_a_push_is_about_no_pull_request() -> None:
    with pytest.raises(PlatformError, match=r"no pull request \(push, refs/heads/main\)"):
        pull_request({"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"})


def test_a_merge_request_is_looked_for_in_its_own_project() -> None:
    """The pipeline of a fork runs in the fork's project, where the number means another one."""
    with FakeGitLab() as platform:
        forge = GitLab(platform.environ | {"CI_PROJECT_ID": "2"})

        assert forge.comments() == []
        with pytest.raises(PlatformError, match="HTTP 404"):
            forge.issues("x")


@pytest.mark.parametrize(
    ("forge", "variable", "said"),
    [
        (GitHub, "GITHUB_REPOSITORY", "names no repository"),
        (GitLab, "CI_PROJECT_ID", "names no project"),
    ],
)
def test_outside_of_a_job_it_says_so(
    forge: type[GitHub | GitLab], variable: str, said: str
) -> None:
    environ = {"GITHUB_TOKEN": "x", "GITLAB_TOKEN": "x"}

    with pytest.raises(PlatformError, match=f"{variable} {said}"):
        forge(environ).issues("x")


# --- whose token ----------------------------------------------------------------------------------


def test_a_person_with_a_token_of_their_own_keeps_a_comment_of_their_own(
    ci: Run, platform: FakePlatform, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment(ci, "1 opens.")
    name, token = {
        "github": ("GITHUB_TOKEN", "ghp_ann"),
        "gitlab": ("GITLAB_TOKEN", "glpat-ann"),
    }[provider]
    monkeypatch.setenv(name, token)
    comment(ci, "2 open.")
    comment(ci, "3 open.")

    assert platform.texts == [f"{MARK}\n1 opens.", f"{MARK}\n3 open."]


def test_a_job_token_of_gitlab_is_tried_where_there_is_no_other() -> None:
    with FakeGitLab() as platform:
        environ = {**platform.environ, "GITLAB_TOKEN": ""}

        with pytest.raises(PlatformError, match=r"HTTP 401.*project access token"):
            GitLab(environ).comments()


# --- summary and outputs --------------------------------------------------------------------------


@pytest.fixture
def files(platform: FakePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that GitHub's runner names; GitLab's are where the job runs."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "cloud-siem.env"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--review", "quiet"), {"changed": "false", "closes": "0"}),
        (("--review", "quiet", "closes"), {"changed": "true", "closes": "2"}),
        (("--review", "refused"), {"changed": "true", "closes": "0"}),
        (("--drift", "drift"), {"drifted": "1"}),
        (("--report", "drift.html"), {"report": "drift.html"}),
        ((), {}),
    ],
    ids=str,
)
def test_the_outputs_tell_what_is_known_and_nothing_else(
    ci: Run, files: Path, arguments: tuple[str, ...], expected: Mapping[str, str]
) -> None:
    """On both platforms under the same names; no value is made up for what was not given."""
    review("quiet")
    review("closes", "closes", "opens", "closes")
    review("refused", refusal="18 would close")
    Path("drift").write_text(to_json(EVERYTHING), encoding="utf-8")

    assert ci("summary", *arguments) == 0
    lines = (files / "cloud-siem.env").read_text().splitlines()
    assert dict(line.split("=") for line in lines) == expected


def test_a_summary_goes_where_people_look(ci: Run, files: Path, provider: str, capsys: Out) -> None:
    """On GitHub below what an earlier step wrote; on GitLab into the job's log."""
    (files / "summary.md").write_text("Before.\n")

    assert ci("summary", "--body", body("a.md", "A"), body("b.md", "B")) == 0
    shown = (files / "summary.md").read_text()
    assert shown == ("Before.\nA\n\nB\n" if provider == "github" else "Before.\n")
    assert ("A\n\nB\n" in capsys.readouterr().out) is (provider == "gitlab")


def test_a_long_summary_is_cut_to_what_github_shows(tmp_path: Path) -> None:
    """Bytes, not characters; and what earlier steps wrote counts."""
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * 1000)
    text = "**Short.**\n\n" + "- für\n" * (SUMMARY_LIMIT // 6)
    write_summary(text, {"GITHUB_STEP_SUMMARY": str(file)}, "https://ci.example")

    assert file.stat().st_size <= SUMMARY_LIMIT
    assert file.read_text(encoding="utf-8").endswith("[the whole text](https://ci.example).\n")


@pytest.mark.parametrize("file", ["", "nowhere/summary.md"])
def test_a_summary_that_has_no_place_is_one_sentence(file: str) -> None:
    with pytest.raises(PlatformError, match=r"names no file|cannot be written: No such file"):
        write_summary("x", {"GITHUB_STEP_SUMMARY": file}, "")


def test_a_report_of_two_lines_cannot_set_another_output(ci: Run, files: Path, capsys: Out) -> None:
    assert ci("summary", "--report", "x\ncloses=0") == 2
    assert "is not one line" in capsys.readouterr().err


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x)", "https://x y"])
def test_a_link_that_is_none_is_refused(ci: Run, files: Path, link: str, capsys: Out) -> None:
    assert ci("summary", "--link", link) == 2
    assert "is no link" in capsys.readouterr().err


def test_outputs_follow_no_link_out_of_their_folder(tmp_path: Path) -> None:
    """A checkout may have such a link in the place of the file."""
    outside = tmp_path / "outside"
    outside.write_text("another's")
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "cloud-siem.env").symlink_to(outside)

    with pytest.raises(PlatformError, match="a link out of its folder"):
        write_dotenv({"changed": "true"}, folder / "cloud-siem.env")
    assert outside.read_text() == "another's"
