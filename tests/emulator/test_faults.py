"""Faults: every kind is seen by a caller as what it is, strikes whom it should, and ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siem_emulator import EmulatorServer
from siem_emulator.faults import ACTS, FaultError, Kind, Rule
from tests.emulator.signing import Client
from tests.emulator.test_ram import assume

PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}
PLACE = ("sas", "cloud_siem_aegis_proc")


def test_drop_before_closes_the_connection_and_does_not_act(
    siem: EmulatorServer, client: Client
) -> None:
    siem.fault("drop_before")

    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.call("OpenDelivery", **PROC)
    assert not siem.status(*PLACE)
    assert siem.counts().codes == {"no answer": 1}


def test_drop_after_acts_and_closes_the_connection(siem: EmulatorServer, client: Client) -> None:
    siem.fault("drop_after")

    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.call("OpenDelivery", **PROC)
    assert siem.status(*PLACE)
    assert siem.counts().codes == {"no answer": 1}
    assert siem.counts().changed == 1


def test_half_body_stops_in_the_middle(siem: EmulatorServer, client: Client) -> None:
    siem.fault("half_body")

    with pytest.raises(http.client.IncompleteRead) as caught:
        client.call("OpenDelivery", **PROC)
    assert caught.value.partial.startswith(b'{"Data":true')
    assert siem.status(*PLACE)


def test_slow_drip_takes_its_time_and_is_whole(siem: EmulatorServer, client: Client) -> None:
    siem.fault("slow_drip", seconds=0.3)
    start = time.monotonic()

    assert client.call("OpenDelivery", **PROC).data is True
    assert time.monotonic() - start > 0.15


def test_wrong_length_cuts_the_json(siem: EmulatorServer, client: Client) -> None:
    siem.fault("wrong_length")
    answer = client.call("OpenDelivery", **PROC)

    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        _ = answer.body
    assert siem.status(*PLACE)


def test_html_is_a_page_with_status_200(siem: EmulatorServer, client: Client) -> None:
    siem.fault("html")
    answer = client.call("OpenDelivery", **PROC)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert answer.raw.startswith(b"<!DOCTYPE html>")
    assert not siem.status(*PLACE)


@pytest.mark.parametrize("status", [200, 500])
def test_empty_is_an_empty_body(siem: EmulatorServer, client: Client, status: int) -> None:
    siem.fault("empty", status=status)
    answer = client.call("OpenDelivery", **PROC)

    assert (answer.status, answer.raw) == (status, b"")


@pytest.mark.parametrize("status", [302, 307])
def test_redirect_leads_to_something_that_looks_like_success(
    siem: EmulatorServer, client: Client, status: int
) -> None:
    siem.fault("redirect", status=status)
    answer = client.call("OpenDelivery", **PROC)
    assert (answer.status, answer.headers["location"]) == (status, "/_siem/redirected")

    there = client.send("GET", answer.headers["location"], {"host": client.host})
    assert there.data is True
    assert not siem.status(*PLACE)


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({}, {}),
        ({"retry_after": 2}, {"retry-after": "2"}),
        ({"acs_retry_after": 1500}, {"x-acs-retry-after": "1500"}),
    ],
)
@pytest.mark.parametrize(("kind", "status"), [("http429", 429), ("throttling", 400)])
def test_throttling_comes_with_and_without_its_headers(
    siem: EmulatorServer,
    client: Client,
    kind: str,
    status: int,
    options: dict[str, Any],
    headers: dict[str, str],
) -> None:
    siem.fault(kind, **options)
    answer = client.call("OpenDelivery", **PROC)

    assert (answer.status, answer.code) == (status, "Throttling.User")
    assert answer.body["Message"] == "Request was denied due to user flow control."
    sent = {name for name in answer.headers if name.endswith("retry-after")}
    assert {name: answer.headers[name] for name in sent} == headers


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("internal_error", 500, "InternalError"),
        ("sls_ship", 500, "SLS.Ship.Error"),
        ("sls_embed", 500, "SLS.Sls4Service.Error"),
        ("error_mapping", 500, "Siem.Delivery.ErrorMapping"),
        ("error_product", 500, "Siem.Delivery.ErrorProductCode"),
        ("expired_token", 400, "InvalidSecurityToken.Expired"),
    ],
)
def test_an_error_by_fault_looks_like_the_error_itself(
    siem: EmulatorServer, client: Client, kind: str, status: int, code: str
) -> None:
    siem.fault(kind)
    answer = client.call("OpenDelivery", **PROC)

    assert (answer.status, answer.code) == (status, code)
    assert set(answer.body) == {"RequestId", "Message", "Recommend", "HostId", "Code"}
    assert not siem.status(*PLACE)


def test_data_false_is_a_failure_with_status_200(siem: EmulatorServer, client: Client) -> None:
    siem.fault("data_false")

    assert client.call("OpenDelivery", **PROC).data is False
    assert not siem.status(*PLACE)


@pytest.mark.parametrize("body", [[1], None, "x", {"Data": "true"}, {"Data": {"ProductList": "x"}}])
def test_bad_shape_is_any_json(siem: EmulatorServer, client: Client, body: object) -> None:
    siem.fault("bad_shape", body=body)

    assert client.call("ListDelivery").body == body


def test_null_maps_has_null_for_every_list_of_logs(siem: EmulatorServer, client: Client) -> None:
    siem.fault("null_maps")
    products = client.call("ListDelivery").data["ProductList"]

    assert products[0]["LogMap"] == {"host": None, "network": None}
    assert {product["LogList"] for product in products[1:]} == {None}


def test_empty_product_list_has_no_product(siem: EmulatorServer, client: Client) -> None:
    siem.fault("empty_product_list")
    data = client.call("ListDelivery").data

    assert data["ProductList"] == []
    assert data["ProjectName"]


def test_stale_reads_show_the_past(siem: EmulatorServer, client: Client) -> None:
    siem.fault("stale_reads", seconds=30)
    client.call("OpenDelivery", **PROC)
    client.call("OpenDelivery", ProductCode="waf")
    client.call("CloseDelivery", ProductCode="actiontrail")

    assert client.call("ListDelivery").open_logs() == {
        ("actiontrail", "cloud_siem_trail_actiontrail")
    }
    siem.faults.clear()
    assert PLACE in client.call("ListDelivery").open_logs()


def test_hang_does_not_answer(siem: EmulatorServer, client: Client) -> None:
    siem.fault("hang", seconds=0.2)
    start = time.monotonic()

    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.call("OpenDelivery", **PROC)
    assert time.monotonic() - start >= 0.2
    assert not siem.status(*PLACE)


OTHERS = [("sas", "cloud_siem_aegis_dns"), ("waf", "cloud_siem_waf_flow")]


def open_three(siem: EmulatorServer) -> None:
    for place in (PLACE, *OTHERS):
        siem.switch(*place, state="open")


@pytest.mark.parametrize(
    ("closes", "closed"),
    [
        (None, OTHERS[:1]),
        (["sas/*"], OTHERS[:1]),
        (["waf/cloud_siem_waf_flow"], OTHERS[1:]),
        (["waf/*", "sas/*"], OTHERS),
        (["actiontrail/*"], [("actiontrail", "cloud_siem_trail_actiontrail")]),
    ],
)
def test_collateral_closes_other_logs_as_the_services_own_doing(
    siem: EmulatorServer,
    client: Client,
    closes: list[str] | None,
    closed: list[tuple[str, str]],
) -> None:
    open_three(siem)
    before = siem.open_logs()
    siem.fault("collateral", **({} if closes is None else {"closes": closes}))

    assert client.call("CloseDelivery", **PROC).data is True
    assert siem.open_logs() == before - {PLACE, *closed}
    (call,) = siem.calls.all()
    assert (call.changed, call.fault) == (1, "collateral"), "the call closed one log"
    assert siem.counts().changed == 1
    effects = siem.effects()
    assert sorted((each.product, each.log) for each in effects) == sorted(closed)
    assert {(each.cause, each.account, each.region, each.view) for each in effects} == {
        (call.seq, "1130916744880000", "cn-hangzhou", "account")
    }


def test_collateral_may_come_later(siem: EmulatorServer, client: Client) -> None:
    """The call is answered first: what follows is seen by a later look only."""
    open_three(siem)
    siem.fault("collateral", closes=["waf/*"], delay=0.2)
    start = time.monotonic()
    client.call("CloseDelivery", **PROC)

    assert siem.status(*OTHERS[1])
    assert siem.effects() == []
    while siem.status(*OTHERS[1]):
        assert time.monotonic() - start < 10
        time.sleep(0.005)
    assert time.monotonic() - start >= 0.2
    assert [each.product for each in siem.effects()] == ["waf"]


def test_collateral_that_is_due_after_a_reset_does_not_come(
    siem: EmulatorServer, client: Client
) -> None:
    open_three(siem)
    siem.fault("collateral", closes=["*/*"], delay=0.1)
    client.call("CloseDelivery", **PROC)
    siem.reset()
    at_start = siem.open_logs()
    time.sleep(0.3)

    assert siem.open_logs() == at_start
    assert siem.effects() == []


def test_collateral_follows_only_a_call_that_closes_something(
    siem: EmulatorServer, client: Client
) -> None:
    open_three(siem)
    siem.control("operable", product="sas", operable=False)
    siem.fault("collateral", closes=["waf/*"])

    client.call("OpenDelivery", ProductCode="nas")
    client.call("ListDelivery")
    assert client.call("CloseDelivery", **PROC).data is False
    assert client.call("CloseDelivery", ProductCode="rds").data is True, "closed already"
    assert siem.status(*OTHERS[1])
    client.call("CloseDelivery", ProductCode="nas")
    assert not siem.status(*OTHERS[1])


def test_collateral_stays_in_the_view_of_the_call(siem: EmulatorServer, client: Client) -> None:
    open_three(siem)
    for place in (PLACE, OTHERS[1]):
        siem.switch(*place, state="open", view="enterprise")
    siem.fault("collateral", closes=["waf/*"])
    client.call("CloseDelivery", **PROC, RoleType="1")

    assert siem.status(*OTHERS[1])
    assert not siem.status(*OTHERS[1], view="enterprise")


def test_the_state_file_marks_collateral_and_keeps_it(tmp_path: Path) -> None:
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        open_three(siem)
        siem.fault("collateral", closes=["waf/*"])
        key = siem.key()
        Client(siem.host, key.id, key.secret).call("CloseDelivery", **PROC)
        lines = [json.loads(line) for line in (tmp_path / "state").read_text().splitlines()]
        after = siem.open_logs()

    own = [fields["places"] for _, fields in lines if fields.get("by_service")]
    assert own == [[list(OTHERS[1])]]
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        assert siem.open_logs() == after


def calls_at_once(client: Client, *actions: str) -> list[threading.Thread]:
    """Calls in threads of their own, each started when the one before has arrived."""
    threads = [
        threading.Thread(target=client.call, args=(action,), kwargs=PROC) for action in actions
    ]
    for thread in threads:
        thread.start()

    return threads


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_calls_that_meet_do_not_act_before_all_have_arrived(
    siem: EmulatorServer, client: Client
) -> None:
    """So that two updates can be made to race."""
    siem.switch(*PLACE, state="open")
    siem.fault("meet", action="CloseDelivery", times=2, seconds=60)
    first = calls_at_once(client, "CloseDelivery")
    wait_for(lambda: siem.counts().total == 1)
    time.sleep(0.1)
    assert siem.status(*PLACE), "the first waits"
    assert client.call("ListDelivery").status == 200, "other calls do not"
    second = calls_at_once(client, "CloseDelivery")
    for thread in first + second:
        thread.join(10)

    assert [(call.status, call.fault) for call in siem.calls_of("CloseDelivery")] == [
        (200, "meet"), (200, "meet")
    ]  # fmt: skip
    assert not siem.status(*PLACE)
    assert [rule["met"] for rule in siem.faults.to_list()] == [1]


def test_a_call_that_meets_nobody_acts_when_its_time_is_over(
    siem: EmulatorServer, client: Client
) -> None:
    """And is not counted when the next ones meet."""
    siem.fault("meet", action="OpenDelivery", seconds=0.1)
    start = time.monotonic()
    assert client.call("OpenDelivery", **PROC).data is True
    assert time.monotonic() - start >= 0.1
    assert client.call("OpenDelivery", **PROC).data is True
    assert time.monotonic() - start >= 0.2, "the second waited for itself"
    assert [rule["met"] for rule in siem.faults.to_list()] == [0]


def test_clearing_the_faults_lets_waiting_calls_go_on(siem: EmulatorServer, client: Client) -> None:
    siem.fault("meet", action="OpenDelivery", seconds=60)
    (waiting,) = calls_at_once(client, "OpenDelivery")
    wait_for(lambda: siem.counts().total == 1)
    siem.faults.clear()
    waiting.join(10)

    assert siem.status(*PLACE)


def test_a_hanging_call_does_not_keep_the_server_from_stopping(client: Client) -> None:
    with EmulatorServer() as siem:
        siem.fault("hang", seconds=3600)
        key = siem.key()
        connection = http.client.HTTPConnection(siem.host, timeout=10)
        hanging = Client(siem.host, key.id, key.secret)
        headers = hanging.signed("POST", "/", hanging.headers("ListDelivery"))
        connection.request("POST", "/", headers=headers)
        while not siem.counts().total:
            time.sleep(0.01)
        start = time.monotonic()
    connection.close()

    assert time.monotonic() - start < 60


def test_every_kind_is_in_this_file() -> None:
    text = Path(__file__).read_text(encoding="utf-8")

    assert [kind for kind in Kind if f'"{kind}"' not in text] == []


# --- whom, how often -----------------------------------------------------------------------------


def test_a_fault_strikes_the_named_action_only(siem: EmulatorServer, client: Client) -> None:
    siem.fault("internal_error", action="CloseDelivery")

    assert client.call("OpenDelivery", **PROC).status == 200
    assert client.call("CloseDelivery", **PROC).status == 500


def test_a_fault_strikes_the_named_log_only(siem: EmulatorServer, client: Client) -> None:
    siem.fault("internal_error", productCode="waf", logCode="cloud_siem_waf_flow")
    waf = {"ProductCode": "waf"}

    assert client.call("OpenDelivery", **waf, LogCode="cloud_siem_waf_alert").status == 200
    assert client.call("OpenDelivery", **waf, LogCode="cloud_siem_waf_flow").status == 500


def test_a_fault_strikes_calls_with_any_named_parameter(
    siem: EmulatorServer, client: Client
) -> None:
    siem.fault("internal_error", match={"RegionId": "ap-southeast-1"})

    assert client.call("ListDelivery", RegionId="cn-hangzhou").status == 200
    assert client.call("ListDelivery", RegionId="ap-southeast-1").status == 500


def test_a_fault_strikes_the_named_account_only(
    siem: EmulatorServer, client: Client, member: Client
) -> None:
    siem.fault("internal_error", account="1234567890123456")

    assert client.call("ListDelivery").status == 200
    assert member.call("ListDelivery").status == 500
    session = assume(client, "acs:ram::1234567890123456:role/siem-delivery")
    assert session.call("ListDelivery").status == 500


def test_a_fault_strikes_so_many_times_after_so_many_calls(
    siem: EmulatorServer, client: Client
) -> None:
    siem.fault("internal_error", after=2, times=3)

    assert [client.call("ListDelivery").status for _ in range(7)] == [
        200, 200, 500, 500, 500, 200, 200
    ]  # fmt: skip


def test_the_first_fault_that_strikes_wins(siem: EmulatorServer, client: Client) -> None:
    siem.fault("throttling", times=1)
    siem.fault("internal_error", times=1)

    assert [client.call("ListDelivery").status for _ in range(3)] == [400, 500, 200]


@pytest.mark.parametrize("kind", ["internal_error", "html", "hang"])
def test_a_fault_can_strike_after_the_act(siem: EmulatorServer, client: Client, kind: str) -> None:
    """The caller must not know whether it happened."""
    siem.fault(kind, acts=True, seconds=0.1)
    if kind == "hang":
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            client.call("OpenDelivery", **PROC)
    else:
        client.call("OpenDelivery", **PROC)

    assert siem.status(*PLACE)
    assert siem.counts().changed == 1


def test_the_call_log_names_the_fault(siem: EmulatorServer, client: Client) -> None:
    siem.fault("internal_error", times=1)
    client.call("OpenDelivery", **PROC)
    client.call("OpenDelivery", **PROC)

    assert [call.fault for call in siem.calls.all()] == ["internal_error", ""]


def test_what_is_left_of_a_fault_can_be_seen(siem: EmulatorServer, client: Client) -> None:
    siem.fault("internal_error", times=3)
    client.call("ListDelivery")

    assert [(rule["left"], rule["struck"]) for rule in siem.faults.to_list()] == [(2, 1)]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "flood"},
        {"kind": "html", "tmies": 1},
        {"kind": "html", "times": "1"},
        {"kind": "html", "after": True},
        {"kind": "html", "match": "x"},
        {"kind": "html", "action": 1},
        {"kind": "html", "acts": "yes"},
        {"kind": "collateral", "closes": "waf/*"},
        {"kind": "collateral", "closes": ["waf"]},
        {"kind": "collateral", "closes": ["waf/"]},
        {"kind": "collateral", "delay": -1},
        {"kind": "meet", "parties": 0},
        {"kind": "meet", "parties": 1.5},
        *({"kind": kind, "acts": False} for kind in sorted(ACTS)),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        Rule.from_mapping(rule)


def test_a_rule_that_closes_logs_which_do_not_exist_is_refused(siem: EmulatorServer) -> None:
    with pytest.raises(FaultError):
        siem.fault("collateral", closes=["waf/*", "waf/cloud_siem_waf_flwo"])
    assert siem.faults.to_list() == []
