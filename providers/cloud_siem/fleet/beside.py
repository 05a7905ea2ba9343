"""The stack files that travel with a task: those that may be about the same accounts.

A worker elsewhere has the project that a task brings, and nothing else. What another stack file
declares open may not close, so a task brings the texts of these files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cloud_siem.other_stacks import accounts_in, bytes_of
from cloud_siem.project import Project, stack_of

_UNREADABLE = "deliveries: !unreadable\n"
"""Stands for a file whose text cannot travel: what it declares is then unknown there, too."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The texts of a project's stack files, each read once, and the accounts they may be about."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """By the name of the file."""
    about: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names of the files that certainly are about certain accounts alone, by account."""
    anybody: frozenset[str] = frozenset()
    """The names of the files of which only parsing tells the account."""

    @classmethod
    def read(cls, project: Project) -> Beside:
        """Read all stack files of a project; a file that cannot be read travels as faulty."""
        texts: dict[str, str] = {}
        about: dict[str, set[str]] = {}
        anybody: set[str] = set()
        for path in filter(stack_of, project.stack_files()):
            data = bytes_of(path)
            accounts = accounts_in(data) if isinstance(data, bytes) else None
            texts[path.name] = _text(data)
            if accounts is None:
                anybody.add(path.name)
            for account in accounts or ():
                about.setdefault(account, set()).add(path.name)
        return cls(
            texts=texts,
            about={account: frozenset(names) for account, names in about.items()},
            anybody=frozenset(anybody),
        )

    def of(self, own: str, accounts: Collection[str]) -> Mapping[str, str]:
        """The texts that may be about one of these accounts, without the one named ``own``."""
        names = self.anybody.union(*(self.about.get(account, frozenset()) for account in accounts))
        return {name: self.texts[name] for name in sorted(names - {own})}


def _text(data: bytes | str) -> str:
    """The text of a file's bytes; a stand-in where there are none, or they are not text."""
    try:
        return data.decode("utf-8") if isinstance(data, bytes) else _UNREADABLE
    except UnicodeDecodeError:
        return _UNREADABLE
