"""What git is asked, on small repositories of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.errors import CloudSiemError
from cloud_siem.history import newest_of

STACKS = ("stacks/Pulumi.a.yaml", "stacks/Pulumi.b_b.yaml", "stacks/other.txt")
TEXT = 'config:\n  cloud-siem:account: "1130916744880000"\n  cloud-siem:region: cn-hangzhou\n'


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "x")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of one commit with two stacks, where we are."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "stacks").mkdir(parents=True)
    for name in STACKS:
        (origin / name).write_text(TEXT if name.endswith(".yaml") else name)
    git(origin, "init", "--quiet", "--initial-branch=main")
    commit(origin)
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    monkeypatch.chdir(clone)
    return clone


def test_the_stacks_are_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On one line, for a matrix."""
    assert main(["fleet", "list", "--names"]) == 0
    line = capsys.readouterr().out
    assert (json.loads(line), line.count("\n")) == (["a", "b_b"], 1)


def test_a_file_that_can_be_no_stacks_is_told(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A matrix would run something with its name."""
    (clone / "stacks" / "Pulumi.$(id).yaml").write_text(TEXT)

    assert main(["fleet", "list", "--names"]) == 1
    assert (
        "stacks/Pulumi.$(id).yaml: the file's name is not that of a stack file"
        in capsys.readouterr().err
    )


def test_a_removed_stack_is_told_with_what_becomes_of_it(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Renamed is removed, too; its name is shown as it is, and other files are no stacks."""
    git(clone, "mv", "stacks/Pulumi.b_b.yaml", "stacks/Pulumi.c.yaml")
    git(clone, "rm", "--quiet", "stacks/other.txt")
    commit(clone)

    assert main(["fleet", "removed", "HEAD^1", "--into", "removed"]) == 0
    told = capsys.readouterr().out
    assert Path("removed/review.md").read_text() == told
    assert json.loads(Path("removed/review.json").read_text())["failure"], "told also by itself"
    assert told.startswith("### b\\_b\n\n**Its file is removed")
    assert "stay as they are" in told
    assert told.count("###") == 1


SAS = "  cloud-siem:deliveries: {sas: {x: open, y: open, z: closed}}\n"


def removed(clone: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What is said of each removed stack, on one line and without Markdown's backslashes."""
    commit(clone)
    assert main(["fleet", "removed", "HEAD^1"]) == 0
    sections = capsys.readouterr().out.replace("\\", "").split("### ")[1:]
    return {one.partition("\n")[0]: " ".join(one.split()) for one in sections}


def test_a_renamed_file_is_told_as_a_rename_and_nothing_is_to_be_destroyed(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the new file declares: another account's file has more of its text."""
    old, new = clone / "stacks" / "Pulumi.a.yaml", clone / "stacks" / "Pulumi.new.yaml"
    old.write_text(TEXT + SAS)
    commit(clone)
    git(clone, "mv", str(old), str(new))
    new.write_text(TEXT + SAS.replace(", y: open", "") + "# edited, too\n" * 20)
    (clone / "stacks" / "Pulumi.other.yaml").write_text(TEXT.replace("1130", "2130") + SAS)
    told = removed(clone, capsys)

    assert list(told) == ["a"]
    assert " pulumi stack rename new --stack a " in told["a"]
    assert "`pulumi stack rm a --force`" in told["a"]
    assert "pulumi destroy" not in told["a"]
    assert told["a"].endswith("what no stack declares open any more: sas/y")


def test_moved_entries_are_told_with_the_stacks_that_declare_them(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack that was there before is no new name; what nobody took over is named."""
    old, there = clone / "stacks" / "Pulumi.a.yaml", clone / "stacks" / "Pulumi.b_b.yaml"
    old.write_text(TEXT + SAS)
    commit(clone)
    old.unlink()
    there.write_text(TEXT + "  cloud-siem:deliveries: {sas: {x: open, y: closed}}\n")
    told = removed(clone, capsys)["a"]

    assert "sas/x is declared open by stack b_b, at stacks/Pulumi.b_b.yaml:4" in told
    assert "declares 1 delivery open, and nothing closes what is removed: sas/y." in told
    assert told.endswith(" pulumi stack rm a --force")
    assert "pulumi destroy" not in told
    assert "stack rename" not in told


def test_two_files_that_became_one_are_one_rename_and_one_move(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state can be renamed to one stack alone: the one with more in common."""
    old, other = clone / "stacks" / "Pulumi.a.yaml", clone / "stacks" / "Pulumi.b_b.yaml"
    old.write_text(TEXT + '  cloud-siem:deliveries: {waf: {"*": open}}\n')
    other.write_text(TEXT + SAS)
    commit(clone)
    old.unlink()
    both = "  cloud-siem:deliveries: {waf: {x: open}, sas: {x: open, y: open}}\n"
    git(clone, "mv", str(other), "stacks/Pulumi.new.yaml")
    (clone / "stacks" / "Pulumi.new.yaml").write_text(TEXT + both)
    told = removed(clone, capsys)

    assert " pulumi stack rename new --stack b_b " in told["b_b"]
    assert "waf/x is declared open by stack new" in told["a"]
    assert "what is removed: waf/*" in told["a"]
    assert told["a"].endswith(" pulumi stack rm a --force")


def test_where_it_is_not_known_who_declares_the_logs_nothing_is_to_be_destroyed(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, there = clone / "stacks" / "Pulumi.a.yaml", clone / "stacks" / "Pulumi.b_b.yaml"
    old.write_text(TEXT + SAS)
    (clone / "stacks" / "Pulumi.odd.yaml").write_text(TEXT + "  cloud-siem:deliveries: {sas: }\n")
    commit(clone)
    old.unlink()
    (clone / "stacks" / "Pulumi.odd.yaml").unlink()
    there.write_text(TEXT + "  cloud-siem:deliveries: {sas: {x: opne}}\n")
    told = removed(clone, capsys)

    assert set(told) == {"a", "odd"}
    assert "stacks/Pulumi.b_b.yaml:4" in told["a"]
    assert "stacks/Pulumi.odd.yaml:4" in told["odd"]
    for one in told.values():
        assert "Do not destroy stack" in one
        assert "pulumi destroy" not in one


def test_the_stack_files_are_where_the_project_has_them(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also asked from a sub-folder, and where all of them are gone."""
    (clone / "Pulumi.yaml").write_text("{name: x, stackConfigDir: conf}")
    git(clone, "mv", "stacks", "conf")
    (clone / "sub").mkdir()
    (clone / "sub" / "file").touch()
    commit(clone)
    git(clone, "rm", "--quiet", "-r", "conf")
    monkeypatch.chdir(clone / "sub")
    told = removed(clone, capsys)

    assert set(told) == {"a", "b_b"}
    assert "bring ../conf/Pulumi.a.yaml back" in told["a"]


def test_where_none_is_removed_nothing_is_told(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(clone)

    assert main(["fleet", "removed", "HEAD^1", "--into", "removed"]) == 0
    assert capsys.readouterr().out == ""
    assert not Path("removed").exists()


def test_what_could_not_be_written_is_a_sentence(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(clone, "rm", "--quiet", STACKS[0])
    commit(clone)

    assert main(["fleet", "removed", "HEAD^1", "--into", STACKS[1]]) == 1
    assert f"the folder {STACKS[1]} cannot be made: File exists" in capsys.readouterr().err
    assert main(["fleet", "removed", "--into", "x"]) == 2


@pytest.mark.parametrize("since", ["HEAD^1", "--output=x"])
def test_a_commit_that_is_not_there_is_told_with_what_to_do(
    clone: Path, since: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shallow checkout has no earlier one; and what looks like an option is none."""
    assert main(["fleet", "removed", "--", since]) == 1

    told = capsys.readouterr().err
    assert told.startswith("git diff: fatal: ")
    assert "fetch-depth" in told
    assert not (clone / "x").exists()


def test_what_is_checked_out_is_fresh_until_the_branch_moves_on(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remote is asked each time; what was fetched before counts for nothing."""
    assert main(["fresh", "main"]) == 0

    commit(clone.parent / "origin")

    assert main(["fresh", "main"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("main has moved on: ")
    assert "nothing is applied" in told


@pytest.mark.parametrize("other", ["a/refs/heads/main", "z/refs/heads/main"])
def test_a_branch_whose_name_ends_like_the_other_is_not_that_branch(
    clone: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may push any branch could let a stale plan through, or stop every deployment."""
    origin = clone.parent / "origin"
    git(origin, "branch", other, "main")
    commit(origin)  # main moves on, the other branch stays at what is checked out here
    assert newest_of("main", clone) == git(origin, "rev-parse", "refs/heads/main").strip()
    assert main(["fresh", "main"]) == 1
    assert "main has moved on" in capsys.readouterr().err

    git(clone, "pull", "--quiet")
    git(origin, "branch", "--force", other, "main^")
    assert main(["fresh", "main"]) == 0


def test_a_remote_that_does_not_answer_is_no_newest_commit(clone: Path) -> None:
    for name in ("nonsense", "refs/heads/main", "mai*", ""):
        with pytest.raises(CloudSiemError, match="has no branch"):
            newest_of(name, clone)

    (clone.parent / "origin").rename(clone.parent / "gone")
    with pytest.raises(CloudSiemError, match=r"git ls-remote: fatal: (.|\n)*its credentials"):
        newest_of("main", clone)


@pytest.mark.parametrize("command", [["fleet", "removed", "HEAD"], ["fresh", "main"]])
def test_a_repository_of_another_owner_is_a_sentence_with_what_to_do(
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """As in a container whose checkout another user made; `git diff` prints its usage there."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    assert main(command) == 1
    told = capsys.readouterr().err
    assert f"the repository {clone} belongs to another user" in told
    assert f"git config --global --add safe.directory {clone}" in told
    assert "usage" not in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", [["fleet", "removed", "HEAD"], ["fresh", "main"]])
def test_outside_a_repository_it_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("git rev-parse: fatal: not a git repository")
    assert "run it in a checkout" in told


def test_without_git_it_says_so(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone))

    with pytest.raises(CloudSiemError, match="git is not installed here"):
        newest_of("main", clone)
