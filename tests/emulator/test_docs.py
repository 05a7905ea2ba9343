"""docs/emulator.md names everything that can be set, broken or called."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from siem_emulator import Settings, control
from siem_emulator.faults import Kind
from siem_emulator.operations import OPERATIONS
from siem_emulator.world import demo_world

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_told_with_its_default(field: dataclasses.Field[object]) -> None:
    (row,) = [
        line for line in PAGE.splitlines() if line.startswith("|") and f"`{field.name}`" in line
    ]

    assert isinstance(field.default, int | float) or f"`{field.default}`" in row


@pytest.mark.parametrize("kind", Kind)
def test_every_fault_is_told(kind: Kind) -> None:
    assert f"`{kind}`" in PAGE


@pytest.mark.parametrize("name", [name for name in control._CALLS if name])
def test_every_control_call_is_told(name: str) -> None:
    assert f"/_siem/{name}`" in PAGE


@pytest.mark.parametrize("action", [action for _, action in OPERATIONS])
def test_every_operation_is_told(action: str) -> None:
    assert action in PAGE


def test_every_key_of_the_demo_world_is_told() -> None:
    for account in demo_world().accounts.values():
        key = account.keys[0]

        assert f"| `{account.id}` |" in PAGE
        assert f"`{key.id}` / `{key.secret}` |" in PAGE
