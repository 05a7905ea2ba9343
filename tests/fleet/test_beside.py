"""Which stack files travel with a task, and that a worker elsewhere sees them there."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.beside import Beside
from cloud_siem.fleet.running import _project
from cloud_siem.fleet.tasks import Operation, Task
from cloud_siem.other_stacks import read_other_stacks
from cloud_siem.project import Project
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT

PULUMI = "{name: mine, runtime: python, stackConfigDir: conf/stacks}"


def text(account: str, deliveries: str = "{sas: {a: open}}", more: str = "") -> str:
    return (
        f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n'
        f"{more}  cloud-siem:deliveries: {deliveries}\n"
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Files about three accounts, one that only Pulumi can read, and one that is not text."""
    (tmp_path / "Pulumi.yaml").write_text(PULUMI)
    folder = tmp_path / "conf" / "stacks"
    folder.mkdir(parents=True)
    files = {
        "a": text(ACCOUNT),
        "b": text(ACCOUNT),
        "c": text(OTHER_ACCOUNT),
        "m": text(ACCOUNT, more=f'  cloud-siem:member: "{MEMBER}"\n'),
        "secret": text(OTHER_ACCOUNT).replace(f'"{OTHER_ACCOUNT}"', "{secure: AAAB}"),
    }
    for name, content in files.items():
        (folder / f"Pulumi.{name}.yaml").write_text(content)
    (folder / "Pulumi.binary.yaml").write_bytes(text(OTHER_ACCOUNT).encode("utf-16"))
    return Project.find(tmp_path)


def stacks(texts: object) -> list[str]:
    assert isinstance(texts, dict)
    return [one.removeprefix("Pulumi.").removesuffix(".yaml") for one in texts]


def test_those_travel_that_may_be_about_the_same_account(project: Project) -> None:
    """Without the task's own; so a task is small however large the fleet is."""
    beside = Beside.read(project)

    assert stacks(beside.of("Pulumi.a.yaml", [ACCOUNT])) == ["b", "binary", "m", "secret"]
    assert stacks(beside.of("Pulumi.m.yaml", [MEMBER])) == ["binary", "secret"]
    assert stacks(beside.of("Pulumi.c.yaml", [OTHER_ACCOUNT])) == ["binary", "secret"]
    assert Beside().of("Pulumi.a.yaml", [ACCOUNT]) == {}


def test_a_worker_elsewhere_reads_of_the_others_what_is_read_here(project: Project) -> None:
    """What cannot be read here is not known there."""
    own = project.stack_file("a")
    task = Task(
        stack="a",
        operation=Operation.UP,
        text=own.read_text(),
        project={"Pulumi.yaml": PULUMI},
        accounts=(ACCOUNT,),
        beside=Beside.read(project).of(own.name, (ACCOUNT,)),
    )
    here = read_other_stacks(own, {}, [ACCOUNT])
    with _project(pickle.loads(pickle.dumps(task))) as folder:  # noqa: S301 - our own
        elsewhere = Project.find(folder)
        assert elsewhere.stack_folder == folder / "conf" / "stacks"
        there = read_other_stacks(elsewhere.stack_file("a"), {}, [ACCOUNT])

    assert [(one.stack, one.key) for one in there.claims] == [
        (one.stack, one.key) for one in here.claims
    ]
    assert len(there.unknown) == len(here.unknown) == 2


def test_a_stack_folder_out_of_the_project_is_refused_on_a_worker(project: Project) -> None:
    """It would be a folder that tasks share."""
    task = Task(
        stack="a",
        operation=Operation.UP,
        text=text(ACCOUNT),
        project={"Pulumi.yaml": "{name: mine, stackConfigDir: ../shared}"},
    )
    with pytest.raises(CloudSiemError, match=r"stackConfigDir leads out .* \(\.\./shared\)"):
        _project(replace(task)).__enter__()
