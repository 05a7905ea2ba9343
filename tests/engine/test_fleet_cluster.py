"""The real engine on a real Dask cluster whose workers share no disk, state on an S3 server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud_siem.fleet.cluster import cluster
from cloud_siem.fleet.executing import execute
from cloud_siem.fleet.tasks import Operation, Result, Status, Task
from siem_emulator import EmulatorServer, World
from tests.canaries import leaks_in
from tests.engine.engine import ROOT, clean_environment, stand_ins
from tests.fleet.machines import (
    AWS,
    S3,
    end_session,
    killed,
    s3_server,
    scheduler,
    started,
    until,
    update_of,
    worker,
)

PASSPHRASE = "a-passphrase-of-the-workers"
ROLE = "acs:ram::{account}:role/siem-delivery"
FLEET = (sys.executable, "-m", "cloud_siem.cli", "fleet")
OPENED = "cloud_siem_aegis_proc"
SECRET = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "AWS_SECRET_ACCESS_KEY", "PULUMI_CONFIG_PASSPHRASE")
"""What a worker has in its environment, and nobody else is told."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """All that is not on the machine that asks."""

    siem: EmulatorServer
    s3: S3
    folder: Path
    environment: dict[str, str]
    """Of a worker: what it needs for the cloud and for the backend."""

    def task(self, stack: str, account: str) -> Task:
        """Open one log in an account."""
        text = (
            f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n'
            f"  cloud-siem:roleArn: {ROLE}\n"
            f"  cloud-siem:deliveries: {{sas: {{{OPENED}: open}}}}\n"
        )
        names = ("Pulumi.yaml", "__main__.py")
        return Task(
            stack=stack,
            operation=Operation.UP,
            text=text,
            project={name: (ROOT / name).read_text() for name in names},
            environment=self.settings,
        )

    @property
    def settings(self) -> dict[str, str]:
        """What travels: where the cloud and the state are."""
        return {
            "CLOUD_SIEM_ENDPOINT": self.siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
            "PULUMI_BACKEND_URL": self.s3.backend,
        }

    def project(self) -> Path:
        """A person's project with a stack for each account."""
        folder = self.folder / "project"
        (folder / "stacks").mkdir(parents=True)
        for name, account in zip(("first", "second"), self.siem.world.accounts, strict=True):
            task = self.task(name, account)
            (folder / "stacks" / f"Pulumi.{name}.yaml").write_text(task.text)
            for file, text in task.project.items():
                (folder / file).write_text(text)
        return folder

    def opens(self) -> int:
        return sum(call.action == "OpenDelivery" for call in self.siem.calls.all())


@pytest.fixture
def elsewhere(tmp_path: Path, pulumi_home: Path) -> Iterator[Elsewhere]:
    """Two accounts, and what a worker has."""
    aside = tmp_path / "tmp"
    aside.mkdir()
    with EmulatorServer(World.build(accounts=2)) as siem, s3_server(tmp_path) as s3:
        key = siem.key()
        environment = {
            **clean_environment(),
            **AWS,
            "HOME": str(tmp_path),
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]]),
            "TMPDIR": str(aside),  # where a killed worker leaves what it cannot take away any more
            "PYTHONPATH": str(stand_ins(pulumi_home)),
            "PULUMI_HOME": str(pulumi_home),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key.id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret,
        }
        yield Elsewhere(siem=siem, s3=s3, folder=tmp_path, environment=environment)


def run(address: str, *tasks: Task) -> dict[str, Result]:
    with cluster(address) as workers:
        done = execute(tasks, workers, session=lambda _: {}, stopping=threading.Event())
        return {one.stack: one for one in done}


def test_a_worker_killed_in_the_middle_is_replaced_and_the_lock_of_its_engine_waited_for(
    elsewhere: Elsewhere,
) -> None:
    """The whole command: the engine that lost its worker finishes, and nothing is written twice."""
    folder, env = elsewhere.folder, elsewhere.environment
    project = elsewhere.project()
    elsewhere.siem.configure(latency_ms=500)
    report = folder / "result.json"
    with (
        scheduler(folder) as (address, _),
        worker(folder, "one", address, env) as one,
        worker(folder, "two", address, env),
        started(
            [*FLEET, "up", "--yes", "--dask", address, "--report", f"json={report}"],
            folder / "fleet.log",
            {**env, **elsewhere.settings},
            project,
        ) as running,
    ):
        until(lambda: update_of(one) in elsewhere.s3.holders, "an update in its middle")
        killed(one)
        code = running.wait()

    written = (folder / "fleet.log").read_text()
    assert code == 0, written
    rows = json.loads(report.read_text())["stacks"]
    assert [row["status"] for row in rows if row["status"] not in ("changed", "unchanged")] == []
    assert sum("its worker was lost once" in " ".join(row["notes"]) for row in rows) == 1
    assert elsewhere.opens() == 2
    looks, workers, accounts = 2, 2, 2
    assert elsewhere.siem.counts().actions["AssumeRole"] <= looks + workers * accounts
    assert elsewhere.s3.keys("/locks/") == []
    assert all("encryptionsalt: " in file.read_text() for file in project.glob("stacks/*"))
    secrets = {name: env[name] for name in SECRET}
    assert leaks_in(secrets, folder) == [], "what scheduler, workers, server and fleet wrote"


def test_a_lock_that_a_dead_worker_left_is_told_and_never_broken(elsewhere: Elsewhere) -> None:
    """A machine that is gone: only a person can know that; then the next run does the rest."""
    task = elsewhere.task("first", elsewhere.siem.world.first.id)
    elsewhere.siem.configure(latency_ms=700)
    folder, env = elsewhere.folder, elsewhere.environment
    with (
        scheduler(folder) as (address, _),
        worker(folder, "one", address, env) as one,
        worker(folder, "two", address, env) as two,
        ThreadPoolExecutor() as threads,
    ):
        running = threads.submit(run, address, task)
        until(
            lambda: {update_of(one), update_of(two)} & elsewhere.s3.holders,
            "an update in its middle",
        )
        [(engine, its_worker)] = [(pid, it) for it in (one, two) if (pid := update_of(it))]
        killed(its_worker)
        end_session(engine)
        [told] = running.result()["first"].errors
        assert "the stack is locked by a run that is over (" in told
        assert f"process {engine}" in told
        assert "then run `pulumi cancel --stack first` and this again" in told
        assert len(elsewhere.s3.keys("/locks/")) == 1

        elsewhere.siem.configure(latency_ms=0)
        cancel(elsewhere)
        done = run(address, task)["first"]

    assert (done.status, done.errors) == (Status.CHANGED, ())
    assert elsewhere.s3.keys("/locks/") == []
    assert elsewhere.opens() == 1


def test_a_scheduler_lost_in_the_middle_is_told_and_the_next_run_does_the_rest(
    elsewhere: Elsewhere,
) -> None:
    """What ran comes to its end where it is; what waited was not started."""
    tasks = [
        elsewhere.task(name, account)
        for name, account in zip(("first", "second"), elsewhere.siem.world.accounts, strict=True)
    ]
    elsewhere.siem.configure(latency_ms=700)
    folder, env = elsewhere.folder, elsewhere.environment
    with (
        scheduler(folder) as (address, process),
        worker(folder, "one", address, env) as one,
        ThreadPoolExecutor() as threads,
    ):
        running = threads.submit(run, address, *tasks)
        until(lambda: update_of(one) in elsewhere.s3.holders, "an update in its middle")
        killed(process)
        done = running.result()
        lost = f"the Dask scheduler at {address} was lost"
        gone = f"no worker can be reached any more ({lost})"
        unknown = "What the stack looks like now is not known; run it again"
        assert {name: (one.status, one.errors) for name, one in done.items()} == {
            "first": (Status.FAILED, (f"its worker was lost, and {gone}. {unknown}",)),
            "second": (Status.NOT_STARTED, (gone,)),
        }
        until(lambda: not elsewhere.s3.keys("/locks/"), "the engine to give its lock back")

    elsewhere.siem.configure(latency_ms=0)
    (folder / "scheduler.json").unlink()
    with scheduler(folder) as (address, _), worker(folder, "two", address, env):
        rest = run(address, *tasks)

    assert {name: one.status for name, one in rest.items()} == {
        "first": Status.UNCHANGED,
        "second": Status.CHANGED,
    }
    assert elsewhere.opens() == 2


def cancel(elsewhere: Elsewhere) -> None:
    """What the sentence tells a person to do."""
    subprocess.run(
        ["pulumi", "cancel", "--stack", "first", "--yes", "--non-interactive"],
        cwd=elsewhere.project(),
        env=elsewhere.environment | elsewhere.settings,
        check=True,
        capture_output=True,
    )
