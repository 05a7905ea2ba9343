"""Views and members: whose switches a call reads and writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from siem_emulator import EmulatorServer
from tests.emulator.signing import Client

ADMIN = "1130916744880000"
MEMBER = "1234567890123456"
OTHER = "1777777777777777"
PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_dns"}
PLACE = ("sas", "cloud_siem_aegis_dns")

AsAccount = Callable[[str], Client]


def test_the_administrator_switches_a_member_s_own_logs(
    siem: EmulatorServer, client: Client, member: Client
) -> None:
    client.call("CloseDelivery", **PROC, RoleFor=MEMBER, RoleType=0)

    assert PLACE not in member.call("ListDelivery").open_logs()
    assert not siem.status(*PLACE, account=MEMBER)


def test_the_administrator_sees_what_the_member_sees(client: Client, member: Client) -> None:
    assert (
        client.call("ListDelivery", RoleFor=MEMBER).data
        == member.call("ListDelivery", RegionId="cn-hangzhou").data
    )


def test_the_enterprise_view_has_switches_of_its_own(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", **PROC, RoleType=1)

    assert siem.status(*PLACE, view="enterprise")
    assert not siem.status(*PLACE)
    assert PLACE in client.call("ListDelivery", RoleType=1).open_logs()
    assert PLACE not in client.call("ListDelivery", RoleType=0).open_logs()


@pytest.mark.parametrize("account", [MEMBER, OTHER])
def test_the_enterprise_view_is_for_administrators(as_account: AsAccount, account: str) -> None:
    answer = as_account(account).call("ListDelivery", RoleType=1)

    assert (answer.status, answer.code) == (403, "NoPermission")


def test_who_is_not_a_member_cannot_be_looked_at(
    siem: EmulatorServer, client: Client, as_account: AsAccount
) -> None:
    for who, whom in ((client, OTHER), (as_account(OTHER), MEMBER), (as_account(MEMBER), ADMIN)):
        answer = who.call("CloseDelivery", **PROC, RoleFor=whom)

        assert (answer.status, answer.code) == (403, "NoPermission")
    assert siem.counts().changed == 0


def test_everybody_may_name_themselves(as_account: AsAccount) -> None:
    assert as_account(MEMBER).call("OpenDelivery", **PROC, RoleFor=MEMBER).data is True


def test_members_are_listed_to_their_administrator_only(
    client: Client, as_account: AsAccount
) -> None:
    mine = client.call("ListRdUsers").data

    assert [(each["SubUserId"], each["MainUserId"], each["Joined"]) for each in mine] == [
        (1234567890123456, 1130916744880000, True),
        (1098765432109876, 1130916744880000, True),
    ]
    assert as_account(OTHER).call("ListRdUsers").data == []


def test_the_first_member_has_ten_logs_open_to_adopt(member: Client) -> None:
    assert len(member.call("ListDelivery").open_logs()) == 10


# --- what is unverified, each a named switch -----------------------------------------------------


@pytest.mark.parametrize(
    ("precedence", "owner"),
    [("role_for", {"member": MEMBER}), ("role_type", {"view": "enterprise"})],
)
def test_role_precedence_says_which_of_the_two_wins(
    siem: EmulatorServer, client: Client, precedence: str, owner: dict[str, str]
) -> None:
    siem.configure(role_precedence=precedence)
    siem.switch("sas", state="closed", member=MEMBER)

    client.call("OpenDelivery", **PROC, RoleType=1, RoleFor=MEMBER)

    assert siem.open_logs(**owner) >= {PLACE}
    assert siem.counts().changed == 1


def test_role_precedence_can_refuse_both_together(siem: EmulatorServer, client: Client) -> None:
    siem.configure(role_precedence="refuse")
    answer = client.call("ListDelivery", RoleType=1, RoleFor=MEMBER)

    assert (answer.status, answer.code) == (400, "InvalidParameter.RoleType")


def test_enterprise_switches_can_be_those_of_all_members(
    siem: EmulatorServer, client: Client
) -> None:
    siem.configure(enterprise_switches="members")
    waf = ("waf", "cloud_siem_waf_flow")
    assert waf not in client.call("ListDelivery", RoleType=1).open_logs(), "one member has it open"

    client.call("OpenDelivery", ProductCode="waf", RoleType=1)

    assert all(siem.status(*waf, account=each) for each in (ADMIN, MEMBER, "1098765432109876"))
    assert waf in client.call("ListDelivery", RoleType=1).open_logs()


def test_members_can_be_kept_from_operating(
    siem: EmulatorServer, client: Client, member: Client
) -> None:
    siem.configure(member_operates="no")

    assert not any(log["CanOperateOrNot"] for log in member.call("ListDelivery").logs().values())
    assert member.call("OpenDelivery", **PROC).data is False
    assert client.call("OpenDelivery", **PROC, RoleFor=MEMBER).data is True


def test_a_write_to_an_inoperable_log_can_be_ignored(siem: EmulatorServer, client: Client) -> None:
    siem.configure(inoperable_write="ignore")

    assert client.call("OpenDelivery", ProductCode="bastionhost").data is True
    assert siem.counts().changed == 0


@pytest.mark.parametrize(
    ("value", "status", "data"), [("data_false", 200, False), ("error", 500, None)]
)
def test_a_repeated_close_can_fail(
    siem: EmulatorServer, client: Client, value: str, status: int, data: bool | None
) -> None:
    siem.configure(repeat_close=value)
    answer = client.call("CloseDelivery", **PROC)

    assert (answer.status, answer.body.get("Data")) == (status, data)


def test_the_spelling_of_the_close_page_is_refused_unless_accepted(
    siem: EmulatorServer, client: Client
) -> None:
    answer = client.call("OpenDelivery", ProductCode="qlcoud_cfw")
    assert answer.code == "Siem.Delivery.ErrorProductCode"

    siem.configure(qlcoud_cfw="accept")
    assert client.call("OpenDelivery", ProductCode="qlcoud_cfw").data is True
    assert siem.status("qcloud_cfw", "cloud_siem_qcloud_cfw_alert_log")


def test_the_center_that_is_meant_without_one_can_be_chosen(
    siem: EmulatorServer, client: Client
) -> None:
    siem.configure(default_region="ap-southeast-1")
    client.call("OpenDelivery", **PROC)
    assert siem.status(*PLACE, region="ap-southeast-1")

    siem.configure(default_region="required")
    assert client.call("OpenDelivery", **PROC).code == "MissingRegionId"


def test_an_empty_log_code_is_an_absent_one_unless_refused(
    siem: EmulatorServer, client: Client
) -> None:
    assert client.call("OpenDelivery", ProductCode="sas", LogCode="").data is True
    assert siem.calls_of("OpenDelivery")[0].changed == 17

    siem.configure(empty_log_code="error")
    answer = client.call("OpenDelivery", ProductCode="sas", LogCode="")
    assert answer.code == "Siem.Delivery.ErrorMapping"
