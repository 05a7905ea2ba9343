"""Many tasks on any ``concurrent.futures`` executor: bounded, and nobody stops or hides another.

The default is local: a few threads, each of which drives an engine that is a process of its own.
A worker elsewhere is reached by an executor that the caller brings, and gets the task alone.

A task whose worker was lost is run again elsewhere, and told so. Stopping, by Ctrl-C or after a
failure where that is wanted, lets what runs come to its end, and starts nothing more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.running import run
from cloud_siem.fleet.tasks import Result, Status, Task

LOST_LIMIT = 2
"""So often a task is run again after its worker was lost; one that loses them all is at fault."""

Session = Callable[[Task], Mapping[str, str]]
"""Credentials for a task's stack, as environment variables; asked for when it starts."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where tasks run."""

    executor: Executor
    slots: int
    """How many run at once."""
    here: bool
    """Whether in this process: the project's folder is used as it is, and a session handed over.
    Else a task goes with its texts, and the worker's own credentials hold."""


@contextmanager
def local(slots: int) -> Iterator[Workers]:
    """Workers on this machine."""
    with ThreadPoolExecutor(slots) as executor:
        yield Workers(executor=executor, slots=slots, here=True)


def execute(
    tasks: Sequence[Task],
    workers: Workers,
    *,
    session: Session,
    stopping: threading.Event,
    fail_fast: bool = False,
) -> Iterator[Result]:
    """What became of each task, as it is done; those that were not started come last.

    Args:
        tasks: What to run, in the order in which they are started.
        workers: Where.
        session: See there.
        stopping: Once it is set, nothing more is started.
        fail_fast: Whether the first one that fails sets it.
    """
    waiting = [(one, 0) for one in reversed(tasks)]
    running: dict[Future[Result], tuple[Task, int]] = {}
    gone = ""
    while running or (waiting and not stopping.is_set()):
        while waiting and len(running) < workers.slots and not stopping.is_set():
            task, lost = waiting.pop()
            try:
                running[_submitted(task, workers, session)] = task, lost
            except Exception as error:  # noqa: BLE001 - an executor raises what it likes
                gone = f"no worker can be reached any more ({_said(error)})"
                waiting.append((task, lost))
                stopping.set()
        done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), None)
        for future in done:
            task, lost = running.pop(future)
            if (why := _lost(future)) and lost < LOST_LIMIT:
                waiting.append((replace(task, again=True), lost + 1))
                continue
            result = _result(future, task, lost, why)
            if fail_fast and result.status in (Status.FAILED, Status.REFUSED):
                stopping.set()
            yield result
    for task, lost in reversed(waiting):
        if lost:
            yield _unknown(task, f"its worker was lost, and {gone or 'the run was stopped'}")
        else:
            errors = (gone,) if gone else ()
            yield Result(stack=task.stack, status=Status.NOT_STARTED, errors=errors)


def _submitted(task: Task, workers: Workers, session: Session) -> Future[Result]:
    if workers.here:
        # The session is asked for on the worker's thread: assuming a role takes its time.
        return workers.executor.submit(run_with, task, session)
    return workers.executor.submit(run, replace(task, folder=""))


def run_with(task: Task, session: Session) -> Result:
    """Run a task with the credentials that it is to have; never raises."""
    try:
        credentials = session(task)
    except CloudSiemError as error:
        return Result(stack=task.stack, status=Status.FAILED, errors=(str(error),))
    return run(task, credentials)


def _lost(future: Future[Result]) -> str:
    """Why there is no result; empty where there is one. ``run`` never raises: it was the worker."""
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    return _said(error) if error else ""


def _said(error: BaseException) -> str:
    """In our own words where they are ours."""
    ours = isinstance(error, CloudSiemError)
    return str(error) if ours else f"{type(error).__name__}: {error}"


def _result(future: Future[Result], task: Task, lost: int, why: str) -> Result:
    if why:
        return _unknown(task, f"its worker was lost {lost + 1} times ({why})")
    return moved(future.result(), lost) if lost else future.result()


def _unknown(task: Task, why: str) -> Result:
    message = f"{why}. What the stack looks like now is not known; run it again"
    return Result(stack=task.stack, status=Status.FAILED, errors=(message,))


def moved(result: Result, lost: int) -> Result:
    """The result of a task whose worker was lost so many times before."""
    times = "once" if lost == 1 else f"{lost} times"
    note = f"its worker was lost {times}; it was run again elsewhere, and counted is that run alone"
    return replace(result, notes=(*result.notes, note))
