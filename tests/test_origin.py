from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.origin import Origin, commit_of
from cloud_siem.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHORT = COMMIT[:12]


def test_a_call_says_tool_version_stack_and_commit() -> None:
    origin = Origin(stack="prod", commit=SHORT)

    assert origin.user_agent == f"pulumi-cloud-siem/{__version__} stack/prod commit/{SHORT}"
    assert origin.session_name == f"cloud-siem-{__version__}@prod@{SHORT}"


def test_what_is_not_known_is_left_out() -> None:
    assert Origin().user_agent == f"pulumi-cloud-siem/{__version__}"
    assert Origin().session_name == f"cloud-siem-{__version__}"
    assert Origin(commit=SHORT).session_name == f"cloud-siem-{__version__}@{SHORT}"


def test_a_long_stack_name_does_not_cut_the_commit_off() -> None:
    name = Origin(stack="s" * 100, commit=SHORT).session_name

    assert len(name) == 64
    assert name.endswith(f"s@{SHORT}")


@given(stack=st.text(max_size=120), commit=st.text(alphabet="0123456789abcdef", max_size=12))
def test_whatever_the_stack_is_called_sts_and_http_take_it(stack: str, commit: str) -> None:
    origin = Origin(stack=stack, commit=commit)

    assert re.fullmatch(r"[A-Za-z0-9.@_-]{2,64}", origin.session_name)
    assert re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", origin.user_agent)


# --- the commit ----------------------------------------------------------------------------------


def git_folder(at: Path, head: str) -> Path:
    git = at / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(head)
    return git


def loose_ref(git: Path, ref: str = "refs/heads/main", commit: str = COMMIT) -> None:
    (git / ref).parent.mkdir(parents=True, exist_ok=True)
    (git / ref).write_text(f"{commit}\n")


def test_the_commit_of_a_branch_is_found_from_any_folder_below(tmp_path: Path) -> None:
    loose_ref(git_folder(tmp_path, "ref: refs/heads/main\n"))
    below = tmp_path / "stacks" / "deep"
    below.mkdir(parents=True)

    assert commit_of(below) == commit_of(tmp_path) == SHORT


def test_the_commit_of_a_packed_branch_is_found_among_others(tmp_path: Path) -> None:
    git = git_folder(tmp_path, "ref: refs/heads/main\n")
    (git / "packed-refs").write_text(
        "# pack-refs with: peeled fully-peeled sorted\n"
        f"{'1' * 40} refs/heads/main-old\n{COMMIT} refs/heads/main\n"
        f"{'2' * 40} refs/tags/refs/heads/main\n^{'3' * 40}\n"
    )

    assert commit_of(tmp_path) == SHORT


def test_a_loose_branch_is_newer_than_a_packed_one(tmp_path: Path) -> None:
    git = git_folder(tmp_path, "ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"{'1' * 40} refs/heads/main\n")
    loose_ref(git)

    assert commit_of(tmp_path) == SHORT


def test_a_detached_head_is_the_commit(tmp_path: Path) -> None:
    git_folder(tmp_path, f"{COMMIT}\n")

    assert commit_of(tmp_path) == SHORT


@pytest.mark.parametrize("packed", [False, True])
def test_a_worktree_has_its_own_head_and_shared_branches(tmp_path: Path, packed: bool) -> None:
    git = git_folder(tmp_path / "main", f"{'9' * 40}\n")
    own = git / "worktrees" / "side"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/side\n")
    (own / "commondir").write_text("../..\n")
    if packed:
        (git / "packed-refs").write_text(f"{COMMIT} refs/heads/side\n")
    else:
        loose_ref(git, "refs/heads/side")
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {own}\n")

    assert commit_of(side) == SHORT


def test_a_submodule_points_to_its_folder_relatively(tmp_path: Path) -> None:
    module = tmp_path / ".git" / "modules" / "sub"
    module.mkdir(parents=True)
    (module / "HEAD").write_text(COMMIT)
    sub = tmp_path / "sub"
    sub.mkdir()
    (sub / ".git").write_text("gitdir: ../.git/modules/sub\n")

    assert commit_of(sub) == SHORT


def test_a_branch_without_a_commit_has_none(tmp_path: Path) -> None:
    git_folder(tmp_path, "ref: refs/heads/main\n")

    assert commit_of(tmp_path) == ""


def test_a_folder_outside_every_repository_has_none(tmp_path: Path) -> None:
    if any((above / ".git").exists() for above in tmp_path.parents):
        pytest.skip("the folder for temporary files is inside a repository")

    assert commit_of(tmp_path) == ""


def test_what_cannot_be_read_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / ".git" / "HEAD").mkdir(parents=True)
    assert commit_of(tmp_path) == "", "a folder where a file should be"

    shutil.rmtree(tmp_path / ".git")
    (tmp_path / ".git").write_bytes(b"\xff\xfe\x00")
    assert commit_of(tmp_path) == "", "not text"

    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert commit_of(tmp_path) == "", "a worktree whose repository is gone"


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_git_itself_says_the_same(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        command = ["git", *identity, "-c", "commit.gpgsign=false", *arguments]
        run = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return run.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("commit", "--quiet", "--allow-empty", "--message=one")
    git("worktree", "add", "--quiet", "--detach", "side")

    assert commit_of(tmp_path) == git("rev-parse", "--short=12", "HEAD")
    assert commit_of(tmp_path / "side") == commit_of(tmp_path)

    git("pack-refs", "--all")
    assert not (tmp_path / ".git/refs/heads/main").exists()
    assert commit_of(tmp_path) == git("rev-parse", "--short=12", "HEAD")
