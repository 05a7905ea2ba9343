"""`pulumi install` in a clone: where it makes its environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.engine import ROOT, clean_environment

pytestmark = pytest.mark.engine


def install(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Without a package index: to find out where, no package is needed."""
    return subprocess.run(
        ["pulumi", "install", "--non-interactive"],
        cwd=folder,
        env=clean_environment()
        | {
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent),
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": folder.parent.as_uri(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PIP_NO_INDEX": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("project", ["Pulumi.yaml", "policies/PulumiPolicy.yaml"])
def test_an_environment_is_made_where_the_project_says_and_not_over_it(
    tmp_path: Path, pulumi_home: Path, project: str
) -> None:
    """The project of this repository, and the policy pack, say .venv."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / project, folder)
    name = Path(project).name

    said = install(folder, pulumi_home)

    assert (folder / ".venv" / "pyvenv.cfg").is_file(), said.stdout + said.stderr
    assert sorted(one.name for one in folder.iterdir()) == [".venv", name]


def test_an_environment_that_is_there_stays_as_it_is(tmp_path: Path, pulumi_home: Path) -> None:
    """That of `make setup`."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    before = python.lstat().st_mtime_ns, (folder / ".venv" / "pyvenv.cfg").read_text()

    install(folder, pulumi_home)

    assert (python.lstat().st_mtime_ns, (folder / ".venv" / "pyvenv.cfg").read_text()) == before
    assert sorted(one.name for one in folder.iterdir()) == [".venv", "Pulumi.yaml"]
