"""Every pipeline passes the linters of its kind, offline; and what they cannot see is held here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import linters
from places import VENV
from tests.engine.engine import ROOT
from tests.pipelines import github, gitlab

WORKFLOWS = sorted((ROOT / "pipelines" / "github").glob("*.yml"))
OURS = ROOT / ".github" / "workflows" / "ci.yml"
ALL = [*WORKFLOWS, OURS]


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run what must find nothing."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": f"{VENV / 'bin'}:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def of(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text())
    return read


def test_actionlint_finds_nothing_and_shellcheck_nothing_in_the_steps(tmp_path: Path) -> None:
    """In a repository as a user has it, where one workflow calls the other."""
    place = tmp_path / ".github" / "workflows"
    place.mkdir(parents=True)
    for file in ALL:
        shutil.copy(file, place)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert (VENV / "bin" / "shellcheck").exists(), "actionlint would do without it"

    run(linters.actionlint(), "-shellcheck", "shellcheck", folder=tmp_path)


def test_zizmor_finds_nothing() -> None:
    run("zizmor", "--offline", "--no-progress", "--strict-collection", *ALL)


def test_the_workflows_are_of_githubs_schema() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *ALL)


def test_the_pipeline_is_of_gitlabs_schema() -> None:
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    run("check-jsonschema", *schema, gitlab.SHIPPED)


def test_shellcheck_finds_nothing_in_the_scripts_of_gitlab(tmp_path: Path) -> None:
    """Each job as the runner puts it together."""
    for name, script in gitlab.scripts().items():
        file = tmp_path / name
        file.write_text(f"#!/bin/bash\nset -eo pipefail\n{script}\n")
        run("shellcheck", file)


# --- what no linter holds -------------------------------------------------------------------------


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.name)
def test_every_job_says_what_it_may_and_how_long(file: Path) -> None:
    """Nothing by default; who posts has no session of the cloud, and who has one posts nothing."""
    assert of(file)["permissions"] == {}
    for name, job in of(file)["jobs"].items():
        writes = {key for key, value in job["permissions"].items() if value == "write"}
        assert len(writes) <= 1, name
        assert "uses" in job or "timeout-minutes" in job, name


def test_the_required_check_runs_in_a_merge_queue_too() -> None:
    """And runs of two queue entries do not cancel one another."""
    workflow = of(ROOT / "pipelines" / "github" / "preview.yml")

    assert set(workflow[True]) == {"pull_request", "merge_group"}, "YAML takes `on` for true"  # type: ignore[index]
    assert "validate" in workflow["jobs"]
    assert "if" not in workflow["jobs"]["validate"]
    assert "github.ref" in workflow["concurrency"]["group"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_nothing_waits_for_a_comment_or_an_issue(file: Path) -> None:
    """So one that cannot be written hides nothing, and stops nothing."""
    jobs = of(file)["jobs"]
    posting = {
        name
        for name, job in jobs.items()
        if {"pull-requests", "issues"} & job["permissions"].keys()
    }

    for job in jobs.values():
        needs = job.get("needs", [])
        assert not posting & set([needs] if isinstance(needs, str) else needs)


def test_every_action_is_pinned_to_one_digest_and_has_something_that_stands_in() -> None:
    used = [found for file in ALL for found in re.findall(r"uses: ([^\s.]\S+)", file.read_text())]
    digests: dict[str, set[str]] = {}
    for one in used:
        name, _, digest = one.partition("@")
        digests.setdefault(name, set()).add(digest)

    assert set(digests) == set(github.STAND_INS)
    for name, pins in digests.items():
        (pin,) = pins
        assert re.fullmatch(r"[0-9a-f]{40}", pin), name


def test_what_gitlab_may_run_is_every_stack_there_is() -> None:
    """The one list that is written by hand."""
    (entry,) = gitlab.shipped()[".stacks"]
    listed = subprocess.run(
        [sys.executable, "-m", "cloud_siem.cli", "fleet", "list", "--names"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert entry["STACK"] == json.loads(listed.stdout)
