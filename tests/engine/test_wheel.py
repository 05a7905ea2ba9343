"""The package as other people's programs have it: from the built wheel, in another project."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from siem_emulator import EmulatorServer
from tests.engine.engine import ROOT, Engine, make_venv

PROJECT = """\
name: somebody-elses
runtime:
  name: python
  options:
    virtualenv: .venv
stackConfigDir: stacks
"""
PROGRAM = """\
import pulumi
from facts import Facts

import cloud_siem

facts = Facts("facts")
flow = cloud_siem.LogDelivery(
    "flow", account=facts.account, region="cn-hangzhou", product="vpc", log=facts.log
)
pulumi.export("package", cloud_siem.__file__)
pulumi.export("topic", flow.topic)
"""
FACTS = """\
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class _Provider(ResourceProvider):
    def create(self, props):
        found = {"account": "1130916744880000", "log": "cloud_siem_vpc_flow_log"}
        return CreateResult("facts", found)


class Facts(Resource):
    account: pulumi.Output[str]
    log: pulumi.Output[str]

    def __init__(self, name):
        super().__init__(_Provider(), name, {"account": None, "log": None})
"""


@pytest.fixture
def with_wheel(tmp_path: Path) -> Path:
    """A fresh environment with the wheel; what it needs comes from the running one."""
    wheels, venv = tmp_path / "wheels", tmp_path / "venv"
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
    (wheel,) = wheels.glob("*.whl")
    make_venv(venv)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    # Last: with it in place, pip would take the package for installed already.
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "rest.pth").write_text(sysconfig.get_path("purelib"))

    return venv


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


def test_another_projects_program_takes_values_from_another_resource(
    tmp_path: Path, pulumi_home: Path, siem: EmulatorServer, with_wheel: Path
) -> None:
    """Account and log come from another resource: unknown at the preview, which asks nothing."""
    engine = Engine(
        folder=tmp_path / "project",
        home=pulumi_home,
        siem=siem,
        program=PROGRAM,
        project=PROJECT,
        venv=with_wheel,
        quick=False,
    )
    (engine.folder / "facts.py").write_text(FACTS)

    previewed = engine.preview()

    assert (previewed.code, previewed.calls) == (0, ()), previewed.text
    assert previewed.counts == {"to create": 3}

    done = engine.up()

    assert done.code == 0, done.text
    assert done.writes == ["open vpc/cloud_siem_vpc_flow_log"]
    assert engine.state["resources"][0]["outputs"] == {
        "package": str(next(with_wheel.glob("lib/python*/site-packages/cloud_siem/__init__.py"))),
        "topic": "vpc_flow_log",
    }

    again = engine.up()

    assert (again.code, again.calls) == (0, ())
    assert again.counts == {"unchanged": 3}
