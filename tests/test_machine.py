from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cloud_siem import machine
from cloud_siem.machine import DISTRIBUTION, HOST_PARTS, Runtime, engine_command
from cloud_siem.project import Project
from cloud_siem.version import __version__

Programs = Callable[..., Mapping[str, str]]
"""Makes programs of these names, with these lines of shell; returns an environment with them."""


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """A PATH that has what a test puts there, and nothing else."""

    def make(**scripts: str) -> Mapping[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, lines in scripts.items():
            program = folder / name.replace("_", "-")
            program.write_text(f"#!/bin/sh\n{lines}\n")
            program.chmod(0o755)
        return {"PATH": str(folder), "HOME": str(tmp_path)}

    return make


HOST = {part.replace("-", "_"): "" for part in HOST_PARTS}

# --- the engine -----------------------------------------------------------------------------------


def test_the_engine_tells_its_version_and_its_parts_are_looked_for_beside_it(
    programs: Programs, tmp_path: Path
) -> None:
    """Also where pulumi on PATH is a link, as package managers make them."""
    environ = programs(pulumi='echo "v3.259.0"', **HOST)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "pulumi").symlink_to(tmp_path / "bin" / "pulumi")
    found = machine.engine({**environ, "PATH": str(tmp_path / "link")})

    assert found
    assert found.version.said == "v3.259.0\n"
    assert found.missing == ()


def test_without_an_engine_or_its_parts_that_is_said(programs: Programs) -> None:
    """Nothing is started that is not there."""
    assert machine.engine({"PATH": "/nowhere"}) is None
    found = machine.engine(programs(pulumi="echo v3.259.0"))

    assert found
    assert found.missing == HOST_PARTS


def test_an_engine_that_fails_is_told_by_its_first_line(programs: Programs) -> None:
    """Without the password of its backend, and without an end to wait for."""
    said = 'echo; echo "error: open postgres://me:secret@host/x: no"; echo more; exit 3'
    found = machine.engine(programs(pulumi=f"{{ {said} ; }} >&2"))

    assert found
    assert found.version.failure == "open postgres://***@host/x: no"


def test_a_program_that_says_nothing_or_does_not_end_is_told(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that is no program."""
    monkeypatch.setattr(machine, "SECONDS", 1)
    environ = programs(silent="exit 3", endless="while :; do :; done")

    assert machine.ask(["silent"], environ).failure == "silent ended with 3"
    assert machine.ask(["endless"], environ).failure == "endless did not answer within 1 s"
    assert machine.ask(["/etc/passwd"], environ).failure == (
        "passwd does not start: Permission denied"
    )


def test_the_version_is_asked_for_without_a_trace_in_the_persons_home(
    programs: Programs, tmp_path: Path
) -> None:
    """The engine writes a log wherever PULUMI_HOME is."""
    environ = {**programs(pulumi=': > "$PULUMI_HOME/log"'), "PULUMI_HOME": str(tmp_path)}
    machine.engine(environ)

    assert not (tmp_path / "log").exists()


# --- stacks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('[{"name": "dev"}, {"name": "org/prod"}]', (["dev", "prod"], "")),
        ("[]", ([], "")),
        ("none", ([], "it says something that is no list of stacks")),
        ('{"dev": 1}', ([], "it says something that is no list of stacks")),
    ],
)
def test_stacks_are_those_that_the_engine_lists(
    said: str, found: tuple[list[str], str], programs: Programs, tmp_path: Path
) -> None:
    """By name alone, whoever's they are."""
    environ = programs(pulumi=f"echo '{said}'")
    engine = machine.engine(environ)

    assert engine
    assert machine.stacks(engine, tmp_path, environ) == found


# --- the project ----------------------------------------------------------------------------------


def test_the_python_is_that_of_the_environment_which_the_project_asks_for(
    programs: Programs, tmp_path: Path
) -> None:
    """The variable of the engine goes first, and without either it is the one on PATH."""
    asks = "name: x\nruntime: {name: python, options: {virtualenv: .venv}}\n"
    (tmp_path / "Pulumi.yaml").write_text(asks)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    mine = tmp_path / ".venv" / "bin" / "python"
    mine.symlink_to(sys.executable)
    environ = programs(python3="")
    project = Project.find(tmp_path)

    assert machine.runtime(project, environ) == Runtime(python=str(mine), virtualenv=".venv")

    other = {**environ, "PULUMI_RUNTIME_VIRTUALENV": "elsewhere"}
    assert machine.runtime(project, other) == Runtime(virtualenv="elsewhere")

    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    on_path = str(tmp_path / "bin" / "python3")
    assert machine.runtime(Project.find(tmp_path), environ) == Runtime(python=on_path)


def test_a_python_tells_what_is_installed_in_it() -> None:
    """Our own distribution, and what it needs."""
    found = machine.interpreter(sys.executable, os.environ)

    assert found.version == sys.version_info[:3]
    assert found.packages[DISTRIBUTION] == __version__
    assert {"pulumi", "pyyaml", "alibabacloud-tea-openapi"} <= found.packages.keys()
    assert any(one.startswith("pulumi<4") for one in found.requires)


def test_a_python_without_our_package_has_none(tmp_path: Path) -> None:
    """As the system's own; one that does not start says so."""
    bare = machine.interpreter(os.path.realpath(sys.executable), {"PATH": "/usr/bin:/bin"})
    broken = machine.interpreter(str(tmp_path), {})

    assert bare.packages == {}
    assert bare.version
    assert broken.failure.endswith("does not start: Permission denied")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_command_line_of_the_engine_is_that_of_the_nearest_one_above(
    tmp_path: Path, depth: int
) -> None:
    """A shell may stand between it and the provider's process."""
    pulumi = tmp_path / "pulumi"
    asks = "from cloud_siem.machine import engine_command as c; print('|'.join(c()))"
    between = "sh -c '\"$@\"; true' sh " * depth
    pulumi.write_text(f'#!/bin/sh\n{between}{sys.executable} -c "{asks}"\ntrue\n')
    pulumi.chmod(0o755)

    said = subprocess.run(
        [str(pulumi), "up", "--target", "a b"], capture_output=True, text=True, check=True
    ).stdout

    assert said.split("|")[-4:] == ["up", "--target", "a b", "\n"]


def test_without_an_engine_above_there_is_no_command_line() -> None:
    assert engine_command(1) == ()
    assert engine_command(2**30) == ()
