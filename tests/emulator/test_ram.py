"""Permissions: what RAM policies allow, and how a refusal looks."""

from __future__ import annotations

from typing import Any

import pytest

from siem_emulator import EmulatorServer
from siem_emulator.fields import FieldError
from siem_emulator.ram import Policy, PolicyError, Verdict
from tests.emulator.signing import STS, Client

APPLY = {
    "Version": "1",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "yundun-sas:ListDelivery",
                "yundun-sas:OpenDelivery",
                "yundun-sas:CloseDelivery",
            ],
            "Resource": "*",
        }
    ],
}


def allowing(**statement: Any) -> dict[str, Any]:
    return {"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]}


def made(siem: EmulatorServer, **fields: object) -> Client:
    """A client with a new key."""
    key = siem.control("keys", **fields)

    return Client(siem.host, key["id"], key["secret"])


def test_a_key_with_a_policy_may_do_that_and_no_more(siem: EmulatorServer) -> None:
    reader = made(siem, actions=["ListDelivery"])

    assert reader.call("ListDelivery").status == 200
    answer = reader.call("OpenDelivery", ProductCode="waf")
    assert (answer.status, answer.code) == (403, "NoPermission")
    assert siem.counts().changed == 0


def test_a_refusal_names_the_action_and_who_lacks_it(siem: EmulatorServer) -> None:
    reader = made(siem, user="auditor", actions=["ListDelivery"])
    detail = reader.call("CloseDelivery", ProductCode="waf").body["AccessDeniedDetail"]

    assert detail == {
        "AuthAction": "yundun-sas:CloseDelivery",
        "AuthPrincipalType": "SubUser",
        "AuthPrincipalOwnerId": "1130916744880000",
        "AuthPrincipalDisplayName": "auditor",
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
        "EncodedDiagnosticMessage": "AQ-emulated",
    }


def test_an_explicit_deny_wins_over_every_allow(siem: EmulatorServer, client: Client) -> None:
    siem.control("deny", key=client.key_id, actions=["CloseDelivery"])
    answer = client.call("CloseDelivery", ProductCode="waf")

    assert answer.body["AccessDeniedDetail"]["NoPermissionType"] == "ExplicitDeny"
    assert client.call("OpenDelivery", ProductCode="waf").status == 200


def test_a_grant_replaces_what_was_granted(siem: EmulatorServer, client: Client) -> None:
    siem.control("deny", key=client.key_id, actions=["CloseDelivery"])
    siem.control("grants", key=client.key_id, policy=APPLY)

    assert client.call("CloseDelivery", ProductCode="waf").status == 200
    assert client.call("ListRdUsers").status == 403


def test_everybody_may_ask_who_they_are(siem: EmulatorServer) -> None:
    nobody = made(siem, actions=[])

    assert nobody.call("GetCallerIdentity", version=STS).status == 200


def test_an_account_s_own_key_may_do_everything(siem: EmulatorServer) -> None:
    root = made(siem, user="", actions=[])

    assert root.call("OpenDelivery", ProductCode="waf").data is True
    assert root.call("GetCallerIdentity", version=STS).body["IdentityType"] == "Account"


def test_a_role_s_permissions_can_be_set(siem: EmulatorServer, client: Client) -> None:
    role = {"account": "1234567890123456", "role": "siem-delivery"}
    siem.control("grants", **role, actions=["ListDelivery"])
    session = assume(client, "acs:ram::1234567890123456:role/siem-delivery")

    detail = session.call("OpenDelivery", ProductCode="waf").body["AccessDeniedDetail"]
    assert detail["AuthPrincipalType"] == "AssumedRoleUser"
    assert detail["AuthPrincipalDisplayName"] == "siem-delivery:me"


def assume(client: Client, arn: str, **parameters: str) -> Client:
    answer = client.call(
        "AssumeRole", version=STS, RoleArn=arn, RoleSessionName="me", **parameters
    ).body["Credentials"]

    return Client(
        client.host, answer["AccessKeyId"], answer["AccessKeySecret"], answer["SecurityToken"]
    )


@pytest.mark.parametrize(
    ("pattern", "verdict"),
    [
        ("*", Verdict.ALLOWED),
        ("yundun-sas:*", Verdict.ALLOWED),
        ("yundun-sas:*Delivery", Verdict.ALLOWED),
        ("YUNDUN-SAS:opendelivery", Verdict.ALLOWED),
        ("yundun-sas:Open?elivery", Verdict.ALLOWED),
        ("yundun-sas:[O]penDelivery", Verdict.IMPLICIT_DENY),
        ("yundun-sas:Open", Verdict.IMPLICIT_DENY),
        ("sts:*", Verdict.IMPLICIT_DENY),
    ],
)
def test_actions_may_have_wildcards(pattern: str, verdict: Verdict) -> None:
    policy = Policy.from_document(allowing(Action=pattern))

    assert policy.verdict("yundun-sas:OpenDelivery") is verdict


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"Statement": "x"},
        {"Statement": [{"Effect": "Maybe", "Action": "*"}]},
        {"Statement": [{"Effect": "Allow"}]},
        allowing(Action=[]),
        allowing(Action=[1]),
        allowing(Action="*", Condition={}),
        allowing(NotAction="x"),
        allowing(Action="*", Resource="acs:sas:*"),
        {"Statement": [], "Other": 1},
    ],
)
def test_a_policy_that_is_not_understood_is_refused(document: object) -> None:
    with pytest.raises(PolicyError):
        Policy.from_document(document)


def test_a_policy_survives_being_written_and_read() -> None:
    policy = Policy.from_document(APPLY).denying(["CloseDelivery"])

    assert Policy.from_document(policy.to_document()) == policy


def test_keys_and_roles_that_do_not_exist_get_nothing(siem: EmulatorServer) -> None:
    with pytest.raises(FieldError, match="There is no key nobody"):
        siem.control("grants", key="nobody", actions=[])
    with pytest.raises(FieldError, match="has no role boss"):
        siem.control("deny", role="boss", actions=["*"])
    with pytest.raises(FieldError, match="There is a key testid-other already"):
        siem.control("keys", id="testid-other")
