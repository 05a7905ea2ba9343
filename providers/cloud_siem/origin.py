"""Who is calling: what the cloud's own audit trail is told about a run of this package.

ActionTrail records the user agent and, for an assumed role, the session name; with tool, version,
stack and commit in both, it answers "who closed this log" without asking anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cloud_siem.version import __version__

_TOOL = "pulumi-cloud-siem"
_COMMIT_DIGITS = 12
_SESSION_NAME_LIMIT = 64
"""STS AssumeRole: 2 to 64 letters, digits and ``. @ - _``."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What calls, for which stack, from which commit."""

    stack: str = ""
    """The Pulumi stack; empty when the caller has none."""
    commit: str = ""
    """The commit that is checked out; empty outside a repository."""

    @property
    def user_agent(self) -> str:
        """For the HTTP header, e.g. ``pulumi-cloud-siem/0.1.0 stack/prod commit/0123456789ab``."""
        parts = [f"{_TOOL}/{__version__}"]
        parts += [f"{name}/{_clean(value)}" for name, value in self._named if value]
        return " ".join(parts)

    @property
    def session_name(self) -> str:
        """For AssumeRole, e.g. ``cloud-siem-0.1.0@prod@0123456789ab``."""
        tool, commit = f"cloud-siem-{__version__}", _clean(self.commit)
        # A long stack is cut, never the commit: the user agent has the stack whole.
        room = _SESSION_NAME_LIMIT - len(tool) - len(commit) - len("@@")
        return "@".join(part for part in (tool, _clean(self.stack)[:room], commit) if part)

    @property
    def _named(self) -> tuple[tuple[str, str], ...]:
        return (("stack", self.stack), ("commit", self.commit))


def commit_of(folder: Path) -> str:
    """The commit checked out in or above a folder, shortened; empty when there is none.

    Read from the files, since starting git costs more than the call that it would be sent with.
    """
    for place in (folder, *folder.parents):
        git = place / ".git"
        try:
            if git.is_file():  # a worktree or submodule: "gitdir: <path>"
                git = place / git.read_text(encoding="utf-8").partition(":")[2].strip()
            if git.is_dir():
                return _commit(git)
        except (OSError, UnicodeDecodeError):
            return ""
    return ""


def _commit(git: Path) -> str:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head[:_COMMIT_DIGITS]
    ref = head.removeprefix("ref: ")
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    loose = shared / ref
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()[:_COMMIT_DIGITS]
    packed = (shared / "packed-refs").read_text(encoding="utf-8")
    found = re.search(rf"^([0-9a-f]+) {re.escape(ref)}$", packed, re.MULTILINE)
    return found.group(1)[:_COMMIT_DIGITS] if found else ""


def _clean(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", value)
