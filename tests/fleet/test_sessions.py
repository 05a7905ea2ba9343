"""A worker elsewhere: it assumes an account's role once, whichever task it is for."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet import sessions as module
from cloud_siem.fleet.sessions import Sessions
from cloud_siem.fleet.tasks import Operation, Task
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, MEMBER, spare_authorities


def task(siem: EmulatorServer, account: str = MEMBER, role: str = "siem-delivery") -> Task:
    spare_authorities()
    arn = f"  cloud-siem:roleArn: acs:ram::{{account}}:role/{role}\n" if role else ""
    return Task(
        stack="one",
        operation=Operation.PREVIEW,
        text=f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n'
        f"{arn}  cloud-siem:deliveries: {{}}\n",
        environment={"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100"},
    )


def test_all_tasks_of_an_account_have_one_session(siem: EmulatorServer) -> None:
    """Preview and update, at another rate and with the stack's new salt."""
    sessions, preview = Sessions(), task(siem)
    update = replace(
        preview,
        operation=Operation.UP,
        text=preview.text + "encryptionsalt: v1:abc=:v1:x:y==\n",
        environment={**preview.environment, "CLOUD_SIEM_REQUEST_RATE": "50"},
    )
    with ThreadPoolExecutor() as threads:
        first, *others = threads.map(sessions.of, [preview, update, preview, update])

    assert first["ALIBABA_CLOUD_SECURITY_TOKEN"]
    assert others == [first] * 3
    assert siem.counts().actions == {"AssumeRole": 1}


def test_accounts_have_sessions_of_their_own_and_no_role_has_none(siem: EmulatorServer) -> None:
    sessions = Sessions()
    mine, members = sessions.of(task(siem, ACCOUNT)), sessions.of(task(siem))

    assert mine["ALIBABA_CLOUD_ACCESS_KEY_ID"] != members["ALIBABA_CLOUD_ACCESS_KEY_ID"]
    assert sessions.of(task(siem, ACCOUNT, role="")) == {}
    assert siem.counts().actions == {"AssumeRole": 2}


def test_a_worker_keeps_so_many_sessions_and_no_more(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 1)
    sessions = Sessions()
    for account in (MEMBER, MEMBER, ACCOUNT, MEMBER):
        sessions.of(task(siem, account))

    assert siem.counts().actions == {"AssumeRole": 3}


def test_a_role_that_cannot_be_assumed_is_told(siem: EmulatorServer) -> None:
    with pytest.raises(CloudSiemError, match="the role could not be assumed"):
        Sessions().of(task(siem, role="nobody"))


def test_sessions_never_leave_the_worker() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Sessions())
