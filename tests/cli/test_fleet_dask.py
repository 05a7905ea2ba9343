"""`cloud-siem fleet ... --dask`: what is refused before anybody is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def speaker(words: bytes) -> Iterator[str]:
    """The address of a server that says this to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


FRAME = b"".join(number.to_bytes(8, "little") for number in (2, 5, 3))


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", b"SSH-2.0-OpenSSH_9.6\r\n", FRAME + b"helloabc"],
    ids=["http", "ssh", "garbage"],
)
def test_what_answers_and_is_no_scheduler_is_a_sentence(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str], words: bytes
) -> None:
    """The port of the scheduler's web page, for example; Dask takes its bytes for lengths."""
    with speaker(words) as address:
        assert main(["fleet", "up", "--dask", address]) == ExitCode.ERROR

    said = capsys.readouterr().err
    assert f"what answers at {address} is not a Dask scheduler" in said
    assert "Traceback" not in said
    assert siem.counts().actions == {}


@pytest.mark.parametrize("address", ["tls://127.0.0.1:1", "http://127.0.0.1:1", "tcp://x", "8786"])
def test_an_address_that_cannot_be_used_is_a_sentence(
    capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert main(["fleet", "up", "--dask", address]) == ExitCode.ERROR
    assert f"no Dask scheduler answers at {address}" in capsys.readouterr().err


def test_state_on_this_machines_disk_is_a_usage_error(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each worker would see another one."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///var/state")

    assert main(["fleet", "up", "--dask", "tcp://127.0.0.1:1"]) == ExitCode.USAGE
    assert "workers share no disk with this machine" in capsys.readouterr().err
    assert siem.counts().actions == {}
