"""What git knows of the checked-out commit: what changed since another one, and what is newer.

Called by ``cloud-siem fleet removed`` and ``fresh``, in pipelines. Only git itself knows either.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cloud_siem.errors import CloudSiemError
from cloud_siem.wording import printable

_MORE_HISTORY = "fetch more history (fetch-depth, GIT_DEPTH), or name another commit"
_CHECKOUT = "run it in a checkout"
_UNATTENDED = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
"""English words, and no question that nobody answers."""
_SECONDS = 60
"""For a remote that answers slowly; git itself would wait for ever."""


def removed_since(commit: str, pattern: str, folder: Path) -> tuple[str, ...]:
    """The files of this pattern that a commit has and the checked-out one has not, sorted.

    A file that was renamed is gone, too: its name is the stack's.

    :raises CloudSiemError: there is no git, no repository that git reads, or no such commit.
    """
    return _changed_since(commit, "D", pattern, folder)


def added_since(commit: str, pattern: str, folder: Path) -> tuple[str, ...]:
    """The files of this pattern that the checked-out commit has and another one has not, sorted.

    :raises CloudSiemError: there is no git, no repository that git reads, or no such commit.
    """
    return _changed_since(commit, "A", pattern, folder)


def _changed_since(commit: str, kind: str, pattern: str, folder: Path) -> tuple[str, ...]:
    names = ("diff", "--name-only", f"--diff-filter={kind}", "--no-renames", "--relative", "-z")
    command = [*names, "--end-of-options", commit, "HEAD", "--", pattern]
    # Outside a repository `git diff` compares two files, and prints its usage where it has none.
    _git(["rev-parse", "--git-dir"], folder, _CHECKOUT)
    output = _git(command, folder, _MORE_HISTORY)
    return tuple(sorted(name for name in output.split("\0") if name))


def content_at(commit: str, file: str, folder: Path) -> bytes:
    """The content that a file, named relative to ``folder``, has in a commit.

    :raises CloudSiemError: there is no git, no repository, no such commit, or no such file in it.
    """
    command = ["show", "--no-textconv", "--end-of-options", f"{commit}:./{file}"]
    return _git_bytes(command, folder, _MORE_HISTORY)


def head(folder: Path) -> str:
    """The commit that is checked out."""
    return _git(["rev-parse", "HEAD"], folder, _CHECKOUT).strip()


def newest_of(branch: str, folder: Path) -> str:
    """The newest commit of a branch where the checkout came from; asked there, not remembered.

    :raises CloudSiemError: the remote does not answer, or has no such branch.
    """
    hint = "the checkout needs its credentials for the remote `origin`"
    ref = f"refs/heads/{branch}"
    output = _git(["ls-remote", "origin", ref], folder, hint)
    # git compares the ends of names: a branch `a/refs/heads/main` is listed too.
    lines = [line.split("\t") for line in output.splitlines()]
    commits = [line[0] for line in lines if line[1:] == [ref]]
    if not commits:
        raise CloudSiemError(
            f"the remote `origin` has no branch {branch} ({ref}): name the branch as git does"
        )
    return commits[0]


def _git(arguments: Sequence[str], folder: Path, hint: str) -> str:
    return os.fsdecode(_git_bytes(arguments, folder, hint))


def _git_bytes(arguments: Sequence[str], folder: Path, hint: str) -> bytes:
    asked = f"git {arguments[0]}"
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **_UNATTENDED},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise CloudSiemError("git is not installed here, or not on PATH") from None
    except subprocess.TimeoutExpired:
        raise CloudSiemError(f"{asked} gave no answer within {_SECONDS} s ({hint})") from None
    if done.returncode:
        said = printable(done.stderr.decode("utf-8", errors="replace"))
        said = said or f"it found nothing, exit code {done.returncode}"
        if owned := _OWNED_BY_ANOTHER.search(said):
            raise CloudSiemError(_explain_owner(asked, owned[1]))
        raise CloudSiemError(f"{asked}: {said} ({hint})")
    return done.stdout


_OWNED_BY_ANOTHER = re.compile(r"dubious ownership in repository at '(.*?)'")


def _explain_owner(asked: str, repository: str) -> str:
    return (
        f"{asked}: the repository {repository} belongs to another user, and git reads no such"
        " repository. Nothing was compared. Run this as the owner; or, if you trust the repository,"
        f" run `git config --global --add safe.directory {shlex.quote(repository)}` first"
    )
