"""Start and stop the embedded Cloud SIEM of the demo, as a process of its own. Called by demo.

The process is known by its id, its start and the machine's boot together, so that a number that the
system gave to another process meanwhile is never signaled. What the emulator does is not known
here, only its program, its port and its health.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from places import ToolError
from progress import tail

HOST = "127.0.0.1"
HEALTH = "/_siem/health"
START_SECONDS = 30  # a cold start on a busy machine takes five
STOP_SECONDS = 10  # then it is killed; its state file survives that
LOOK_SECONDS = 0.1


class Service:
    """The emulator of one folder: its state, port, log and process id are files there."""

    def __init__(self, folder: Path, program: list[str], environment: Mapping[str, str]) -> None:
        self.state = folder / "siem.json"
        self.port_file = folder / "port"
        self.port_of_last_time = folder / "port-of-last-time"
        self.pid_file = folder / "emulator.pid"
        self.log = folder / "emulator.log"
        self.program = program
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None  # where this very object started it

    def port(self) -> int | None:
        """The port it listens on, where it runs and is well."""
        port = _number(self.port_file)
        return port if self._pid() and port and _is_healthy(port) else None

    def start(self) -> int:
        """Start it unless it runs; the port of last time is taken again where it is free."""
        running = self.port()
        if running:
            return running
        self.stop()  # one that is not well, or never came up
        last = _number(self.port_of_last_time)
        if last and _is_free(last):
            try:
                return self._start(last)
            except ToolError:
                pass  # taken between our look and its start
        return self._start(0)

    def stop(self) -> bool:
        """End the process that we started, if it still runs; says whether it did."""
        pid = self._pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            if not self._is_gone_within(STOP_SECONDS):
                os.kill(pid, signal.SIGKILL)
                self._is_gone_within(STOP_SECONDS)
        if self._process:
            self._process.wait()
            self._process = None
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def _start(self, port: int) -> int:
        self.port_file.unlink(missing_ok=True)
        files = ["--state", str(self.state), "--port-file", str(self.port_file)]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self.program, "--port", str(port), *files],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C here is not meant for it
            )
        try:
            self.pid_file.write_text(_identity(process.pid) or "")
            port = self._wait_until_healthy(process)
        except BaseException:
            process.kill()
            process.wait()
            self.pid_file.unlink(missing_ok=True)
            raise
        self._process = process
        self.port_of_last_time.write_text(str(port))
        return port

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            port = _number(self.port_file)
            if port and _is_healthy(port):
                return port
            time.sleep(LOOK_SECONDS)
        how = "ended" if process.poll() is not None else f"did not answer in {START_SECONDS} s"
        message = (
            f"The embedded Cloud SIEM {how}; the end of its log, {self.log}:\n{tail(self.log)}"
        )
        raise ToolError(message)

    def _pid(self) -> int | None:
        """The process that we started, where it is still that one."""
        noted = self.pid_file.read_text() if self.pid_file.exists() else ""
        pid = noted.partition(" ")[0]
        return int(pid) if pid.isdecimal() and _identity(int(pid)) == noted else None

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._pid() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return self._pid() is None


def is_running(pid: int, name: str) -> bool:
    """Whether `pid` is a live process of the program `name`."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == name
    except OSError:
        return False


def _number(file: Path) -> int | None:
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdecimal() else None


def _identity(pid: int) -> str | None:
    """The process's id, its start in ticks since the boot, and the boot; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The name, in parentheses, may hold anything: what follows is the state, then numbers.
    # proc_pid_stat(5): the state is field 3, the start field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{pid} {fields[19]} {boot}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _is_healthy(port: int) -> bool:
    """Whether the emulator answers; asked without the person's proxy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{HOST}:{port}{HEALTH}", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False
