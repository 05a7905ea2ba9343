"""What a failed call tells a person; the sentences themselves stand in golden/api-errors.txt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloud_siem.api import Api
from cloud_siem.call import CallFailed, Failure, Request
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import (
    ApiError,
    DeniedError,
    MalformedError,
    ThrottledError,
    UnreachableError,
)
from cloud_siem.explain import Asked, explained
from cloud_siem.model import State
from cloud_siem.pacing import Deadline
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, PROC, FakeTime, Loopback, api_at, http, nobody
from tests.hostile import harm_in

ACTS: dict[str, Callable[[Api], object]] = {
    "OpenDelivery": lambda api: api.switch(PROC, State.OPEN),
    "ListDelivery": lambda api: api.look(),
    "GetCallerIdentity": lambda api: api.identity(),
    "AssumeRole": lambda api: api.identity(),
}
ROLE = f"acs:ram::{ACCOUNT}:role/siem-delivery"


@dataclass(frozen=True)
class Case:
    """One way to fail, and what must come of it."""

    action: str
    status: int
    code: str
    words: str
    kind: type[ApiError] = ApiError
    retried: bool = False
    more: dict[str, object] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, object]:
        return {"Code": self.code, "Message": self.words, "RequestId": "R-1", **self.more}


def case(action: str, status: int, code: str, words: str, **rest: object) -> Case:
    return Case(action, status, code, words, **rest)  # type: ignore[arg-type]


def permission(action: str, why: str = "ImplicitDeny") -> dict[str, object]:
    return {"AccessDeniedDetail": {"AuthAction": action, "NoPermissionType": why}}


FORBIDDEN = {"Code": "Forbidden.RAM", "Message": "No.", "RequestId": "R-1"}
NOT_AUTHORIZED = "You are not authorized to perform this operation."
FLOW_CONTROL = "Request was denied due to user flow control."
UNKNOWN_ERROR = "The request processing has failed due to some unknown error."
CASES = [
    # Documented for the operations (pages of 2025-10-09), in the cloud's own words.
    case(
        "OpenDelivery",
        400,
        "Siem.Delivery.MissingProductCode",
        "ProductCode is mandatory for this action.",
    ),
    case(
        "OpenDelivery",
        500,
        "Siem.Delivery.ErrorMapping",
        "The Mapping between productCode and logCode is error.",
    ),
    case(
        "OpenDelivery",
        500,
        "Siem.Delivery.ErrorProductCode",
        "ProductCode is error for this action.",
    ),
    case(
        "OpenDelivery",
        500,
        "SLS.Ship.Error",
        "The Simple Log Service about data shipping is unavailable.",
        retried=True,
    ),
    case(
        "ListDelivery",
        500,
        "SLS.Sls4Service.Error",
        "The Simple Log Service about embedding console pages is unavailable.",
        retried=True,
    ),
    case("OpenDelivery", 500, "InternalError", UNKNOWN_ERROR, retried=True),
    case("ListDelivery", 500, "InternalError", UNKNOWN_ERROR, retried=True),
    case("GetCallerIdentity", 500, "InternalError", UNKNOWN_ERROR, retried=True),
    # Of the gateway, for any operation.
    case("OpenDelivery", 400, "Throttling.User", FLOW_CONTROL, kind=ThrottledError, retried=True),
    case("ListDelivery", 400, "Throttling", FLOW_CONTROL, kind=ThrottledError, retried=True),
    case("ListDelivery", 429, "Throttling.Api", FLOW_CONTROL, kind=ThrottledError, retried=True),
    case(
        "ListDelivery", 503, "Rejected.Throttling", FLOW_CONTROL, kind=ThrottledError, retried=True
    ),
    case("ListDelivery", 503, "ServiceUnavailable", "The service is down.", retried=True),
    case(
        "OpenDelivery",
        403,
        "NoPermission",
        NOT_AUTHORIZED,
        kind=DeniedError,
        more=permission("yundun-sas:OpenDelivery"),
    ),
    case(
        "OpenDelivery",
        403,
        "NoPermission",
        NOT_AUTHORIZED,
        kind=DeniedError,
        more=permission("yundun-sas:OpenDelivery", "ExplicitDeny"),
    ),
    case("ListDelivery", 403, "Forbidden.RAM", NOT_AUTHORIZED, kind=DeniedError),
    case(
        "ListDelivery",
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. server string to sign is:CANARY",
        kind=DeniedError,
    ),
    case(
        "ListDelivery",
        400,
        "SignatureNonceUsed",
        "Specified signature nonce was used already.",
        kind=DeniedError,
    ),
    case(
        "ListDelivery",
        400,
        "InvalidTimeStamp.Expired",
        "Specified time stamp or date value is expired.",
        kind=DeniedError,
    ),
    case(
        "ListDelivery",
        400,
        "InvalidTimeStamp.Format",
        "Specified time stamp or date value is not well formatted.",
        kind=DeniedError,
    ),
    case(
        "GetCallerIdentity",
        404,
        "InvalidAccessKeyId.NotFound",
        "Specified access key is not found.",
        kind=DeniedError,
    ),
    case(
        "GetCallerIdentity",
        400,
        "InvalidAccessKeyId.Inactive",
        "Specified access key is disabled.",
        kind=DeniedError,
    ),
    case(
        "OpenDelivery",
        400,
        "InvalidSecurityToken.Expired",
        "Specified SecurityToken is expired.",
        kind=DeniedError,
    ),
    case("ListDelivery", 404, "InvalidApi.NotFound", "Specified api is not found."),
    case("ListDelivery", 400, "MissingRegionId", "RegionId is mandatory for this action."),
    case("ListDelivery", 400, "IncompleteSignature", "The request signature does not conform."),
    case("OpenDelivery", 500, "Some.New.Code", "Nobody has seen this yet."),
    case("OpenDelivery", 500, "", "An error without a code."),
    # Of STS, when a role is to be assumed.
    case("AssumeRole", 403, "NoPermission", NOT_AUTHORIZED, kind=DeniedError),
    case("AssumeRole", 404, "EntityNotExist.Role", "The role not exists.", kind=DeniedError),
    case("AssumeRole", 400, "Throttling.User", FLOW_CONTROL, kind=ThrottledError, retried=True),
    case("AssumeRole", 500, "InternalError", UNKNOWN_ERROR, retried=True),
    case(
        "AssumeRole",
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. server string to sign is:CANARY",
        kind=DeniedError,
    ),
]


def failed(api: Api, action: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ACTS[action](api)

    return caught.value


def paragraph(title: str, error: ApiError) -> str:
    return f"# {title}\n{type(error).__name__}: {error}\n"


def test_every_error_code_has_its_sentence(
    siem: EmulatorServer, golden: Callable[[str, str], None]
) -> None:
    told = []
    for one in CASES:
        siem.reset()
        siem.fault("bad_shape", action=one.action, status=one.status, body=one.body)
        role = ROLE if one.action == "AssumeRole" else None
        error = failed(api_at(siem.url, fake=FakeTime(), role_arn=role), one.action)
        calls = len(siem.calls_of(one.action))

        assert type(error) is one.kind, error
        assert (calls > 1) is one.retried, f"{calls} calls: {error}"
        assert (error.code, error.status, error.request_id) == (one.code, one.status, "R-1")
        for fact in (one.code, f"HTTP {one.status}", "RequestId R-1"):
            assert fact in str(error).rpartition("[")[2]
        assert "CANARY" not in f"{error}{error!r}", "what was signed is not for people"
        again = "again and again" if one.retried else "once"
        told.append(paragraph(f"{one.action} {one.status} {one.code or 'no code'}, {again}", error))
    told += other_failures(siem)

    golden("api-errors.txt", "\n".join(told))


def other_failures(siem: EmulatorServer) -> list[str]:
    """The sentences of what has no error code."""
    told = []

    def note(title: str, action: str, kind: type[ApiError], url: str = "", **settings: Any) -> None:
        error = failed(api_at(url or siem.url, fake=FakeTime(), **settings), action)
        assert type(error) is kind, error
        told.append(paragraph(title, error))

    def fault(kind: str, action: str = "OpenDelivery", **rule: object) -> None:
        siem.reset()
        siem.fault(kind, action=action, **rule)

    fault("data_false")
    note("Data: false with HTTP 200", "OpenDelivery", ApiError)
    fault("bad_shape", body={"Data": "true", "RequestId": "R-1"})
    note("a write's answer in another shape", "OpenDelivery", MalformedError)
    fault("null_maps", "ListDelivery")
    note("null in place of the logs", "ListDelivery", MalformedError)
    fault("bad_shape")
    note("a list in place of an object", "OpenDelivery", MalformedError)
    fault("html")
    note("a page, as from a captive portal", "OpenDelivery", MalformedError)
    fault("empty", "ListDelivery")
    note("an empty answer", "ListDelivery", MalformedError)
    fault("html", "ListDelivery", status=503)
    note("a gateway's page that it is down", "ListDelivery", UnreachableError)
    fault("redirect", location="https://portal.example.com/login?from=x")
    note("a redirect", "OpenDelivery", UnreachableError)
    fault("drop_before")
    note("a connection that is always lost", "OpenDelivery", UnreachableError)
    fault("throttling", acs_retry_after=120_000)
    note("asked to wait for longer than there is time", "OpenDelivery", ThrottledError)
    fault("drop_after")
    siem.fault("bad_shape", action="ListDelivery", status=403, body=FORBIDDEN)
    note("a lost answer, and no permission to look", "OpenDelivery", DeniedError)
    fault("bad_shape", "AssumeRole", body={"Credentials": {"AccessKeyId": "testid-half"}})
    note("half a session", "GetCallerIdentity", DeniedError, role_arn=ROLE)
    siem.reset()
    note("a profile that is not there", "ListDelivery", DeniedError, profile="nobody")
    note("nobody listens", "ListDelivery", UnreachableError, url=nobody())

    return [_as_anywhere(text) for text in told]


def _as_anywhere(text: str) -> str:
    """The sentence without what differs from run to run and from machine to machine."""
    text = re.sub(r"RequestId [0-9A-F-]{36}", "RequestId R-1", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:18080", text)
    return re.sub(r"file: \S+/\.aliyun", "file: ~/.aliyun", text)


@pytest.mark.parametrize("attempts", [1, 5])
def test_the_number_of_attempts_is_told_only_where_there_were_several(
    fake: FakeTime, attempts: int
) -> None:
    deadline = Deadline.of(60, fake.clock)
    fake.at += 42
    text = str(explained(asked(), CallFailed(Failure.LOST, "gone"), attempts, deadline))

    assert ("after 5 attempts in 42 s" in text) is (attempts > 1)


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.STRANGE])
def test_only_of_a_write_it_matters_whether_the_cloud_acted(
    fake: FakeTime, failure: Failure
) -> None:
    def told(*, writes: bool) -> str:
        deadline = Deadline.of(60, fake.clock)
        return str(explained(asked(writes=writes), CallFailed(failure, "gone"), 1, deadline))

    assert "Whether the cloud acted is not known." in told(writes=True)
    assert "Whether the cloud acted" not in told(writes=False)


@pytest.mark.parametrize(
    "failure", [f for f in Failure if f not in (Failure.LOST, Failure.STRANGE)]
)
def test_where_the_cloud_did_not_act_no_doubt_is_raised(fake: FakeTime, failure: Failure) -> None:
    deadline = Deadline.of(60, fake.clock)
    error = explained(asked(writes=True), CallFailed(failure, "gone"), 1, deadline)

    assert "Whether the cloud acted" not in str(error)


def asked(*, writes: bool = False) -> Asked:
    request = Request(
        action="OpenDelivery",
        version="2022-06-16",
        endpoint=Endpoint(scheme="https", host="example.com"),
        parameters={},
    )
    return Asked(request=request, subject="of sas/x", writes=writes)


def test_the_permission_that_the_cloud_names_is_the_one_to_grant(siem: EmulatorServer) -> None:
    siem.control("grants", key=siem.key().id, actions=["ListDelivery"])
    error = failed(api_at(siem.url), "OpenDelivery")

    assert isinstance(error, DeniedError)
    assert "no permission for yundun-sas:OpenDelivery" in str(error)
    assert "grant yundun-sas:OpenDelivery on *" in str(error)


def test_an_error_in_small_letters_is_read_as_well() -> None:
    body = b'{"code": "NoPermission", "message": "m", "requestId": "R-9"}'
    with Loopback(http(body, status="403 Forbidden")) as server:
        error = failed(api_at(server.url, fake=FakeTime()), "ListDelivery")

    assert (error.code, error.status, error.request_id) == ("NoPermission", 403, "R-9")


def test_a_repeated_key_in_an_answer_is_malformed_and_the_outcome_of_a_write_unknown() -> None:
    """Somebody on the way may have added the second one."""
    answer = http(b'{"Data": true, "Data": false, "RequestId": "R-1"}')
    with Loopback(answer) as server, pytest.raises(MalformedError) as caught:
        api_at(server.url, deadline=1.0).switch(PROC, State.OPEN)

    assert '"Data" twice' in str(caught.value)
    assert len([one for one in server.requests if "POST" in one.line]) >= 1


HOSTILE = "\x1b[31m\n::error::x\u202e\u200b"


@pytest.mark.parametrize("failure", Failure)
def test_words_of_the_cloud_reach_no_message_with_their_commands(
    failure: Failure, fake: FakeTime
) -> None:
    """The provider's errors go through the engine, past all of our commands."""
    failed = CallFailed(failure, HOSTILE, code=HOSTILE, request_id=HOSTILE, status=400)
    error = explained(asked(), failed, 1, Deadline.of(1.0, fake.clock))

    assert harm_in(f"{error} {error.code} {error.request_id}") == []
    assert "\n" not in str(error)
