"""docs/gitops.md is true: what it names is there, and what it shows is taken."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.engine.engine import ROOT
from tests.pipelines import github, gitlab
from tests.pipelines.test_lint import WORKFLOWS

PAGE = (ROOT / "docs" / "gitops.md").read_text()


def part(heading: str) -> str:
    """What stands below a heading of the second order."""
    (found,) = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    return str(found)


def test_it_tells_everything_that_stands_in_for_a_platform() -> None:
    rows = [("GitHub", f"`{one}`", text) for one, text in github.STAND_INS.items()]
    rows += [("GitLab", f"`{one}`", text) for one, text in gitlab.STAND_INS.items()]
    rows += [("both", "`make setup`, `tools/setup.py`", "the environment that the tests run in")]
    lines = ["| platform | step | what stands in for it |", "|---|---|---|"]
    table = "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])

    assert re.search(r"<!-- stand-ins: .*? -->\n(.*?)\n<!--", PAGE, re.DOTALL)[1] == table  # type: ignore[index]


def test_it_names_every_setting_that_the_workflows_read() -> None:
    text = "".join(file.read_text() for file in WORKFLOWS)
    read = set(re.findall(r"\b(?:vars|secrets)\.([A-Z_]+)", text))
    read |= {"cloud-siem", "cloud-siem-close"}  # environments

    named = set(re.findall(r"`([\w-]+)`", part("GitHub in five minutes")))

    assert read <= named


def test_it_names_every_variable_that_the_pipeline_reads_and_sets_nowhere() -> None:
    text = gitlab.SHIPPED.read_text()
    own = set(gitlab.shipped()["variables"]) | {"STACK", "CLOUD_ID_TOKEN", "PATH", "PWD"}
    read = {
        one
        for one in re.findall(r"\$\{?([A-Z_]+)", text)
        if not one.startswith(("CI_", "ALIBABA_CLOUD_"))
    }

    named = set(re.findall(r"`(\w+)`", part("GitLab in five minutes")))

    assert read - own <= named


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_it_says_what_each_workflow_is_for(file: Path) -> None:
    assert f"| `{file.name}` |" in part("GitHub in five minutes")


def test_the_trust_policy_is_json_and_lets_two_environments_in() -> None:
    (policy,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (statement,) = json.loads(policy)["Statement"]

    subjects = statement["Condition"]["StringEquals"]["oidc:sub"]

    environments = set(re.findall(r"'(cloud-siem[a-z-]*)'", workflow_of("deploy-stack")))
    assert {one.rpartition(":")[2] for one in subjects} == environments


def workflow_of(name: str) -> str:
    return (github.SHIPPED / f"{name}.yml").read_text()
