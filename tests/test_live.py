"""The same few questions to the emulator and, when asked to, to a real account.

What the emulator only claims of the cloud, these say of both; docs/live-tests.md tells how to run
them on an account, and what they do to it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud_siem.api import Api
from cloud_siem.errors import CloudSiemError, RefusedError
from cloud_siem.model import DeliveryKey, Perspective, Region, Snapshot, State
from cloud_siem.pacing import Clock, Deadline, backoff
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from siem_emulator import EmulatorServer
from tests.conftest import LIVE, PROC, FakeTime, api_at

LOG = "1130916744880000/cn-hangzhou/sas/cloud_siem_aegis_proc"
RESTORES = 5
"""How often restoring is tried, each time within the deadline."""
OTHER = {State.OPEN: State.CLOSED, State.CLOSED: State.OPEN}


@dataclass(frozen=True)
class Place:
    """One log somewhere, and how to reach it."""

    api: Api
    key: DeliveryKey

    @classmethod
    def read(cls, text: str) -> Place:
        """From ``account/region/product/log``; how to reach it stands in the environment."""
        if not re.fullmatch(r"\d{16}/[a-z0-9-]+/[\w.-]+/[\w.-]+", text):
            pytest.fail(f"{LIVE} is {text!r}; write account/region/product/log, and one log only")
        account, region, product, log = text.split("/")
        perspective = Perspective(account=account, region=Region(region))
        return cls(
            api=Api(settings=Settings.read({}, os.environ), perspective=perspective),
            key=DeliveryKey(perspective=perspective, product=product, log=log),
        )

    def state(self) -> State:
        """What the account shows now."""
        seen = self.api.look().state_of(self.key)
        assert seen is not None, f"the account does not list {self.key}: nothing was changed"
        return seen

    def becomes(self, state: State) -> None:
        """Look until the account shows this state, or time is over."""
        clock = self.api.clock
        deadline = Deadline.of(self.api.settings.deadline, clock)
        attempt = 1
        while self.state() is not state:
            pause = backoff(attempt, clock)
            assert pause < deadline.left, f"not {state.value} within {deadline.seconds:g} s"
            clock.sleep(pause)
            attempt += 1

    def others(self, snapshot: Snapshot) -> set[tuple[str, str, State]]:
        """The states of all logs but this one."""
        mine = (self.key.product, self.key.log)
        return {
            (log.product, log.log, log.state)
            for log in snapshot.logs
            if (log.product, log.log) != mine
        }

    @contextmanager
    def restored(self) -> Iterator[State]:
        """The state at the beginning, which it has again at the end, whatever happens."""
        before = self.state()
        try:
            yield before
        finally:
            self._restore(before)

    def _restore(self, before: State) -> None:
        for attempt in range(1, RESTORES + 1):
            try:
                if self.state() is not before:
                    self.api.switch(self.key, before)
                    self.becomes(before)
            except (CloudSiemError, AssertionError) as error:
                if attempt == RESTORES:
                    pytest.fail(f"{self.key} was {before.value} and is NOT restored: {error}")
                self.api.clock.sleep(backoff(attempt, self.api.clock))
            else:
                return


@pytest.fixture(
    params=[
        "emulator",
        pytest.param("account", marks=[pytest.mark.live, pytest.mark.xdist_group("live")]),
    ]
)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The log that ``CLOUD_SIEM_LIVE`` names, and one of an emulator that shows writes late."""
    if request.param == "account":
        yield Place.read(os.environ[LIVE])
    else:
        with EmulatorServer(lag_ms=50) as siem:
            yield Place(api=api_at(siem.url), key=PROC)


def test_the_credentials_are_the_accounts_own(place: Place) -> None:
    identity = place.api.identity()

    assert identity.account == place.key.perspective.account
    assert identity.arn.startswith(f"acs:ram::{identity.account}:")


def test_the_answer_of_list_delivery_is_as_documented(place: Place) -> None:
    snapshot = place.api.look()

    assert snapshot.request_id
    assert snapshot.project
    assert snapshot.logstore
    assert place.key.perspective.account in snapshot.project
    assert all(log.product and log.log for log in snapshot.logs)
    assert place.key.product in snapshot.products


def test_two_looks_with_no_write_between_them_show_the_same(place: Place) -> None:
    first, second = place.api.look(), place.api.look()

    assert first.logs == second.logs
    assert first.request_id != second.request_id


def test_the_log_is_closed_and_opened_and_no_other_is_touched(place: Place) -> None:
    before = place.api.look()
    [log] = before.find(place.key)
    assert log.operable, "this caller may not switch it: nothing was changed"

    with place.restored() as state:
        for wanted in (OTHER[state], state):
            assert place.api.switch(place.key, wanted), "a write has a RequestId"
            place.becomes(wanted)
            assert place.others(place.api.look()) == place.others(before)

    assert place.state() is log.state


def test_a_session_settles_what_it_wrote(place: Place) -> None:
    with place.restored() as state:
        session = Session(place.api)
        session.look()
        session.write(place.key, OTHER[state])
        session.settle({place.key: OTHER[state]})

        assert session.look().state_of(place.key) is OTHER[state]


def test_credentials_are_refused_for_another_account(place: Place) -> None:
    nobody = Perspective(account="1000000000000001", region=place.key.perspective.region)
    api = Api(settings=place.api.settings, perspective=nobody, clock=place.api.clock)
    if place.api.settings.role_arn and "{account}" in place.api.settings.role_arn:
        pytest.skip("the role is one of the other account, which would be asked for it")

    with pytest.raises(RefusedError, match="nothing was called or changed"):
        Session(api).look()


# --- what these tests promise of themselves, shown on the emulator -------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "internal_error", "html"])
@pytest.mark.parametrize("start", [State.OPEN, State.CLOSED])
def test_the_log_is_restored_whatever_happens(
    siem: EmulatorServer, start: State, kind: str
) -> None:
    siem.switch("sas", "cloud_siem_aegis_proc", state=start.value)
    place = Place(api=api_at(siem.url, deadline=2.0), key=PROC)

    def goes_wrong() -> None:
        with place.restored():
            place.api.switch(PROC, OTHER[start])
            siem.fault(kind, times=3)
            raise RuntimeError("the test failed half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        goes_wrong()
    assert siem.status("sas", "cloud_siem_aegis_proc") is (start is State.OPEN)


def test_a_log_that_could_not_be_restored_is_named_loudly(siem: EmulatorServer) -> None:
    place = Place(api=api_at(siem.url, fake=FakeTime(), deadline=5.0), key=PROC)

    def goes_wrong() -> None:
        with place.restored():
            place.api.switch(PROC, State.OPEN)
            siem.control("deny", key=siem.key().id, actions=["CloseDelivery"])

    with pytest.raises(pytest.fail.Exception, match=r"was closed and is NOT restored: Close"):
        goes_wrong()


def test_on_an_account_the_same_questions_are_asked_with_the_persons_environment(
    siem: EmulatorServer,
) -> None:
    # The emulator stands for the account; that only the live tests run is part of the claim.
    environ = {LIVE: LOG, "CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "1000"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_live.py"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert run.returncode == 0, run.stdout
    assert "6 passed" in run.stdout
    assert "failed" not in run.stdout
    assert siem.counts().changed == 4, "twice to the other state and back"
    assert not siem.status("sas", "cloud_siem_aegis_proc"), "as it was"


@pytest.mark.parametrize(
    "text", ["", "1130916744880000", "1130916744880000/cn-hangzhou/sas", f"{'1' * 16}/r/sas/*"]
)
def test_nothing_but_one_whole_place_is_taken(text: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="write account/region/product/log"):
        Place.read(text)


def test_a_place_is_read_with_the_settings_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "7")
    place = Place.read(LOG)

    assert place.key == PROC
    assert place.api.settings.deadline == 7
    assert place.api.clock == Clock()
