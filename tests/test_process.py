"""What one provider process knows of its run: settings, sessions, what the program declares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.errors import StackError
from cloud_siem.model import Delivery, DeliveryKey, Region, State, View
from cloud_siem.process import Process
from cloud_siem.session import Session
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, HERE, PROC, WAF
from tests.test_session import in_threads

OPEN, CLOSED = State.OPEN, State.CLOSED
ENTERPRISE = replace(HERE, view=View.ENTERPRISE)
OTHER_REGION = replace(HERE, region=Region.AP_SOUTHEAST_1)
DNS = replace(PROC, log="cloud_siem_aegis_dns")
SAS = replace(PROC, log=None)


def process(siem: EmulatorServer, **environ: str) -> Process:
    config = {"cloud-siem:endpoint": siem.url, "cloud-siem:requestRate": "1000"}
    return Process(config, environ, folder=Path("/"))


def declaring(deliveries: dict[str, Any] | None = None, **config: str) -> Process:
    """A process that was given the config of a stack with these deliveries."""
    stack = {"account": ACCOUNT, "region": "cn-hangzhou", "deliveries": json.dumps(deliveries)}
    given = {f"cloud-siem:{key}": value for key, value in (stack | config).items()}
    return Process(given if deliveries is not None else {}, {}, folder=Path("/"))


# --- settings and sessions ------------------------------------------------------------------------


def test_there_is_one_session_and_one_closer_for_a_perspective_however_many_ask(
    siem: EmulatorServer,
) -> None:
    one = process(siem)
    found: list[Session] = []

    assert in_threads(lambda: found.append(one.closer(HERE, "prod").session)) == []
    assert set(map(id, found)) == {id(one.session(HERE, "prod"))}
    assert one.closer(HERE, "prod") is one.closer(HERE, "prod")
    assert one.session(ENTERPRISE, "prod") is not found[0]


def test_all_perspectives_of_a_process_share_their_tickets(siem: EmulatorServer) -> None:
    """The limit is for the run, however many stacks or views one program has."""
    one = process(siem)

    assert one.closer(HERE, "prod").tickets is one.closer(ENTERPRISE, "prod").tickets
    assert process(siem).closer(HERE, "prod").tickets is not one.closer(HERE, "prod").tickets


def test_the_environment_overrides_the_config_of_a_process(siem: EmulatorServer) -> None:
    assert process(siem, CLOUD_SIEM_DEADLINE="7").settings.deadline == 7.0

    with pytest.raises(StackError, match="CLOUD_SIEM_DEADLINE"):
        process(siem, CLOUD_SIEM_DEADLINE="soon").session(HERE, "prod")


def test_the_stack_of_a_session_is_told_to_the_cloud(siem: EmulatorServer) -> None:
    process(siem).session(HERE, "prod").look()

    assert all(call.user_agent.endswith(" stack/prod") for call in siem.calls.all())


# --- what the program declares --------------------------------------------------------------------


def test_what_a_run_declares_is_found_by_perspective_and_by_product() -> None:
    one = declaring()
    from_elsewhere = replace(PROC, perspective=ENTERPRISE)
    for key, state in ((PROC, OPEN), (DNS, CLOSED), (WAF, OPEN), (from_elsewhere, OPEN)):
        assert one.declare(Delivery(key=key, state=state)) is None

    assert [(d.key, d.state) for d in one.declared(HERE)] == [
        (DNS, CLOSED),
        (PROC, OPEN),
        (WAF, OPEN),
    ]
    assert [d.key for d in one.declared(ENTERPRISE)] == [from_elsewhere]
    assert set(one.open_beside(SAS)) == {PROC, from_elsewhere}, "what is declared closed is not"
    assert set(one.open_beside(DNS)) == {PROC, from_elsewhere}
    assert one.open_beside(replace(PROC, product="oss")) == ()
    assert one.open_beside(replace(PROC, perspective=OTHER_REGION)) == ()


def test_declaring_again_replaces_what_was_declared() -> None:
    """The gate declares all, and then each delivery itself."""
    one = declaring()
    one.declare(Delivery(key=PROC, state=OPEN))

    assert one.declare(Delivery(key=PROC, state=OPEN, protect=True)) is None
    assert one.declared(HERE) == (Delivery(key=PROC, state=OPEN, protect=True),)


@pytest.mark.parametrize("other", [PROC, SAS, replace(SAS, perspective=ENTERPRISE)])
def test_what_contradicts_a_declared_delivery_is_returned_and_not_declared(
    other: DeliveryKey,
) -> None:
    one = declaring()
    first = Delivery(key=PROC, state=OPEN)
    one.declare(first)

    assert one.declare(Delivery(key=other, state=CLOSED)) == first
    assert one.declared(HERE) == (first,)
    assert one.declared(ENTERPRISE) == ()


KEYS = st.builds(
    DeliveryKey,
    perspective=st.sampled_from([HERE, ENTERPRISE, OTHER_REGION]),
    product=st.sampled_from(["sas", "waf"]),
    log=st.sampled_from([None, "a", "b"]),
)


@given(st.lists(st.builds(Delivery, key=KEYS, state=st.sampled_from([OPEN, CLOSED])), max_size=8))
def test_what_is_declared_never_contradicts_itself(deliveries: list[Delivery]) -> None:
    """In whatever order it comes; and nothing is turned away that could stand."""
    one = declaring()
    turned_away = [delivery for delivery in deliveries if one.declare(delivery)]
    declared = [d for p in (HERE, ENTERPRISE, OTHER_REGION) for d in one.declared(p)]

    for first in declared:
        for second in declared:
            assert first.state is second.state or not first.key.overlaps(second.key)
    for delivery in turned_away:
        assert any(d.state is not delivery.state and d.key.overlaps(delivery.key) for d in declared)
    assert {d.key for d in deliveries if d not in turned_away} == {d.key for d in declared}


def test_what_a_gate_has_recorded_is_compared_with_its_logs_too() -> None:
    one = declaring()
    one.compare([Delivery(key=SAS, state=OPEN)])

    assert one.compared(SAS)
    assert one.compared(PROC)
    assert not one.compared(WAF)


def test_what_is_kept_is_kept_by_its_own_key() -> None:
    one = declaring()
    one.keep([SAS])

    assert one.keeps(SAS)
    assert not one.keeps(PROC)


# --- what the config declares ---------------------------------------------------------------------


def test_the_config_declares_what_the_last_update_was_given() -> None:
    """A refresh and a destroy run without the program."""
    one = declaring({"sas": {"cloud_siem_aegis_proc": "open"}, "waf": {"*": "closed"}})

    assert [(d.key, d.state) for d in one.configured(HERE)] == [(PROC, OPEN), (WAF, CLOSED)]
    assert one.configured(ENTERPRISE) == ()
    assert declaring().configured(HERE) == ()
    assert declaring({"sas": {"*": "open"}}, region="nowhere").configured(HERE) == ()


@pytest.mark.parametrize(
    ("entries", "removed", "beside"),
    [
        ({"cloud_siem_aegis_proc": "open"}, SAS, {PROC}),
        ({"cloud_siem_aegis_proc": "open", "cloud_siem_aegis_dns": "closed"}, SAS, {PROC}),
        ({"cloud_siem_aegis_proc": "open"}, DNS, {PROC}),
        ({"cloud_siem_aegis_proc": "open"}, PROC, set()),
        ({"*": "open"}, SAS, set()),
        ({"*": "open"}, PROC, {SAS}),
        ({"cloud_siem_aegis_proc": "open"}, WAF, set()),
        ({"cloud_siem_aegis_proc": "open"}, replace(SAS, perspective=OTHER_REGION), set()),
    ],
)
def test_the_config_spares_what_it_declares_open_beside_a_removed_key(
    entries: dict[str, str], removed: DeliveryKey, beside: set[DeliveryKey]
) -> None:
    """Nothing where it declares the key itself: then all of it is destroyed."""
    assert set(declaring({"sas": entries}).configured_beside(removed)) == beside


@pytest.mark.parametrize(
    ("command", "targeted"),
    [
        ("pulumi up --target a", True),
        ("pulumi --stack destroy update -y -t a", False),
        ("/bin/sh /x/pulumi update -t=a --yes", True),
        ("pulumi up --exclude a", True),
        ("pulumi up --yes", False),
        ("pulumi destroy --target a", False),
        ("pulumi down --target up", False),
        ("", False),
    ],
)
def test_an_update_of_a_part_is_told_by_the_engines_command(command: str, targeted: bool) -> None:
    """Where it is not clear, it is none: a destroy has to go on."""
    process = Process({}, {}, folder=Path("/"), command=command.split)

    assert process.is_targeted_update is targeted
