"""Chance that comes out the same for the same seed."""

from __future__ import annotations

from random import Random


def chance(*seed: object) -> Random:
    """Of a campaign's round, say: other seeds, other rounds and other machines do not matter."""
    return Random(":".join(map(str, seed)))  # noqa: S311 - to be repeated is what it is for
