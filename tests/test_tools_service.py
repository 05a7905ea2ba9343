"""The demo's emulator process: one of it, on a port that is free, and ended by us alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from places import ToolError
from service import Service

# Stands for the emulator: serves health on the port asked for, and notes it in the port file.
FAKE = """
import http.server, pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/_siem/health" else 404)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(options["--port"])), Handler)
pathlib.Path(options["--port-file"]).write_text(str(server.server_port))
try:
    server.serve_forever()
finally:
    pathlib.Path(options["--port-file"]).unlink()
"""


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "fake.py").write_text(FAKE)
    made = Service(tmp_path, [sys.executable, str(tmp_path / "fake.py")], os.environ)
    yield made
    made.stop()


def test_it_starts_once_and_stops(emulator: Service) -> None:
    port = emulator.start()

    assert emulator.start() == emulator.port() == port
    assert emulator.stop()
    assert emulator.port() is None
    assert not emulator.stop()


def test_the_port_of_last_time_is_taken_again(emulator: Service) -> None:
    port = emulator.start()
    emulator.stop()

    assert emulator.start() == port


def test_a_busy_port_is_no_failure(emulator: Service) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        emulator.port_of_last_time.write_text(str(busy.getsockname()[1]))

        assert emulator.start() != busy.getsockname()[1]


def test_one_that_was_killed_is_started_again(emulator: Service) -> None:
    emulator.start()
    os.kill(int(emulator.pid_file.read_text().split()[0]), 9)
    while emulator.port() is not None:  # until the system has ended it
        time.sleep(0.01)

    assert emulator.start() == emulator.port()


def test_a_process_that_has_its_number_by_chance_is_left_alone(emulator: Service) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        emulator.pid_file.write_text(f"{other.pid} 1 another-boot")

        assert not emulator.stop()
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", ["", "nonsense", "12 34"])
def test_a_damaged_pid_file_is_as_none(text: str, emulator: Service) -> None:
    emulator.pid_file.write_text(text)

    assert emulator.port() is None
    assert not emulator.stop()


def test_one_that_ends_at_once_shows_its_log(emulator: Service) -> None:
    emulator.program = [sys.executable, "-c", "print('no such state'); exit(1)"]

    with pytest.raises(ToolError, match=r"(?s)Cloud SIEM ended; .*no such state"):
        emulator.start()

    assert not emulator.pid_file.exists()


def test_one_that_never_answers_is_ended(
    emulator: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "START_SECONDS", 0.3)
    code = f"import os, time; open({str(tmp_path / 'its-pid')!r}, 'w').write(str(os.getpid()))"
    emulator.program = [sys.executable, "-c", f"{code}; time.sleep(60)"]

    with pytest.raises(ToolError, match=r"did not answer in 0\.3 s"):
        emulator.start()

    its_pid = (tmp_path / "its-pid").read_text() if (tmp_path / "its-pid").exists() else ""
    assert not its_pid or not service.is_running(int(its_pid), "python")


def test_one_that_does_not_heed_is_killed(
    emulator: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fake.py").write_text(FAKE.replace("sys.exit()", "None"))
    monkeypatch.setattr(service, "STOP_SECONDS", 0.3)
    emulator.start()

    assert emulator.stop()
    assert emulator.port() is None


def test_the_proxy_of_the_person_is_not_asked(
    emulator: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert emulator.start() == emulator.port()


def test_a_live_process_is_known_by_its_program() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        while not service.is_running(process.pid, "sleep"):  # between fork and exec
            time.sleep(0.01)

        assert not service.is_running(process.pid, "pulumi")
        process.kill()
    assert not service.is_running(process.pid, "sleep")
