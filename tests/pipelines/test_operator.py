"""The operator's resources against its schema, and the drift review as the pod runs it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import engine
from places import VENV
from tests.engine.engine import ROOT
from tests.pipelines.site import Ran, Site
from tests.pipelines.test_lint import run

SHIPPED = ROOT / "pipelines" / "operator"
CRD = "OPERATOR_CRD"
"""Names the file of the operator's CustomResourceDefinition, which is not part of this project."""


FACTS = Path(__file__).parent / "stack.schema.json"
"""The fields of it that our resources have."""


def shipped(name: str) -> list[Any]:
    return list(yaml.safe_load_all((SHIPPED / name).read_text()))


def closed(schema: Any) -> Any:
    """The same schema, which takes no property that it does not name: the cluster drops those."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    named = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    if named and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def test_the_stacks_have_fields_that_the_operator_knows() -> None:
    schema = json.loads(FACTS.read_text())
    spec = Draft202012Validator(schema)

    for one in shipped("stacks.yaml"):
        assert (one["apiVersion"], one["kind"]) == (schema["apiVersion"], "Stack")
        spec.validate(one["spec"])


@pytest.mark.skipif(
    CRD not in os.environ, reason=f"set {CRD} to the file of the operator's pulumi.com_stacks.yaml"
)
def test_the_stacks_are_of_the_operators_schema() -> None:
    definition = yaml.load(Path(os.environ[CRD]).read_text(), yaml.CSafeLoader)
    (version,) = [one for one in definition["spec"]["versions"] if one["storage"]]
    schema = version["schema"]["openAPIV3Schema"]
    spec = Draft202012Validator(closed(schema["properties"]["spec"]))

    for one in shipped("stacks.yaml"):
        assert (one["apiVersion"], one["kind"]) == (f"pulumi.com/{version['name']}", "Stack")
        spec.validate(one["spec"])


def test_everything_that_is_applied_is_there_and_no_secret_among_it() -> None:
    (whole,) = shipped("kustomization.yaml")

    applied = [one for name in whole["resources"] for one in shipped(name)]

    assert {one["kind"] for one in applied} == {
        "ClusterRoleBinding",
        "CronJob",
        "Namespace",
        "ServiceAccount",
        "Stack",
    }
    (example,) = SHIPPED.glob("*.example.yaml")
    for secret in shipped(example.name):
        assert set(secret["stringData"].values()) == {""}


def test_pods_run_as_nobody_on_a_root_that_they_cannot_write() -> None:
    for container in pod()["initContainers"] + pod()["containers"]:
        secured = container["securityContext"]
        assert secured["readOnlyRootFilesystem"] is True
        assert secured["allowPrivilegeEscalation"] is False
        assert secured["capabilities"] == {"drop": ["ALL"]}
    (stack,) = shipped("stacks.yaml")
    workspace = stack["spec"]["workspaceTemplate"]["spec"]
    assert workspace["securityProfile"] == "restricted"


def test_hadolint_finds_nothing() -> None:
    run("hadolint", ROOT / "pipelines" / "Containerfile")


def test_the_image_checks_with_our_own_tools_what_it_copies() -> None:
    """Each path that it takes from the checkout exists, and what it runs is locked with hashes."""
    text = (ROOT / "pipelines" / "Containerfile").read_text()
    taken = [
        name
        for line in text.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]

    assert all((ROOT / one).exists() for one in taken)
    for line in text.splitlines():
        if "pip install" in line or "pip download" in line:
            assert "--require-hashes" in line or "--no-index" in line


# --- the drift review, run ------------------------------------------------------------------------


def pod() -> dict[str, Any]:
    (job,) = shipped("drift.yaml")
    found: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def morning(site: Site) -> Ran:
    """The containers of the job, one after the other, as the pod runs them; how the last one ended.

    Its volumes are folders of ours, and the repository is that of the site.
    """
    volumes = {one["name"]: site.new_folder(one["name"]) for one in pod()["volumes"]}
    environment = site.machine | site.credentials("review")
    environment["PATH"] = f"{VENV / 'bin'}:{environment['PATH']}"
    for container in pod()["initContainers"] + pod()["containers"]:
        places = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
        command = [*container["command"], *container.get("args", [])]
        folder = _here(container.get("workingDir", "/tmp"), places)  # noqa: S108 - the pod's
        done = site.ran([_here(one, places, site) for one in command], Path(folder), environment)
        if done.code:
            break
    return done


def _here(text: str, places: dict[str, Path], site: Site | None = None) -> str:
    """A path of the pod, or the address of the repository, as it is on this machine."""
    if site and text == "https://git.example.com/soc/siem.git":
        return site.origin.as_uri()
    mounts = "|".join(re.escape(one) for one in places)
    return re.sub(rf"({mounts})(?=/|$)", lambda found: str(places[found[1]]), text)


@pytest.mark.engine
def test_the_job_ends_well_in_sync_and_with_7_when_it_finds_drift(site: Site) -> None:
    """It asks, and may do nothing else; the log names what is not as declared."""
    site.declare({"actiontrail": {"cloud_siem_trail_actiontrail": "open"}})
    site.commit()

    assert morning(site).code == 0

    site.siem.switch("actiontrail", "cloud_siem_trail_actiontrail", state="closed")
    drifted = morning(site)

    assert drifted.code == 7
    assert "cloud_siem_trail_actiontrail is closed, declared open" in drifted.text


# --- the update, run ------------------------------------------------------------------------------


def updated(site: Site) -> Ran:
    """What the operator's agent runs in the newest commit of the branch, as the resource says."""
    (resource,) = shipped("stacks.yaml")
    spec = resource["spec"]
    literals = {name: one["literal"]["value"] for name, one in spec["envRefs"].items()}
    environment = site.machine | site.backend | site.credentials("apply") | literals
    environment["PATH"] = f"{VENV / 'bin'}:{engine.ready()}:{environment['PATH']}"
    options = ["--refresh"] if spec["refresh"] else []
    stack = spec["stack"].rpartition("/")[2]
    command = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", "--non-interactive"]
    return site.ran([*command, *options], site.clone(spec["branch"], 1), environment)


@pytest.mark.engine
def test_the_operator_sets_back_what_was_closed_and_closes_nothing_itself(site: Site) -> None:
    """A commit that closes something is refused until somebody raises the limit in the resource."""
    log = ("actiontrail", "cloud_siem_trail_actiontrail")
    mended = updated(site)
    assert mended.code == 0, mended.text
    assert site.siem.status(*log)

    site.declare({"actiontrail": {"cloud_siem_trail_actiontrail": "closed"}})
    site.commit()
    refused = updated(site)

    assert refused.code != 0
    assert "1 log would close" in refused.text
    assert site.siem.status(*log)
