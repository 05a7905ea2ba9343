"""Words of a command line -> which stacks. Pure; called by the commands.

Names and globs choose, ``--tag`` and ``--not`` narrow, ``--shard`` takes a part. No name or glob
means all. A glob or a tag may choose nothing, as long as something is left in the end; a name that
nobody has is a slip, and nothing runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cloud_siem.catalog import did_you_mean
from cloud_siem.errors import CloudSiemError
from cloud_siem.wording import counted

_WILD = frozenset("*?[")


class SelectionError(CloudSiemError):
    """The words of a selection do not choose anything."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of several parts of a fleet, each run by itself."""

    part: int
    """Counted from 1."""
    parts: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``3/10``; raises ``ValueError`` with what is wrong."""
        part, slash, parts = text.partition("/")
        if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
            raise ValueError(f"{text!r} is no shard: write the part and the parts, such as 3/10")
        return cls(part=int(part), parts=int(parts))

    def has(self, stack: str) -> bool:
        """Whether a stack belongs to it: by its name alone, so that no other stack moves it."""
        digest = hashlib.sha256(stack.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.part - 1

    def part_of(self, number: int) -> int:
        """What it has of a number that all shards share; together they have just that."""
        return number // self.parts + (self.part <= number % self.parts)

    def __str__(self) -> str:
        return f"{self.part}/{self.parts}"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a command line says about which stacks are meant."""

    names: tuple[str, ...] = ()
    """Names and globs; empty means all."""
    tags: tuple[tuple[str, str], ...] = ()
    """All of these a stack must have; the value may be a glob."""
    without: tuple[str, ...] = ()
    """Globs; what any of them matches is left out."""
    shard: Shard | None = None

    def of(self, tags: Mapping[str, Mapping[str, str] | None]) -> tuple[str, ...]:
        """The stacks that are meant, in order.

        Args:
            tags: The tags of every stack that there is, by name; None where its file cannot be
                read. Such a stack is meant, unless its name leaves it out: it may have the tags.

        Raises:
            SelectionError: A name is nobody's, or nothing is left.
        """
        self._refuse_unknown(tags)
        named = [one for one in sorted(tags) if not self.names or _matches(one, self.names)]
        kept = [one for one in named if self._tagged(tags[one]) and not self._without(one)]
        if not kept:
            raise SelectionError(
                f"no stack is selected: of {counted(len(tags), 'stack')}, {len(named)} have such a"
                f" name, and --tag and --not leave none; `cloud-siem fleet list` shows all"
            )
        # A shard may have nothing to do: with more parts than stacks that is nobody's mistake.
        return tuple(one for one in kept if self.shard is None or self.shard.has(one))

    def _refuse_unknown(self, known: Iterable[str]) -> None:
        stacks = set(known)
        for name in self.names:
            if not _WILD & set(name) and name not in stacks:
                hint = did_you_mean(name, stacks) or "`cloud-siem fleet list` shows all"
                raise SelectionError(f"there is no stack {name}; {hint}")

    def _tagged(self, tags: Mapping[str, str] | None) -> bool:
        if tags is None:
            return True
        return all(
            fnmatchcase(tags.get(key, ""), value) and key in tags for key, value in self.tags
        )

    def _without(self, name: str) -> bool:
        return _matches(name, self.without)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, one) for one in patterns)
