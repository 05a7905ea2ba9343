from __future__ import annotations

import pytest

from cloud_siem.versions import dotted, requirement_of, version_of, within


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("3.227.0-dev.1+dirty", (3, 227, 0)),
        ("6.0.1rc1", (6, 0, 1)),
        ("", ()),
        ("dev", ()),
    ],
)
def test_a_version_is_the_number_at_its_start(text: str, version: tuple[int, ...]) -> None:
    """Whatever follows it; without one there is none."""
    assert version_of(text) == version
    assert not version or text.strip().lstrip("v").startswith(dotted(version))


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("pulumi<4,>=3.216", ("pulumi", "<4,>=3.216")),
        ("pyyaml (>=6)", ("pyyaml", "(>=6)")),
        ('aiohttp<4,>=3.12; extra == "emulator"', ("", "")),
    ],
)
def test_a_requirement_has_a_name_and_bounds(text: str, requirement: tuple[str, str]) -> None:
    """What only an extra needs is not needed."""
    assert requirement_of(text) == requirement


@pytest.mark.parametrize(
    ("version", "holds"),
    [("3.216", True), ("3.215.9", False), ("3.216.0", True), ("3.999", True), ("4.0", False),
     ("", False)],
)  # fmt: skip
def test_bounds_are_kept_number_by_number(version: str, holds: bool) -> None:
    """Not as text: 3.9 is older than 3.216."""
    assert within(version, "<4,>=3.216") is holds
    assert not within("3.9", "<4,>=3.216")
