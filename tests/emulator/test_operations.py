"""Open, close, list: every documented answer and error."""

from __future__ import annotations

import re
import uuid

import pytest

from siem_emulator import EmulatorServer
from siem_emulator.catalog import DOCUMENTED
from tests.emulator.signing import STS, Client

PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}


def test_open_opens_one_log_and_nothing_else(siem: EmulatorServer, client: Client) -> None:
    before = siem.open_logs()

    assert client.call("OpenDelivery", **PROC).data is True
    assert siem.open_logs() - before == {("sas", "cloud_siem_aegis_proc")}


def test_close_closes_one_log_and_nothing_else(siem: EmulatorServer, client: Client) -> None:
    siem.switch("*", state="open")

    assert client.call("CloseDelivery", **PROC).data is True
    assert set(DOCUMENTED.places) - siem.open_logs() == {("sas", "cloud_siem_aegis_proc")}


@pytest.mark.parametrize("action", ["OpenDelivery", "CloseDelivery"])
def test_without_a_log_code_the_whole_product_is_switched(
    siem: EmulatorServer, client: Client, action: str
) -> None:
    siem.switch("*", state="closed" if action == "OpenDelivery" else "open")

    assert client.call(action, ProductCode="sas").data is True
    assert siem.calls_of(action)[0].changed == 17
    assert {siem.status(*place) for place in DOCUMENTED.products["sas"].places} == {
        action == "OpenDelivery"
    }
    assert siem.status("waf", "cloud_siem_waf_flow") is (action == "CloseDelivery")


@pytest.mark.parametrize("action", ["OpenDelivery", "CloseDelivery"])
def test_a_write_that_changes_nothing_succeeds(
    siem: EmulatorServer, client: Client, action: str
) -> None:
    answers = [client.call(action, **PROC).data for _ in range(2)]

    assert answers == [True, True]
    assert siem.calls_of(action)[1].changed == 0


def test_the_two_centers_have_switches_of_their_own(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", **PROC, RegionId="ap-southeast-1")

    assert siem.status("sas", "cloud_siem_aegis_proc", region="ap-southeast-1")
    assert not siem.status("sas", "cloud_siem_aegis_proc", region="cn-hangzhou")


def test_two_accounts_have_switches_of_their_own(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", **PROC)

    assert not siem.status("sas", "cloud_siem_aegis_proc", account="1777777777777777")


def test_a_listing_shows_what_was_written(client: Client) -> None:
    client.call("OpenDelivery", **PROC)

    assert ("sas", "cloud_siem_aegis_proc") in client.call("ListDelivery").open_logs()


@pytest.mark.parametrize(
    ("parameters", "status", "code", "message"),
    [
        ({}, 400, "Siem.Delivery.MissingProductCode", "ProductCode is mandatory for this action."),
        (
            {"ProductCode": ""},
            400,
            "Siem.Delivery.MissingProductCode",
            "ProductCode is mandatory for this action.",
        ),
        (
            {"ProductCode": "nothing"},
            500,
            "Siem.Delivery.ErrorProductCode",
            "ProductCode is error for this action.",
        ),
        (
            {"ProductCode": "hcloud_waf"},
            500,
            "Siem.Delivery.ErrorProductCode",
            "ProductCode is error for this action.",
        ),
        (
            {"ProductCode": "waf", "LogCode": "cloud_siem_aegis_proc"},
            500,
            "Siem.Delivery.ErrorMapping",
            "The Mapping between productCode and logCode is error.",
        ),
        (
            {"ProductCode": "waf", "LogCode": "*"},
            500,
            "Siem.Delivery.ErrorMapping",
            "The Mapping between productCode and logCode is error.",
        ),
    ],
)
@pytest.mark.parametrize("action", ["OpenDelivery", "CloseDelivery"])
def test_every_documented_error_has_its_status_code_and_sentence(
    client: Client, action: str, parameters: dict[str, str], status: int, code: str, message: str
) -> None:
    answer = client.call(action, **parameters)

    assert (answer.status, answer.code, answer.body["Message"]) == (status, code, message)


def test_an_error_body_has_the_five_documented_fields(client: Client) -> None:
    body = client.call("OpenDelivery").body

    assert set(body) == {"RequestId", "Message", "Recommend", "HostId", "Code"}
    assert body["HostId"] == client.host
    assert body["Recommend"].endswith("?q=Siem.Delivery.MissingProductCode&product=cloud-siem")


@pytest.mark.parametrize("parameters", [PROC, {}])
def test_every_answer_has_a_request_id_in_upper_case(
    client: Client, parameters: dict[str, str]
) -> None:
    answer = client.call("OpenDelivery", **parameters)
    request_id = answer.body["RequestId"]

    assert str(uuid.UUID(request_id)).upper() == request_id
    assert answer.headers["x-acs-request-id"] == request_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RoleType", "2"),
        ("RoleType", "x"),
        ("RoleFor", "x"),
        ("RoleFor", "-1"),
        ("RegionId", "cn-shanghai"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(client: Client, name: str, value: str) -> None:
    answer = client.call("ListDelivery", **{name: value})

    assert (answer.status, answer.code) == (400, f"InvalidParameter.{name}")


def test_a_product_that_is_not_connected_is_not_listed(
    siem: EmulatorServer, client: Client
) -> None:
    siem.control("disconnect", product="waf")
    listed = {product for product, _ in client.call("ListDelivery").logs()}

    assert "waf" not in listed
    assert "hcloud_waf" not in listed
    assert client.call("OpenDelivery", ProductCode="waf").code == "Siem.Delivery.ErrorProductCode"


def test_a_product_can_be_connected(siem: EmulatorServer, client: Client) -> None:
    siem.control("connect", product="hcloud_waf")

    assert client.call("OpenDelivery", ProductCode="hcloud_waf").data is True


def test_a_log_that_cannot_be_operated_says_so_and_refuses(
    siem: EmulatorServer, client: Client
) -> None:
    log = ("bastionhost", "cloud_siem_bastionhost_event")

    assert client.call("ListDelivery").logs()[log]["CanOperateOrNot"] is False
    assert client.call("OpenDelivery", ProductCode=log[0], LogCode=log[1]).data is False
    assert not siem.status(*log)


def test_a_product_with_one_such_log_refuses_as_a_whole(
    siem: EmulatorServer, client: Client
) -> None:
    siem.control("operable", product="waf", log="cloud_siem_waf_flow", operable=False)

    assert client.call("OpenDelivery", ProductCode="waf").data is False
    assert not siem.open_logs() & set(DOCUMENTED.products["waf"].places)


def test_the_listing_names_project_and_logstore(client: Client) -> None:
    data = client.call("ListDelivery", RegionId="ap-southeast-1").data

    assert data["ProjectName"] == "aliyun-cloudsiem-data-1130916744880000-ap-southeast-1"
    assert data["LogStoreName"] == "cloud-siem"
    assert re.match(r"https://[^/]+\.aliyun\.com/", data["SearchUrl"])


# --- the gateway ---------------------------------------------------------------------------------


def test_an_unknown_action_is_not_found(client: Client) -> None:
    answer = client.call("ToggleDelivery")

    assert (answer.status, answer.code) == (404, "InvalidApi.NotFound")


def test_a_known_action_of_another_version_is_not_found(client: Client) -> None:
    answer = client.call("OpenDelivery", version=STS)

    assert (answer.status, answer.code) == (404, "InvalidVersion")


def test_another_path_is_not_found(client: Client) -> None:
    headers = client.signed("POST", "/api", client.headers("ListDelivery"))
    answer = client.send("POST", "/api", headers)

    assert (answer.status, answer.code) == (404, "InvalidApi.NotFound")


def test_another_method_is_refused(client: Client) -> None:
    headers = client.signed("PUT", "/", client.headers("ListDelivery"))
    answer = client.send("PUT", "/", headers)

    assert (answer.status, answer.code) == (405, "UnsupportedHTTPMethod")
