"""The log of calls: what was asked, by whom, how it ended; and nothing secret."""

from __future__ import annotations

import threading
import time

from siem_emulator import EmulatorServer
from siem_emulator.calls import CallLog, Received
from tests.emulator.signing import STS, Client
from tests.emulator.test_ram import assume

PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}


def test_a_call_is_written_down_with_all_that_matters(siem: EmulatorServer, client: Client) -> None:
    before = time.time()
    answer = client.call("OpenDelivery", **PROC, RegionId="cn-hangzhou")
    (call,) = siem.calls.all()

    assert call.seq == 1
    assert before <= call.time <= time.time()
    assert (call.action, call.status, call.code) == ("OpenDelivery", 200, "")
    assert (call.account, call.key_id) == ("1130916744880000", "testid-demo-admin")
    assert call.parameters == {**PROC, "RegionId": "cn-hangzhou"}
    assert (call.product, call.log) == ("sas", "cloud_siem_aegis_proc")
    assert call.request_id == answer.body["RequestId"]
    assert call.changed == 1
    assert call.source == "127.0.0.1"


def test_the_user_agent_and_the_session_are_written_down(
    siem: EmulatorServer, client: Client
) -> None:
    session = assume(client, "acs:ram::1234567890123456:role/siem-delivery")
    headers = session.headers("ListDelivery", user_agent="cloud-siem/0.1 (demo)")
    session.send("POST", "/", session.signed("POST", "/", headers))
    call = siem.calls.all()[-1]

    assert (call.user_agent, call.session) == ("cloud-siem/0.1 (demo)", "me")
    assert call.account == "1234567890123456"


def test_a_refused_call_is_written_down_too(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", ProductCode="nothing")
    Client(client.host, "testid-nobody", "x").call("CloseDelivery", **PROC)

    assert [(call.action, call.status, call.code, call.account) for call in siem.calls.all()] == [
        ("OpenDelivery", 500, "Siem.Delivery.ErrorProductCode", "1130916744880000"),
        ("CloseDelivery", 404, "InvalidAccessKeyId.NotFound", ""),
    ]


def test_calls_are_counted(siem: EmulatorServer, client: Client) -> None:
    client.call("OpenDelivery", ProductCode="waf")
    client.call("OpenDelivery", ProductCode="nothing")
    client.call("ListDelivery")
    counts = siem.counts()

    assert counts.total == 3
    assert counts.changed == 2
    assert counts.actions == {"OpenDelivery": 2, "ListDelivery": 1}
    assert counts.codes == {"OK": 2, "Siem.Delivery.ErrorProductCode": 1}
    assert counts.accounts == {"1130916744880000": 3}


def test_calls_can_be_chosen_by_action_and_number(siem: EmulatorServer, client: Client) -> None:
    for action in ("ListDelivery", "OpenDelivery", "ListDelivery"):
        client.call(action, **PROC)

    assert [call.seq for call in siem.calls_of("ListDelivery")] == [1, 3]
    assert [call.seq for call in siem.calls_of("ListDelivery", since=1)] == [3]


def test_numbers_go_on_after_clearing(siem: EmulatorServer, client: Client) -> None:
    client.call("ListDelivery")
    siem.calls.clear()
    client.call("ListDelivery")

    assert [call.seq for call in siem.calls.all()] == [2]
    assert siem.counts().total == 1


def test_no_secret_token_or_signature_is_ever_written_down(
    siem: EmulatorServer, client: Client
) -> None:
    arn = "acs:ram::1234567890123456:role/siem-delivery"
    session = assume(client, arn)
    session.call("OpenDelivery", ProductCode="nas")
    text = session.v1("GET", "GetCallerIdentity")
    session.send("GET", f"/?{text}", {"host": session.host})
    client.call_v1("POST", "AssumeRole", RoleArn=arn, RoleSessionName="me")
    written = repr(siem.calls.all())

    assert len(siem.calls) == 4
    assert "testsecret" not in written
    assert session.token not in written
    assert "Signature" not in written
    assert "SecurityToken" not in written


def test_the_log_is_bounded_and_its_counts_are_not() -> None:
    log = CallLog(kept=10)
    for _ in range(25):
        received = Received(
            seq=log.next_number(), time=0, action="ListDelivery", key_id="", parameters={}
        )
        log.answered(log.arrived(received))

    assert [call.seq for call in log.all()] == list(range(16, 26))
    assert log.counts().total == 25


def test_a_call_in_flight_is_there_without_a_status(siem: EmulatorServer, client: Client) -> None:
    siem.configure(latency_ms=1000)
    thread = threading.Thread(target=client.call, args=("ListDelivery",))
    thread.start()
    while not len(siem.calls):
        time.sleep(0.005)
    (call,) = siem.calls.all()
    thread.join()

    assert call.status == 0
    assert siem.calls.all()[0].status == 200


def test_identity_calls_are_counted(siem: EmulatorServer, client: Client) -> None:
    client.call("GetCallerIdentity", version=STS)

    assert siem.counts().actions == {"GetCallerIdentity": 1}
