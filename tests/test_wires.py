"""Answers that are cut: a read is sent again, a write only after a read shows it undone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.utils import Utils

from cloud_siem.api import Api
from cloud_siem.errors import ApiError, DeniedError, UnreachableError
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.model import Delivery, DeliveryKey, State
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, HERE, PROC, FakeTime, Loopback, api_at, http
from tests.cutting import CuttingProxy
from tests.harness import Harness, Program

ROLE = f"acs:ram::{ACCOUNT}:role/siem-delivery"


def listed(state: State) -> bytes:
    """An answer of ListDelivery in which ``PROC`` has this state."""
    log = {
        "LogCode": PROC.log,
        "Status": state is State.OPEN,
        "CanOperateOrNot": True,
        "Topic": "sas_process",
    }
    product = {"ProductCode": PROC.product, "LogMap": {"host": [log]}}
    return json.dumps({"Data": {"ProductList": [product]}, "RequestId": "R-list"}).encode()


IDENTITY = json.dumps({"AccountId": ACCOUNT, "Arn": "acs:ram::1:user/a", "RequestId": "R"}).encode()
MEMBERS = json.dumps(
    {"Data": [{"SubUserId": 1234567890123456, "SubUserName": "a", "Joined": True}]}
).encode()
DONE = b'{"Data": true, "RequestId": "R-write"}'
SESSION = json.dumps(
    {
        "Credentials": {
            "AccessKeyId": "STS.x",
            "AccessKeySecret": "y",
            "SecurityToken": "z",
            "Expiration": "2999-01-01T00:00:00Z",
        }
    }
).encode()
DENIED = json.dumps({"Code": "Forbidden.RAM", "Message": "No.", "RequestId": "R"}).encode()

READS: dict[str, tuple[bytes, Callable[[Api], object]]] = {
    "ListDelivery": (
        listed(State.OPEN),
        lambda api: [(log.product, log.log, log.state) for log in api.look().logs],
    ),
    "GetCallerIdentity": (IDENTITY, Api.identity),
    "ListRdUsers": (MEMBERS, Api.members),
    "AssumeRole": (SESSION, Api.session),
}


def of_length(body: bytes, status: str = "200 OK") -> bytes:
    return http(body, "Content-Type: application/json", status=status)


def without_length(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def in_chunks(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n".encode()
    parts = (body[:17], body[17:])
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + chunks + b"0\r\n\r\n"


FRAMINGS = {"of a length": of_length, "without a length": without_length, "in chunks": in_chunks}


class Server(Loopback):
    """One server for many scripts of answers."""

    def script(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests.clear()

    @property
    def actions(self) -> list[str]:
        return [request.headers.get("x-acs-action", "AssumeRole") for request in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(b"") as running:
        yield running


def client(server: Server, **settings: Any) -> Api:
    return api_at(server.url, fake=FakeTime(chance=0.01), **settings)


# --- at every byte -------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("action", READS)
def test_a_read_whose_answer_is_cut_at_any_byte_is_sent_again_and_then_right(
    server: Server, action: str, framing: str
) -> None:
    body, act = READS[action]
    answer = FRAMINGS[framing](body)
    settings: dict[str, Any] = {"role_arn": ROLE} if action == "AssumeRole" else {}
    server.script(answer)
    right = act(client(server, **settings))
    for offset in range(len(answer)):
        server.script(answer[:offset], answer)

        assert act(client(server, **settings)) == right, answer[:offset]
        # The end of the last chunk adds nothing to the answer.
        whole = answer[:offset].endswith((b"}\r\n0", b"}\r\n0\r", b"}\r\n0\r\n", b"}\r\n0\r\n\r"))
        assert server.actions == [action] * (1 if whole else 2), answer[:offset]


@pytest.mark.parametrize("framing", [of_length, without_length])
@pytest.mark.parametrize("state", [State.OPEN, State.CLOSED])
@pytest.mark.parametrize("acted", [True, False])
def test_a_write_whose_answer_is_cut_at_any_byte_is_sent_again_only_after_a_look_shows_it_undone(
    server: Server, state: State, acted: bool, framing: Callable[[bytes], bytes]
) -> None:
    write = "OpenDelivery" if state is State.OPEN else "CloseDelivery"
    undone = State.CLOSED if state is State.OPEN else State.OPEN
    look = of_length(listed(state if acted else undone))
    answer = framing(DONE)
    for offset in range(len(answer)):
        server.script(answer[:offset], look, answer)
        request_id = client(server).switch(PROC, state)

        assert request_id == ("R-list" if acted else "R-write")
        expected = [write, "ListDelivery"] if acted else [write, "ListDelivery", write]
        assert server.actions == expected, answer[:offset]


def test_a_refusal_that_is_cut_is_sent_again_and_a_whole_one_is_not(server: Server) -> None:
    answer = of_length(DENIED, status="403 Forbidden")
    whole = of_length(listed(State.OPEN))
    for offset in range(len(answer)):
        server.script(answer[:offset], whole)
        client(server).look()

        assert server.actions == ["ListDelivery"] * 2, answer[:offset]

    server.script(answer, whole)
    with pytest.raises(DeniedError):
        client(server).look()
    assert server.actions == ["ListDelivery"]


def test_a_redirect_that_is_cut_is_sent_again_and_a_whole_one_is_refused(server: Server) -> None:
    answer = b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
    for offset in range(len(answer)):
        server.script(answer[:offset], of_length(listed(State.OPEN)))
        client(server).look()

        assert server.actions == ["ListDelivery"] * 2, answer[:offset]

    server.script(answer)
    with pytest.raises(UnreachableError, match="redirects are refused"):
        client(server).look()
    assert server.actions == ["ListDelivery"]


def test_an_answer_that_is_always_cut_is_reported_with_the_place_of_the_cut(server: Server) -> None:
    answer = of_length(DONE)
    for offset, words in (
        (answer.index(b"Content-Length") + 3, "the answer broke off inside its headers"),
        (len(answer) - 5, "the answer broke off after 33 of 38 bytes"),
    ):
        server.script(answer[:offset])
        with pytest.raises(ApiError) as caught:
            client(server).switch(PROC, State.OPEN)

        assert words in str(caught.value)
        assert "could not be seen" in str(caught.value), "the look was cut as well"


# --- warnings ------------------------------------------------------------------------------------


def test_a_warning_of_the_sdk_that_the_program_makes_an_error_does_not_fail_a_call(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `datetime.utcnow()` warns in the SDK since Python 3.12; tests make errors of warnings."""
    now = Utils.get_timestamp

    def warning() -> str:
        module = "alibabacloud_tea_openapi.utils"
        warnings.warn_explicit("utcnow()", DeprecationWarning, "utils.py", 1, module=module)
        return str(now())

    monkeypatch.setattr(Utils, "get_timestamp", warning)
    api = api_at(siem.url, role_arn=ROLE)

    assert api.identity().account == ACCOUNT
    assert api.look().logs


def test_the_filters_of_a_program_that_makes_no_errors_of_warnings_stay_as_they_are() -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("default")
        before = list(warnings.filters)
        spare_warnings()

        assert list(warnings.filters) == before


CLIENT = """
import sys
from cloud_siem.api import Api
from cloud_siem.endpoint import Endpoint
from cloud_siem.model import Perspective, Region
from cloud_siem.settings import Settings

url, role = sys.argv[1:]
here = Perspective(account="1130916744880000", region=Region.CN_HANGZHOU)
api = Api(settings=Settings(own_endpoint=Endpoint.parse(url), role_arn=role), perspective=here)
print(api.identity().account, bool(api.look().logs))
"""


def test_a_process_that_makes_errors_of_all_warnings_can_import_and_call(
    siem: EmulatorServer, tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CLIENT, siem.url, ROLE],
        # Without the compiled files, so that the compiler has its say, too.
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONPYCACHEPREFIX": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.stdout, run.stderr) == (f"{ACCOUNT} True\n", "")


# --- at drawn bytes, under whole updates ---------------------------------------------------------

LOGS = ("cloud_siem_aegis_proc", "cloud_siem_aegis_dns", "cloud_siem_aegis_login_event")
OUTCOMES = (
    "Whether the cloud acted is not known",
    "whether the cloud acted could not be seen",
    "othing was sent",
)
"""What an error says about the change."""


@pytest.mark.parametrize("seed", [13, 14])
def test_updates_over_cut_connections_end_right_or_report_whether_the_change_was_made(
    siem: EmulatorServer, seed: int
) -> None:
    drawn = random.Random(seed)  # noqa: S311 - a seed, not a secret
    right = 0
    with CuttingProxy(siem.host, seed=seed) as proxy:
        harness = Harness(
            environ={
                "CLOUD_SIEM_ENDPOINT": proxy.url,
                "CLOUD_SIEM_REQUEST_RATE": "100000",
                "CLOUD_SIEM_CLOSE_LIMIT": "100",
            },
            folder=Path("/"),
            clock=FakeTime().clock,
        )
        for _ in range(20):
            wanted = {log: drawn.choice([State.OPEN, State.CLOSED]) for log in LOGS}
            run = harness.up(
                Program(
                    perspective=HERE,
                    deliveries=tuple(
                        Delivery(key=DeliveryKey(perspective=HERE, product="sas", log=log), state=s)
                        for log, s in wanted.items()
                    ),
                )
            )
            if run.ok:
                actual = {log: siem.status("sas", log) for log in wanted}
                assert actual == {log: state is State.OPEN for log, state in wanted.items()}
                right += 1
            for message in run.failures:
                assert "what answered is not the API" not in message
                reading = message.startswith(("ListDelivery for", "GetCallerIdentity for"))
                assert reading or any(words in message for words in OUTCOMES), message

    assert proxy.cuts >= 10
    assert right >= 19, "a connection that is cut now and then is nothing to a run"
