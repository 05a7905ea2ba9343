"""The hook that other repositories use: what it runs on, and that it stops a commit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOK = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))[0]
STACK = """\
config:
  cloud-siem:account: "1130916744880000"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    sas: {cloud_siem_aegis_proc: open}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a sound stack file and the hook, run from our own environment.

    With the manifest's `language: python` it would be installed from a registry first.
    """
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.one.yaml").write_text(STACK, encoding="utf-8")
    hook = {**HOOK, "language": "system"}
    (tmp_path / ".pre-commit-config.yaml").write_text(
        yaml.safe_dump({"repos": [{"repo": "local", "hooks": [hook]}]}), encoding="utf-8"
    )
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def pre_commit(folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "PRE_COMMIT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pre_commit_takes_the_definition(tmp_path: Path) -> None:
    """It is a manifest."""
    done = pre_commit(ROOT, tmp_path, "validate-manifest", str(MANIFEST))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ("stacks/Pulumi.prod.yaml", True),
        ("Pulumi.prod.eu-1.yaml", True),
        ("stacks/schema.json", False),
        ("Pulumi.yaml", False),
        ("stacks/NotPulumi.x.yaml", False),
    ],
)
def test_it_runs_when_a_stack_file_changes(file: str, runs: bool) -> None:
    """And for no other file."""
    assert bool(re.search(HOOK["files"], file)) is runs


def test_it_passes_what_is_sound_and_stops_what_is_not(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A log in two files is a fault, though only one of them changed."""
    home = tmp_path_factory.mktemp("home")
    sound = pre_commit(repository, home, "run")
    git(repository, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "-m", "x")
    (repository / "stacks" / "Pulumi.two.yaml").write_text(STACK, encoding="utf-8")
    git(repository, "add", ".")
    twice = pre_commit(repository, home, "run")

    assert (sound.returncode, twice.returncode) == (0, 1), sound.stdout + twice.stdout
    assert "sas/cloud_siem_aegis_proc is declared by stack one too" in twice.stdout
