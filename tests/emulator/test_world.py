"""Worlds: as large or small as a test wants, and quick to make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from siem_emulator import EmulatorServer, World
from siem_emulator.catalog import DOCUMENTED, Catalog
from siem_emulator.fields import FieldError
from siem_emulator.ram import Verdict
from siem_emulator.world import Opening, View, demo_world
from siem_emulator.worldfile import load_world, world_from_mapping
from tests.emulator.conftest import client_of

DOCUMENTED_PRODUCTS = """
    qcloud_waf qcloud_cfw hcloud_waf hcloud_cfw ddos sas cfw config csk fc rds nas apigateway cdn
    mongodb eip slb vpc actiontrail waf bastionhost oss polardb
"""


def test_every_documented_product_has_a_log() -> None:
    assert set(DOCUMENTED.products) == set(DOCUMENTED_PRODUCTS.split())
    assert all(product.logs and product.source for product in DOCUMENTED.products.values())


def test_no_log_is_there_twice() -> None:
    assert len(DOCUMENTED.known) == len(DOCUMENTED.places) == 48


@pytest.mark.parametrize("count", [1, 17, 18, 48, 49, 60, 2000])
def test_a_catalog_has_as_many_logs_as_asked_for(count: int) -> None:
    catalog = Catalog.with_logs(count)

    assert len(catalog.known) == len(catalog.places) == count
    assert all(product.logs for product in catalog.products.values())


def test_a_thousand_accounts_with_sixty_logs_are_served() -> None:
    with EmulatorServer(world=World.build(accounts=1000, logs=60)) as siem:
        account = list(siem.world.accounts)[-1]

        assert client_of(siem, account).call("OpenDelivery", ProductCode="sas").data is True
        assert len(siem.open_logs(account=account)) == 17


def test_one_account_may_have_two_thousand_logs() -> None:
    with EmulatorServer(world=World.build(logs=2000)) as siem:
        assert len(client_of(siem).call("ListDelivery").logs()) == 2000


def test_members_come_on_top_and_belong_to_the_first_account() -> None:
    with EmulatorServer(world=World.build(accounts=2, members=3)) as siem:
        admin, second = list(siem.world.accounts)[:2]

        assert len(siem.world.accounts) == 5
        assert len(client_of(siem, admin).call("ListRdUsers").data) == 3
        assert client_of(siem, second).call("ListRdUsers").data == []


def test_what_is_open_from_the_start_is_chosen_by_patterns() -> None:
    world = World.build(
        opened=(
            Opening(product="waf"),
            Opening(product="sas", log="cloud_siem_aegis_dns", region="ap-southeast-1"),
            Opening(product="nas", view=View.ENTERPRISE),
        )
    )
    with EmulatorServer(world=world) as siem:
        waf = {("waf", "cloud_siem_waf_flow"), ("waf", "cloud_siem_waf_alert")}

        assert siem.open_logs() == waf
        assert siem.open_logs(region="ap-southeast-1") == waf | {("sas", "cloud_siem_aegis_dns")}
        assert siem.open_logs(view="enterprise") == {("nas", "cloud_siem_nas_audit_log")}


def test_the_demo_world_has_something_for_every_case() -> None:
    world = demo_world()
    admin = world.first

    assert world.members[admin.id] == ("1234567890123456", "1098765432109876")
    assert {key.id for key in world.keys.values()} == {
        "testid-demo-admin", "testid-member-1", "testid-member-2", "testid-other"
    }  # fmt: skip
    assert all(account.not_connected == {"hcloud_waf"} for account in world.accounts.values())
    assert ("bastionhost", "*") in admin.inoperable


def test_a_secret_does_not_show_itself() -> None:
    assert "testsecret" not in repr(demo_world())


# --- files ---------------------------------------------------------------------------------------

FILE = """
name: mine
logs: 60
accounts:
  "1000000000000001":
    name: boss
    keys:
      - {id: testid-boss, secret: testsecret-boss, user: boss}
      - {id: testid-reader, secret: testsecret-reader, user: reader, actions: [ListDelivery]}
    opened:
      - {product: sas, log: cloud_siem_aegis_dns, region: cn-hangzhou}
      - {product: waf, view: enterprise}
    not_connected: [rds]
    inoperable: ["nas/*"]
  "2000000000000002":
members:
  "1000000000000001": ["2000000000000002"]
"""


def test_a_world_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(FILE)
    world = load_world(file)
    boss, worker = world.accounts.values()

    assert (world.name, len(world.catalog.places)) == ("mine", 60)
    assert boss.opened[1] == Opening(product="waf", view=View.ENTERPRISE)
    assert boss.not_connected == {"rds"}
    assert boss.inoperable == {("nas", "*")}
    assert boss.keys[1].policy.verdict("yundun-sas:CloseDelivery") is Verdict.IMPLICIT_DENY
    assert worker.keys[0].id == "testid-2000000000000002"
    assert worker.roles[0].trusts == ("1000000000000001",)


def test_json_is_yaml(tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    file.write_text('{"accounts": {"5": {}}}')

    assert load_world(file).name == "small"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "A world is an object with accounts."),
        ({}, "A world needs at least one account."),
        ({"accounts": {"x": {}}}, "An account is a string of digits, not 'x'."),
        ({"accounts": {5: {}}}, "accounts must be an object whose names are strings"),
        ({"accounts": {"5": {"nmae": "x"}}}, "There is no field nmae here."),
        ({"accounts": {"5": {"keys": [{"id": "a"}]}}}, "secret is missing."),
        ({"accounts": {"5": {"inoperable": ["nas"]}}}, "A log is written PRODUCT/LOG"),
        ({"accounts": {"5": {"opened": [{"product": "waf", "view": "x"}]}}}, "view is one of"),
        ({"accounts": {"5": {}}, "members": {"5": ["6"]}}, "accounts that are not there: 6."),
        ({"accounts": {"5": {}}, "logs": "many"}, "logs must be a whole number"),
        ({"accounts": {"5": []}}, "An account is an object"),
        ({"accounts": {"5": {}}, "members": {"5": "6"}}, "members must name lists of accounts."),
    ],
)
def test_a_world_that_cannot_be_is_one_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(FieldError) as caught:
        world_from_mapping(value)
    assert str(caught.value).startswith(sentence) or sentence in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "accounts: {'5': {keys: [{id: a}]}}"])
def test_a_fault_in_a_file_names_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(text)

    with pytest.raises(FieldError, match=r"world\.yaml"):
        load_world(file)
    with pytest.raises(FieldError, match="No such file"):
        load_world(tmp_path / "missing.yaml")
