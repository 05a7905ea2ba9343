"""This machine as ``doctor`` sees it: the engine, the Python of the project, their versions.

The one door to other programs. Everything is asked with a time limit, nothing is changed, and what
a program says about itself is cut to its first line, without passwords.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from cloud_siem.project import Project
from cloud_siem.wording import without_password

ENGINE = "pulumi"
HOST_PARTS = (
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
)
"""What the engine starts for a program in Python, and for its dynamic providers."""
SECONDS = 30
"""For one program; the slowest is an engine whose backend is far away."""
DISTRIBUTION = "pulumi-cloud-siem"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a program said."""

    said: str = ""
    """Its stdout."""
    failure: str = ""
    """Why there is no answer, e.g. its own first line of complaint; empty when there is one."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The engine on PATH."""

    path: str
    version: Answer
    missing: tuple[str, ...]
    """Of ``HOST_PARTS``."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The Python that runs a project's program."""

    python: str = ""
    """The interpreter; empty when there is none."""
    virtualenv: str = ""
    """The virtual environment that the project names; empty when it runs the python3 on PATH."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock that an update left or holds, as a backend in a folder keeps it."""

    stack: str
    who: str
    """User and machine, e.g. ``ann@build-7``."""
    pid: int
    since: str
    here: bool
    """Whether it is of this machine."""
    runs: bool
    """Whether its process runs; known of this machine alone."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python and what is installed in it."""

    version: tuple[int, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions by distribution; one that is not installed is not here."""
    requires: tuple[str, ...] = ()
    """What our own distribution asks for there, e.g. ``pulumi<4,>=3.216``."""
    failure: str = ""


def engine(environ: Mapping[str, str]) -> Engine | None:
    """The engine, if there is one."""
    path = shutil.which(ENGINE, path=environ.get("PATH"))
    if path is None:
        return None
    # The engine looks for its parts beside itself first.
    places = os.pathsep.join([str(Path(path).resolve().parent), environ.get("PATH", os.defpath)])
    missing = tuple(part for part in HOST_PARTS if shutil.which(part, path=places) is None)
    with tempfile.TemporaryDirectory() as home:  # it writes a log there, even now
        version = ask([path, "version"], {**environ, **_QUIET, "PULUMI_HOME": home})
    return Engine(path=path, version=version, missing=missing)


def runtime(project: Project, environ: Mapping[str, str]) -> Runtime:
    """The Python that runs the project's program; the engine's variable overrides Pulumi.yaml."""
    virtualenv = environ.get("PULUMI_RUNTIME_VIRTUALENV") or project.virtualenv
    python = str(project.folder / virtualenv / "bin" / "python") if virtualenv else "python3"
    path = shutil.which(python, path=environ.get("PATH")) or ""
    return Runtime(python=path, virtualenv=virtualenv)


_WHAT_IS_INSTALLED = """
import json, re, sys
from importlib import metadata

ours = sys.argv[1]
try:
    requires = metadata.requires(ours) or []
    found = {ours: metadata.version(ours)}
except metadata.PackageNotFoundError:
    requires, found = [], {}
for requirement in requires:
    name = re.match("[A-Za-z0-9._-]+", requirement)[0]
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps({"version": sys.version_info[:3], "packages": found, "requires": requires}))
"""


def interpreter(python: str, environ: Mapping[str, str]) -> Interpreter:
    """What a Python has of our own distribution, and of what that one needs."""
    answer = ask([python, "-c", _WHAT_IS_INSTALLED, DISTRIBUTION], environ)
    if answer.failure:
        return Interpreter(failure=answer.failure)
    said = json.loads(answer.said)
    return Interpreter(
        version=tuple(said["version"]),
        packages=said["packages"],
        requires=tuple(said["requires"]),
    )


def stacks(engine: Engine, folder: Path, environ: Mapping[str, str]) -> tuple[list[str], str]:
    """The names of the project's stacks in the backend; or why the engine cannot tell."""
    command = [engine.path, "stack", "ls", "--json", "--non-interactive", "--cwd", str(folder)]
    answer = ask(command, {**environ, **_QUIET})
    if answer.failure:
        return [], answer.failure
    try:
        return [str(one["name"]).rpartition("/")[2] for one in json.loads(answer.said)], ""
    except (ValueError, TypeError, KeyError):
        return [], "it says something that is no list of stacks"


def locks(
    engine: Engine, project: Project, environ: Mapping[str, str], *, stack: str
) -> tuple[Lock, ...]:
    """The locks of a stack, or of all stacks if ``stack`` is empty, in a backend in a folder.

    For any other kind of backend the result is empty.
    """
    url = _backend_of(engine, project.folder, environ)
    if not url.startswith(_FILES):
        return ()
    root = Path(unquote(url.removeprefix(_FILES).partition("?")[0])).expanduser()
    place = root / ".pulumi" / "locks" / "organization" / project.name
    found = (_lock(file) for file in sorted(place.glob(f"{stack or '*'}/*.json")))
    return tuple(lock for lock in found if lock)


_FILES = "file://"


def _backend_of(engine: Engine, folder: Path, environ: Mapping[str, str]) -> str:
    """The address of the state; only the engine knows it where the environment does not say."""
    if url := environ.get("PULUMI_BACKEND_URL"):
        return url
    command = [engine.path, "whoami", "--verbose", "--json", "--non-interactive"]
    answer = ask([*command, "--cwd", str(folder)], {**environ, **_QUIET})
    try:
        return str(json.loads(answer.said)["url"])
    except (ValueError, TypeError, KeyError):
        return ""


def _lock(file: Path) -> Lock | None:
    """What a lock says; None where it was given back meanwhile, or is of another kind."""
    try:
        match json.loads(file.read_text(encoding="utf-8")):
            case {"pid": int(pid), "username": str(user), "hostname": str(host), **rest}:
                here = host == socket.gethostname()
                return Lock(
                    stack=file.parent.name,
                    who=f"{user}@{host}",
                    pid=pid,
                    since=str(rest.get("timestamp", "an unknown time")),
                    here=here,
                    runs=here and runs_engine(pid),
                )
            case _:
                return None
    except (OSError, ValueError):
        return None


def runs_engine(pid: int) -> bool:
    """Whether a process of this machine is the engine, and not one that is over."""
    name, rest = _stat(pid)
    # A process that is over keeps its name until somebody has waited for it: a zombie (proc(5)).
    return name == ENGINE and not rest.startswith(("Z", "X"))


def _stat(pid: int) -> tuple[str, str]:
    """The name of a process, and the rest of its stat: state, parent, ... (proc(5)); or nothing."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return "", ""
    name, _, rest = text.partition("(")[2].rpartition(") ")
    return name, rest


def engine_command(pid: int | None = None) -> tuple[str, ...]:
    """The command line of the engine that started a process, this one if no other is given.

    Empty where that cannot be read: it takes Linux's /proc.
    """
    pid = os.getpid() if pid is None else pid
    _, rest = _stat(pid)
    while rest:
        parent = int(rest.split()[1])
        name, rest = _stat(parent)
        if name == ENGINE:
            with suppress(OSError):
                command = Path(f"/proc/{parent}/cmdline").read_bytes()
                return tuple(command.decode(errors="replace").split("\0"))
    return ()


_QUIET = {"PULUMI_SKIP_UPDATE_CHECK": "true", "NO_COLOR": "1"}


def ask(command: Sequence[str], environ: Mapping[str, str]) -> Answer:
    """Run a program that only tells."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(failure=f"{name} did not answer within {SECONDS} s")
    except OSError as error:
        return Answer(failure=f"{name} does not start: {error.strerror}")
    if done.returncode:
        return Answer(failure=_complaint(done.stderr) or f"{name} ended with {done.returncode}")
    return Answer(said=done.stdout)


def _complaint(text: str) -> str:
    """The first line that says something; a backend's URL may have a password in it."""
    lines = (line.strip() for line in text.splitlines())
    line = next((line for line in lines if line), "")
    return without_password(line.removeprefix("error: "))
