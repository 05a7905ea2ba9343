"""`cloud-siem fleet`: choosing, refusing, and all that can go wrong before the engine runs.

The engine here only answers what is recorded; tests/engine/test_fleet.py has the real one.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.cli import main
from cloud_siem.cli.fleet_watch import Lines, Table, watching
from cloud_siem.cli.stopping import stoppable
from cloud_siem.fleet.formats.as_json import to_json
from cloud_siem.fleet.tasks import Result, Status
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT, spare_authorities
from tests.fleet.test_rollup import CHANGED, SKIPPED, rollup

Out = pytest.CaptureFixture[str]
Write = Callable[..., Path]
OPEN = "actiontrail: {cloud_siem_trail_actiontrail: open}"
"""What the first account has open from the start."""
ROLE = '  cloud-siem:roleArn: "acs:ram::{account}:role/siem-delivery"\n'
NEVER_UPDATED = json.dumps({"version": 3, "deployment": {"manifest": {}}})


@pytest.fixture
def write(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a stack file into a project folder, on the emulator."""
    spare_authorities()
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: cloud-siem\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("CLOUD_SIEM_REQUEST_RATE", "100000")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(name: str, deliveries: str = OPEN, account: str = ACCOUNT, more: str = "") -> Path:
        file = tmp_path / "stacks" / f"Pulumi.{name}.yaml"
        file.write_text(
            f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n'
            f"  cloud-siem:deliveries: {{{deliveries}}}\n{more}",
            encoding="utf-8",
        )
        return file

    return write


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts an engine on PATH that does this; the file says what it was asked for."""

    def put(does: str) -> Path:
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/asked'\n{does}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return tmp_path / "asked"

    return put


def fleet(*arguments: str) -> int:
    return main(["fleet", *arguments])


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["--all", "-h", "--yes", "-"])
@pytest.mark.parametrize(
    "command",
    [
        ["validate"],
        ["fleet", "list"],
        ["fleet", "list", "--names"],
        ["fleet", "up", "--yes"],
        ["drift", "--all"],
        ["list", "stacks/Pulumi.{}.yaml"],
        ["drift", "--", "{}"],
        ["adopt", "--", "{}"],
        ["fleet", "manifests", "--repository", "x", "--image", "x", "--", "{}"],
    ],
    ids=" ".join,
)
def test_a_stack_whose_name_would_be_an_option_is_refused_by_every_command(
    write: Write, engine: Callable[[str], Path], capsys: Out, command: list[str], name: str
) -> None:
    """A pipeline hands the names of its matrix to commands: `cloud-siem drift --all` is another."""
    asked = engine(f"echo '{NEVER_UPDATED}'")
    write(name)

    assert main([word.format(name) for word in command]) == 1
    said = "".join(capsys.readouterr())
    assert "a stack's name must not begin with a hyphen" in said
    assert not asked.exists() or name not in asked.read_text().split()


# --- choosing -------------------------------------------------------------------------------------


def test_list_shows_what_is_meant_and_what_cannot_be_read(write: Write, capsys: Out) -> None:
    write("prod", more="  cloud-siem:tags: {env: prod, wave: '1'}\n")
    write("member", f"{OPEN}, waf: {{'*': open}}", more=f'  cloud-siem:member: "{MEMBER}"\n')
    write("broken", "sas: {x: opne}")

    assert fleet("list") == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out[:3]] == [
        ["STACK", "ACCOUNT", "REGION", "VIEW", "DECLARED", "TAGS"],
        ["member", ACCOUNT, "cn-hangzhou", "account", "of", MEMBER, "2"],
        ["prod", ACCOUNT, "cn-hangzhou", "account", "1", "env=prod,", "wave=1"],
    ]
    assert out[3].startswith("error  broken: stacks/Pulumi.broken.yaml:4:")
    assert out[-1] == "3 stacks."


def test_list_as_json_is_what_a_pipelines_matrix_takes(write: Write, capsys: Out) -> None:
    write("prod", more="  cloud-siem:tags: {env: prod}\n")
    write("test")

    assert fleet("list", "--json", "--tag", "env=prod") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["stack"] for one in found["stacks"]] == ["prod"]
    assert found["stacks"][0]["tags"] == {"env": "prod"}
    assert found["faulty"] == []


def test_drift_is_the_drift_review_of_the_stacks_that_are_meant(
    write: Write, siem: EmulatorServer, capsys: Out
) -> None:
    write("dark", "sas: {cloud_siem_aegis_proc: open}")
    write("lit")
    write("other", account=OTHER_ACCOUNT)

    assert fleet("drift", "--not", "o*", "--report", "json=-") == 7
    found = json.loads(capsys.readouterr().out)
    assert {one["stack"]: one["status"] for one in found["stacks"]} == {
        "dark": "not in sync",
        "lit": "in sync",
    }
    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 2}


@pytest.mark.parametrize("command", ["list", "drift", "preview", "up", "refresh"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prd"], 'there is no stack prd; did you mean "prod"?'),
        (["x*"], "no stack is selected"),
        (["--tag", "env=test"], "no stack is selected"),
        (["--tag", "env"], "'env' is not KEY=VALUE, such as env=prod"),
        (["--shard", "4/3"], "'4/3' is no shard"),
    ],
)
def test_a_selection_of_nothing_is_a_wrong_command_line(
    write: Write, siem: EmulatorServer, capsys: Out, command: str, arguments: list[str], said: str
) -> None:
    write("prod", more="  cloud-siem:tags: {env: prod}\n")

    assert fleet(command, *arguments) == 2
    assert said in capsys.readouterr().err
    assert siem.counts().actions == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--close-limit", "few"], '"few" is no close limit'),
        (["up", "--parallel", "0"], "'0' is no number from 1 to 64"),
        (["up", "--changed-only", "--all-stacks"], "not allowed with argument"),
        (["refresh", "--yes"], "unrecognized arguments: --yes"),
        (["up", "--report", "json=x", "--report", "html=./x"], "two reports go to"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    write: Write, siem: EmulatorServer, capsys: Out, arguments: list[str], said: str
) -> None:
    write("prod")

    assert fleet(*arguments) == 2
    assert said in capsys.readouterr().err
    assert siem.counts().actions == {}


# --- what can go wrong before the engine runs -----------------------------------------------------


def statuses(file: str = "out.json") -> dict[str, str]:
    return {one["stack"]: one["status"] for one in json.loads(Path(file).read_text())["stacks"]}


REFUSED = "echo 'error: could not open bucket: connection refused' >&2; exit 255"


def test_a_backend_that_refuses_fails_every_stack_and_no_engine_runs(
    write: Write, engine: Callable[[str], Path], capsys: Out
) -> None:
    write("a")
    write("b", "sas: {cloud_siem_aegis_proc: open}")
    asked = engine(REFUSED)

    assert fleet("up", "--yes", "--report", "json=out.json") == 1
    out = capsys.readouterr().out
    assert out.count("could not open bucket: connection refused") == 2
    assert statuses() == {"a": "failed", "b": "failed"}
    assert {line.split(" --")[0] for line in asked.read_text().splitlines()} == {"stack export"}


def test_a_broken_file_and_a_throttled_account_hide_no_other(
    write: Write,
    siem: EmulatorServer,
    engine: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
) -> None:
    """The good stack is found to be due; its preview, which this engine cannot do, fails."""
    write("broken", "sas: {x: opne}")
    write("good")
    write("slow", account=MEMBER, more=ROLE)
    siem.fault("throttling", action="ListDelivery", account=MEMBER, seconds=600)
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "1")
    answers = f"version) echo v3.259.0;; *export*) echo '{NEVER_UPDATED}';; *) exit 255;;"
    engine(f'case "$*" in {answers} esac')

    assert fleet("up", "--yes", "--report", "json=out.json") == 1
    found = {one["stack"]: one for one in json.loads(Path("out.json").read_text())["stacks"]}
    assert "opne" in found["broken"]["errors"][0]
    assert "[Throttling" in found["slow"]["errors"][0]
    assert found["good"]["why"], "the account was looked at, and the engine asked"
    assert capsys.readouterr().err.count(": failed: ") == 2, "a broken file is told at the end"


def test_fail_fast_starts_nothing_after_a_broken_file(
    write: Write, siem: EmulatorServer, engine: Callable[[str], Path]
) -> None:
    write("broken", "sas: {x: opne}")
    write("good")
    asked = engine(REFUSED)

    assert fleet("up", "--yes", "--fail-fast", "--all-stacks", "--report", "json=out.json") == 1
    assert statuses() == {"broken": "failed", "good": "not started"}
    assert not asked.exists()
    assert siem.counts().actions == {}


def test_a_log_that_two_files_declare_fails_the_second(
    write: Write, engine: Callable[[str], Path], capsys: Out
) -> None:
    write("one")
    write("two")
    engine(REFUSED)

    assert fleet("preview", "--changed-only") == 1
    assert "failed  two: stacks/Pulumi.two.yaml" in capsys.readouterr().out


# --- results --------------------------------------------------------------------------------------


def test_merge_makes_one_of_several_and_exits_as_the_worst(tmp_path: Path, capsys: Out) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(to_json(rollup(CHANGED)))
    other.write_text(to_json(rollup(SKIPPED)))

    assert fleet("merge", str(one), str(other), "--report", f"json={tmp_path / 'all.json'}") == 0
    assert "up: 1 stack changed, 1 stack skipped; 2 deliveries opened, 1 closed;" in (
        capsys.readouterr().out
    )
    assert statuses(str(tmp_path / "all.json")) == {"prod": "changed", "a": "skipped"}
    assert fleet("merge", str(one), str(one)) == 1
    assert "in more than one of these results" in capsys.readouterr().err


def test_a_disk_that_takes_no_more_is_told_and_the_text_is_there_all_the_same(
    tmp_path: Path,
) -> None:
    """The result file stays as it was: half of one would be merged as if it were whole."""
    (tmp_path / "one.json").write_text(to_json(rollup(CHANGED)))
    (tmp_path / "out.json").write_text("of yesterday")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cloud_siem.cli",
            "fleet",
            "merge",
            "one.json",
            "--report=json=out.json",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )

    assert done.returncode == 1
    assert "report out.json: it could not be written (File too large)" in done.stderr
    assert "up: 1 stack changed;" in done.stdout
    assert (tmp_path / "out.json").read_text() == "of yesterday"


# --- whoever watches ------------------------------------------------------------------------------


def test_in_a_pipeline_each_stack_that_was_not_skipped_has_its_line(capsys: Out) -> None:
    with watching() as watch:
        watch.begin("Previewing", 3)
        watch.done(Result(stack="a", status=Status.TO_CHANGE, opened=2, seconds=1.5))
        watch.done(CHANGED)
        watch.done(SKIPPED)
        watch.done(Result(stack="b", status=Status.FAILED, errors=("no\nway",)))

    assert isinstance(watch, Lines)
    assert capsys.readouterr().err.splitlines() == [
        "Previewing: 3 stacks.",
        "  a: to change, 2 to open, 0 to close, 1.5 s",
        "  prod: changed, 2 opened, 1 closed, 6.1 s",
        "  b: failed: no way",
    ]


def test_on_a_terminal_a_table_shows_the_last_stacks(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with watching() as watch:
        watch.begin("Updating", 2)
        watch.done(CHANGED)

    assert isinstance(watch, Table)
    shown = capsys.readouterr().err
    assert "Updating: 1 of 2" in shown
    assert "prod" in shown


def test_without_the_extra_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with watching() as watch:
        assert isinstance(watch, Lines)


def test_ctrl_c_is_heard_once_and_the_second_asks_the_engines_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    asked: list[str] = []

    class Engine:
        @staticmethod
        def interrupt() -> None:
            asked.append("to end")

    monkeypatch.setitem(sys.modules, "cloud_siem.fleet.engine", Engine)
    before = signal.getsignal(signal.SIGINT)
    with stoppable() as stopping:
        signal.raise_signal(signal.SIGINT)
        assert (stopping.asked, stopping.event.is_set(), asked) == (True, True, [])
        signal.raise_signal(signal.SIGINT)

    assert asked == ["to end"]
    assert signal.getsignal(signal.SIGINT) is before
    assert "what runs comes to its end, and nothing more is started" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: Out) -> None:
    assert main(["schema", "fleet"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["$id"] == "urn:cloud-siem:fleet-result:1"
