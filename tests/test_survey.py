"""Many stacks, one look each: what they share, and that none hides another."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud_siem import survey as module
from cloud_siem.drift import Kind
from cloud_siem.errors import CloudSiemError
from cloud_siem.model import Delivery, State
from cloud_siem.recorded import Recorded
from cloud_siem.stack import Stack, build_stack
from cloud_siem.survey import Survey, each
from siem_emulator import EmulatorServer
from tests.conftest import (
    ACCOUNT,
    AUDIT,
    HERE,
    MEMBER,
    OTHER_ACCOUNT,
    PROC,
    FakeTime,
    spare_authorities,
)

LIT = {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}}
"""All that is open in the account."""
DARK = LIT | {"sas": {"cloud_siem_aegis_proc": "open"}}


def stack(siem: EmulatorServer, name: str, deliveries: Mapping[str, Any], **keys: object) -> Stack:
    spare_authorities()
    config = {"account": ACCOUNT, "region": "cn-hangzhou", "requestRate": "100000", **keys}
    values = {f"cloud-siem:{key}": value for key, value in config.items()}
    values |= {"cloud-siem:endpoint": siem.url, "cloud-siem:deliveries": deliveries}
    return build_stack(values, name=name, file=f"stacks/Pulumi.{name}.yaml")


def test_stacks_of_one_credential_ask_once_who_it_is_and_each_looks_once(
    siem: EmulatorServer,
) -> None:
    """In two centers, and at a member: one STS call, and a ListDelivery for each."""
    stacks = [
        stack(siem, "a", LIT),
        stack(siem, "b", {}, region="ap-southeast-1"),
        stack(siem, "c", {}, member=MEMBER),
    ]
    survey = Survey(stacks)
    for one in stacks:
        assert survey.outcome(one).errors == ()

    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 3}


def test_a_role_in_each_account_is_a_credential_of_its_own(siem: EmulatorServer) -> None:
    """Assumed once each, asked once each."""
    role = "acs:ram::{account}:role/siem-delivery"
    stacks = [
        stack(siem, "a", LIT, roleArn=role),
        stack(siem, "b", {}, account=MEMBER, roleArn=role),
    ]
    survey = Survey(stacks)
    for one in stacks:
        assert survey.outcome(one).errors == ()

    assert siem.counts().actions == {"AssumeRole": 2, "GetCallerIdentity": 2, "ListDelivery": 2}


def test_a_session_is_handed_over_by_threads_that_have_called_nobody_yet(
    siem: EmulatorServer,
) -> None:
    """As where no account is looked at before the engine runs; the role is assumed once."""
    one = stack(siem, "a", LIT, roleArn="acs:ram::{account}:role/siem-delivery")
    survey = Survey([one])
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(survey.session, [one, one])

    assert first == second
    assert first["ALIBABA_CLOUD_SECURITY_TOKEN"]
    assert siem.counts().actions == {"AssumeRole": 1}


def test_stacks_of_one_credential_share_the_pace_of_the_slowest(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    """The cloud counts calls by credential: twelve looks and a question, ten of them at once."""
    stacks = [stack(siem, f"s{number}", LIT, requestRate="2") for number in range(11)]
    stacks.append(stack(siem, "fast", LIT, requestRate="1000"))
    survey = Survey(stacks, clock=fake.clock)
    for one in stacks:
        survey.outcome(one)

    assert [wait for wait in fake.slept if wait > 1e-6] == pytest.approx([0.5] * 3)


def test_the_audit_trail_names_the_stack_where_there_is_one(siem: EmulatorServer) -> None:
    role = "acs:ram::{account}:role/siem-delivery"
    alone = stack(siem, "alone", LIT, roleArn=role)
    stacks = [alone, stack(siem, "a", LIT), stack(siem, "b", LIT)]
    survey = Survey(stacks, commit="0123456789ab")
    for one in stacks:
        survey.outcome(one)
    agents = [call.user_agent for call in siem.calls_of("ListDelivery")]

    assert "stack/alone commit/0123456789ab" in agents[0]
    assert "stack/" not in agents[1] + agents[2]
    assert "commit/0123456789ab" in agents[1]


def test_one_account_that_refuses_hides_no_other(siem: EmulatorServer) -> None:
    stacks = [stack(siem, "mine", DARK), stack(siem, "theirs", DARK, account=OTHER_ACCOUNT)]
    survey = Survey(stacks)
    mine, theirs = (survey.outcome(one) for one in stacks)

    assert [one.kind for one in mine.findings] == [Kind.DRIFTED]
    assert theirs.comparison is None
    assert "the credentials belong to account" in theirs.errors[0]


def test_an_empty_list_is_an_error_and_never_everything_missing(siem: EmulatorServer) -> None:
    siem.fault("empty_product_list")
    dark, empty = stack(siem, "dark", DARK), stack(siem, "empty", {})
    survey = Survey([dark, empty])

    assert "lists no products at all" in survey.outcome(dark).errors[0]
    assert survey.outcome(empty).errors == ()


def test_what_a_neighbor_declares_is_not_unmanaged(siem: EmulatorServer) -> None:
    mine = stack(siem, "mine", {})
    neighbor = stack(siem, "neighbor", LIT)

    assert [one.kind for one in Survey([mine]).outcome(mine).findings] == [Kind.UNMANAGED]
    assert Survey([mine], neighbors=[neighbor]).outcome(mine).findings == ()


def test_when_the_record_cannot_be_read_what_went_dark_is_told_all_the_same(
    siem: EmulatorServer,
) -> None:
    def no_engine(_: Stack) -> Recorded:
        raise CloudSiemError("pulumi is not on PATH")

    dark = stack(siem, "dark", DARK)
    outcome = Survey([dark], recording=no_engine).outcome(dark)

    assert outcome.errors == ("pulumi is not on PATH",)
    assert [one.kind for one in outcome.findings] == [Kind.DRIFTED]


def test_the_record_is_the_third_side(siem: EmulatorServer) -> None:
    told = (Delivery(key=PROC, state=State.CLOSED), Delivery(key=AUDIT, state=State.OPEN))
    record = Recorded(perspective=HERE, deliveries={one.key: one for one in told})
    dark = stack(siem, "dark", DARK)
    outcome = Survey([dark], recording=lambda _: record).outcome(dark)

    assert [one.kind for one in outcome.findings] == [Kind.UNAPPLIED]


def test_a_fault_of_ours_is_the_failure_of_one_stack(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(module, "compare", broken)
    dark = stack(siem, "dark", DARK)
    (error,) = Survey([dark]).outcome(dark).errors

    assert error.startswith("unexpected ZeroDivisionError at test_survey.py:")
    assert error.endswith("please report it.")


# --- side by side ---------------------------------------------------------------------------------


def test_a_few_at_a_time_and_never_more() -> None:
    now: list[int] = []
    most: list[int] = []
    lock = threading.Lock()
    four = threading.Barrier(4)

    def act(number: int) -> int:
        with lock:
            now.append(number)
            most.append(len(now))
        four.wait(60)  # with fewer at a time, nobody would come back
        with lock:
            now.remove(number)
        return number

    assert sorted(each(range(20), act, concurrency=4)) == list(range(20))
    assert max(most) == 4


def test_what_is_done_comes_at_once_whatever_still_hangs() -> None:
    hanging = threading.Event()

    def act(number: int) -> int:
        if number == 0:
            hanging.wait(60)
        return number

    results = each(range(3), act, concurrency=2)

    assert [next(results), next(results)] == [1, 2]
    hanging.set()
    assert list(results) == [0]


def test_nothing_more_is_begun_when_nobody_listens_any_more() -> None:
    begun: list[int] = []
    closed = threading.Event()

    def act(number: int) -> int:
        begun.append(number)
        if number:
            closed.wait(60)
        return number

    results = each(range(100), act, concurrency=1)
    next(results)
    results.close()  # type: ignore[attr-defined] # it is a generator
    closed.set()
    time.sleep(0.1)  # it had the time to go on

    assert begun in ([0], [0, 1])
