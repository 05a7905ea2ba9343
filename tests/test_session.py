"""One perspective in one process: as few calls as possible, and none as another account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

import pytest

from cloud_siem.api import Api
from cloud_siem.codes import Code, codes_in
from cloud_siem.convert import Identity
from cloud_siem.errors import (
    ApiError,
    DeniedError,
    RefusedError,
    SettleError,
    UnreachableError,
)
from cloud_siem.model import Log, Perspective, Region, Snapshot, State
from cloud_siem.pacing import Clock
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from siem_emulator import EmulatorServer
from tests.conftest import (
    ACCOUNT,
    AUDIT,
    HERE,
    MEMBER,
    OTHER_ACCOUNT,
    PROC,
    WAF,
    FakeTime,
    api_at,
)

OPEN, CLOSED = State.OPEN, State.CLOSED
ELSEWHERE = Perspective(account=OTHER_ACCOUNT, region=Region.CN_HANGZHOU)


def in_threads(act: Callable[[], object], threads: int = 16) -> list[BaseException]:
    """Do it in so many threads at once; what they raised."""
    together = threading.Barrier(threads)
    raised: list[BaseException] = []

    def run() -> None:
        together.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            raised.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return raised


LAST_MAY_CLOSE = Settings(overridden=frozenset({"close_limit"}))


@dataclass
class StubApi:
    """What a session needs of an Api, with looks that a test can hold and count."""

    settings: Settings = field(default_factory=Settings)
    perspective: Perspective = HERE
    clock: Clock = field(default_factory=Clock)
    looks: list[float] = field(default_factory=list)
    """When each look began."""
    identities: int = 0
    shown: list[Snapshot] = field(default_factory=list)
    """What the looks show, one after the other; the last again and again."""
    before_look: Callable[[], None] = lambda: None
    credential_source = "default/env"

    def identity(self) -> Identity:
        self.identities += 1
        return Identity(account=self.perspective.account, arn="acs:ram::1:user/x")

    def look(self) -> Snapshot:
        self.looks.append(self.clock.now())
        self.before_look()
        return self.shown[min(len(self.looks), len(self.shown)) - 1]

    def switch(self, *_: object) -> str:
        return "R-1"

    def session(self) -> Session:
        return Session(cast("Api", self))


def snapshot(*logs: Log) -> Snapshot:
    return Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))


def log(product: str, code: str, state: State) -> Log:
    return Log(product=product, log=code, state=state, operable=True)


def proc(state: State) -> Snapshot:
    return snapshot(log("sas", "cloud_siem_aegis_proc", state))


def waf(flow: State, alert: State) -> Snapshot:
    return snapshot(
        log("waf", "cloud_siem_waf_alert", alert), log("waf", "cloud_siem_waf_flow", flow)
    )


# --- one identity and one look for all -----------------------------------------------------------


def test_sixteen_threads_share_one_identity_and_one_look(siem: EmulatorServer) -> None:
    session = Session(api_at(siem.url))

    def ask() -> None:
        for _ in range(25):
            assert session.look().state_of(AUDIT) is OPEN
            session.prove()

    assert in_threads(ask) == []
    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
    assert siem.calls.all()[0].action == "GetCallerIdentity", "before anything else"


def test_writes_of_many_threads_share_one_identity_too(siem: EmulatorServer) -> None:
    session = Session(api_at(siem.url))

    assert in_threads(lambda: session.write(PROC, OPEN), threads=4) == []
    assert siem.counts().actions == {"GetCallerIdentity": 1, "OpenDelivery": 4}


def test_nothing_is_asked_of_the_cloud_before_somebody_asks(siem: EmulatorServer) -> None:
    Session(api_at(siem.url))

    assert siem.calls.all() == []


# --- a look that is new enough -------------------------------------------------------------------


def test_a_new_look_began_after_it_was_asked_for_and_those_who_wait_share_it() -> None:
    inside, go = threading.Event(), threading.Event()
    times: list[float] = []

    def now() -> float:
        times.append(time.monotonic())
        return times[-1]

    def wait() -> None:
        inside.set()
        assert go.wait(10)

    api = StubApi(clock=Clock(now=now), shown=[proc(CLOSED), proc(OPEN)], before_look=wait)
    session = api.session()
    seen: list[State | None] = []

    def again() -> None:
        seen.append(session.look_again().state_of(PROC))

    # The first look is under way; sixteen more ask while it is: none may be content with it.
    first = threading.Thread(target=again)
    first.start()
    assert inside.wait(10)
    before = len(times)
    waiting = [threading.Thread(target=again) for _ in range(16)]
    for thread in waiting:
        thread.start()
    while len(times) < before + 16:  # each notes first when it asks
        time.sleep(0.001)
    go.set()
    for thread in (first, *waiting):
        thread.join()

    assert seen == [CLOSED] + [OPEN] * 16, "nobody was shown what was seen before it asked"
    assert len(api.looks) == 2, "those who wait share a look"


def test_every_later_ask_looks_anew(fake: FakeTime) -> None:
    api = StubApi(clock=fake.clock, shown=[proc(CLOSED), proc(OPEN), proc(CLOSED)])
    session = api.session()

    states = []
    for _ in range(3):
        states.append(session.look_again().state_of(PROC))
        fake.at += 1
    assert states == [CLOSED, OPEN, CLOSED]
    assert session.look().state_of(PROC) is CLOSED, "who needs no new look gets the last one"
    assert len(api.looks) == 3
    assert api.identities == 1


# --- failures ------------------------------------------------------------------------------------


def test_a_look_that_failed_for_good_has_failed_for_all(siem: EmulatorServer) -> None:
    siem.fault("error_mapping", action="ListDelivery")
    session = Session(api_at(siem.url))

    raised = in_threads(session.look)
    assert len(raised) == 16
    assert {type(error) for error in raised} == {ApiError}
    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 1}


def test_an_identity_that_could_not_be_had_stops_everything(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    siem.fault("drop_before", action="GetCallerIdentity")
    session = Session(api_at(siem.url, fake=fake, deadline=5.0))

    for act in (
        session.prove,
        session.look,
        session.look_again,
        lambda: session.write(PROC, OPEN),
    ):
        with pytest.raises(UnreachableError):
            act()
    assert set(siem.counts().actions) == {"GetCallerIdentity"}
    assert len(siem.calls) < 8, "the deadline was waited out once, not four times"


@pytest.mark.parametrize(
    "act",
    [
        Session.prove,
        Session.look,
        Session.look_again,
        lambda session: session.write(PROC, OPEN),
        lambda session: session.write(PROC, CLOSED),
        lambda session: session.settle({PROC: OPEN}),
    ],
    ids=["prove", "look", "look_again", "open", "close", "settle"],
)
def test_credentials_of_another_account_get_no_further_than_being_asked_who_they_are(
    siem: EmulatorServer, act: Callable[[Session], object]
) -> None:
    session = Session(api_at(siem.url, perspective=ELSEWHERE))

    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            act(session)
    assert codes_in(str(caught.value)) == (Code.OTHER_ACCOUNT,)
    for fact in (ACCOUNT, f"acs:ram::{ACCOUNT}:user/demo-admin", "default/env", OTHER_ACCOUNT):
        assert fact in str(caught.value)
    assert [call.action for call in siem.calls.all()] == ["GetCallerIdentity"]


def test_an_administrator_that_looks_at_a_member_is_the_account_itself(
    siem: EmulatorServer,
) -> None:
    session = Session(api_at(siem.url, perspective=replace(HERE, member=MEMBER)))

    assert session.look().perspective.member == MEMBER
    assert siem.calls_of("ListDelivery")[0].parameters["RoleFor"] == MEMBER


def test_denied_reads_are_told_as_such(siem: EmulatorServer) -> None:
    siem.control("grants", key=siem.key().id, actions=["OpenDelivery"])

    with pytest.raises(DeniedError, match="grant yundun-sas:ListDelivery"):
        Session(api_at(siem.url)).look()


# --- settling ------------------------------------------------------------------------------------


def test_what_was_written_is_waited_for_until_the_account_shows_it(
    siem: EmulatorServer,
) -> None:
    siem.configure(lag_ms=500)
    session = Session(api_at(siem.url))
    session.look()
    session.write(PROC, OPEN)
    session.settle({PROC: OPEN, AUDIT: OPEN})

    assert session.look().state_of(PROC) is OPEN, "and the look that showed it stays"
    assert 2 < len(siem.calls_of("ListDelivery")) < 60


def test_the_waits_between_looks_are_random_and_their_bounds_double(fake: FakeTime) -> None:
    fake.chance = 0.999
    api = StubApi(clock=fake.clock, shown=[proc(CLOSED)] * 5 + [proc(OPEN)])
    session = api.session()
    session.write(PROC, OPEN)
    session.settle({PROC: OPEN})

    assert fake.slept == pytest.approx([0.999 * bound for bound in (0.5, 1, 2, 4, 8)])


def test_what_somebody_else_changed_is_not_waited_for(fake: FakeTime) -> None:
    api = StubApi(clock=fake.clock, shown=[proc(CLOSED)])

    with pytest.raises(SettleError) as caught:
        api.session().settle({PROC: OPEN})
    assert fake.slept == []
    assert len(api.looks) == 1
    assert str(caught.value) == (
        f"{HERE}: not as declared, and not by this update: sas/cloud_siem_aegis_proc is closed,"
        " declared open. Somebody changed it by hand; `pulumi up --refresh` sets it back."
    )


def test_what_was_written_otherwise_than_declared_is_not_waited_for(fake: FakeTime) -> None:
    api = StubApi(clock=fake.clock, settings=LAST_MAY_CLOSE, shown=[proc(CLOSED)])
    session = api.session()
    session.write(PROC, CLOSED)

    with pytest.raises(SettleError, match="not by this update"):
        session.settle({PROC: OPEN})
    assert fake.slept == []


def test_what_never_shows_is_named_when_the_deadline_is_over(fake: FakeTime) -> None:
    settings = Settings(deadline=20.0)
    seen = snapshot(*proc(CLOSED).logs, *waf(OPEN, CLOSED).logs)
    api = StubApi(clock=fake.clock, settings=settings, shown=[seen])
    session = api.session()
    session.write(PROC, OPEN)
    begun = fake.at

    with pytest.raises(SettleError) as caught:
        session.settle({WAF: OPEN, PROC: OPEN, AUDIT: OPEN})
    assert 10 < fake.at - begun < 20
    assert str(caught.value) == (
        f"{HERE}: written, and not shown by the account within 20 s: sas/cloud_siem_aegis_proc is"
        " closed, declared open. `pulumi up --refresh` looks, and writes what is left."
        " Also not as declared, and not by this update:"
        " actiontrail/cloud_siem_trail_actiontrail is not listed by the account, declared open;"
        " waf is partial, declared open: cloud_siem_waf_alert is closed."
        " Somebody changed it by hand; `pulumi up --refresh` sets it back."
    )


def test_a_whole_product_is_waited_for_until_all_its_logs_are_so(fake: FakeTime) -> None:
    shown = [waf(CLOSED, CLOSED), waf(OPEN, CLOSED), waf(CLOSED, OPEN), waf(OPEN, OPEN)]
    api = StubApi(clock=fake.clock, shown=shown)
    session = api.session()
    session.write(WAF, OPEN)
    session.settle({WAF: OPEN})

    assert len(api.looks) == 4


def test_nothing_declared_is_settled_at_once(fake: FakeTime) -> None:
    api = StubApi(clock=fake.clock, shown=[snapshot()])
    api.session().settle({})

    assert fake.slept == []


def test_a_snapshot_from_before_the_write_does_not_settle_it(siem: EmulatorServer) -> None:
    session = Session(api_at(siem.url))
    session.look()
    session.write(AUDIT, CLOSED)
    session.settle({AUDIT: CLOSED})

    assert len(siem.calls_of("ListDelivery")) == 2
