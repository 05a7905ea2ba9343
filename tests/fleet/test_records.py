"""The record of a good run: it stands for an export as long as nothing changed, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_siem.exporting import NoStackError
from cloud_siem.fleet.records import Records
from cloud_siem.recorded import Recorded
from cloud_siem.stack import Stack
from tests.conftest import HERE

STACK = Stack(name="dev", perspective=HERE)
EXPORTED = Recorded(perspective=HERE, foreign="as exported")


class Machine:
    """A project with a backend of files, and an engine that counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.state = folder / "backend" / ".pulumi" / "stacks" / "cloud-siem" / "dev.json"
        self.state.parent.mkdir(parents=True)
        self.state.write_text("{}")
        self.program = self.project / "__main__.py"
        self.program.write_text("import cloud_siem, parts.logs")
        self.part = self.project / "parts" / "logs.py"
        self.part.parent.mkdir()
        self.part.write_text("STATE = 'open'")
        (self.project / "Pulumi.yaml").write_text("name: cloud-siem")
        self.text = "config: {}"
        self.environ = {
            "PULUMI_BACKEND_URL": (folder / "backend").as_uri(),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.exports = 0
        self.meanwhile = ""
        """What somebody else writes into the state while it is exported."""

    def records(self) -> Records:
        """Of a new run."""
        return Records(self.project, {"dev": self.text}, self.environ, self.export)

    def export(self, _stack: Stack) -> Recorded:
        self.exports += 1
        if self.meanwhile:
            self.state.write_text(self.meanwhile)
        return EXPORTED

    def run(self) -> Recorded | None:
        """A run that finds nothing to do."""
        records = self.records()
        found = records.recorded(STACK)
        records.note("dev")
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_second_run_is_spared_the_export(machine: Machine) -> None:
    assert machine.run() is EXPORTED
    assert machine.run() is None
    assert machine.exports == 1


@pytest.mark.parametrize("changed", ["state", "program", "project", "folder", "text"])
def test_whatever_it_went_by_has_changed_the_export_is_taken_again(
    machine: Machine, changed: str
) -> None:
    machine.run()
    match changed:
        case "state":
            machine.state.write_text('{"by": "somebody else"}')
        case "program":
            machine.program.write_text("import cloud_siem  # changed")
        case "project":
            (machine.project / "helpers.py").write_text("")
        case "folder":
            machine.part.write_text("STATE = 'closed'")
        case "text":
            machine.text = "config: {a: b}"

    assert machine.records().recorded(STACK) is EXPORTED


def test_without_a_comparison_that_found_nothing_to_do_there_is_no_record(machine: Machine) -> None:
    machine.records().recorded(STACK)

    assert machine.records().recorded(STACK) is EXPORTED


def test_a_state_that_changed_while_it_was_exported_leaves_no_record(machine: Machine) -> None:
    machine.meanwhile = '{"by": "somebody else"}'
    machine.run()
    machine.meanwhile = ""

    assert machine.run() is EXPORTED
    assert machine.run() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"digest": 7}'])
def test_a_record_that_is_damaged_is_none(machine: Machine, tmp_path: Path, damage: str) -> None:
    machine.run()
    (record,) = (tmp_path / "cache" / "cloud-siem" / "fleet" / "records").iterdir()
    record.write_text(damage)

    assert machine.run() is EXPORTED
    assert machine.run() is None


@pytest.mark.parametrize("url", ["", "s3://bucket", "file:///elsewhere"])
def test_a_backend_whose_state_cannot_be_seen_is_always_asked(machine: Machine, url: str) -> None:
    machine.environ["PULUMI_BACKEND_URL"] = url

    assert [machine.run(), machine.run()] == [EXPORTED, EXPORTED]


def test_a_project_without_a_name_is_always_asked(machine: Machine) -> None:
    (machine.project / "Pulumi.yaml").write_text("name: [")

    assert [machine.run(), machine.run()] == [EXPORTED, EXPORTED]


def test_a_cache_that_cannot_be_written_costs_the_next_run_an_export(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file in its place")

    assert [machine.run(), machine.run()] == [EXPORTED, EXPORTED]


def test_a_relative_cache_is_not_taken(machine: Machine, tmp_path: Path) -> None:
    """The XDG specification says so; what is meant depends on where one stands."""
    machine.environ |= {"XDG_CACHE_HOME": "cache", "HOME": str(tmp_path / "home")}
    machine.run()

    assert list((tmp_path / "home" / ".cache" / "cloud-siem" / "fleet" / "records").iterdir())


def test_a_stack_that_nobody_made_has_nothing_recorded(machine: Machine) -> None:
    def unknown(_stack: Stack) -> Recorded:
        raise NoStackError("no stack named dev")

    records = Records(machine.project, {"dev": ""}, machine.environ, unknown)
    found = records.recorded(STACK)
    records.note("dev")

    assert found == Recorded(perspective=HERE)
    assert machine.records().recorded(STACK) is EXPORTED
