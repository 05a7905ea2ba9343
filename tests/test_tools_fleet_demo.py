"""The fleet's demo: the world and the stacks that it makes, and that it fails where it should."""

from pathlib import Path

import pytest

import fleet_demo
from cloud_siem.loading import load_files
from places import ToolError
from siem_emulator.worldfile import load_world


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fleet_demo, "FOLDER", tmp_path / "fleet")
    monkeypatch.setattr(fleet_demo, "PROJECT", tmp_path / "fleet" / "project")
    fleet_demo.make_world()
    fleet_demo.make_project()
    return tmp_path / "fleet"


def test_every_account_has_a_stack_and_one_does_not_trust_the_administrator(made: Path) -> None:
    stacks, reasons = load_files(sorted((made / "project" / "stacks").iterdir()), {})
    world = load_world(made / "world.json")
    trusting = {
        one.id
        for one in world.accounts.values()
        if any(fleet_demo.ADMINISTRATOR in role.trusts for role in one.roles)
    }

    assert reasons == ()
    assert {one.perspective.account for one in stacks} == set(
        world.members[fleet_demo.ADMINISTRATOR]
    )
    assert len(stacks) == fleet_demo.ACCOUNTS
    assert set(world.accounts) - trusting == {fleet_demo.account(fleet_demo.BROKEN)}
    assert fleet_demo.BROKEN not in fleet_demo.BY_HAND


COUNTS = dict.fromkeys(
    ("failed", "refused", "notStarted", "changed", "unchanged", "skipped", "opened", "closed"), 0
)


@pytest.mark.parametrize("wrong", [{"changed": 2}, {"changed": 3, "closed": 1}, {"failed": 3}])
def test_a_run_that_came_to_something_else_fails_the_demo(wrong: dict[str, int]) -> None:
    fleet_demo.expect({**COUNTS, "changed": 3}, changed=3)
    with pytest.raises(ToolError, match="and it should have been"):
        fleet_demo.expect({**COUNTS, **wrong}, changed=3)


def test_it_takes_no_arguments() -> None:
    with pytest.raises(ToolError, match="takes no arguments"):
        fleet_demo.main(["up"])
