"""The control calls over HTTP, and the page for people."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from siem_emulator import EmulatorServer, console
from tests.emulator.signing import Client, Response

MEMBER = "1234567890123456"


def ask(siem: EmulatorServer, method: str, name: str, body: Any = None, **headers: str) -> Response:
    data = json.dumps(body).encode() if body is not None else b""
    unsigned = Client(siem.host, "", "")

    return unsigned.send(method, f"/_siem/{name}", {"host": siem.host, **headers}, data)


def test_health_says_which_world_this_is(siem: EmulatorServer) -> None:
    assert ask(siem, "GET", "health").body == {"ok": True, "world": "demo", "accounts": 4}


def test_state_gives_all_accounts_in_numbers(siem: EmulatorServer) -> None:
    accounts = {each["account"]: each for each in ask(siem, "GET", "state").body["accounts"]}

    assert accounts[MEMBER]["administrator"] == "1130916744880000"
    assert accounts[MEMBER]["panels"][0] == {
        "region": "cn-hangzhou",
        "view": "account",
        "open": 10,
        "logs": 47,
    }
    assert [panel["view"] for panel in accounts["1130916744880000"]["panels"]] == [
        "account", "account", "enterprise", "enterprise"
    ]  # fmt: skip


def test_state_gives_the_logs_of_one_account(siem: EmulatorServer) -> None:
    body = ask(siem, "GET", "state?account=1130916744880000").body
    logs = {(each["product"], each["log"]): each for each in body["deliveries"]}

    assert body["account"] == "1130916744880000"
    assert logs["actiontrail", "cloud_siem_trail_actiontrail"]["state"] == "open"
    assert logs["bastionhost", "cloud_siem_bastionhost_event"] == {
        "product": "bastionhost",
        "log": "cloud_siem_bastionhost_event",
        "state": "closed",
        "operable": False,
    }


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ({}, {}),
        ({"region": "ap-southeast-1"}, {"region": "ap-southeast-1"}),
        ({"view": "enterprise"}, {"view": "enterprise"}),
        ({"member": "1098765432109876"}, {"member": "1098765432109876"}),
        ({"account": "1777777777777777"}, {"account": "1777777777777777"}),
    ],
)
def test_switch_switches_by_hand(
    siem: EmulatorServer, where: dict[str, str], seen: dict[str, str]
) -> None:
    fields = {"product": "waf", "log": "cloud_siem_waf_flow", "state": "open", **where}

    assert ask(siem, "POST", "switch", fields).body == {"changed": 1}
    assert siem.status("waf", "cloud_siem_waf_flow", **seen)
    assert ask(siem, "POST", "switch", fields).body == {"changed": 0}
    assert siem.counts().total == 0, "a hand is no call"


def test_switch_takes_a_whole_product_and_everything(siem: EmulatorServer) -> None:
    assert siem.switch("sas") == 17
    assert siem.switch("*", state="open") == 48 - 17 - 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "product is missing."),
        ({"product": "waf"}, "state is missing."),
        ({"product": "waf", "state": "on"}, "state is open or closed, not on."),
        ({"product": "waf", "log": "x", "state": "open"}, "There is no log waf/x."),
        ({"product": 1, "state": "open"}, "product must be a string, not 1."),
        ({"product": "waf", "state": "open", "account": "5"}, "There is no account 5."),
        (
            {"product": "waf", "state": "open", "region": "eu"},
            "region is one of cn-hangzhou, ap-southeast-1, not eu.",
        ),
        (
            {"product": "waf", "state": "open", "member": "5"},
            "5 is not a member of 1130916744880000.",
        ),
        (
            {"product": "waf", "state": "open", "account": MEMBER, "view": "enterprise"},
            f"{MEMBER} administers no enterprise.",
        ),
        ({"product": "waf", "state": "open", "sate": "x"}, "There is no field sate here."),
    ],
)
def test_a_switch_that_cannot_be_is_one_sentence(
    siem: EmulatorServer, fields: dict[str, Any], sentence: str
) -> None:
    answer = ask(siem, "POST", "switch", fields)

    assert (answer.status, answer.body) == (400, {"error": sentence})


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"'])
def test_a_body_that_is_no_object_is_refused(siem: EmulatorServer, body: bytes) -> None:
    answer = Client(siem.host, "", "").send("POST", "/_siem/switch", {"host": siem.host}, body)

    assert answer.status == 400
    assert answer.body["error"].startswith("The body")


def test_reset_brings_the_start_back(siem: EmulatorServer, client: Client) -> None:
    start = siem.open_logs()
    client.call("OpenDelivery", ProductCode="waf")
    siem.fault("html")
    siem.configure(latency_ms=5)
    siem.control("deny", key=client.key_id, actions=["*"])

    assert ask(siem, "POST", "reset").body == {"ok": True}
    assert siem.open_logs() == start
    assert siem.counts().total == 0
    assert siem.faults.to_list() == []
    assert siem.settings.latency_ms == 0
    assert client.call("ListDelivery").status == 200


def test_faults_are_added_listed_and_cleared(siem: EmulatorServer) -> None:
    ask(siem, "POST", "faults", {"kind": "html", "times": 1})
    added = ask(siem, "POST", "faults", [{"kind": "hang"}, {"kind": "empty"}]).body

    assert [rule["kind"] for rule in added] == ["html", "hang", "empty"]
    assert ask(siem, "GET", "faults").body == added
    assert ask(siem, "DELETE", "faults").body == []


def test_of_several_faults_all_or_none_are_added(siem: EmulatorServer) -> None:
    answer = ask(siem, "POST", "faults", [{"kind": "html"}, {"kind": "flood"}])

    assert answer.status == 400
    assert "not 'flood'" in answer.body["error"]
    assert siem.faults.to_list() == []


def test_calls_are_read_and_cleared(siem: EmulatorServer, client: Client) -> None:
    client.call("ListDelivery")
    client.call("OpenDelivery", ProductCode="waf")

    assert [call["action"] for call in ask(siem, "GET", "calls").body] == [
        "ListDelivery",
        "OpenDelivery",
    ]
    assert [call["seq"] for call in ask(siem, "GET", "calls?action=OpenDelivery").body] == [2]
    assert ask(siem, "GET", "calls?since=2").body == []
    assert ask(siem, "GET", "calls?counts").body["actions"] == {
        "ListDelivery": 1,
        "OpenDelivery": 1,
    }
    assert ask(siem, "DELETE", "calls").status == 200
    assert ask(siem, "GET", "calls").body == []
    assert ask(siem, "GET", "calls?since=x").status == 400


def test_settings_are_shown_and_changed(siem: EmulatorServer) -> None:
    changed = ask(siem, "POST", "settings", {"lag_ms": 5, "repeat_close": "error"}).body

    assert (changed["lag_ms"], changed["repeat_close"]) == (5, "error")
    assert ask(siem, "GET", "settings").body == changed
    assert ask(siem, "POST", "settings", {"lag": 5}).status == 400


def test_operable_is_set_for_one_account(siem: EmulatorServer) -> None:
    ask(siem, "POST", "operable", {"product": "waf", "account": MEMBER, "operable": False})
    logs = ask(siem, "GET", f"state?account={MEMBER}").body["deliveries"]

    assert {each["operable"] for each in logs if each["product"] == "waf"} == {False}
    assert ask(siem, "POST", "operable", {"product": "waf", "operable": "no"}).status == 400


def test_connecting_an_unknown_product_is_refused(siem: EmulatorServer) -> None:
    answer = ask(siem, "POST", "connect", {"product": "x"})

    assert (answer.status, answer.body["error"]) == (400, "There is no product x.")


def test_an_unknown_control_call_names_the_known_ones(siem: EmulatorServer) -> None:
    answer = ask(siem, "GET", "nothing")

    assert answer.status == 400
    assert "there are health, state, calls" in answer.body["error"]
    assert ask(siem, "DELETE", "health").body["error"] == ("health is called with GET, not DELETE.")


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["attacker.example", "10.0.0.1:80", ""])
def test_another_host_name_is_refused(siem: EmulatorServer, host: str) -> None:
    """A page elsewhere whose name was pointed here sends its own name."""
    answer = Client(siem.host, "", "").send("POST", "/_siem/reset", {"host": host})

    assert answer.status == 403


def test_a_page_from_elsewhere_is_refused(siem: EmulatorServer) -> None:
    assert ask(siem, "POST", "reset", origin="https://attacker.example").status == 403
    assert ask(siem, "POST", "reset", origin=siem.url).status == 200


def test_control_calls_are_no_calls_of_the_api(siem: EmulatorServer) -> None:
    ask(siem, "GET", "health")

    assert siem.counts().total == 0


# --- the page ------------------------------------------------------------------------------------


def test_the_page_shows_accounts_deliveries_and_calls(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", ProductCode="sas", LogCode="cloud_siem_aegis_proc")
    page = ask(siem, "GET", "")
    text = page.raw.decode()

    assert page.headers["content-type"] == "text/html;charset=utf-8"
    for shown in (MEMBER, "cloud_siem_waf_flow", "OpenDelivery", "sas/cloud_siem_aegis_proc"):
        assert shown in text
    assert "Deliveries of 1130916744880000" in text


def test_the_page_shows_one_account_in_detail(siem: EmulatorServer) -> None:
    assert f"Deliveries of {MEMBER}" in ask(siem, "GET", f"?account={MEMBER}").raw.decode()


def test_the_page_escapes_what_callers_sent(siem: EmulatorServer, client: Client) -> None:
    evil = "<script>alert('x')</script>"
    headers = client.headers(evil, user_agent=f'{evil}"&')
    client.send("POST", "/", client.signed("POST", "/", headers))
    client.call("OpenDelivery", ProductCode=evil, LogCode=evil)
    page = ask(siem, "GET", "?account=%3Cscript%3E")
    text = page.raw.decode()

    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") == 4
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_attributes_are_escaped_too() -> None:
    link = console.element("a", "x", href='"><script>')

    assert link == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_the_page_is_well_formed(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", ProductCode="nothing")
    text = ask(siem, "GET", "").raw.decode()
    void = {"meta", "!DOCTYPE"}
    stack: list[str] = []
    for closing, name in re.findall(r"<(/?)([!\w]+)[^>]*>", text):
        if closing:
            assert stack.pop() == name
        elif name not in void:
            stack.append(name)

    assert stack == []
