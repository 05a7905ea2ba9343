"""`cloud-siem drift`: findings, formats, exit codes, and all that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_siem import cli, exporting
from cloud_siem.cli import drift, main, progress
from cloud_siem.loading import load_stack_file
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT, spare_authorities

CLEAN = "actiontrail: {cloud_siem_trail_actiontrail: open}"
DARK = "sas: {cloud_siem_aegis_proc: open}"
WHOSE = f"(account {ACCOUNT}, cn-hangzhou)"
FINDING = f"sas/cloud_siem_aegis_proc is closed, declared open {WHOSE}"
Out = pytest.CaptureFixture[str]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a stack file into a project folder, on the emulator."""
    spare_authorities()
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("CLOUD_SIEM_REQUEST_RATE", "100000")

    def write(name: str, deliveries: str = CLEAN, account: str = ACCOUNT, more: str = "") -> Path:
        file = tmp_path / "stacks" / f"Pulumi.{name}.yaml"
        file.write_text(
            f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n'
            f"  cloud-siem:deliveries: {{{deliveries}}}\n{more}",
            encoding="utf-8",
        )
        return file

    return write


def drifts(*arguments: str) -> int:
    return main(["drift", *arguments])


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


# --- what it says ---------------------------------------------------------------------------------


def test_it_names_what_went_dark_and_exits_seven_until_that_is_mended(
    write: Write, siem: EmulatorServer, capsys: Out
) -> None:
    write("prod", DARK)
    siem.switch("sas", "cloud_siem_aegis_proc", state="closed")

    assert drifts("prod") == 7
    assert f"prod   drifted    {FINDING}\n" in capsys.readouterr().out

    siem.switch("sas", "cloud_siem_aegis_proc", state="open")

    assert drifts("prod") == 0
    assert "1 stack in sync (in sync: prod)." in capsys.readouterr().out


def test_the_docs_show_what_is_printed(write: Write, siem: EmulatorServer, capsys: Out) -> None:
    """docs/drift.md has the run on the demo after one delivery was closed by hand."""
    root = Path(__file__).parent.parent.parent
    write("demo").write_bytes((root / "stacks" / "Pulumi.demo.yaml").read_bytes())
    for delivery in load_stack_file("stacks/Pulumi.demo.yaml", {}).deliveries:
        log = delivery.key.log_word
        siem.switch(delivery.key.product, log, state=delivery.state.value)
    siem.switch("sas", "cloud_siem_aegis_proc", state="closed")
    drifts("demo")

    page = (root / "docs" / "drift.md").read_text(encoding="utf-8")
    assert f"$ cloud-siem drift demo\n{capsys.readouterr().out}$ echo $?\n7\n" in page


def test_it_asks_once_for_the_list_and_writes_nothing(write: Write, siem: EmulatorServer) -> None:
    write("prod", DARK)
    drifts("prod")

    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 1}


def test_all_is_every_stack_file_and_one_failure_hides_no_other(write: Write, capsys: Out) -> None:
    """A file with a fault, an account that refuses, one that drifted, one in sync."""
    write("clean")
    write("dark", DARK)
    write("faulty", "sas: {x: opne}")
    write("theirs", account=OTHER_ACCOUNT)
    code = drifts("--all", "--report", "json=out.json")
    out = capsys.readouterr().out

    assert code == 1
    assert f"dark   drifted  {FINDING}" in out
    assert "error  faulty: stacks/Pulumi.faulty.yaml:4:" in out
    assert "error  theirs: the credentials belong to account" in out
    assert out.splitlines()[-2] == (
        "1 stack in sync, 1 stack not in sync, 2 stacks failed (in sync: clean)."
    )
    found = {one["stack"]: one["status"] for one in report(Path("out.json"))["stacks"]}
    assert found == {
        "clean": "in sync",
        "dark": "not in sync",
        "faulty": "failed",
        "theirs": "failed",
    }


def test_a_linked_stack_file_hides_no_stack(write: Write, capsys: Out) -> None:
    """Nor in the list that a pipeline's matrix is made from."""
    write("dark", DARK)
    Path("stacks/Pulumi.copy.yaml").symlink_to("Pulumi.dark.yaml")
    drifts("--all", "--report", "json=out.json")

    found = {one["stack"]: one["status"] for one in report(Path("out.json"))["stacks"]}
    assert set(found) == {"copy", "dark"}
    assert "failed" in found.values(), "the overlap of the two"

    Path("stacks/Pulumi.dark.yaml").write_text("config: [")
    drifts("--all", "--report", "json=out.json")
    assert {one["stack"] for one in report(Path("out.json"))["stacks"]} == {"copy", "dark"}


def test_a_stack_can_be_named_as_a_file_and_is_looked_at_once(
    write: Write, siem: EmulatorServer
) -> None:
    file = write("prod")

    assert drifts("prod", "stacks/Pulumi.prod.yaml", str(file)) == 0
    assert siem.counts().actions["ListDelivery"] == 1


def test_a_log_that_two_files_declare_is_an_error_and_both_are_looked_at(
    write: Write, capsys: Out
) -> None:
    write("one", DARK)
    write("two", DARK)

    assert drifts("--all") == 1
    out = capsys.readouterr().out
    assert out.count(FINDING) == 2
    assert "sas/cloud_siem_aegis_proc is declared by stack" in out


def test_what_a_file_beside_it_declares_is_not_unmanaged(write: Write, capsys: Out) -> None:
    """Though that stack was not asked for, and is not looked at."""
    write("prod", DARK)
    assert drifts("prod", "--fail-on", "unmanaged") == 7

    write("other")
    assert drifts("prod", "--fail-on", "unmanaged") == 0
    assert "unmanaged" not in capsys.readouterr().out.partition("100 %")[2]


def test_a_fault_of_the_environment_fails_every_stack(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    write("a")
    write("b")
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "soon")

    assert drifts("--all") == 1
    out = capsys.readouterr().out
    assert out.count("CLOUD_SIEM_DEADLINE") == 2
    assert "2 stacks failed." in out


# --- exit codes -----------------------------------------------------------------------------------

IGNORE = '  cloud-siem:driftIgnore: [{delivery: "%s", reason: INC-7, until: "%s"}]\n'


@pytest.mark.parametrize(
    ("deliveries", "more", "fail_on", "code"),
    [
        (DARK, "", "drifted", 7),
        (DARK, "", "missing", 0),
        (DARK, "", "none", 0),
        (DARK, "", "drifted,missing", 7),
        ("sas: {x: open}", "", "missing", 7),
        ("sas: {x: open}", "", "drifted", 0),
        (DARK, "", "unmanaged", 7),
        (CLEAN, "", "unmanaged", 0),
        ("bastionhost: {cloud_siem_bastionhost_event: open}", "", "inoperable", 7),
        ("bastionhost: {cloud_siem_bastionhost_event: closed}", "", "inoperable", 7),
        ("bastionhost: {cloud_siem_bastionhost_event: closed}", "", "drifted", 0),
        (DARK, IGNORE % ("sas/*", "2099-12-31"), "drifted", 0),
        (DARK, IGNORE % ("sas/*", "2020-12-31"), "drifted", 7),
        (DARK, IGNORE % ("oss/*", "2020-12-31"), "expired", 7),
    ],
)
def test_fail_on_chooses_what_counts(
    write: Write, deliveries: str, more: str, fail_on: str, code: int
) -> None:
    write("prod", deliveries, more=more)

    assert drifts("prod", "--fail-on", fail_on) == code


@pytest.mark.parametrize(("fail_on", "words"), [("none", "does not count"), ("drifted", "1 stack")])
def test_a_stack_that_is_not_as_declared_is_never_called_in_sync(
    write: Write, capsys: pytest.CaptureFixture[str], fail_on: str, words: str
) -> None:
    """Whatever `--fail-on` counts."""
    write("prod", DARK)
    drifts("prod", "--fail-on", fail_on)

    said = capsys.readouterr().out
    assert "drifted" in said
    assert words in said
    assert "1 stack in sync" not in said
    assert "(in sync: prod)" not in said


def test_without_fail_on_what_an_update_would_mend_counts_and_no_more(write: Write) -> None:
    """Unmanaged logs are told, and are nobody's failure."""
    write("prod", "sas: {cloud_siem_aegis_proc: closed}")

    assert drifts("prod") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name stacks, or say --all"),
        (["prod", "--all"], "name stacks, or say --all"),
        (["prod", "--only-new"], "--only-new needs --baseline"),
        (["prod", "--fail-on", "drift"], "'drift' is no kind; there are: drifted, missing,"),
        (["prod", "--fail-on", "ignored"], "'ignored' is no kind"),
        (["prod", "--report", "drift.html"], "is not FORMAT=FILE, such as html=drift.html"),
        (["prod", "--report", "pdf=x"], "there is no format 'pdf'"),
        (["prod", "--report", "json=x", "--report", "text=./x"], "two reports go to"),
        (["prod", "--report", "json=-", "--report", "text=-"], "two reports go to -"),
        (["prod", "--concurrency", "0"], "'0' is no number from 1 to 64"),
        (["prod", "--concurrency", "many"], "'many' is no number"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    write: Write, siem: EmulatorServer, capsys: Out, arguments: list[str], said: str
) -> None:
    assert drifts(*arguments) == 2
    assert said in capsys.readouterr().err
    assert siem.counts().actions == {}


def test_an_unknown_stack_is_told_with_what_may_be_meant(write: Write, capsys: Out) -> None:
    write("prod")

    assert drifts("prd") == 1
    assert 'did you mean "prod"?' in capsys.readouterr().err


# --- reports --------------------------------------------------------------------------------------


def test_several_reports_at_once_say_the_same(write: Write, capsys: Out) -> None:
    write("prod", DARK)
    formats = ("text", "json", "markdown", "junit")
    code = drifts("prod", *[f"--report={one}={one}.out" for one in formats])

    assert code == 7
    assert capsys.readouterr().out == Path("text.out").read_text()
    for one in formats:
        text = Path(f"{one}.out").read_text(encoding="utf-8").replace("\\", "")
        assert FINDING in text, one


def test_a_report_to_standard_output_stands_there_alone(write: Write, capsys: Out) -> None:
    write("prod", DARK)
    drifts("prod", "--report", "json=-")

    assert json.loads(capsys.readouterr().out)["counts"]["drifted"] == 1


def test_a_place_that_cannot_be_written_is_told_before_any_account_is_asked(
    write: Write, siem: EmulatorServer, capsys: Out
) -> None:
    write("prod")

    assert drifts("prod", "--report", "json=no/out.json") == 1
    assert "there is no folder no; make it" in capsys.readouterr().err
    assert siem.counts().actions == {}


def test_a_report_that_fails_hides_no_other(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    write("prod", DARK)
    Path("taken").mkdir()
    monkeypatch.setattr(drift, "check_targets", lambda _: None)
    code = drifts("prod", "--report=json=taken", "--report=junit=out.xml")
    said = capsys.readouterr()

    assert code == 1
    assert "report taken: it could not be written" in said.err
    assert FINDING in said.out
    assert FINDING in Path("out.xml").read_text()


# --- baseline -------------------------------------------------------------------------------------


def test_a_morning_with_a_baseline(write: Write, siem: EmulatorServer, capsys: Out) -> None:
    """The same file is read first and written last: each morning knows the one before."""
    write("prod", f"{DARK}, {CLEAN}")
    every = ("prod", "--report=json=last.json")
    assert drifts(*every) == 7

    again = (*every, "--baseline=last.json", "--only-new")
    assert drifts(*again) == 0
    assert "0 new, 1 known, which does not count, 0 gone." in capsys.readouterr().out

    siem.switch("actiontrail", state="closed")
    siem.switch("sas", "cloud_siem_aegis_proc", state="open")
    assert drifts(*again) == 7
    out = capsys.readouterr().out
    assert "drifted, new  actiontrail/cloud_siem_trail_actiontrail is closed" in out
    assert f"gone  prod: no longer drifted: {FINDING}" in out

    assert [one["kind"] for one in report(Path("last.json"))["stacks"][0]["findings"]] == [
        "drifted"
    ]


def test_a_baseline_that_is_none_is_told_before_any_account_is_asked(
    write: Write, siem: EmulatorServer, capsys: Out
) -> None:
    write("prod")
    Path("last.json").write_text("{}")

    assert drifts("prod", "--baseline=last.json") == 1
    assert "this is not a report" in capsys.readouterr().err
    assert siem.counts().actions == {}


# --- the third side -------------------------------------------------------------------------------


def pulumi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulumi on PATH that does this."""
    program = folder / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (folder / "Pulumi.yaml").touch()


EMPTY = json.dumps({"version": 3, "deployment": {"manifest": {}}})


def test_state_asks_the_engine_in_the_projects_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    write("prod", DARK)
    pulumi(tmp_path, f"echo \"$@ in $PWD\" > asked; echo '{EMPTY}'", monkeypatch)

    assert drifts("prod", "--state") == 7
    assert "unapplied  sas/cloud_siem_aegis_proc is closed, declared open" in (
        capsys.readouterr().out
    )
    asked = "stack export --stack=prod --non-interactive"
    assert (tmp_path / "asked").read_text() == f"{asked} in {tmp_path}\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'error: no stack named prod' >&2; exit 6", "(exit code 6): error: no stack named"),
        ("echo hello", "answered no JSON (6 characters)"),
        ("echo '[]'", "the answer is not an exported stack"),
        ("sleep 60", "did not answer within 0.2 s; check the backend"),
    ],
)
def test_an_engine_that_cannot_say_is_an_error_beside_what_the_account_shows(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
    script: str,
    said: str,
) -> None:
    write("prod", DARK)
    monkeypatch.setattr(exporting, "_TIMEOUT_S", 0.2 if "sleep" in script else 30)
    pulumi(tmp_path, f"exec {script}" if "sleep" in script else script, monkeypatch)

    assert drifts("prod", "--state") == 1
    out = capsys.readouterr().out
    assert said in out
    assert FINDING in out


def test_state_without_an_engine_says_how_to_go_without(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    write("prod")
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.setenv("PATH", "")

    assert drifts("prod", "--state") == 1
    assert "pulumi is not on PATH, and it alone knows" in capsys.readouterr().out


def test_state_without_a_project_says_what_is_missing(write: Write, capsys: Out) -> None:
    write("prod")

    assert drifts("prod", "--state") == 1
    assert "there is no Pulumi.yaml in any folder above it" in capsys.readouterr().out


# --- a person at a terminal -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"COLUMNS": "x"}, True)],
)
def test_on_a_terminal_it_has_colors_unless_told_otherwise(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
    environ: dict[str, str],
    colored: bool,
) -> None:
    write("prod", DARK)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    drifts("prod")

    assert ("\x1b[31mdrifted" in capsys.readouterr().out) is colored


def test_many_stacks_on_a_terminal_have_a_progress_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress.shown(range(50), 50, "Looking")) == list(range(50))
    many = capsys.readouterr().err
    assert list(progress.shown(range(3), 3, "Looking")) == [0, 1, 2]

    assert "Looking" in many
    assert capsys.readouterr().err == ""


def test_without_the_extra_there_is_no_bar_and_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)

    assert list(progress.shown(range(50), 50, "Looking")) == list(range(50))
    assert capsys.readouterr().err == ""


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_report_that_says_it_is_partial(
    write: Write, siem: EmulatorServer, tmp_path: Path
) -> None:
    """At once, whatever still hangs: one account never answers, and the report does not wait."""
    write("clean")
    write("hanging", "sas: {x: open}", account=MEMBER)
    siem.fault("hang", action="AssumeRole", seconds=60)
    more = '  cloud-siem:roleArn: "acs:ram::{account}:role/siem-delivery"\n'
    write("hanging", "sas: {x: open}", account=MEMBER, more=more)
    (tmp_path / "out.json").write_text("of yesterday")
    command = [sys.executable, "-m", "cloud_siem.cli", "drift", "--all", "--report=json=out.json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    deadline = time.monotonic() + 30
    while not siem.calls_of("ListDelivery") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # the answer is on its way
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)  # it would hang for a minute

    assert process.returncode == 130, err
    assert "PARTIAL: stopped before 1 stack had been looked at." in out
    assert "Stopped; what was found so far is reported as partial." in err
    found = report(tmp_path / "out.json")
    assert (found["partial"], found["leftOut"], found["inSync"]) == (True, ["hanging"], False)
    assert [one["stack"] for one in found["stacks"]] == ["clean"]


def test_the_command_line_knows_it() -> None:
    assert "drift" in [one.name for one in cli.COMMANDS]
