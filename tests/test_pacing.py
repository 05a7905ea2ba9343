from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.pacing import (
    BACKOFF_CAP,
    BACKOFF_FIRST,
    Clock,
    Deadline,
    RequestRate,
    backoff,
)
from tests.conftest import FakeTime

CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


# --- deadlines -----------------------------------------------------------------------------------


def test_a_deadline_counts_down_from_when_it_was_made(fake: FakeTime) -> None:
    deadline = Deadline.of(10, fake.clock)
    assert deadline.left == 10

    fake.sleep(4)
    assert deadline.left == 6

    fake.sleep(7)
    assert deadline.left == -1


def test_the_default_clock_is_the_real_one() -> None:
    clock = Clock()
    begun = time.monotonic()
    clock.sleep(0.01)

    assert begun + 0.01 <= clock.now() <= begun + 5
    assert len({clock.chance() for _ in range(10)}) > 1, "no two wait alike"


# --- back-off ------------------------------------------------------------------------------------


@given(attempt=st.integers(min_value=1, max_value=10**9), chance=CHANCES)
def test_a_wait_is_anywhere_between_nothing_and_a_bound_that_doubles(
    attempt: int, chance: float
) -> None:
    bound = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(attempt - 1, 100))

    assert backoff(attempt, FakeTime(chance=chance).clock) == pytest.approx(chance * bound)


@given(attempt=st.integers(min_value=1, max_value=50), chance=CHANCES, asked=st.floats(0, 3600))
def test_the_wait_is_never_shorter_than_the_cloud_asked_for(
    attempt: int, chance: float, asked: float
) -> None:
    wait = backoff(attempt, FakeTime(chance=chance).clock, asked)

    assert asked <= wait <= asked + BACKOFF_CAP


def test_clients_who_failed_together_do_not_come_back_together() -> None:
    clock = Clock()

    assert len({backoff(3, clock, 2.0) for _ in range(20)}) == 20


# --- the request rate ----------------------------------------------------------------------------


def waits(fake: FakeTime, rate: RequestRate, calls: int) -> list[float]:
    """When each of so many calls in a row may go out, in seconds from the first."""
    begun = fake.at
    times = []
    for _ in range(calls):
        rate.wait()
        times.append(round(fake.at - begun, 6))
    return times


def test_ten_calls_go_out_at_once_and_then_ten_a_second(fake: FakeTime) -> None:
    rate = RequestRate(rate=10, burst=10, clock=fake.clock)

    assert waits(fake, rate, 15) == [0.0] * 10 + [0.1, 0.2, 0.3, 0.4, 0.5]


def test_an_idle_second_fills_the_bucket_and_no_more_than_that(fake: FakeTime) -> None:
    rate = RequestRate(rate=10, burst=10, clock=fake.clock)
    waits(fake, rate, 10)

    fake.at += 0.5
    assert waits(fake, rate, 7) == [0.0] * 5 + [0.1, 0.2]

    fake.at += 1000
    assert waits(fake, rate, 12) == [0.0] * 10 + [0.1, 0.2]


@given(
    rate=st.floats(min_value=0.1, max_value=1000),
    burst=st.integers(min_value=1, max_value=50),
    idle=st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=60),
)
def test_no_window_of_time_ever_holds_more_than_the_burst_and_the_rate(
    rate: float, burst: int, idle: list[float]
) -> None:
    fake = FakeTime(at=0.0)
    bucket = RequestRate(rate=rate, burst=burst, clock=fake.clock)
    sent = []
    for pause in idle:
        fake.at += pause
        bucket.wait()
        sent.append(fake.at)

    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            allowed = burst + rate * (sent[last] - begin)
            assert last - first + 1 <= allowed + 1e-6


def test_threads_share_the_bucket_and_do_not_wait_for_each_other() -> None:
    # Each thread sleeps on its own: the k-th of those beyond the burst waits k / rate.
    slept: list[float] = []
    clock = Clock(now=lambda: 0.0, sleep=slept.append)
    rate = RequestRate(rate=10, burst=10, clock=clock)
    together = threading.Barrier(16)

    def ask() -> None:
        together.wait()
        for _ in range(5):
            rate.wait()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(slept) == pytest.approx([n / 10 for n in range(1, 71)])


def test_in_real_time_the_rate_holds_too() -> None:
    rate = RequestRate(rate=200, burst=5)
    begun = time.monotonic()
    for _ in range(25):
        rate.wait()

    assert time.monotonic() - begun >= 20 / 200 - 0.001
