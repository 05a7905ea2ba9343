"""The official SDKs speak to the emulator as to the cloud: nothing here is patched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alibabacloud_cloud_siem20220616 import models
from alibabacloud_cloud_siem20220616.client import Client as TypedClient
from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config as CredentialsConfig
from alibabacloud_tea_openapi import exceptions
from alibabacloud_tea_openapi.client import Client as GenericClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions

from siem_emulator import EmulatorServer
from siem_emulator.catalog import DOCUMENTED

MEMBER = "1234567890123456"


def config(siem: EmulatorServer, **credentials: Any) -> Any:
    key = siem.key()
    given = credentials or {"access_key_id": key.id, "access_key_secret": key.secret}

    return Config(endpoint=siem.host, protocol="http", region_id="cn-shanghai", **given)


def assumed(siem: EmulatorServer, account: str = MEMBER, **options: Any) -> Any:
    """Credentials of a role session, as a stack for a member would have."""
    key = siem.key()

    return Credentials(
        CredentialsConfig(
            type="ram_role_arn",
            access_key_id=key.id,
            access_key_secret=key.secret,
            role_arn=f"acs:ram::{account}:role/siem-delivery",
            role_session_name="stack-1",
            role_session_expiration=3600,
            sts_endpoint=siem.url,
            **options,
        )
    )


def params(action: str, version: str = "2022-06-16") -> Any:
    return Params(
        action=action,
        version=version,
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )


def generic(siem: EmulatorServer, action: str, body: dict[str, Any], **credentials: Any) -> Any:
    client = GenericClient(config(siem, **credentials))
    request = OpenApiRequest(body=body)

    return client.call_api(params(action), request, RuntimeOptions())["body"]


# --- the typed client ----------------------------------------------------------------------------


def test_the_typed_client_opens_and_closes(siem: EmulatorServer) -> None:
    client = TypedClient(config(siem))
    log = {"product_code": "sas", "log_code": "cloud_siem_aegis_proc", "region_id": "cn-hangzhou"}

    opened = client.open_delivery(models.OpenDeliveryRequest(**log))
    assert (opened.body.data, siem.status("sas", "cloud_siem_aegis_proc")) == (True, True)

    closed = client.close_delivery(models.CloseDeliveryRequest(**log))
    assert (closed.body.data, siem.status("sas", "cloud_siem_aegis_proc")) == (True, False)
    assert closed.body.request_id == siem.calls_of("CloseDelivery")[0].request_id


def test_the_typed_client_does_so_without_waiting_too(siem: EmulatorServer) -> None:
    client = TypedClient(config(siem))

    async def both() -> tuple[Any, Any]:
        request = models.OpenDeliveryRequest(product_code="waf")
        return await asyncio.gather(
            client.open_delivery_async(request),
            client.list_rd_users_async(models.ListRdUsersRequest()),
        )

    opened, members = asyncio.run(both())

    assert opened.body.data is True
    assert {each.sub_user_id for each in members.body.data} == {
        int(member) for member in siem.world.members[siem.world.first.id]
    }


def test_every_part_of_a_listing_fits_the_model_of_the_typed_client(siem: EmulatorServer) -> None:
    body = TypedClient(config(siem)).list_delivery(models.ListDeliveryRequest()).body

    assert body is not None, "the SDK drops a body that does not fit, without a word"
    logs = [
        log
        for product in body.data.product_list
        for log in [
            *product.log_list,
            *(each for logs in product.log_map.values() for each in logs),
        ]
    ]
    assert len(logs) == len(DOCUMENTED.places) - 1, "all but the one of hcloud_waf"
    assert all(type(log.status) is bool and type(log.can_operate_or_not) is bool for log in logs)
    assert all(log.topic and log.log_name_key for log in logs)
    assert body.data.display_switch_or_not is True
    assert body.data.log_store_name == "cloud-siem"
    assert siem.world.first.id in body.data.project_name


def test_grouped_products_travel_in_log_map_and_all_others_in_log_list(
    siem: EmulatorServer,
) -> None:
    body = TypedClient(config(siem)).list_delivery(models.ListDeliveryRequest()).body
    products = {product.product_code: product for product in body.data.product_list}

    assert set(products["sas"].log_map) == {"host", "network"}
    assert not products["sas"].log_list
    assert [log.log_code for log in products["waf"].log_list] == [
        "cloud_siem_waf_flow",
        "cloud_siem_waf_alert",
    ]
    assert not products["waf"].log_map


def test_numbers_and_strings_of_the_typed_client_arrive(siem: EmulatorServer) -> None:
    TypedClient(config(siem)).close_delivery(
        models.CloseDeliveryRequest(product_code="sas", role_type=0, role_for=int(MEMBER))
    )

    assert siem.calls_of("CloseDelivery")[0].parameters == {
        "ProductCode": "sas",
        "RoleType": "0",
        "RoleFor": MEMBER,
    }


# --- the generic client --------------------------------------------------------------------------


def test_the_generic_client_is_served_alike(siem: EmulatorServer) -> None:
    body = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}

    assert generic(siem, "OpenDelivery", body)["Data"] is True
    assert siem.status("sas", "cloud_siem_aegis_proc")


def test_an_error_is_what_the_sdk_knows(siem: EmulatorServer) -> None:
    with pytest.raises(exceptions.ServerException) as caught:
        generic(siem, "CloseDelivery", {"ProductCode": "nothing"})

    error = caught.value
    assert error.code == "Siem.Delivery.ErrorProductCode"
    assert error.status_code == 500
    assert error.request_id == siem.calls.all()[-1].request_id
    assert set(error.data) >= {"RequestId", "Message", "Recommend", "HostId", "Code"}


def test_a_refused_permission_says_what_is_missing(siem: EmulatorServer) -> None:
    siem.control("deny", key=siem.key().id, actions=["CloseDelivery"])

    with pytest.raises(exceptions.ClientException) as caught:
        generic(siem, "CloseDelivery", {"ProductCode": "waf"})

    assert (caught.value.code, caught.value.status_code) == ("NoPermission", 403)
    assert caught.value.access_denied_detail["AuthAction"] == "yundun-sas:CloseDelivery"
    assert caught.value.access_denied_detail["NoPermissionType"] == "ExplicitDeny"


def test_throttling_with_the_header_is_what_the_sdk_calls_throttling(siem: EmulatorServer) -> None:
    siem.fault("http429", acs_retry_after=250)

    with pytest.raises(exceptions.ThrottlingException) as caught:
        generic(siem, "ListDelivery", {})

    assert caught.value.retry_after == 250


# --- sessions ------------------------------------------------------------------------------------


def test_a_role_is_assumed_and_used(siem: EmulatorServer) -> None:
    answer = generic(siem, "OpenDelivery", {"ProductCode": "nas"}, credential=assumed(siem, MEMBER))

    assert answer["Data"] is True
    assert siem.status("nas", "cloud_siem_nas_audit_log", member=MEMBER)
    assert not siem.status("nas", "cloud_siem_nas_audit_log")
    assert [call.session for call in siem.calls_of("OpenDelivery")] == ["stack-1"]
    assert siem.counts().actions["AssumeRole"] == 1


def test_a_session_is_itself_a_caller(siem: EmulatorServer) -> None:
    client = GenericClient(config(siem, credential=assumed(siem, MEMBER)))
    answer = client.call_api(
        params("GetCallerIdentity", "2015-04-01"), OpenApiRequest(), RuntimeOptions()
    )["body"]

    assert answer["IdentityType"] == "AssumedRoleUser"
    assert answer["AccountId"] == MEMBER
    assert answer["Arn"] == f"acs:ram::{MEMBER}:assumed-role/siem-delivery/stack-1"


def test_a_session_can_be_narrowed(siem: EmulatorServer) -> None:
    policy = (
        '{"Version":"1","Statement":[{"Effect":"Allow","Action":"yundun-sas:ListDelivery",'
        '"Resource":"*"}]}'
    )
    credential = assumed(siem, MEMBER, policy=policy)

    assert generic(siem, "ListDelivery", {}, credential=credential)["Data"]
    with pytest.raises(exceptions.ClientException, match="NoPermission"):
        generic(siem, "OpenDelivery", {"ProductCode": "nas"}, credential=credential)


def test_a_refused_role_is_an_error_of_the_credentials(siem: EmulatorServer) -> None:
    credential = assumed(siem, "1777777777777777")

    with pytest.raises(Exception, match="NoPermission"):
        credential.get_credential()
