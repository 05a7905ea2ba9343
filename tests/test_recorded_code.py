"""What a state may name as code, and what is refused before the engine runs it."""

from __future__ import annotations

import base64
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from cloud_siem.codes import Code
from cloud_siem.errors import RefusedError
from cloud_siem.model import Perspective, Region
from cloud_siem.provider import GateProvider, LogDeliveryProvider, SettledProvider
from cloud_siem.recorded import recorded
from cloud_siem.recorded_code import foreign, require_own

TYPE = "pulumi-python:dynamic/cloud-siem:"
OURS = {
    "Gate": serialize_provider(GateProvider()),
    "LogDelivery": serialize_provider(LogDeliveryProvider()),
    "Settled": serialize_provider(SettledProvider()),
}


def resource(kind: str, code: object, type_: str = TYPE) -> dict[str, Any]:
    return {"urn": f"urn::{kind}", "type": f"{type_}{kind}", "outputs": {"__provider": code}}


class Attack:
    """Its instance is made by whatever call it names."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


class Imitation(LogDeliveryProvider):
    """Of ours by name alone."""


def pickled(value: object) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


FOREIGN = {
    "a call": pickled(Attack()),
    "another class": pickled(Imitation()),
    "a class of another kind": OURS["Gate"],
    "ours and a call": pickled([LogDeliveryProvider(), Attack()]),
    "ours with attributes": pickled((LogDeliveryProvider(), {"x": 1})),
    "a secret": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"},
    "no pickle": "AAAA",
    "no base64": "{}",
    "nothing": "",
}


@pytest.mark.parametrize("kind", OURS)
def test_what_this_package_records_is_its_own(kind: str) -> None:
    assert [*foreign([resource(kind, OURS[kind])])] == []


@pytest.mark.parametrize("code", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_other_code_is_refused_and_never_run(code: object, side: str) -> None:
    """By its name in the state, before anything unpickles it."""
    bad = resource("LogDelivery", code)
    bad[side] = bad.pop("outputs")
    export = {"version": 3, "deployment": {"resources": [bad]}}

    with pytest.raises(RefusedError) as of_stack:
        require_own([resource("Gate", OURS["Gate"]), bad], "prod")
    with pytest.raises(RefusedError) as of_drift:
        recorded(export, Perspective(account="1", region=Region.CN_HANGZHOU))

    for caught in (of_stack, of_drift):
        assert [one.code for one in caught.value.refusals] == [Code.FOREIGN_PROVIDER]
        assert "urn::LogDelivery" in str(caught.value)


def test_other_dynamic_resources_are_refused_unless_their_type_is_named() -> None:
    """A mixed program has them; who may write the state may add them, too."""
    other = resource("Resource", pickled(Attack()), "pulumi-python:dynamic:")

    assert [*foreign([other])] == ["urn::Resource"]
    assert [*foreign([other], allowed=["pulumi-python:dynamic:Resource"])] == []
    export = {"version": 3, "deployment": {"resources": [other]}}
    assert recorded(export, Perspective(account="1", region=Region.CN_HANGZHOU)).foreign


def test_a_state_of_the_first_version_is_our_own() -> None:
    file = Path(__file__).parent / "engine" / "states" / "before-tickets.json"
    export = json.loads(file.read_text())
    resources = export["deployment"]["resources"] if "deployment" in export else None
    resources = resources or export["checkpoint"]["latest"]["resources"]

    assert [one for one in resources if "__provider" in (one.get("outputs") or {})]
    assert [*foreign(resources)] == []
