"""docs/policies.md is true: its config is the example, its refusals are the engine's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
PACK = (ROOT / "policies" / "cloud_siem_policies" / "pack.py").read_text(encoding="utf-8")
REFUSALS = sorted((ROOT / "tests" / "golden" / "engine").glob("policy-*.txt"))


@pytest.mark.parametrize(
    "file", [ROOT / "policies" / "example.json", *REFUSALS], ids=lambda file: file.name
)
def test_what_it_shows_is_what_there_is(file: Path) -> None:
    blocks = re.findall(r"^```(?:json|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

    assert file.read_text(encoding="utf-8") in blocks


def test_it_tells_of_every_policy() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| .* \|", PAGE, re.MULTILINE) == re.findall(
        r'name="([a-z]+-[a-z]+)",\n\s+description', PACK
    )
