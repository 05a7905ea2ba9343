from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

import cloud_siem

HEAVY = (
    "pulumi",
    "alibabacloud_credentials",
    "alibabacloud_tea_openapi",
    "alibabacloud_cloud_siem20220616",
    "Tea",
    "darabonba",
    "aiohttp",
    "rich",
    "requests",
    "siem_emulator",
)


def loaded_by(code: str) -> set[str]:
    """The packages that a fresh Python has after running this."""
    show = "import json, sys; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_the_names_of_the_door_are_sorted_and_each_once() -> None:
    assert cloud_siem.__all__ == sorted(set(cloud_siem.__all__))


@pytest.mark.parametrize("name", cloud_siem.__all__)
def test_every_name_of_the_door_leads_somewhere(name: str) -> None:
    assert getattr(cloud_siem, name) is not None


def test_the_door_lists_its_names() -> None:
    assert dir(cloud_siem) == cloud_siem.__all__


def test_no_other_name_leads_anywhere() -> None:
    with pytest.raises(AttributeError, match="module 'cloud_siem' has no attribute 'Nonsense'"):
        _ = cloud_siem.Nonsense


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(cloud_siem.__path__[0]) / "py.typed").is_file()


def test_the_package_says_that_it_brings_no_plugin() -> None:
    """`pulumi install` looks for one of each package that is named pulumi-something, else."""
    (file,) = [one for one in files("pulumi-cloud-siem") or () if one.name == "pulumi-plugin.json"]

    assert file.as_posix() == "pulumi_cloud_siem/pulumi-plugin.json"
    assert json.loads(file.read_text()) == {"resource": False}


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not loaded_by("import cloud_siem") & set(HEAVY)


def test_what_needs_no_engine_and_no_call_imports_neither() -> None:
    code = "from cloud_siem import Stack, StackError, CloudSiemError; import cloud_siem.session"

    assert not loaded_by(code) & set(HEAVY), "the SDK is imported when a call is due"


def test_the_resources_import_the_engine_and_not_the_sdk() -> None:
    loaded = loaded_by("from cloud_siem import LogDelivery")

    assert "pulumi" in loaded
    assert not loaded & (set(HEAVY) - {"pulumi", "requests"})
