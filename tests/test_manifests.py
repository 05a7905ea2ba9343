"""The operator's resources: what each says, and that nothing of them closes anything."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.errors import CloudSiemError
from cloud_siem.manifests import Source, manifests
from cloud_siem.project import STACK_NAME
from cloud_siem.stack import Stack
from tests.conftest import HERE

SOURCE = Source(
    repository="https://git.example.com/soc/siem.git",
    branch="main",
    image="registry.example.com/soc/cloud-siem:0.1.0",
    project="cloud-siem",
    organization="organization",
)


def made(*names: str, source: Source = SOURCE) -> list[Any]:
    return list(manifests([Stack(name=one, perspective=HERE) for one in names], source))


def test_deleting_a_resource_destroys_nothing_and_an_update_closes_nothing() -> None:
    (resource,) = made("demo")

    assert resource["spec"]["destroyOnFinalize"] is False
    assert resource["spec"]["envRefs"]["CLOUD_SIEM_CLOSE_LIMIT"]["literal"] == {"value": "0"}


def test_every_stack_has_one_and_their_order_is_that_of_their_names() -> None:
    resources = made("prod", "Demo.eu_1")

    assert [one["metadata"]["name"] for one in resources] == [
        "cloud-siem-demo-eu-1",
        "cloud-siem-prod",
    ]
    assert resources[0]["spec"]["stack"] == "organization/cloud-siem/Demo.eu_1"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a_b", "a.b"], "cloud-siem-a-b is taken by another stack"),
        (["s" * 42], "longer than 52 letters"),
        (["___"], "stack ___: its name has no letter or digit"),
        (["demo", "._."], "stack ._.: its name has no letter or digit"),
    ],
)
def test_names_that_kubernetes_would_not_take_are_told(names: list[str], said: str) -> None:
    with pytest.raises(CloudSiemError, match=said):
        made(*names)


@given(st.from_regex(STACK_NAME, fullmatch=True))
def test_every_resource_that_is_made_has_a_name_that_kubernetes_takes(name: str) -> None:
    """A label of RFC 1123; else the stack is refused."""
    with contextlib.suppress(CloudSiemError):
        (resource,) = made(name)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", resource["metadata"]["name"])


def test_only_a_private_repository_and_a_backend_of_ones_own_are_said() -> None:
    (plain,) = made("demo")
    (more,) = made("demo", source=replace(SOURCE, private=True, backend="s3://state"))

    assert not {"gitAuth", "backend"} & plain["spec"].keys()
    assert more["spec"]["gitAuth"]["accessToken"]["secret"]["name"] == "cloud-siem-git"
    assert more["spec"]["backend"] == "s3://state"
