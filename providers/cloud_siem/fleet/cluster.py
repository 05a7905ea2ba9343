"""Workers on a Dask cluster that somebody runs already: ``--dask tcp://scheduler:8786``.

Called by the commands; what happens to the tasks is ``executing``'s. Workers share no disk with us:
a task has the texts of its project, the state is in a backend that all of them reach, and the log
comes back in the result. Nothing secret travels: a worker has its own credentials for the cloud and
for the backend, from its own environment.

Dask gives the task of a lost worker to another one by itself, several times, and says so to nobody.
The engine that the lost worker drove may still run, or have left its lock: so who begins a task
leaves a mark with the scheduler, and who finds one knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from typing import Any
from uuid import uuid4

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.executing import Workers, moved, run_with
from cloud_siem.fleet.running import run
from cloud_siem.fleet.sessions import Sessions
from cloud_siem.fleet.tasks import Result, Task
from cloud_siem.wording import counted, printable

CONNECT_S = 10
"""Seconds; a scheduler that is there answers in one."""
_PACKAGE = "pulumi-cloud-siem"


@contextmanager
def cluster(address: str, slots: int | None = None) -> Iterator[Workers]:
    """The workers of a scheduler.

    Args:
        address: The scheduler's, e.g. ``tcp://scheduler:8786``.
        slots: How many tasks run at once; as many as the workers have threads if not given.

    Raises:
        CloudSiemError: It is not there, or its workers cannot do the work.
    """
    with _connected(address) as client:
        threads = _checked(client, address)
        yield Workers(
            executor=_Executor(client, address), slots=slots or sum(threads.values()), here=False
        )


def _dask() -> Any:
    """The library: an extra, slow to import, and half of it without types."""
    try:
        return import_module("distributed")
    except ModuleNotFoundError as error:
        raise CloudSiemError(
            f"--dask needs the Python module {error.name}, which is not installed here"
            f" (install {_PACKAGE}[dask])"
        ) from None


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    dask = _dask()
    # What it logs when the scheduler is lost is told in our words.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        # Before there is a client: one that cannot connect complains for as long as it lives.
        kind = asyncio.run(asyncio.wait_for(_kind(dask, address), CONNECT_S))
    except (OSError, ValueError, TypeError) as error:
        # Of a connection that was not made there is no more to say than that.
        why = "" if isinstance(error, OSError) else f" ({printable(str(error))})"
        raise CloudSiemError(
            f"no Dask scheduler answers at {address} within {CONNECT_S} s{why}. Nothing was"
            " started. Check the address, and that the cluster runs."
        ) from None
    except Exception as error:  # noqa: BLE001 - Dask takes any bytes for its own, as lengths of more
        raise CloudSiemError(
            f"what answers at {address} is not a Dask scheduler: it does not speak Dask's protocol"
            f" ({type(error).__name__}). Nothing was started. Check the port: a scheduler has 8786"
            " unless it was told otherwise, and 8787 is that of its web page."
        ) from None
    if kind != "Scheduler":
        raise CloudSiemError(
            f"at {address} is no Dask scheduler but a {printable(kind)}; nothing was started"
        )
    client = dask.Client(address, timeout=CONNECT_S, set_as_default=False, name="cloud-siem")
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


async def _kind(dask: Any, address: str) -> str:
    """What is there, in its own word."""
    async with dask.rpc(address, timeout=CONNECT_S) as there:
        return str((await there.identity())["type"])


def _checked(client: Any, address: str) -> dict[str, int]:
    """The threads of each worker; every one must be able to do the work."""
    versions: dict[str, Any] = client.get_versions(packages=[_PACKAGE])
    ours = versions["client"]["packages"][_PACKAGE]
    workers = {
        worker: said["packages"][_PACKAGE] for worker, said in sorted(versions["workers"].items())
    }
    if not workers:
        raise CloudSiemError(
            f"the Dask scheduler at {address} has no workers; nothing was started. Start one beside"
            f" {_PACKAGE} and pulumi: `dask worker {address}`."
        )
    others = [
        f"{worker} has {f'version {version}' if version else 'none'}"
        for worker, version in workers.items()
        if version != ours
    ]
    if others:
        raise CloudSiemError(
            f"{counted(len(others), 'Dask worker')} of {len(workers)} cannot do the work, which"
            f" needs {_PACKAGE} {ours}: {'; '.join(others)}. Nothing was started."
        )
    return dict(client.nthreads())


class _Executor(Executor):
    """Dask's own executor; a scheduler that is lost is an error at once, and not waited for."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        # Not pure: two runs of the same task are two runs.
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._client.status != "running":
            raise CloudSiemError(f"the Dask scheduler at {self._address} was lost")
        if fn is run:
            fn, args = run_on_worker, (*args, f"cloud-siem-{uuid4().hex}")
        submitted: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return submitted


_sessions = Sessions()
"""Of the worker that this process is, should it be one."""


def run_on_worker(task: Task, mark: str) -> Result:
    """Run a task on a worker; ``mark`` is its own, so that a second start of it is known."""
    begun = _dask().Event(mark)
    again = begun.is_set()
    begun.set()
    result = run_with(replace(task, again=task.again or again), _sessions.of)
    with suppress(Exception):  # the scheduler is gone, and the mark with it
        begun.clear()
    return moved(result, 1) if again else result
