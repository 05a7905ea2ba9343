"""Version numbers, as far as ``doctor`` compares them: parts of digits, and simple bounds."""

from __future__ import annotations

import re
from collections.abc import Sequence


def version_of(text: str) -> tuple[int, ...]:
    """The number at the start, e.g. ``(3, 259, 0)`` of ``v3.259.0-dev``; empty without one."""
    found = re.match(r"v?([0-9]+(?:\.[0-9]+)*)", text.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def requirement_of(text: str) -> tuple[str, str]:
    """Name and bounds of a requirement, e.g. ``("pulumi", "<4,>=3.216")``.

    No name for what only an extra, or another system, needs.
    """
    found = re.match(r"([A-Za-z0-9._-]+)\s*([^;]*)(;?)", text)
    if not found or found[3]:
        return "", ""
    return found[1], found[2].strip()


def within(version: str, bounds: str) -> bool:
    """Whether a version keeps to bounds of the form ``<4,>=3.216``, as our own are."""
    mine = version_of(version)
    rules = [re.fullmatch(r"(<|>=)([0-9.]+)", one.strip()) for one in bounds.split(",")]
    return bool(mine) and all(_keeps(mine, rule[1], version_of(rule[2])) for rule in rules if rule)


def _keeps(mine: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    return mine < bound if sign == "<" else mine >= bound
