"""The project and its stack files as the real engine has them, and the advice for removed ones."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.loading import MAX_HANDED, config_size, load_files
from cloud_siem.project import Project
from cloud_siem.stackfile import read_stack_file
from tests.engine.engine import STACK, TIMEOUT_S, Engine, clean_environment, written

PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
PROTECTED: Mapping[str, Any] = {"sas": {PROC: {"state": "open", "protect": True}, DNS: "open"}}


# --- where the files are --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"Pulumi.yaml": "stackConfigDir: conf/stacks"}, "."),
        ({"Pulumi.yaml": "stackConfigDir: /conf"}, "."),
        ({"Pulumi.yaml": "config: conf"}, "."),
        ({"Pulumi.yaml": "main: src"}, "src"),
        ({"Pulumi.yml": "stackConfigDir: conf", "src/x": ""}, "src"),
        ({"Pulumi.yaml": "stackConfigDir: a", "Pulumi.yml": "stackConfigDir: b"}, "."),
        ({"Pulumi.json": '"stackConfigDir": "a"', "Pulumi.yaml": "stackConfigDir: b"}, "."),
    ],
)
def test_the_engine_writes_a_stack_file_where_we_look_for_it(
    files: Mapping[str, str], where: str, tmp_path: Path, pulumi_home: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        head = (
            '"name": "x", "runtime": "python"' if name.endswith("json") else "name: x, runtime: go"
        )
        (tmp_path / name).write_text(f"{{{head}, {text}}}")
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / "state").mkdir()
    project = Project.find(tmp_path / where)
    project.stack_folder.mkdir(parents=True, exist_ok=True)
    environment = clean_environment() | {
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "scratch",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    subprocess.run(
        ["pulumi", "stack", "init", STACK, "--non-interactive"],
        cwd=tmp_path / where,
        env=environment,
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )

    assert project.stack_files() == (project.stack_file(STACK),)
    assert "encryptionsalt" in project.stack_file(STACK).read_text()


def test_a_program_in_a_sub_folder_finds_its_stack_file(engine: Engine) -> None:
    """An error has its line there."""
    (engine.folder / "src").mkdir()
    (engine.folder / "__main__.py").rename(engine.folder / "src" / "__main__.py")
    project = engine.folder / "Pulumi.yaml"
    project.write_text(project.read_text() + "main: src\n")
    engine.declare({"sas": {PROC: "opne"}})

    assert re.search(r"\.\./stacks/Pulumi\.dev\.yaml:\d+:\d+: ", engine.preview().text)


# --- files that were removed ----------------------------------------------------------------------


class Removed:
    """A project in git whose stack was updated, and what `fleet removed` says of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        engine.environment["CLOUD_SIEM_CLOSE_LIMIT"] = ""
        engine.declare(PROTECTED)
        assert engine.up().code == 0
        self._run("git", "init", "--quiet")
        self.commit()

    @property
    def new(self) -> Path:
        return self.engine.folder / "stacks" / "Pulumi.prod.yaml"

    def commit(self) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@x")
        self._run("git", "add", "stacks")
        self._run("git", *who, "commit", "--quiet", "-m", "x")

    def advice(self) -> list[str]:
        """The commands that are printed, in their order; those in a sentence come first."""
        self.commit()
        command = (sys.executable, "-m", "cloud_siem.cli", "fleet", "removed", "HEAD^1")
        text = self._run(*command).stdout
        inline = re.findall(r"`(pulumi [^`]*)`", text)
        return [*inline, *re.findall(r"^    (pulumi .*)$", text, re.MULTILINE)]

    def follow(self, command: str) -> None:
        """Do what is printed, and say yes."""
        yes = ["--yes"] if " rm " in command else []
        self._run(*shlex.split(command), *yes, "--non-interactive")

    def up(self, stack: str) -> None:
        self._run("pulumi", "stack", "select", stack, "--create", "--non-interactive")
        self._run("pulumi", "up", "--yes", "--skip-preview", "--stack", stack, "--non-interactive")

    def stacks(self) -> list[str]:
        lines = self._run("pulumi", "stack", "ls", "--non-interactive").stdout.splitlines()[1:]
        return [one.split()[0].rstrip("*") for one in lines if one.strip()]

    def closed(self) -> list[str]:
        """All closes since the beginning."""
        return [one for one in written(tuple(self.engine.siem.calls.all())) if "close" in one]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.engine.folder,
            env=self.engine.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )


@pytest.fixture
def removed(engine: Engine) -> Removed:
    return Removed(engine)


def test_after_a_rename_the_printed_command_renames_the_stack_and_nothing_closes(
    removed: Removed,
) -> None:
    """Protected entries included; the file that git moved stays as it is."""
    removed.engine.file.rename(removed.new)
    text = removed.new.read_text()
    *_, rename = removed.advice()
    assert rename == "pulumi stack rename prod --stack dev"
    removed.follow(rename)
    calls = len(removed.engine.siem.calls.all())

    assert removed.new.read_text() == text
    assert removed.stacks() == ["prod"]
    removed.up("prod")
    assert len(removed.engine.siem.calls.all()) == calls, "an update has nothing to do"


def test_once_the_new_stack_was_updated_the_printed_command_removes_the_old_state(
    removed: Removed,
) -> None:
    removed.engine.file.rename(removed.new)
    remove, rename = removed.advice()
    removed.up("prod")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        removed.follow(rename)
    assert "already exists" in failed.value.stderr
    removed.follow(remove)

    removed.up("prod")
    assert removed.stacks() == ["prod"]
    assert removed.closed() == []


def test_the_engine_moves_an_old_file_over_the_new_one_as_the_advice_says(
    removed: Removed,
) -> None:
    """If it ever stops doing so, the advice has one warning too many."""
    removed.new.write_text(removed.engine.file.read_text() + "# new\n")
    removed.follow("pulumi stack rename prod --stack dev")

    assert "# new" not in removed.new.read_text()


def test_after_a_move_the_printed_command_removes_the_state_and_nothing_closes(
    removed: Removed,
) -> None:
    removed.new.write_text(re.sub(rf"\n *{DNS}: open", "", removed.engine.file.read_text()))
    removed.up("prod")
    removed.commit()
    removed.engine.file.unlink()
    (remove,) = removed.advice()
    removed.follow(remove)

    removed.up("prod")
    assert removed.stacks() == ["prod"]
    assert removed.closed() == []


@pytest.mark.parametrize("fits", [True, False])
def test_validate_knows_how_much_config_the_engine_can_hand_to_a_program(
    engine: Engine, fits: bool
) -> None:
    """Linux has a limit for one environment variable; the two agree to the byte."""
    tags = {f"tag-{at:04}": "x" * 100 for at in range(1100)}
    engine.declare({"sas": {PROC: "open"}}, tags=tags)
    room = MAX_HANDED - config_size(read_stack_file(engine.file))
    tags |= {f"more-{at:04}": "y" for at in range(room // len('\\"more-0000\\":\\"y\\",'))}
    engine.declare({"sas": {PROC: "open"}}, tags=tags)
    left = MAX_HANDED - config_size(read_stack_file(engine.file))
    tags["tag-0000"] += "z" * (left if fits else left + 1)
    engine.declare({"sas": {PROC: "open"}}, tags=tags)

    faults = [str(one) for one in load_files([engine.file], {})[1]]
    done = engine.run("preview")

    assert [("split the stack" in one) for one in faults] == ([] if fits else [True])
    assert (done.code == 0) is fits, done.text[-500:]
