"""The operations: what is asked again and what is not, in how much time, and how often it acts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_siem import sdk
from cloud_siem.api import BURST, Api, Credential
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import (
    ApiError,
    DeniedError,
    MalformedError,
    ThrottledError,
    UnreachableError,
)
from cloud_siem.model import DeliveryKey, State
from cloud_siem.settings import Settings
from siem_emulator import EmulatorServer
from tests.conftest import (
    ACCOUNT,
    AUDIT,
    HERE,
    MEMBER,
    PROC,
    WAF,
    FakeTime,
    Loopback,
    api_at,
    http,
    nobody,
)

OPEN, CLOSED = State.OPEN, State.CLOSED


def accepted(siem: EmulatorServer) -> int:
    """How many writes changed something."""
    return sum(call.changed > 0 for call in siem.calls.all())


# --- what the operations say ---------------------------------------------------------------------


def test_a_look_shows_every_log_of_the_account(siem: EmulatorServer) -> None:
    snapshot = api_at(siem.url).look()

    assert snapshot.perspective == HERE
    assert snapshot.state_of(PROC) is CLOSED
    assert snapshot.state_of(AUDIT) is OPEN
    assert snapshot.taken_at.tzinfo is not None


def test_the_identity_is_the_account_of_the_credentials(siem: EmulatorServer) -> None:
    identity = api_at(siem.url).identity()

    assert (identity.account, identity.arn) == (ACCOUNT, f"acs:ram::{ACCOUNT}:user/demo-admin")


@pytest.mark.parametrize(("key", "logs"), [(PROC, 1), (WAF, 2)])
def test_a_write_is_one_call_and_tells_its_request_id(
    siem: EmulatorServer, key: DeliveryKey, logs: int
) -> None:
    api = api_at(siem.url)

    opened = api.switch(key, OPEN)
    [call] = siem.calls.all()
    assert (call.action, call.changed, call.request_id) == ("OpenDelivery", logs, opened)

    closed = api.switch(key, CLOSED)
    assert (siem.calls.all()[1].action, siem.calls.all()[1].request_id) == ("CloseDelivery", closed)
    assert len(siem.calls) == 2


def test_a_key_with_a_blank_log_code_is_never_sent(siem: EmulatorServer) -> None:
    key = DeliveryKey(perspective=HERE, product="sas", log=" ")

    with pytest.raises(ValueError, match="blank log code"):
        api_at(siem.url).switch(key, CLOSED)
    assert siem.calls.all() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    product=st.text(alphabet=st.characters(codec="utf-8"), min_size=1),
    log=st.none() | st.text(alphabet=st.characters(codec="utf-8")),
    state=st.sampled_from([OPEN, CLOSED]),
)
def test_only_a_key_of_the_whole_product_goes_out_without_a_log_code(
    siem: EmulatorServer, product: str, log: str | None, state: State
) -> None:
    siem.calls.clear()
    key = DeliveryKey(perspective=HERE, product=product, log=log)
    with contextlib.suppress(ValueError, ApiError):  # what comes of it is not the question here
        api_at(siem.url).switch(key, state)

    for call in siem.calls.all():
        assert call.action in ("OpenDelivery", "CloseDelivery")
        assert call.parameters.get("LogCode") == log, "absent only where there is none"
        assert call.parameters["ProductCode"] == product
    assert log is not None or len(siem.calls) == 1


# --- again or not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["drop_before", "internal_error", "sls_ship", "sls_embed", "throttling", "http429"]
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_look_that_fails_for_a_while_is_asked_again(
    siem: EmulatorServer, fake: FakeTime, kind: str, times: int
) -> None:
    siem.fault(kind, action="ListDelivery", times=times)

    assert api_at(siem.url, fake=fake).look().logs
    assert len(siem.calls) == times + 1
    assert len(fake.slept) == times, "one wait between two calls"


@pytest.mark.parametrize("kind", ["html", "empty", "redirect", "bad_shape", "null_maps"])
def test_a_look_with_a_strange_answer_is_not_asked_again(
    siem: EmulatorServer, fake: FakeTime, kind: str
) -> None:
    siem.fault(kind, action="ListDelivery")

    with pytest.raises((MalformedError, UnreachableError)):
        api_at(siem.url, fake=fake).look()
    assert len(siem.calls) == 1
    assert fake.slept == []


def test_waits_are_random_and_their_bounds_double(siem: EmulatorServer) -> None:
    fake = FakeTime(chance=0.999)
    siem.fault("internal_error", times=7)
    api_at(siem.url, fake=fake).look()

    bounds = [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert fake.slept == pytest.approx([0.999 * bound for bound in bounds])


@pytest.mark.parametrize("header", [{"retry_after": 7}, {"acs_retry_after": 7000}])
def test_what_the_cloud_asks_to_wait_is_waited_and_jitter_on_top(
    siem: EmulatorServer, fake: FakeTime, header: dict[str, int]
) -> None:
    siem.fault("throttling", times=1, **header)
    api_at(siem.url, fake=fake).look()

    assert fake.slept == [7 + 0.5 * 0.5]


def test_a_wait_that_would_pass_the_deadline_is_not_begun(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    siem.fault("throttling", retry_after=60)

    with pytest.raises(ThrottledError, match="It asks to wait 60 s"):
        api_at(siem.url, fake=fake, deadline=60.0).look()
    assert fake.slept == []
    assert len(siem.calls) == 1


@pytest.mark.parametrize("deadline", [1.0, 10.0, 60.0])
@pytest.mark.parametrize(
    "act",
    [Api.look, Api.identity, lambda api: api.switch(PROC, OPEN)],
    ids=["look", "identity", "switch"],
)
def test_no_operation_waits_beyond_its_deadline(
    siem: EmulatorServer, fake: FakeTime, act: Callable[[Api], object], deadline: float
) -> None:
    siem.fault("internal_error", acts=False)
    begun = fake.at

    with pytest.raises(ApiError, match="failed"):
        act(api_at(siem.url, fake=fake, deadline=deadline))
    assert fake.at - begun < deadline


def test_each_attempt_has_only_the_time_that_is_left(siem: EmulatorServer) -> None:
    siem.fault("hang", seconds=30)

    with pytest.raises(UnreachableError):
        api_at(siem.url, deadline=1.0).look()
    assert len(siem.calls) <= 2


def test_a_new_operation_has_a_deadline_of_its_own(siem: EmulatorServer, fake: FakeTime) -> None:
    api = api_at(siem.url, fake=fake)
    fake.at += 1_000_000
    siem.fault("internal_error", times=3)

    assert api.look().logs


# --- writes: once, and only where it is not done -------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after", "half_body", "wrong_length"])
@pytest.mark.parametrize(("key", "state"), [(PROC, OPEN), (AUDIT, CLOSED), (WAF, OPEN)])
def test_a_write_whose_answer_was_lost_and_which_was_done_is_not_sent_again(
    siem: EmulatorServer, fake: FakeTime, kind: str, key: DeliveryKey, state: State
) -> None:
    siem.fault(kind, action="OpenDelivery" if state is OPEN else "CloseDelivery")
    request_id = api_at(siem.url, fake=fake).switch(key, state)

    write, look = siem.calls.all()
    assert (look.action, look.request_id) == ("ListDelivery", request_id)
    assert write.changed > 0
    assert accepted(siem) == 1


def test_a_write_that_failed_after_it_was_done_is_not_sent_again(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    siem.fault("internal_error", action="OpenDelivery", acts=True)
    api_at(siem.url, fake=fake).switch(PROC, OPEN)

    assert [call.action for call in siem.calls.all()] == ["OpenDelivery", "ListDelivery"]
    assert accepted(siem) == 1


@pytest.mark.parametrize("kind", ["drop_before", "internal_error", "sls_ship"])
def test_a_write_that_was_not_done_is_sent_again_after_a_look(
    siem: EmulatorServer, fake: FakeTime, kind: str
) -> None:
    siem.fault(kind, action="OpenDelivery", times=2)
    api_at(siem.url, fake=fake).switch(PROC, OPEN)

    actions = ["OpenDelivery", "ListDelivery"] * 2 + ["OpenDelivery"]
    assert [call.action for call in siem.calls.all()] == actions
    assert accepted(siem) == 1


@pytest.mark.parametrize("kind", ["throttling", "http429"])
def test_a_write_that_was_throttled_is_sent_again_without_a_look(
    siem: EmulatorServer, fake: FakeTime, kind: str
) -> None:
    siem.fault(kind, action="CloseDelivery", times=3)
    api_at(siem.url, fake=fake).switch(AUDIT, CLOSED)

    assert [call.action for call in siem.calls.all()] == ["CloseDelivery"] * 4
    assert accepted(siem) == 1


@pytest.mark.parametrize(
    "kind", ["error_mapping", "error_product", "data_false", "html", "empty", "redirect"]
)
def test_a_write_that_was_refused_or_strangely_answered_is_sent_once(
    siem: EmulatorServer, fake: FakeTime, kind: str
) -> None:
    siem.fault(kind, action="OpenDelivery")

    with pytest.raises(ApiError):
        api_at(siem.url, fake=fake).switch(PROC, OPEN)
    assert [call.action for call in siem.calls.all()] == ["OpenDelivery"]


def test_half_of_a_whole_product_done_is_not_done(siem: EmulatorServer, fake: FakeTime) -> None:
    siem.fault("drop_before", action="OpenDelivery", times=1)
    siem.switch("waf", "cloud_siem_waf_flow", state="open")
    api_at(siem.url, fake=fake).switch(WAF, OPEN)

    actions = ["OpenDelivery", "ListDelivery", "OpenDelivery"]
    assert [call.action for call in siem.calls.all()] == actions


def test_a_look_between_two_writes_is_asked_again_too(siem: EmulatorServer, fake: FakeTime) -> None:
    siem.fault("drop_after", action="OpenDelivery", times=1)
    siem.fault("internal_error", action="ListDelivery", times=2)
    api_at(siem.url, fake=fake).switch(PROC, OPEN)

    assert [call.action for call in siem.calls.all()] == ["OpenDelivery"] + ["ListDelivery"] * 3
    assert accepted(siem) == 1


def test_a_write_whose_outcome_cannot_be_seen_is_told_as_such_and_not_sent_again(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    siem.control("deny", key=siem.key().id, actions=["ListDelivery"])
    siem.fault("drop_after", action="CloseDelivery")

    with pytest.raises(DeniedError) as caught:
        api_at(siem.url, fake=fake).switch(AUDIT, CLOSED)
    assert caught.value.action == "CloseDelivery"
    assert "the answer was lost, and whether the cloud acted could not be seen" in str(caught.value)
    assert [call.action for call in siem.calls.all()] == ["CloseDelivery", "ListDelivery"]


def test_a_write_and_its_looks_share_one_deadline(siem: EmulatorServer, fake: FakeTime) -> None:
    siem.fault("drop_after", action="OpenDelivery")
    siem.fault("internal_error", action="ListDelivery")
    begun = fake.at

    with pytest.raises(ApiError, match="could not be seen"):
        api_at(siem.url, fake=fake, deadline=20.0).switch(PROC, OPEN)
    assert fake.at - begun < 20


FAULTS = st.lists(
    st.sampled_from(
        ["drop_before", "drop_after", "half_body", "wrong_length", "internal_error", "throttling"]
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(writes=FAULTS, looks=FAULTS, state=st.sampled_from([OPEN, CLOSED]))
def test_whatever_fails_for_a_while_the_write_is_accepted_once(
    siem: EmulatorServer, writes: list[str], looks: list[str], state: State
) -> None:
    siem.reset()
    key, action = (PROC, "OpenDelivery") if state is OPEN else (AUDIT, "CloseDelivery")
    for kind in writes:
        siem.fault(kind, action=action, times=1)
    for kind in looks:
        siem.fault(kind, action="ListDelivery", times=1)
    api_at(siem.url, fake=FakeTime(chance=0.1)).switch(key, state)

    assert siem.status(key.product, str(key.log)) is (state is OPEN)
    assert accepted(siem) == 1


# --- the request rate ----------------------------------------------------------------------------


def test_the_rate_holds_retries_back_like_any_other_call(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    fake.chance = 0.0
    siem.fault("internal_error", times=BURST + 4)
    api_at(siem.url, fake=fake, request_rate=2.0, deadline=3600.0).look()

    assert [wait for wait in fake.slept if wait] == pytest.approx([0.5] * 5)


def sharing(url: str, fake: FakeTime, **settings: Any) -> tuple[Api, Api]:
    """Two clients with one credential: the account's own view, and its look at a member."""
    own = Settings(own_endpoint=Endpoint.parse(url), **settings)
    credential = Credential(settings=own, perspective=HERE, clock=fake.clock, users="both of them")
    first, second = (
        Api(settings=own, perspective=seen, clock=fake.clock, credential=credential)
        for seen in (HERE, replace(HERE, member=MEMBER))
    )
    return first, second


def test_two_clients_of_one_credential_share_its_rate(siem: EmulatorServer, fake: FakeTime) -> None:
    """The cloud counts calls by credential, whatever they are about."""
    first, second = sharing(siem.url, fake, request_rate=10)
    for _ in range(BURST // 2):
        first.look()
        second.look()
    first.look()
    second.look()

    assert [wait for wait in fake.slept if wait > 1e-6] == pytest.approx([0.1, 0.1])


def test_two_clients_of_one_credential_ask_once_who_it_is(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    first, second = sharing(siem.url, fake)

    assert first.identity() == second.identity()
    assert siem.counts().actions == {"GetCallerIdentity": 1}


def test_when_nobody_can_say_whose_a_credential_is_that_is_asked_once(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    """Else hundreds of stacks would wait out the same deadline one after the other."""
    siem.fault("internal_error", action="GetCallerIdentity")
    first, second = sharing(siem.url, fake, deadline=5.0)
    for api in (first, second):
        with pytest.raises(ApiError, match=r"^GetCallerIdentity for both of them failed"):
            api.identity()
    waited = sum(fake.slept)

    assert waited < 5.0


def test_a_write_that_its_own_rate_held_back_for_too_long_is_not_sent(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    api = api_at(siem.url, fake=fake, request_rate=0.1, deadline=5.0)
    for _ in range(BURST):
        api.look()

    with pytest.raises(ThrottledError, match="CLOUD_SIEM_REQUEST_RATE"):
        api.switch(PROC, OPEN)
    assert siem.calls_of("OpenDelivery") == []


def test_when_a_wait_took_longer_than_asked_the_failure_before_it_is_told(
    siem: EmulatorServer,
) -> None:
    class Drowsy(FakeTime):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds + 100)

    siem.fault("sls_ship", acts=False)

    with pytest.raises(ApiError, match=r"failed: Simple Log Service could not change") as caught:
        api_at(siem.url, fake=Drowsy()).look()
    assert caught.value.code == "SLS.Ship.Error"
    assert len(siem.calls) == 1


def test_the_time_that_the_sdk_takes_to_load_is_not_taken_from_the_call(
    siem: EmulatorServer, fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*args: Any, **options: Any) -> sdk.Sdk:
        fake.at += 30
        return Client(*args, **options)

    Client = sdk.Sdk  # noqa: N806 - a class
    monkeypatch.setattr(sdk, "Sdk", slowly)
    siem.fault("internal_error", times=2)

    assert api_at(siem.url, fake=fake, deadline=5.0).look().logs


# --- where to ------------------------------------------------------------------------------------


def test_who_we_are_is_asked_of_sts_and_the_rest_of_the_service(siem: EmulatorServer) -> None:
    identity = json.dumps({"AccountId": "7" * 16, "Arn": "a", "RequestId": "R"}).encode()
    with Loopback(http(identity)) as sts:
        api = api_at(siem.url, own_sts_endpoint=Endpoint.parse(sts.url))
        assert api.identity().account == "7" * 16
        api.look()

    assert [request.headers["x-acs-action"] for request in sts.requests] == ["GetCallerIdentity"]
    assert [call.action for call in siem.calls.all()] == ["ListDelivery"]


def test_an_error_names_the_endpoint_that_did_not_answer(fake: FakeTime) -> None:
    url = nobody()

    with pytest.raises(UnreachableError) as caught:
        api_at(url, fake=fake).look()
    assert f"at {url}: no usable answer came" in str(caught.value)
