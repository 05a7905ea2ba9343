"""A fleet on the real engine: a story over several accounts, and Ctrl-C in the middle of a run."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud_siem.wording import looks_secret
from siem_emulator import EmulatorServer
from siem_emulator.world import Account, Role, World, user_key
from tests.engine.engine import Engine, written

ADMIN = "1000000000000001"
MEMBERS = ("1000000000000002", "1000000000000003", "1000000000000004")
ROLE = "acs:ram::{account}:role/siem-delivery"
PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"
ENGINE_RUNS = ("Previewing", "Updating", "Refreshing")


def world() -> World:
    """An administrator and three members, of whom the last one trusts somebody else."""

    def member(number: int, trusts: str) -> Account:
        id_ = MEMBERS[number]
        role = Role(name="siem-delivery", account=id_, trusts=(trusts,))
        return Account(
            id=id_, name=f"m{number}", keys=(user_key(id_, f"m{number}"),), roles=(role,)
        )

    accounts = [member(0, ADMIN), member(1, ADMIN), member(2, MEMBERS[0])]
    admin = Account(id=ADMIN, name="admin", keys=(user_key(ADMIN, "admin"),))
    return World(
        name="fleet",
        accounts={one.id: one for one in (admin, *accounts)},
        members={ADMIN: MEMBERS},
    )


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of `cloud-siem fleet`."""

    code: int
    out: str
    err: str
    actions: Mapping[str, int]
    writes: list[str]
    stacks: Mapping[str, dict[str, Any]]

    @property
    def statuses(self) -> dict[str, str]:
        return {name: one["status"] for name, one in self.stacks.items()}


class Fleet:
    """A project with a stack for each member, on an emulator."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        engine.file.unlink()
        self.environ = engine.environment | {
            "XDG_CACHE_HOME": str(engine.folder / "cache"),
            # The default: what the fleet's own limit holds back is then its own.
            "CLOUD_SIEM_CLOSE_LIMIT": "",
        }

    def declare(self, name: str, number: int, **logs: str) -> None:
        keys = {
            "account": MEMBERS[number],
            "region": "cn-hangzhou",
            "roleArn": ROLE,
            "deliveries": {"sas": logs},
        }
        text = yaml.safe_dump({"config": {f"cloud-siem:{key}": one for key, one in keys.items()}})
        file = self.engine.folder / "stacks" / f"Pulumi.{name}.yaml"
        # `pulumi stack init` has put a salt into it, as it does for everybody.
        salt = (
            [one for one in file.read_text().splitlines() if "salt" in one] if file.exists() else []
        )
        file.write_text("\n".join([*salt, text]))

    def command(self, *arguments: str) -> list[str]:
        logs = ["--logs", str(self.engine.folder / "logs")]
        return ["cloud-siem", "fleet", *arguments, *logs, "--report", "json=result.json"]

    def run(self, *arguments: str) -> Ran:
        siem = self.engine.siem
        since = max((call.seq for call in siem.calls.all()), default=0)
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.engine.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return self.ran(done.returncode, done.stdout, done.stderr, since)

    def files_with_a_session(self) -> list[Path]:
        """Of all that was written: state, history, plans, logs, results, records."""
        files = [one for one in self.engine.folder.rglob("*") if one.is_file()]
        kept = [one for one in files if ".venv" not in one.parts]
        assert len(kept) > 10
        return [one for one in kept if looks_secret(one.read_bytes().decode("latin-1"))]

    def ran(self, code: int, out: str, err: str, since: int) -> Ran:
        calls = tuple(self.engine.siem.calls.all(since=since))
        found = json.loads((self.engine.folder / "result.json").read_text())
        return Ran(
            code=code,
            out=out,
            err=err,
            actions=Counter(one.action for one in calls),
            writes=written(calls),
            stacks={one["stack"]: one for one in found["stacks"]},
        )


@pytest.fixture
def fleet(engine_on: Callable[[EmulatorServer], Engine]) -> Any:
    with EmulatorServer(world()) as siem:
        yield Fleet(engine_on(siem))


def test_a_fleet_from_its_first_run_to_its_repair(fleet: Fleet) -> None:
    """Ten runs of the engine: what each of them did, was spared, and was held back from."""
    siem = fleet.engine.siem
    fleet.declare("a", 0, **{PROC: "open", DNS: "open"})
    fleet.declare("b", 1, **{PROC: "open"})
    fleet.declare("theirs", 2, **{PROC: "open"})
    fleet.declare("broken", 2, **{DNS: "opne"})

    # The first run opens; a file that is broken and an account that refuses hide nobody.
    ran = fleet.run("up", "--yes")
    assert ran.code == 1, ran.out + ran.err
    assert ran.statuses == {"a": "changed", "b": "changed", "broken": "failed", "theirs": "failed"}
    assert "opne" in ran.stacks["broken"]["errors"][0]
    assert "the role could not be assumed" in ran.stacks["theirs"]["errors"][0]
    assert ran.writes == [f"open sas/{DNS}", f"open sas/{PROC}", f"open sas/{PROC}"]
    assert (ran.stacks["a"]["opened"], ran.stacks["b"]["opened"]) == (2, 1)

    # Each role was assumed once, for the look, the preview and the update together; what is counted
    # as calls is what the account was asked, that aside.
    assert ran.actions["AssumeRole"] == 3
    asked = sum(count for action, count in ran.actions.items() if action != "AssumeRole")
    assert sum(one["calls"] for one in ran.stacks.values()) - 1 == asked, "one was never sent"

    assert not looks_secret(ran.out + ran.err)
    assert fleet.files_with_a_session() == []

    # The second run needs the engine for nobody, nor the export of what it has compared.
    for proof in ("account, state and program are as declared", "all else is as a run left it"):
        ran = fleet.run("up", "--yes", "a", "b")
        assert (ran.code, ran.statuses) == (0, {"a": "skipped", "b": "skipped"})
        assert proof in ran.stacks["a"]["why"][0]
        assert not [one for one in ENGINE_RUNS if one in ran.err]
        assert ran.actions == {"AssumeRole": 2, "GetCallerIdentity": 2, "ListDelivery": 2}

    # What a hand has switched is set back, by the engine on that stack alone.
    siem.switch("sas", PROC, state="closed", account=MEMBERS[1])
    ran = fleet.run("up", "--yes", "a", "b")
    assert (ran.code, ran.statuses) == (0, {"a": "skipped", "b": "changed"})
    assert ran.writes == [f"open sas/{PROC}"]

    # Each stack may close what it would; both together may not, and nothing is written anywhere.
    fleet.declare("a", 0, **{PROC: "closed", DNS: "open"})
    fleet.declare("b", 1, **{PROC: "open", DNS: "closed"})
    siem.switch("sas", DNS, state="open", account=MEMBERS[1])
    ran = fleet.run("up", "--yes", "--close-limit", "1", "a", "b")
    assert (ran.code, ran.statuses) == (21, {"a": "not started", "b": "not started"})
    assert "2 logs would close in 2 stacks (a, b), of 2 declared open" in ran.out, ran.out
    assert ran.writes == []

    # Allowed, and for one of them alone.
    ran = fleet.run("up", "--yes", "--close-limit", "1", "a")
    assert (ran.code, ran.statuses, ran.writes) == (0, {"a": "changed"}, [f"close sas/{PROC}"])
    assert (ran.stacks["a"]["opened"], ran.stacks["a"]["closed"]) == (0, 1)
    assert "undo: sas: {" in ran.stacks["a"]["changes"][0]


def test_ctrl_c_finishes_what_runs_and_says_what_was_not_started(fleet: Fleet) -> None:
    """As at a terminal, where it reaches every process of the group."""
    fleet.declare("a", 0, **{PROC: "open"})
    fleet.declare("b", 1, **{PROC: "open"})
    process = subprocess.Popen(
        fleet.command("preview", "--all-stacks", "--parallel", "1"),
        cwd=fleet.engine.folder,
        env=fleet.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not fleet.engine.siem.calls_of("AssumeRole") and time.monotonic() < deadline:
        time.sleep(0.05)
    subprocess.run(["kill", f"-{signal.SIGINT.value}", "--", f"-{process.pid}"], check=True)
    out, err = process.communicate(timeout=60)
    ran = fleet.ran(process.returncode, out, err, 0)

    assert ran.code == 130, out + err
    assert ran.statuses == {"a": "to change", "b": "not started"}
    assert "PARTIAL: stopped before 1 stack had been started." in out
    assert "nothing more is started" in err


def test_a_program_that_changed_in_a_folder_of_the_project_needs_the_engine(fleet: Fleet) -> None:
    """What it declares may be another thing now: so the stack is not skipped."""
    folder = fleet.engine.folder
    program = (folder / "__main__.py").read_text()
    fleet.engine.rewrite(f"import parts.notes\n{program}\npulumi.export('x', parts.notes.X)\n")
    (folder / "parts").mkdir()
    (folder / "parts" / "notes.py").write_text("X = 1\n")
    fleet.declare("a", 0, **{PROC: "open"})
    assert fleet.run("up", "--yes").statuses == {"a": "changed"}
    assert fleet.run("up", "--yes").statuses == {"a": "skipped"}

    (folder / "parts" / "notes.py").write_text("X = 2\n")
    ran = fleet.run("up", "--yes")

    assert ran.statuses["a"] != "skipped"
    assert "program" in ran.stacks["a"]["why"][0]
    assert fleet.run("up", "--yes").statuses == {"a": "skipped"}


def test_a_lock_whose_run_is_over_is_told_and_left(fleet: Fleet) -> None:
    """Only a person can know that nobody holds it; without it the stack is refreshed."""
    fleet.declare("a", 0, **{PROC: "open"})
    assert fleet.run("preview", "a").code == 0
    lock = fleet.engine.folder / "backend/.pulumi/locks/organization/cloud-siem/a/x.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    who = {"pid": 2**22 + 1, "username": "ann", "hostname": socket.gethostname()}
    lock.write_text(json.dumps({**who, "timestamp": "2026-01-01T00:00:00Z"}))

    ran = fleet.run("refresh", "a")
    assert (ran.code, ran.statuses) == (1, {"a": "failed"})
    assert "the stack is locked by a run that is over (ann@" in ran.stacks["a"]["errors"][0]
    assert "pulumi cancel --stack a" in ran.stacks["a"]["errors"][0]
    assert lock.exists()

    lock.unlink()
    ran = fleet.run("refresh", "a")
    assert (ran.code, ran.statuses, ran.writes) == (0, {"a": "unchanged"}, [])
    assert "Refreshing (a)" in Path(ran.stacks["a"]["log"]).read_text()
