"""A Dask cluster as workers: what is refused before anything starts, and what is sent to it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet import cluster as module
from cloud_siem.fleet.cluster import cluster
from cloud_siem.fleet.running import run
from cloud_siem.fleet.tasks import Operation, Result, Status, Task, portable
from cloud_siem.version import __version__
from tests.canaries import leaks
from tests.fleet.machines import scheduler

CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-backend",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "canary-of-the-cloud",
    "PULUMI_CONFIG_PASSPHRASE": "canary-of-the-passphrase",
    "CLOUD_SIEM_ROLE_EXTERNAL_ID": "canary-of-the-role",
    "DATABASE_PASSWORD": "canary-of-the-database",
}
DATABASE = f"postgres://person:{CANARIES['DATABASE_PASSWORD']}@host/state"


class Client:
    """Stands for Dask's: it says what it is told to, and keeps what it is given."""

    def __init__(self, workers: dict[str, str | None], *, status: str = "running") -> None:
        self.status = status
        self._workers = workers
        self.sent: list[tuple[object, ...]] = []

    def get_versions(self, packages: list[str]) -> dict[str, Any]:
        [name] = packages
        said = {one: {"packages": {name: version}} for one, version in self._workers.items()}
        return {"client": {"packages": {name: __version__}}, "workers": said}

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self._workers, 2)

    def get_executor(self, *, pure: bool) -> Client:
        assert not pure
        return self

    def submit(self, fn: Callable[..., object], *args: object) -> str:
        self.sent.append((fn, *args))
        return "future"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", "within 0.3 s. Nothing"),  # where nobody listens
        ("nonsense", "missing port number in address 'nonsense'"),
        ("http://127.0.0.1:1", "unknown address scheme 'http'"),
    ],
    ids=["nobody", "no address", "no scheme of its"],
)
def test_a_scheduler_that_is_not_there_is_told_and_nothing_is_started(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.3)

    with pytest.raises(CloudSiemError) as told, cluster(address):
        pass
    assert str(told.value).startswith(f"no Dask scheduler answers at {address} within 0.3 s")
    assert why in str(told.value)
    assert "Nothing was started. Check the address" in str(told.value)


def test_a_scheduler_without_workers_is_told_with_the_way_out(tmp_path: Path) -> None:
    with (
        scheduler(tmp_path) as (address, _),
        pytest.raises(
            CloudSiemError, match=f"at {address} has no workers.*`dask worker {address}`"
        ),
        cluster(address),
    ):
        pass


def test_the_address_of_a_worker_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async def kind(_dask: object, _address: str) -> str:
        return "Worker"

    monkeypatch.setattr(module, "_kind", kind)

    with (
        pytest.raises(CloudSiemError, match="no Dask scheduler but a Worker"),
        cluster("tcp://w:1"),
    ):
        pass


def test_workers_without_this_version_of_ours_are_named() -> None:
    """Else each task would fail there, one by one, in words of Python's."""
    client = Client({"tcp://a:1": __version__, "tcp://b:1": "0.0.1", "tcp://c:1": None})

    with pytest.raises(CloudSiemError) as told:
        module._checked(client, "tcp://s:1")
    assert str(told.value) == (
        f"2 Dask workers of 3 cannot do the work, which needs pulumi-cloud-siem {__version__}:"
        " tcp://b:1 has version 0.0.1; tcp://c:1 has none. Nothing was started."
    )


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(CloudSiemError, match=r"install pulumi-cloud-siem\[dask\]"), cluster("x"):
        pass


def test_nothing_is_handed_to_a_scheduler_that_was_lost() -> None:
    client = Client({}, status="connecting")

    with pytest.raises(CloudSiemError, match="the Dask scheduler at tcp://s:1 was lost"):
        module._Executor(client, "tcp://s:1").submit(run, None)
    assert client.sent == []


# --- what is sent ---------------------------------------------------------------------------------


def test_what_is_sent_has_no_secret_in_it() -> None:
    """A task made of an environment full of them, in the bytes that Dask would send."""
    environ = {
        **CANARIES,
        "PULUMI_BACKEND_URL": DATABASE,
        "CLOUD_SIEM_ENDPOINT": "http://127.0.0.1:1",
    }
    task = Task(
        stack="one",
        operation=Operation.UP,
        text="config: {}\n",
        environment=portable(environ),
    )
    client = Client({})
    module._Executor(client, "tcp://s:1").submit(run, task)
    [sent] = client.sent
    bytes_of = pickle.dumps(sent)

    assert sent[0] is module.run_on_worker
    assert leaks({"endpoint": "http://127.0.0.1:1", "stack": "config: {}"}, bytes_of)
    assert leaks(CANARIES, bytes_of) == set()


def test_two_runs_of_the_same_task_have_marks_of_their_own() -> None:
    client = Client({})
    executor = module._Executor(client, "tcp://s:1")
    task = Task(stack="one", operation=Operation.UP, text="")
    executor.submit(run, task)
    executor.submit(run, task)

    assert len({str(sent[-1]) for sent in client.sent}) == 2


def test_whoever_finds_the_mark_of_a_task_knows_that_a_worker_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the mark is gone when the task is done."""
    marks: set[str] = set()

    class Event:
        def __init__(self, name: str) -> None:
            self._name = name

        def is_set(self) -> bool:
            return self._name in marks

        def set(self) -> None:
            marks.add(self._name)

        def clear(self) -> None:
            marks.discard(self._name)

    seen: list[bool] = []

    def running(task: Task, _session: object) -> Result:
        seen.append(task.again)
        return Result(stack=task.stack, status=Status.CHANGED)

    monkeypatch.setattr(module, "_dask", lambda: type("dask", (), {"Event": Event}))
    monkeypatch.setattr(module, "run_with", running)
    task = Task(stack="one", operation=Operation.UP, text="")
    first = module.run_on_worker(task, "mark")
    marks.add("mark")  # as a worker that died in the middle leaves it
    second = module.run_on_worker(task, "mark")

    assert (seen, marks) == ([False, True], set())
    assert (first.notes, second.notes) == (
        (),
        ("its worker was lost once; it was run again elsewhere, and counted is that run alone",),
    )
