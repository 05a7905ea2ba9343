"""`cloud-siem fleet ... --dask`: what is refused before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.fleet import cluster
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, nobody

STACK = f"""\
config:
  cloud-siem:account: "{ACCOUNT}"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries: {{waf: {{"*": open}}}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stack, on the emulator."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.one.yaml").write_text(STACK)
    (tmp_path / "Pulumi.yaml").write_text("name: cloud-siem\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_scheduler_that_is_not_there_is_an_error_and_no_account_is_looked_at(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.3)
    address = nobody().replace("http", "tcp")

    assert main(["fleet", "up", "--dask", address]) == ExitCode.ERROR
    assert f"no Dask scheduler answers at {address}" in capsys.readouterr().err
    assert siem.counts().actions == {}


def test_state_on_this_machines_disk_is_a_usage_error(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each worker would see another one."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///var/state")

    assert main(["fleet", "up", "--dask", "tcp://127.0.0.1:1"]) == ExitCode.USAGE
    assert "workers share no disk with this machine" in capsys.readouterr().err
    assert siem.counts().actions == {}
