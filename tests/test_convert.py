from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_siem import convert
from cloud_siem.convert import ShapeError
from cloud_siem.model import DeliveryKey, Log, Member, Perspective, Region, Snapshot, State, View
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, HERE, MEMBER, PROC, WAF
from tests.emulator.signing import Client

NOW = datetime(2025, 10, 9, tzinfo=UTC)

PAGE = {
    # The example of ListDelivery's page (2025-10-09), line break in the URL and all.
    "RequestId": "9AAA9ED9-78F4-5021-86DC-D51C7511****",
    "Data": {
        "ProductList": [
            {
                "ProductCode": "sas",
                "ProductName": "Security Center",
                "LogList": [
                    {
                        "LogCode": "cloud_siem_config_log",
                        "LogName": "Logon logs",
                        "LogNameEn": "Logon logs",
                        "LogNameKey": "${sas.cloudsiem.prod.cloud_siem_aegis_proc}",
                        "Topic": "sas_login_event",
                        "Status": True,
                        "CanOperateOrNot": True,
                        "ExtraParameters": [{"Key": "flag", "Value": "on"}],
                    }
                ],
                "LogMap": {
                    "key": [
                        {
                            "LogCode": "cloud_siem_config_log",
                            "LogName": "Logon logs",
                            "LogNameEn": "Logon logs",
                            "LogNameKey": "${sas.cloudsiem.prod.cloud_siem_aegis_proc}",
                            "Topic": "sas_login_event",
                            "Status": True,
                            "CanOperateOrNot": True,
                            "ExtraParameters": [{"Key": "flag", "Value": "on"}],
                        }
                    ]
                },
            }
        ],
        "ProjectName": f"aliyun-cloudsiem-data-{ACCOUNT}-cn-shanghai",
        "LogStoreName": "cloud-siem",
        "SearchUrl": "https://sls4service.console.aliyun.com/lognext/project/\n?isShare=true",
        "DashboardUrl": "https://sls4service.console.aliyun.com/lognext/project/?isShare=true",
        "DisplaySwitchOrNot": True,
    },
}


def log(code: str, **changes: object) -> dict[str, object]:
    return {"LogCode": code, "Status": True, "CanOperateOrNot": True, "Topic": "t"} | changes


def listing(*products: object) -> dict[str, object]:
    return {"RequestId": "R", "Data": {"ProductList": list(products)}}


def snapshot_of(body: object) -> Snapshot:
    return convert.to_snapshot(body, HERE, NOW)


# --- ListDelivery --------------------------------------------------------------------------------


def test_the_example_of_the_api_page_is_a_snapshot() -> None:
    assert snapshot_of(PAGE) == Snapshot(
        perspective=HERE,
        logs=(
            Log(
                product="sas",
                log="cloud_siem_config_log",
                state=State.OPEN,
                operable=True,
                topic="sas_login_event",
            ),
        ),
        taken_at=NOW,
        project=f"aliyun-cloudsiem-data-{ACCOUNT}-cn-shanghai",
        logstore="cloud-siem",
        request_id="9AAA9ED9-78F4-5021-86DC-D51C7511****",
    )


def test_what_the_emulator_lists_is_what_it_has(siem: EmulatorServer) -> None:
    key = siem.key()
    body = Client(siem.host, key.id, key.secret).call("ListDelivery").body
    snapshot = snapshot_of(body)

    listed = {(one.product, one.log) for one in snapshot.logs}
    assert listed == {place for place in siem.world.catalog.places if place[0] != "hcloud_waf"}
    assert {(one.product, one.log) for one in snapshot.logs if one.state is State.OPEN} == (
        siem.open_logs()
    )
    assert {one.product for one in snapshot.logs if not one.operable} == {"bastionhost"}
    assert snapshot.request_id == siem.calls_of("ListDelivery")[0].request_id
    assert ACCOUNT in snapshot.project


def test_logs_with_and_without_a_group_are_one_sorted_list() -> None:
    groups = {"host": [log("c"), log("a", Status=False)], "network": [log("d")]}
    body = listing(
        {"ProductCode": "waf", "LogList": [log("z")]},
        {"ProductCode": "sas", "LogList": [log("b")], "LogMap": groups},
    )

    assert [(one.product, one.log, one.state) for one in snapshot_of(body).logs] == [
        ("sas", "a", State.CLOSED),
        ("sas", "b", State.OPEN),
        ("sas", "c", State.OPEN),
        ("sas", "d", State.OPEN),
        ("waf", "z", State.OPEN),
    ]


def test_a_log_listed_twice_alike_is_one_log() -> None:
    body = listing({"ProductCode": "sas", "LogList": [log("a")], "LogMap": {"host": [log("a")]}})

    assert len(snapshot_of(body).logs) == 1


@pytest.mark.parametrize("change", [{"Status": False}, {"CanOperateOrNot": False}])
def test_a_log_listed_twice_and_not_alike_is_no_answer(change: dict[str, bool]) -> None:
    groups = {"host": [log("a", **change)]}
    body = listing({"ProductCode": "sas", "LogList": [log("a")], "LogMap": groups})

    with pytest.raises(ShapeError, match=r"^sas/a is listed twice, and not alike$"):
        snapshot_of(body)


def test_the_same_log_code_in_two_products_is_two_logs() -> None:
    body = listing(
        {"ProductCode": "sas", "LogList": [log("a")]},
        {"ProductCode": "waf", "LogList": [log("a", Status=False)]},
    )

    assert len(snapshot_of(body).logs) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "the answer is null, not an object"),
        ([1], "the answer is a list, not an object"),
        ({}, "Data is missing"),
        ({"Data": None}, "Data is null, not an object"),
        ({"Data": {}}, "Data.ProductList is missing"),
        ({"Data": {"ProductList": "none"}}, "Data.ProductList is a string, not a list"),
        (listing("sas"), "Data.ProductList[0] is a string, not an object"),
        (listing({}), "Data.ProductList[0].ProductCode is missing"),
        (
            listing({"ProductCode": "sas", "LogList": "x"}),
            "Data.ProductList[0].LogList is a string, not a list",
        ),
        (
            listing({"ProductCode": "sas", "LogMap": {"host": None}}),
            "Data.ProductList[0].LogMap.host is null, not a list",
        ),
        (
            listing({"ProductCode": "sas", "LogMap": []}),
            "Data.ProductList[0].LogMap is a list, not an object",
        ),
        (
            listing({"ProductCode": "sas", "LogList": [log("a"), log("b", Status="true")]}),
            "Data.ProductList[0].LogList[1].Status is a string, not a boolean",
        ),
        (
            listing({"ProductCode": "sas", "LogList": [log("a", Status=1)]}),
            "Data.ProductList[0].LogList[0].Status is a number, not a boolean",
        ),
        (
            listing({"ProductCode": "sas", "LogMap": {"host": [{"LogCode": "a"}]}}),
            "Data.ProductList[0].LogMap.host[0].Status is missing",
        ),
        (
            listing({"ProductCode": "sas", "LogList": [log("a", LogCode=7)]}),
            "Data.ProductList[0].LogList[0].LogCode is a number, not a string",
        ),
        (  # in a call it would mean every log of the product
            listing({"ProductCode": "sas", "LogList": [log(" ")]}),
            "Data.ProductList[0].LogList[0].LogCode is blank",
        ),
        (listing({"ProductCode": "", "LogList": []}), "Data.ProductList[0].ProductCode is blank"),
    ],
)
def test_another_shape_is_told_with_its_place(body: object, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        snapshot_of(body)

    assert str(caught.value) == message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(body=JSON)
def test_any_json_in_place_of_an_answer_is_refused(body: object) -> None:
    for read in (snapshot_of, convert.to_accepted, convert.to_identity):
        with pytest.raises(ShapeError):
            read(body)
    assert convert.request_id_of(body) == ""


@given(data=st.data())
def test_any_json_in_place_of_any_part_of_an_answer_converts_or_is_refused(
    data: st.DataObject,
) -> None:
    body: Any = copy.deepcopy(PAGE)
    inside: Any = body
    while True:
        at = data.draw(
            st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside)))
        )
        deeper = inside[at]
        if not deeper or not isinstance(deeper, dict | list) or data.draw(st.booleans()):
            break
        inside = deeper
    if isinstance(inside, dict) and data.draw(st.booleans()):
        del inside[at]
    else:
        inside[at] = data.draw(JSON)

    try:
        snapshot = snapshot_of(json.loads(json.dumps(body)))
    except ShapeError:
        return
    assert all(isinstance(one, Log) for one in snapshot.logs)


# --- OpenDelivery, CloseDelivery -----------------------------------------------------------------


@pytest.mark.parametrize("data", [True, False])
def test_data_says_whether_a_write_was_done(data: bool) -> None:
    assert convert.to_accepted({"Data": data, "RequestId": "R"}) is data


@pytest.mark.parametrize("data", [None, "true", 1, {}, [True]])
def test_anything_else_is_neither_yes_nor_no(data: object) -> None:
    with pytest.raises(ShapeError, match=r"^Data is .*, not a boolean$"):
        convert.to_accepted({"Data": data})


def test_a_key_is_sent_in_the_spellings_of_the_api() -> None:
    enterprise = Perspective(
        account=ACCOUNT, region=Region.AP_SOUTHEAST_1, view=View.ENTERPRISE, member=MEMBER
    )

    assert convert.delivery_parameters(PROC) == {
        "RegionId": "cn-hangzhou",
        "RoleType": "0",
        "ProductCode": "sas",
        "LogCode": "cloud_siem_aegis_proc",
    }
    assert convert.delivery_parameters(WAF) == {
        "RegionId": "cn-hangzhou",
        "RoleType": "0",
        "ProductCode": "waf",
    }
    assert convert.perspective_parameters(enterprise) == {
        "RegionId": "ap-southeast-1",
        "RoleType": "1",
        "RoleFor": MEMBER,
    }


@given(product=st.text(), code=st.text())
@example(product="sas", code="")
@example(product="sas", code=" \t\n")
def test_a_key_of_one_log_is_never_sent_as_the_whole_product(product: str, code: str) -> None:
    key = DeliveryKey(perspective=HERE, product=product, log=code)
    try:
        parameters = convert.delivery_parameters(key)
    except ValueError:
        assert not code.strip(), "only a blank code is refused"
        return

    assert parameters["LogCode"] == code
    assert code.strip()


@given(product=st.text())
def test_a_key_of_the_whole_product_is_never_sent_with_a_log_code(product: str) -> None:
    key = DeliveryKey(perspective=HERE, product=product)

    assert "LogCode" not in convert.delivery_parameters(key)


# --- STS -----------------------------------------------------------------------------------------


def test_an_identity_is_account_and_arn() -> None:
    body = {"AccountId": ACCOUNT, "Arn": "acs:ram::1:root", "IdentityType": "Account"}

    identity = convert.to_identity(body)

    assert (identity.account, identity.arn) == (ACCOUNT, "acs:ram::1:root")


@pytest.mark.parametrize(
    "body", [{"AccountId": 1130916744880000, "Arn": ""}, {"AccountId": ACCOUNT}]
)
def test_an_identity_that_is_not_as_documented_is_refused(body: object) -> None:
    with pytest.raises(ShapeError):
        convert.to_identity(body)


# --- members -------------------------------------------------------------------------------------

LISTED = {"SubUserId": int(MEMBER), "SubUserName": "staging", "Joined": True}
"""Of the fields of ListRdUsers's page (2025-10-09) those that are read."""


def test_members_are_listed_by_account_in_our_spelling() -> None:
    """The second has no name, and stands there twice."""
    other = {"SubUserId": 1098765432109876, "Joined": False}

    assert convert.to_members({"Data": [LISTED, other, other]}) == (
        Member(account="1098765432109876", name="", managed=False),
        Member(account=MEMBER, name="staging", managed=True),
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Data": None}, "Data is null, not a list"),
        ({"Data": [1]}, "Data[0] is a number, not an object"),
        ({"Data": [{**LISTED, "SubUserId": MEMBER}]}, "Data[0].SubUserId is a string"),
        ({"Data": [{**LISTED, "Joined": None}]}, "Data[0].Joined is null, not a boolean"),
        ({"Data": [LISTED, {**LISTED, "Joined": False}]}, "is listed twice, and not alike"),
    ],
)
def test_members_that_are_not_as_documented_are_refused(body: object, message: str) -> None:
    """Nobody is taken for departed by a guess."""
    with pytest.raises(ShapeError, match=re.escape(message)):
        convert.to_members(body)
