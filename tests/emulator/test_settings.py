"""Speeds, clock and rate: settable while the emulator runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from siem_emulator import EmulatorServer, Settings
from siem_emulator.errors import ThrottlingUser
from siem_emulator.settings import SettingsError
from siem_emulator.state import Panel, State
from siem_emulator.throttle import Throttle
from siem_emulator.world import Region, World
from tests.emulator.signing import Client, utc

PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}
PLACE = ("sas", "cloud_siem_aegis_proc")


# --- latency -------------------------------------------------------------------------------------


def test_latency_is_what_a_call_takes(siem: EmulatorServer, client: Client) -> None:
    siem.configure(latency_ms=120)
    start = time.monotonic()
    client.call("ListDelivery")

    assert time.monotonic() - start >= 0.12


def test_latency_does_not_put_calls_in_a_row(siem: EmulatorServer, client: Client) -> None:
    siem.configure(latency_ms=300)
    start = time.monotonic()
    threads = [threading.Thread(target=client.call, args=("ListDelivery",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert siem.counts().codes == {"OK": 20}
    assert time.monotonic() - start < 6, "one after the other they take more"


def test_a_call_acts_in_the_middle_of_its_latency(siem: EmulatorServer, client: Client) -> None:
    siem.configure(latency_ms=600)
    thread = threading.Thread(target=client.call, args=("OpenDelivery",), kwargs=PROC)
    thread.start()
    wait_until(lambda: siem.counts().total == 1)
    acted_at_once = siem.status(*PLACE)
    wait_until(lambda: siem.status(*PLACE))
    answered = bool(siem.counts().codes)
    thread.join()

    assert (acted_at_once, answered) == (False, False)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- lag -----------------------------------------------------------------------------------------


def test_a_read_does_not_show_a_write_before_the_lag_is_over(
    siem: EmulatorServer, client: Client
) -> None:
    siem.configure(lag_ms=60_000)
    client.call("OpenDelivery", **PROC)
    assert PLACE not in client.call("ListDelivery").open_logs()
    assert siem.status(*PLACE), "the truth does not lag"

    siem.configure(lag_ms=50)
    time.sleep(0.1)
    assert PLACE in client.call("ListDelivery").open_logs()


def test_a_lagging_read_shows_one_moment_of_the_past() -> None:
    now = [100.0]
    state = State(World.build(), clock=lambda: now[0])
    panel = Panel(state.world.first.id, Region.HANGZHOU)
    for opened in (True, False, True):
        state.switch(panel, [PLACE], opened=opened)
        now[0] += 10

    # Opened at 100, closed at 110, opened at 120; it is 130 now.
    seen = {age: state.seen(panel, age_s=age)[PLACE] for age in (0, 5, 10, 15, 20, 25, 30, 35)}
    assert seen == {0: True, 5: True, 10: True, 15: False, 20: False, 25: True, 30: True, 35: False}


# --- rate ----------------------------------------------------------------------------------------


def test_more_calls_than_the_rate_are_throttled(siem: EmulatorServer, client: Client) -> None:
    siem.configure(rate=3)
    answers = [client.call("ListDelivery") for _ in range(5)]

    assert [answer.status for answer in answers][:3] == [200, 200, 200]
    assert answers[-1].status == 400
    assert answers[-1].code == "Throttling.User"


def test_the_rate_is_counted_per_account_and_not_per_key(
    siem: EmulatorServer, client: Client, member: Client
) -> None:
    siem.configure(rate=0.001, burst=2)
    key = siem.control("keys")
    second = Client(siem.host, key["id"], key["secret"])

    assert [who.call("ListDelivery").status for who in (client, second, client, second)] == [
        200, 200, 400, 400
    ]  # fmt: skip
    assert member.call("ListDelivery").status == 200


def test_a_throttled_call_does_not_act(siem: EmulatorServer, client: Client) -> None:
    siem.configure(rate=0.001, burst=1)
    client.call("ListDelivery")
    client.call("OpenDelivery", **PROC)

    assert not siem.status(*PLACE)


def test_tokens_come_back_at_the_rate() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    take: Callable[[], None] = lambda: throttle.take("a", rate=2, burst=4)  # noqa: E731
    for _ in range(4):
        take()
    with pytest.raises(ThrottlingUser):
        take()

    now[0] += 1
    take()
    take()
    with pytest.raises(ThrottlingUser):
        take()


def test_an_idle_account_saves_no_more_than_one_burst() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    throttle.take("a", rate=2, burst=4)
    now[0] += 3600
    for _ in range(4):
        throttle.take("a", rate=2, burst=4)

    with pytest.raises(ThrottlingUser):
        throttle.take("a", rate=2, burst=4)


# --- clock ---------------------------------------------------------------------------------------


def test_a_skewed_clock_refuses_calls_of_now(siem: EmulatorServer, client: Client) -> None:
    siem.configure(clock_skew_s=1000)
    assert client.call("ListDelivery").code == "InvalidTimeStamp.Expired"

    headers = client.headers("ListDelivery", x_acs_date=utc(1000))
    assert client.send("POST", "/", client.signed("POST", "/", headers)).status == 200


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"latency": 1},
        {"latency_ms": "1"},
        {"latency_ms": True},
        {"latency_ms": -1},
        {"repeat_close": "perhaps"},
        {"repeat_close": None},
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    settings = Settings(lag_ms=5)

    with pytest.raises(SettingsError):
        settings.with_changes({"lag_ms": 7, **change})
    assert settings.lag_ms == 5


def test_the_clock_may_be_behind() -> None:
    assert Settings().with_changes({"clock_skew_s": -5}).clock_skew_s == -5


def test_reset_brings_the_settings_of_the_start_back() -> None:
    with EmulatorServer(lag_ms=3) as siem:
        siem.configure(lag_ms=9, latency_ms=9)
        siem.reset()

        assert (siem.settings.lag_ms, siem.settings.latency_ms) == (3, 0)
