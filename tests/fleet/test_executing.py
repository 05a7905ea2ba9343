"""Many tasks on an executor: bounded, stopped in order, and run again where a worker was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet import executing
from cloud_siem.fleet.executing import Workers, execute, local
from cloud_siem.fleet.tasks import Operation, Result, Status, Task

Act = Callable[[Task], Result]

ONCE = "its worker was lost once; it was run again elsewhere, and counted is that run alone"


def tasks(*names: str) -> list[Task]:
    return [
        Task(stack=one, operation=Operation.UP, text="", folder="/project", project={"a": "b"})
        for one in names
    ]


def good(task: Task) -> Result:
    return Result(stack=task.stack, status=Status.CHANGED)


def no_session(_task: Task) -> Mapping[str, str]:
    return {}


def outcomes(results: list[Result]) -> dict[str, Status]:
    return {one.stack: one.status for one in results}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What stands for the engine; and what it was handed."""
    stand_in: dict[str, Any] = {"act": good, "sessions": {}}

    def run(task: Task, session: Mapping[str, str] | None = None) -> Result:
        stand_in["sessions"][task.stack] = session
        result: Result = stand_in["act"](task)
        return result

    monkeypatch.setattr(executing, "run", run)
    return stand_in


def here(names: str, slots: int = 2, **more: Any) -> list[Result]:
    options = {"session": no_session, "stopping": threading.Event(), **more}
    with local(slots) as workers:
        return list(execute(tasks(*names.split()), workers, **options))


def test_no_more_run_at_once_than_there_are_slots(engine: dict[str, Any]) -> None:
    """Each waits until as many as there may be are at work."""
    both = threading.Barrier(2, timeout=20)
    at_work, most = [0], [0]
    lock = threading.Lock()

    def act(task: Task) -> Result:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        both.wait()
        with lock:
            at_work[0] -= 1
        return good(task)

    engine["act"] = act

    assert outcomes(here("a b c d e f")) == dict.fromkeys("abcdef", Status.CHANGED)
    assert most == [2]


def test_a_worker_here_is_handed_a_session_and_one_elsewhere_never(engine: dict[str, Any]) -> None:
    """A session travels nowhere; nor does the folder, which means nothing there."""
    here("a", session=lambda task: {"SECRET": f"of {task.stack}"})
    assert engine["sessions"] == {"a": {"SECRET": "of a"}}

    sent: list[Any] = []

    class Elsewhere(Executor):
        def submit(self, act: Any, /, *args: Any, **_: Any) -> Future[Any]:
            sent.extend(args)
            future: Future[Any] = Future()
            future.set_result(act(*args))
            return future

    workers = Workers(executor=Elsewhere(), slots=1, here=False)
    done = execute(
        tasks("a"), workers, session=lambda _: {"SECRET": "x"}, stopping=threading.Event()
    )

    assert outcomes(list(done)) == {"a": Status.CHANGED}
    (task,) = sent
    assert (task.folder, task.project) == ("", {"a": "b"})
    assert engine["sessions"]["a"] is None


def test_a_session_that_cannot_be_had_fails_that_stack_alone(engine: dict[str, Any]) -> None:
    def session(task: Task) -> Mapping[str, str]:
        if task.stack == "b":
            raise CloudSiemError("the role could not be assumed")
        return {}

    results = here("a b c", session=session)

    assert outcomes(results)["b"] is Status.FAILED
    assert [one.errors for one in results if one.stack == "b"] == [
        ("the role could not be assumed",)
    ]
    assert "b" not in engine["sessions"]


def test_stopping_finishes_what_runs_and_starts_nothing_more(engine: dict[str, Any]) -> None:
    stopping = threading.Event()

    def act(task: Task) -> Result:
        stopping.set()
        return good(task)

    engine["act"] = act
    results = here("a b c d", slots=1, stopping=stopping)

    assert [one.stack for one in results] == ["a", "b", "c", "d"], "those not started, in order"
    assert [one.status for one in results] == [Status.CHANGED, *[Status.NOT_STARTED] * 3]


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED])
def test_fail_fast_stops_after_the_first_failure_and_otherwise_nothing_does(
    engine: dict[str, Any], status: Status
) -> None:
    engine["act"] = lambda task: Result(stack=task.stack, status=status)

    assert set(outcomes(here("a b c", slots=1)).values()) == {status}
    assert outcomes(here("a b c", slots=1, fail_fast=True)) == {
        "a": status,
        "b": Status.NOT_STARTED,
        "c": Status.NOT_STARTED,
    }


# --- lost workers ---------------------------------------------------------------------------------


class Losing(Executor):
    """Workers that are lost with a task so often, and never come back to it after that."""

    def __init__(self, times: int, *, gone: bool = False) -> None:
        self._times = times
        self._gone = gone
        self.tasks: list[Task] = []

    def submit(self, act: Any, /, *args: Any, **_: Any) -> Future[Any]:
        if self._gone and self.tasks:
            raise RuntimeError("the scheduler is gone")
        self.tasks.append(args[0])
        future: Future[Any] = Future()
        if len(self.tasks) <= self._times:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(act(*args))
        return future


def elsewhere(executor: Executor, *names: str) -> list[Result]:
    workers = Workers(executor=executor, slots=1, here=False)
    return list(execute(tasks(*names), workers, session=no_session, stopping=threading.Event()))


def test_a_task_whose_worker_was_lost_is_run_again_and_told_so(engine: dict[str, Any]) -> None:
    executor = Losing(1)
    (result,) = elsewhere(executor, "a")

    assert [one.again for one in executor.tasks] == [False, True]
    assert result.status is Status.CHANGED
    assert result.notes == (ONCE,)


def test_a_task_that_loses_every_worker_fails_and_the_rest_goes_on(engine: dict[str, Any]) -> None:
    results = elsewhere(Losing(3), "a", "b")

    assert outcomes(results) == {"a": Status.FAILED, "b": Status.CHANGED}
    assert "its worker was lost 3 times (BrokenProcessPool: killed)" in results[0].errors[0]


def test_an_executor_that_is_gone_leaves_what_is_known(engine: dict[str, Any]) -> None:
    results = elsewhere(Losing(0, gone=True), "a", "b", "c")

    assert outcomes(results) == {
        "a": Status.CHANGED,
        "b": Status.NOT_STARTED,
        "c": Status.NOT_STARTED,
    }
    assert (
        "no worker can be reached any more (RuntimeError: the scheduler is gone)"
        in (results[1].errors[0])
    )


def test_a_future_that_was_cancelled_is_a_lost_worker(engine: dict[str, Any]) -> None:
    class Cancelling(Losing):
        def submit(self, act: Any, /, *args: Any, **more: Any) -> Future[Any]:
            future = super().submit(act, *args, **more)
            if len(self.tasks) == 1:
                future = Future()
                future.cancel()
                future.set_running_or_notify_cancel()
            return future

    (result,) = elsewhere(Cancelling(0), "a")

    assert result.notes == (ONCE,)
