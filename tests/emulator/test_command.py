"""`cloud-siem emulator`: its verbs, its sentences, its exit codes."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from siem_emulator import EmulatorServer, command
from siem_emulator.journal import write_atomically
from tests.emulator.signing import Client

PROC = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    try:
        return command.run(parser.parse_args(words))
    except SystemExit as error:
        return int(error.code or 0)


@pytest.fixture
def here(siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """A running emulator that the environment names."""
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)

    return siem


def test_switch_switches_one_log(here: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("switch", "sas/cloud_siem_aegis_proc", "open") == 0
    assert here.status("sas", "cloud_siem_aegis_proc")
    assert run("switch", "sas/cloud_siem_aegis_proc", "open") == 0

    assert capsys.readouterr().out.splitlines() == [
        "sas/cloud_siem_aegis_proc is open now.",
        "sas/cloud_siem_aegis_proc was open already.",
    ]


def test_switch_takes_account_region_view_and_member(here: EmulatorServer) -> None:
    run("switch", "waf/*", "open", "--region", "ap-southeast-1", "--view", "enterprise")
    run("switch", "nas/*", "open", "--member", "1098765432109876")
    run("switch", "rds/*", "open", "--account", "1777777777777777")

    assert len(here.open_logs(region="ap-southeast-1", view="enterprise")) == 2
    assert len(here.open_logs(account="1098765432109876")) == 1
    assert len(here.open_logs(account="1777777777777777")) == 1


def test_the_address_may_be_given_without_its_scheme(siem: EmulatorServer) -> None:
    assert run("switch", "waf/*", "open", "--url", siem.host) == 0


def test_reset_resets(here: EmulatorServer) -> None:
    here.switch("*")

    assert run("reset") == 0
    assert len(here.open_logs()) == 1


def test_faults_are_added_listed_and_cleared(
    here: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("faults", "add", '{"kind": "html", "times": 2}') == 0
    assert run("faults") == 0
    added, listed = map(json.loads, capsys.readouterr().out.splitlines())
    assert added == listed
    assert (listed["kind"], listed["left"]) == ("html", 2)

    assert run("faults", "clear") == 0
    assert capsys.readouterr().out == "No faults.\n"
    assert here.faults.to_list() == []


def test_calls_are_a_table_for_people(
    here: EmulatorServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.call("OpenDelivery", **PROC)
    client.call("OpenDelivery", ProductCode="nothing")
    run("calls")
    head, first, second = capsys.readouterr().out.splitlines()

    assert head.split()[:3] == ["NO", "TIME", "(UTC)"]
    assert "sas/cloud_siem_aegis_proc" in first
    assert "Siem.Delivery.ErrorProductCode" in second
    assert first.index("sas/") == second.index("nothing") == head.index("WHAT")


def test_calls_are_json_for_programs(
    here: EmulatorServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.call("OpenDelivery", **PROC)
    client.call("ListDelivery")
    run("calls", "--json", "--action", "ListDelivery")
    (call,) = json.loads(capsys.readouterr().out)
    assert (call["action"], call["seq"]) == ("ListDelivery", 2)

    run("calls", "--counts", "--json")
    assert json.loads(capsys.readouterr().out)["actions"] == {"OpenDelivery": 1, "ListDelivery": 1}
    run("calls", "--counts")
    assert "action OpenDelivery" in capsys.readouterr().out
    run("calls", "--clear")
    assert here.counts().total == 0


def test_effects_are_a_table_and_json(
    here: EmulatorServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    here.switch("sas", state="open")
    rule = {"kind": "collateral", "closes": ["sas/cloud_siem_aegis_dns"]}
    assert run("faults", "add", json.dumps(rule)) == 0
    client.call("CloseDelivery", **PROC)
    capsys.readouterr()

    assert run("effects") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "(UTC)", "AFTER", "CALL", "ACCOUNT", "REGION", "VIEW", "CLOSED"]
    assert row.split()[1:] == [
        "1", "1130916744880000", "cn-hangzhou", "account", "sas/cloud_siem_aegis_dns"
    ]  # fmt: skip
    assert run("effects", "--json") == 0
    (effect,) = json.loads(capsys.readouterr().out)
    assert (effect["cause"], effect["log"]) == (1, "cloud_siem_aegis_dns")


def test_a_terminal_does_not_obey_what_callers_sent(
    here: EmulatorServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.call("OpenDelivery", ProductCode="\x1b[2J\nx")
    run("calls")
    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_state_shows_all_accounts_or_one(
    here: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run("state")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "ACCOUNT", "NAME", "ADMINISTRATOR", "REGION", "VIEW", "OPEN", "LOGS"
    ]  # fmt: skip
    assert lines[5].split() == [
        "1234567890123456", "member-1", "1130916744880000", "cn-hangzhou", "account", "10", "47"
    ]  # fmt: skip

    run("state", "--member", "1234567890123456")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["waf", "cloud_siem_waf_flow", "open", "yes"] in rows

    run("state", "--json", "--account", "1130916744880000")
    assert len(json.loads(capsys.readouterr().out)["deliveries"]) == 47


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("switch", "waf", "open"),
        ("switch", "waf/", "open"),
        ("switch", "waf/x", "on"),
        ("faults", "add", "{"),
        ("faults", "add"),
        ("start", "--host", "0.0.0.0"),  # noqa: S104
        ("start", "--port", "x"),
        ("start", "--set", "repeat_close"),
    ],
)
def test_a_command_line_that_cannot_be_exits_2(
    here: EmulatorServer, words: tuple[str, ...]
) -> None:
    assert run(*words) == 2


def test_no_emulator_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    assert run("reset", "--url", f"http://127.0.0.1:{port}") == 1
    assert capsys.readouterr().err == (
        f"cloud-siem emulator: There is no emulator at http://127.0.0.1:{port}: start one with "
        "`cloud-siem emulator start`, or name it with --url or CLOUD_SIEM_ENDPOINT.\n"
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("cloud-siem.cn-shanghai.aliyuncs.com", "is not on this machine, so it is no emulator."),
        ("ftp://127.0.0.1", "is not an address"),
    ],
)
def test_an_address_that_is_no_emulator_is_refused(
    capsys: pytest.CaptureFixture[str], url: str, sentence: str
) -> None:
    assert run("reset", "--url", url) == 1
    assert sentence in capsys.readouterr().err


def test_without_any_address_it_asks_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLOUD_SIEM_ENDPOINT", raising=False)

    assert run("reset") == 1
    assert "Which emulator?" in capsys.readouterr().err


def test_a_refusal_of_the_server_is_its_sentence(
    here: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("switch", "waf/nothing", "open") == 1
    assert capsys.readouterr().err == "cloud-siem emulator: There is no log waf/nothing.\n"


def test_a_proxy_is_bypassed(here: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert run("reset") == 0


# --- start ---------------------------------------------------------------------------------------


def started(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "siem_emulator", "start", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_busy_port_is_one_sentence(siem: EmulatorServer) -> None:
    ended = started("--port", str(siem.address.port))

    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"cloud-siem emulator: Cannot listen on 127.0.0.1:{siem.address.port}: "
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed", "missing.yaml"], "Cannot read missing.yaml"),
        (["--set", "x=1"], "There is no setting x"),
        (["--state", "/proc/none/state"], "Cannot use /proc/none/state as state file"),
        (["--port-file", "/proc/none/port"], "Cannot write /proc/none/port"),
    ],
)
def test_a_start_that_cannot_be_is_one_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert run("start", *options) == 1

    err = capsys.readouterr().err
    assert err.startswith(f"cloud-siem emulator: {sentence}")
    assert err.count("\n") == 1


def test_start_listens_with_its_options(tmp_path: Path) -> None:
    """A world of one's own, settings, the port file, the line for people, and a clean end."""
    seed, port_file = tmp_path / "seed.json", tmp_path / "port"
    seed.write_text(
        '{"accounts": {"5": {"keys": [{"id": "testid", "secret": "testsecret", "user": "me"}]}}}'
    )
    files = ["--seed", str(seed), "--port-file", str(port_file)]
    speeds = ["--latency", "5", "--lag", "7", "--rate", "9", "--set", "repeat_close=error"]
    running = subprocess.Popen(
        [sys.executable, "-m", "siem_emulator", "start", *files, *speeds],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    try:
        assert running.stdout
        line = running.stdout.readline()
        port = int(port_file.read_text())
        assert line == f"The embedded Cloud SIEM listens on http://127.0.0.1:{port}\n"

        client = Client(f"127.0.0.1:{port}", "testid", "testsecret")
        assert client.call("CloseDelivery", ProductCode="waf").code == "InternalError"
        shown = client.send("GET", "/_siem/settings", {"host": client.host}).body
        assert (shown["latency_ms"], shown["lag_ms"], shown["rate"]) == (5, 7, 9)
    finally:
        running.terminate()
        assert running.wait(10) == 0
        running.communicate()
    assert not port_file.exists()


def test_the_port_file_is_never_seen_half_written(tmp_path: Path) -> None:
    file, seen, done = tmp_path / "port", set(), threading.Event()

    def look() -> None:
        while not done.is_set():
            if file.exists():
                seen.add(file.read_text())

    thread = threading.Thread(target=look)
    thread.start()
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        write_atomically(file, b"12345\n")
    done.set()
    thread.join()

    assert seen == {"12345\n"}
