"""Where values stand in a text; ``stackfile`` fills it, ``stack`` says with it where a fault is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from cloud_siem.errors import Place

Keys = tuple[str, ...]
"""The keys that lead to a value, e.g. ``("cloud-siem:deliveries", "sas")``."""


class Mark(Protocol):
    """A place as YAML parsers have it, line and column counted from 0."""

    line: int
    column: int


def place_at(mark: Mark, file: str) -> Place:
    """A mark as a person counts."""
    return Place(file=file, line=mark.line + 1, column=mark.column + 1)


class Places(Mapping[Keys, Place]):
    """Where the values stand, by their keys; made into ``Place`` only when asked for.

    ``places[keys]`` is the place of the value itself where it is a scalar, and of its key where it
    is a mapping or empty. ``()`` is the place of ``config:``.
    """

    def __init__(self, file: str, at: Mapping[Keys, tuple[Mark, Mark]]) -> None:
        self._file = file
        self._at = at

    def __getitem__(self, keys: Keys) -> Place:
        return place_at(self._at[keys][1], self._file)

    def __iter__(self) -> Iterator[Keys]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def key(self, keys: Keys) -> Place:
        """The place of the last of these keys."""
        return place_at(self._at[keys][0], self._file)
