"""Identity and sessions: who calls, and for how long."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest

from siem_emulator import EmulatorServer
from tests.emulator.conftest import client_of
from tests.emulator.signing import STS, Client
from tests.emulator.test_ram import assume, made

MEMBER_ROLE = "acs:ram::1234567890123456:role/siem-delivery"
OTHER_ROLE = "acs:ram::1777777777777777:role/siem-delivery"


def test_a_user_is_told_who_it_is(client: Client) -> None:
    body = client.call("GetCallerIdentity", version=STS).body

    assert body["IdentityType"] == "RAMUser"
    assert body["AccountId"] == "1130916744880000"
    assert body["Arn"] == "acs:ram::1130916744880000:user/demo-admin"
    assert body["UserId"] == body["PrincipalId"]
    assert "RoleId" not in body


def test_a_session_is_told_who_it_is(client: Client) -> None:
    body = assume(client, MEMBER_ROLE).call("GetCallerIdentity", version=STS).body

    assert body["IdentityType"] == "AssumedRoleUser"
    assert body["PrincipalId"] == f"{body['RoleId']}:me"
    assert "UserId" not in body


def test_a_session_acts_in_the_account_of_its_role(siem: EmulatorServer, client: Client) -> None:
    assert assume(client, MEMBER_ROLE).call("OpenDelivery", ProductCode="nas").data is True
    assert siem.status("nas", "cloud_siem_nas_audit_log", account="1234567890123456")


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"RoleSessionName": "me"}, 400, "MissingRoleArn"),
        ({"RoleArn": MEMBER_ROLE}, 400, "MissingRoleSessionName"),
        ({"RoleArn": "siem-delivery", "RoleSessionName": "me"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleArn": MEMBER_ROLE, "RoleSessionName": "m"}, 400, "InvalidParameter.RoleSessionName"),
        (
            {"RoleArn": MEMBER_ROLE, "RoleSessionName": "me/you"},
            400,
            "InvalidParameter.RoleSessionName",
        ),
        (
            {"RoleArn": MEMBER_ROLE, "RoleSessionName": "me", "DurationSeconds": "899"},
            400,
            "InvalidParameter.DurationSeconds",
        ),
        (
            {"RoleArn": MEMBER_ROLE, "RoleSessionName": "me", "DurationSeconds": "43201"},
            400,
            "InvalidParameter.DurationSeconds",
        ),
        (
            {"RoleArn": MEMBER_ROLE, "RoleSessionName": "me", "Policy": "{"},
            400,
            "InvalidParameter.PolicyGrammar",
        ),
        (
            {"RoleArn": MEMBER_ROLE + "s", "RoleSessionName": "me"},
            404,
            "EntityNotExist.Role",
        ),
        ({"RoleArn": OTHER_ROLE, "RoleSessionName": "me"}, 403, "NoPermission"),
    ],
)
def test_a_role_that_cannot_be_assumed_says_why(
    client: Client, parameters: dict[str, str], status: int, code: str
) -> None:
    answer = client.call("AssumeRole", version=STS, **parameters)

    assert (answer.status, answer.code) == (status, code)


def test_an_account_s_own_key_may_not_assume_roles(siem: EmulatorServer) -> None:
    answer = made(siem, user="").call(
        "AssumeRole", version=STS, RoleArn=MEMBER_ROLE, RoleSessionName="me"
    )

    assert (answer.status, answer.code) == (403, "NoPermission")


def test_assuming_needs_a_permission_of_its_own(siem: EmulatorServer) -> None:
    answer = made(siem, actions=["*Delivery"]).call(
        "AssumeRole", version=STS, RoleArn=MEMBER_ROLE, RoleSessionName="me"
    )

    assert answer.body["AccessDeniedDetail"]["AuthAction"] == "sts:AssumeRole"


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": ""}, "MissingSecurityToken"),
        ({"token": "x.y"}, "InvalidSecurityToken.Malformed"),
        ({"token": "not base64"}, "InvalidSecurityToken.Malformed"),
        ({"key_id": "STS.testid-another"}, "InvalidSecurityToken.MismatchWithAccessKey"),
        ({"secret": "testsecret-another"}, "SignatureDoesNotMatch"),
    ],
)
def test_a_session_needs_its_own_key_secret_and_token(
    client: Client, change: dict[str, str], code: str
) -> None:
    session = dataclasses.replace(assume(client, MEMBER_ROLE), **change)
    answer = session.call("ListDelivery")

    assert (answer.status, answer.code) == (400, code)


def test_a_token_does_not_fit_a_user_s_key(client: Client) -> None:
    session = assume(client, MEMBER_ROLE)
    answer = dataclasses.replace(client, token=session.token).call("ListDelivery")

    assert answer.code == "InvalidSecurityToken.MismatchWithAccessKey"


def test_the_announced_key_must_be_the_one_that_signed(client: Client) -> None:
    session = assume(client, MEMBER_ROLE)
    headers = session.headers("ListDelivery", x_acs_accesskey_id="STS.testid-another")
    answer = session.send("POST", "/", session.signed("POST", "/", headers))

    assert answer.code == "InvalidSecurityToken.MismatchWithAccessKey"


def test_a_token_that_was_written_anew_is_refused(client: Client) -> None:
    """Nobody gives themselves another account."""
    session = assume(client, MEMBER_ROLE)
    text, _, seal = session.token.partition(".")
    fields = json.loads(base64.urlsafe_b64decode(text)) | {"account": "1777777777777777"}
    forged = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode() + "." + seal

    answer = dataclasses.replace(session, token=forged).call("ListDelivery")
    assert answer.code == "InvalidSecurityToken.Malformed"


def test_a_session_expires(siem: EmulatorServer, client: Client) -> None:
    session = assume(client, MEMBER_ROLE, DurationSeconds="900")
    assert session.call("ListDelivery").status == 200

    siem.configure(clock_skew_s=899)  # a call of now is still in the window
    assert session.call("ListDelivery").status == 200
    siem.configure(clock_skew_s=901)
    assert session.call("ListDelivery").code == "InvalidSecurityToken.Expired"


def test_all_sessions_can_be_ended_at_once(siem: EmulatorServer, client: Client) -> None:
    session = assume(client, MEMBER_ROLE)
    siem.control("expire")

    assert session.call("ListDelivery").code == "InvalidSecurityToken.Expired"
    assert assume(client, MEMBER_ROLE).call("ListDelivery").status == 200
    assert client.call("ListDelivery").status == 200, "users have no session"


def test_a_session_outlives_a_restart(client: Client) -> None:
    """The cloud would not forget it either."""
    session = assume(client, MEMBER_ROLE)
    with EmulatorServer() as another:
        moved = dataclasses.replace(session, host=another.host)

        assert moved.call("ListDelivery").status == 200


def test_sessions_of_the_older_signature_are_sessions_too(
    siem: EmulatorServer, client: Client
) -> None:
    session = assume(client, MEMBER_ROLE)

    assert session.call_v1("GET", "GetCallerIdentity").body["AccountId"] == "1234567890123456"
    assert siem.calls.all()[-1].session == "me"


def test_an_administrator_chains_roles(siem: EmulatorServer, client: Client) -> None:
    own = assume(client, "acs:ram::1130916744880000:role/siem-delivery")

    assert assume(own, MEMBER_ROLE).call("ListDelivery").status == 200
    assert client_of(siem).call("ListDelivery").status == 200
