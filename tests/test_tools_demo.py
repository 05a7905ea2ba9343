"""The demo's verbs: in what order `up` goes, and that nothing of the person's gets in."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import demo
import engine
import setup
from places import ToolError
from service import Service

PORT = 12345


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A demo whose steps only say what they are."""
    said: list[str] = []
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    monkeypatch.setattr(demo, "BACKEND", tmp_path / "backend")
    monkeypatch.setattr(setup, "ensure", lambda: said.append("setup"))
    monkeypatch.setattr(engine, "ensure", lambda: said.append("engine"))
    monkeypatch.setattr(engine, "ready", lambda: Path("/engine"))
    monkeypatch.setattr(Service, "start", lambda _self: said.append("emulator"))
    monkeypatch.setattr(Service, "port", lambda _self: PORT)
    monkeypatch.setattr(
        demo,
        "run",
        lambda command, _port: said.append(" ".join([Path(command[0]).name, *command[1:]])),
    )
    return said


def test_up_goes_from_the_set_up_to_the_table(
    steps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    demo.main(["up"])

    assert steps == [
        "setup",
        "engine",
        "emulator",
        "cloud-siem validate stacks/Pulumi.demo.yaml",
        "pulumi stack select --create demo --non-interactive",
        "pulumi up --yes --stack demo",
        "cloud-siem list demo",
    ]
    assert capsys.readouterr().out.count("\n  cloud-siem ") == 2


def _lock(folder: Path, pid: int) -> None:
    locks = folder / "backend" / ".pulumi" / "locks" / "organization" / "cloud-siem" / "demo"
    locks.mkdir(parents=True)
    (locks / "a.json").write_text(json.dumps({"pid": pid, "username": "one", "hostname": "host"}))


def test_the_lock_of_an_update_that_was_killed_is_taken_away(
    steps: list[str], tmp_path: Path
) -> None:
    _lock(tmp_path, 2**22 + 1)  # above the highest id that Linux gives

    demo.main(["up"])

    assert steps[5:8] == [
        "pulumi cancel --yes demo",
        "pulumi refresh --yes --clear-pending-creates --stack demo",
        "pulumi up --yes --stack demo",
    ]


def test_the_lock_of_an_update_that_runs_is_left(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "is_running", lambda pid, name: (pid, name) == (77, "pulumi"))
    _lock(tmp_path, 77)

    demo.main(["up"])

    assert "pulumi cancel --yes demo" not in steps


PERSONAL = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "own",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "own",
    "PULUMI_ACCESS_TOKEN": "own",
    "PULUMI_BACKEND_URL": "s3://own",
    "PULUMI_CONFIG_PASSPHRASE_FILE": "/own",
    "https_proxy": "http://own",
    "HTTP_PROXY": "http://own",
}


def _personal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSONAL.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("steps")
def test_nothing_of_the_person_reaches_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _personal(monkeypatch)
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "5")

    wanted = demo.environment(PORT)

    assert not set(wanted.values()) & set(PERSONAL.values())
    assert wanted["PULUMI_HOME"] == str(tmp_path / "pulumi")
    assert wanted["CLOUD_SIEM_ENDPOINT"] == f"http://127.0.0.1:{PORT}"
    assert wanted["CLOUD_SIEM_DEADLINE"] == "5"  # for this one run, on purpose


@pytest.mark.usefixtures("steps")
def test_what_env_prints_makes_a_shell_the_same_as_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _personal(monkeypatch)
    monkeypatch.delenv("_", raising=False)  # each shell sets its own
    wanted = demo.environment(PORT)

    demo.main(["env"])
    program = (
        f"{capsys.readouterr().out}\n'{sys.executable}' -c 'import os; print(dict(os.environ))'"
    )
    answer = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)

    got = eval(answer.stdout)  # noqa: S307 - printed by the line above
    assert {name: got[name] for name in wanted} == wanted
    assert not PERSONAL.keys() & got.keys() - wanted.keys()


@pytest.mark.parametrize("verb", ["env", "pulumi", "cloud-siem"])
@pytest.mark.usefixtures("steps")
def test_without_the_emulator_the_way_to_it_is_told(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "port", lambda _self: None)

    with pytest.raises(ToolError, match="run `make up` first"):
        demo.main([verb])


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    ("verb", "program"), [("pulumi", "/engine/pulumi"), ("cloud-siem", demo.CLOUD_SIEM)]
)
def test_a_command_is_handed_all_its_arguments(
    verb: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[object] = []
    monkeypatch.setattr(os, "execve", lambda *call: became.extend(call[:2]))
    monkeypatch.setattr(os, "chdir", lambda _folder: None)

    demo.main([verb, "preview", "--help"])

    assert became == [Path(program), [verb, "preview", "--help"]]


def test_down_says_when_there_was_nothing(
    steps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    demo.main(["down"])

    assert steps == []
    assert capsys.readouterr().err == "Nothing was running.\n"


@pytest.fixture
def _ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ready", lambda: Path("/engine"))


@pytest.mark.usefixtures("_ready")
def test_a_failed_step_ends_up_and_is_named() -> None:
    with pytest.raises(ToolError, match=r"^`false` ended with exit code 1; `make up` can be run"):
        demo.run(["/bin/false"], PORT)


@pytest.mark.usefixtures("_ready")
def test_an_interrupted_step_ends_in_its_own_order() -> None:
    patient = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.3)"

    demo.run([sys.executable, "-c", patient], PORT)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_unknown_verb_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ToolError, match="say `up`, `down`"):
        demo.main(["fly"])
