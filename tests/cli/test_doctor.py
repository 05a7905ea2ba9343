"""`cloud-siem doctor`: all that is wrong at once, and nothing that is secret."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_siem import machine
from cloud_siem.cli import main
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.machine import HOST_PARTS
from siem_emulator import EmulatorServer, World
from tests.conftest import ACCOUNT, nobody

STACK = f"""\
config:
  cloud-siem:account: "{ACCOUNT}"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    actiontrail: {{cloud_siem_trail_actiontrail: open}}
    waf: {{"*": open}}
"""
ENGINE = """\
case "$1" in
  version) echo v3.259.0 ;;
  stack) echo '[{"name": "prod"}]' ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the stack `prod`, on the emulator, and an engine that tells what it should.

    The real one is asked in tests/engine/test_doctor.py.
    """
    (tmp_path / "bin").mkdir()
    for name, script in {"pulumi": ENGINE, **dict.fromkeys(HOST_PARTS, "")}.items():
        program(tmp_path, name, script)
    (tmp_path / "stacks").mkdir()
    stack_file(tmp_path).write_text(STACK)
    (tmp_path / "Pulumi.yaml").write_text(
        "name: mine\nruntime: {name: python, options: {virtualenv: .venv}}\n"
    )
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "2")
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}")
    file.chmod(0o755)


def stack_file(folder: Path) -> Path:
    return folder / "stacks" / "Pulumi.prod.yaml"


def same(text: str, project: Path) -> str:
    """Without what is another in each run."""
    text = text.replace(str(project), "<project>")
    text = re.sub(r"http://127\.0\.0\.1:\d+", "<endpoint>", text)
    text = re.sub(r"answers in \d+ ms", "answers in <n> ms", text)
    text = re.sub(r"\b[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\b", "<RequestId>", text)
    text = re.sub(r"\d s (behind|ahead of)", "<n> s behind", text)
    text = re.sub(r"Python 3\.\d+\.\d+", "Python <version>", text)
    return re.sub(r"^(ok +packages +).*$", r"\1<packages>", text, flags=re.MULTILINE)


def doctored(capsys: pytest.CaptureFixture[str]) -> dict[str, list[tuple[str, str]]]:
    """Verdict and words of each check, by name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(capsys.readouterr().out)["checks"]:
        found.setdefault(one["name"], []).append((one["verdict"], one["said"]))
    return found


def test_a_machine_that_is_ready_gets_no_problem_and_exit_code_0(
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[str, str], None],
) -> None:
    """One identity, one ListDelivery, no write; the probe before them is nobody's call."""
    code = main(["doctor", "prod"])
    out = capsys.readouterr().out

    assert code == ExitCode.OK, out
    golden("doctor-ready.txt", same(out, project))
    named = {name: count for name, count in siem.counts().actions.items() if name}
    assert named == {"GetCallerIdentity": 1, "ListDelivery": 1}


def test_all_problems_are_told_at_once(
    project: Path,
    siem: EmulatorServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[str, str], None],
) -> None:
    """The machine's, the file's, the environment's and the account's, each with what to do."""
    program(project, "pulumi", 'echo v3.100.0\necho "error: not logged in" >&2\ntest $1 = version')
    (project / "bin" / HOST_PARTS[0]).unlink()
    stack_file(project).write_text(STACK.replace("actiontrail: {cloud_siem", "sas: {x: opne, y"))
    monkeypatch.setenv("CLOUD_SIEM_CLOSE_LIMIT", "99")
    siem.control("deny", key=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], actions=["ListDelivery"])
    code = main(["doctor", "prod"])
    out = capsys.readouterr().out

    assert code == ExitCode.ERROR
    golden("doctor-problems.txt", same(out, project))


def test_what_the_account_cannot_have_is_a_problem(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the next preview: unknown codes, and what this caller may not switch."""
    stack_file(project).write_text(
        STACK.replace("    waf:", "    wfa: {x: open}\n    bastionhost: {'*': open}\n    waf:")
    )
    code = main(["doctor", "prod", "--json"])
    said = [words for verdict, words in doctored(capsys)["deliveries"] if verdict == "problem"]

    assert code == ExitCode.ERROR
    assert "only the delegated administrator" in said[0]
    assert "did you mean waf?" in said[1]


def test_another_accounts_credentials_get_no_further(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in an update, the list is not asked for."""
    stack_file(project).write_text(STACK.replace(ACCOUNT, "1777777777777777"))
    code = main(["doctor", "prod", "--json"])
    found = doctored(capsys)

    assert code == ExitCode.ERROR
    assert found["credentials"] == [("ok", "from default/env")]
    assert found["identity"][0][0] == "problem"
    assert found["ListDelivery"][0][0] == "untried"
    assert "ListDelivery" not in siem.counts().actions


def test_a_role_is_assumed_and_named_by_the_source_of_its_credentials(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which credentials assumed it, and which session came of it."""
    monkeypatch.setenv("CLOUD_SIEM_ROLE_ARN", "acs:ram::{account}:role/siem-delivery")
    code = main(["doctor", "prod", "--json"])
    found = doctored(capsys)

    assert code == ExitCode.OK, found
    assert found["credentials"][0][1].endswith("default/env")
    assert "siem-delivery" in found["identity"][0][1]


def test_a_clock_that_is_off_is_told_by_the_clouds_own_refusal(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where nobody's HTTP tells the time."""
    siem.configure(clock_skew_s=1200)
    code = main(["doctor", "prod", "--json"])

    assert code == ExitCode.ERROR
    assert (
        "this machine's clock is more than 15 minutes off"
        in (doctored(capsys)["credentials"][0][1])
    )


def test_an_endpoint_where_nobody_is_keeps_no_one_waiting(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The calls are not tried, and the deadline is not waited out."""
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", nobody())
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "3600")
    code = main(["doctor", "prod", "--json"])
    found = doctored(capsys)

    assert code == ExitCode.ERROR
    assert found["endpoint"][0][1].endswith("Connection refused")
    assert found["credentials"][0][0] == "untried"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("environment: [x]\n" + STACK, "warning"),
        (STACK + "  cloud-siem:profile: {secure: abc}\n", "warning"),
        ("config: 1\n", "problem"),
        (STACK.replace("cn-hangzhou", "cn-hangzho"), "problem"),
    ],
)
def test_a_file_that_does_not_tell_whose_account_it_is_ends_at_the_machine(
    text: str,
    verdict: str,
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the reason; what only the engine can read whole is no problem to the engine."""
    stack_file(project).write_text(text)
    code = main(["doctor", "prod", "--json"])
    found = doctored(capsys)

    assert code == (ExitCode.ERROR if verdict == "problem" else ExitCode.OK)
    assert found["stack file"][0][0] == verdict
    assert found["cloud"][0][0] == "untried"
    assert found["engine"][0][0] == "ok"
    assert siem.counts().actions == {}


@pytest.mark.parametrize("name", ["prd", "stacks/Pulumi.gone.yaml"])
def test_a_stack_that_is_not_there_is_a_problem_among_others(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what may be meant; the machine is looked at all the same."""
    code = main(["doctor", name, "--json"])
    found = doctored(capsys)

    assert code == ExitCode.ERROR
    assert found["stack file"][0][0] == "problem"
    assert found["engine"][0][0] == "ok"


def test_without_a_stack_the_machine_alone_is_looked_at(
    project: Path,
    siem: EmulatorServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the environment, whose faults are problems."""
    sound = main(["doctor", "--json"])
    found = doctored(capsys)
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "soon")
    faulty = main(["doctor", "--json"])

    assert (sound, faulty) == (ExitCode.OK, ExitCode.ERROR)
    assert found["backend"] == [("ok", "1 stack")]
    assert doctored(capsys)["environment"][0][0] == "problem"
    assert siem.counts().actions == {}


def test_no_secret_is_shown(
    project: Path,
    siem: EmulatorServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the key's, nor a proxy's, nor what a trust policy asks for."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:not-to-be-shown@127.0.0.1:9")
    monkeypatch.setenv("CLOUD_SIEM_ROLE_ARN", "acs:ram::{account}:role/siem-delivery")
    monkeypatch.setenv("CLOUD_SIEM_ROLE_EXTERNAL_ID", "not-to-be-shown")
    monkeypatch.setenv("CLOUD_SIEM_STS_ENDPOINT", "sts.cn-shanghai.aliyuncs.com")
    main(["doctor", "prod"])
    out, err = capsys.readouterr()

    assert "not-to-be-shown" not in out + err
    assert os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] not in out + err
    assert "go through http://127.0.0.1:9 (HTTPS_PROXY)" in out


def test_an_account_that_lists_nothing_is_a_problem(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that is declared there can be."""
    world = World.build(not_connected=frozenset(World.build().catalog.products))
    first = replace(world.first, id=ACCOUNT, keys=())
    with EmulatorServer(world=replace(world, accounts={ACCOUNT: first})) as siem:
        siem.control(
            "keys",
            account=ACCOUNT,
            id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        )
        monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
        code = main(["doctor", "prod", "--json"])

    assert code == ExitCode.ERROR
    assert "lists no products at all" in doctored(capsys)["deliveries"][0][1]


# --- locks ----------------------------------------------------------------------------------------

OVER = 2**22 + 1
"""Above the highest id of a process that Linux gives."""


def lock(folder: Path, stack: str, **changes: object) -> None:
    """As the engine leaves it in a folder (pkg/backend/diy/lock.go)."""
    place = folder / "state dir" / ".pulumi" / "locks" / "organization" / "mine" / stack
    place.mkdir(parents=True, exist_ok=True)
    said = {"pid": OVER, "username": "ann", "hostname": socket.gethostname(), "timestamp": "T"}
    (place / "0.json").write_text(json.dumps({**said, **changes}))


def backend_by_variable(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)


def backend_by_login(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine alone knows it."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    whoami = f"""whoami) echo '{json.dumps({"user": "ann", "url": url})}' ;;"""
    program(folder, "pulumi", ENGINE.replace("esac", f"{whoami}\nesac"))


@pytest.mark.parametrize("said", [backend_by_variable, backend_by_login])
@pytest.mark.parametrize("arguments", [["prod"], []])
def test_the_lock_of_a_run_that_is_over_is_a_problem(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: Callable[[Path, str, pytest.MonkeyPatch], None],
    arguments: list[str],
) -> None:
    """No update can begin, and nobody will give it back."""
    said(project, f"file://{project}/state%20dir", monkeypatch)
    lock(project, "prod")

    assert main(["doctor", *arguments]) == ExitCode.ERROR
    text = capsys.readouterr().out
    assert "1 problem" in text
    assert f"a run that is over (ann@{socket.gethostname()}, process {OVER}, since T)" in text
    assert "pulumi cancel --stack prod" in text


@pytest.mark.parametrize(
    "changes", [{"pid": 77}, {"hostname": "build-7"}, {"hostname": "build-7", "pid": OVER}]
)
def test_a_lock_that_may_be_held_is_a_warning(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
) -> None:
    monkeypatch.setattr(machine, "runs_engine", lambda pid: pid == 77)
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{project}/state dir?metadata=skip")
    lock(project, "prod", **changes)

    assert main(["doctor", "prod", "--json"]) == ExitCode.OK
    assert [verdict for verdict, _ in doctored(capsys)["lock"]] == ["warning"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_what_is_no_lock_of_this_stack_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{project}/state dir")
    lock(project, "other")
    lock(project, "prod")
    next((project / "state dir").rglob("prod/0.json")).write_text(text)

    assert main(["doctor", "prod", "--json"]) == ExitCode.OK
    assert "lock" not in doctored(capsys)
