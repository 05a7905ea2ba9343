"""Other machines, on loopback: a server that speaks S3, a Dask scheduler, and its workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.engine.engine import clean_environment

BUCKET = "state"
AWS = {"AWS_ACCESS_KEY_ID": "testid-s3", "AWS_SECRET_ACCESS_KEY": "testsecret-s3-0001"}
"""What the server takes, and everybody who uses the backend needs."""
PATIENCE_S = 120
"""Seconds; for what takes one on a quiet machine."""


@contextmanager
def started(
    command: list[str], log: Path, env: Mapping[str, str], folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process; gone afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=folder,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(seen: Callable[[], object], what: str) -> None:
    """Wait for something to be the case."""
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


# --- the state ------------------------------------------------------------------------------------


class S3:
    """A server that speaks S3, with one bucket."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def backend(self) -> str:
        """As Pulumi wants to be told."""
        return f"s3://{BUCKET}?endpoint={self._url}&s3ForcePathStyle=true&region=us-east-1"

    def keys(self, part: str) -> list[str]:
        """The names of all objects with this in them."""
        text = self._ask("GET", f"/{BUCKET}?list-type=2").decode()
        names = [one.partition("</Key>")[0] for one in text.split("<Key>")[1:]]
        return [one for one in names if part in one]

    @property
    def holders(self) -> set[int]:
        """The processes that hold a stack's lock, as the engine has noted them."""
        found = set()
        for key in self.keys("/locks/"):
            with suppress(HTTPError):  # given back meanwhile
                found.add(json.loads(self._ask("GET", f"/{BUCKET}/{key}"))["pid"])
        return found

    def make_bucket(self) -> None:
        self._ask("PUT", f"/{BUCKET}")

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=testid-s3/20250101/us-east-1/s3/x"}
        request = Request(self._url + path, method=method, headers=headers)  # noqa: S310 - loopback
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            body: bytes = answer.read()
        return body


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    log = folder / "s3.log"
    with started([sys.executable, "-m", "moto.server", "--port", "0"], log, _own(folder)):
        until(lambda: _URL.search(log.read_text()), "the S3 server")
        server = S3(_URL.findall(log.read_text())[0])
        server.make_bucket()
        yield server


_URL = re.compile(r"http://127\.0\.0\.1:\d+")


# --- the workers ----------------------------------------------------------------------------------


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address, and its process."""
    file = folder / "scheduler.json"
    command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with started(
        _dask(*command, "--scheduler-file", str(file)), folder / "scheduler.log", _own(folder)
    ) as process:
        until(file.is_file, "the scheduler")
        until(lambda: file.read_text().endswith("}"), "its address")
        yield json.loads(file.read_text())["address"], process


@contextmanager
def worker(
    folder: Path, name: str, address: str, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker for one task at a time, in an environment of its own; ready when this returns."""
    log = folder / f"{name}.log"
    command = ["worker", address, "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with started(_dask(*command, "--local-directory", str(folder / name)), log, env) as process:
        until(lambda: b"Registered to" in log.read_bytes(), f"worker {name}")
        yield process


def _own(folder: Path) -> dict[str, str]:
    """An environment without anything of the person's, and without coverage: it takes its time."""
    return clean_environment() | {"HOME": str(folder)}


def _dask(*words: str) -> list[str]:
    return [sys.executable, "-m", "dask", *words]


def update_of(process: subprocess.Popen[bytes]) -> int:
    """The `pulumi up` that a worker drives, by its process id; 0 where there is none."""
    for one, (name, parent, _) in _processes():
        if name == "pulumi" and parent == process.pid:
            with suppress(OSError):
                if b"up" in Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0"):
                    return one
    return 0


def end_session(leader: int) -> None:
    """End a process and all that it started, as a machine's end would."""
    for process, (_, _, session) in _processes():
        if session == leader:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, tuple[str, int, int]]]:
    """Every process with its name, its parent and its session."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(") ")
            _, parent, _, session, *_ = rest.split()
            yield int(place.name), (name, int(parent), int(session))


def killed(process: subprocess.Popen[bytes]) -> None:
    """Gone at once, as a machine that loses its power; what it started lives on."""
    process.send_signal(signal.SIGKILL)
    process.wait()
