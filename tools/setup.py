"""Make the checkout's `.venv` from the hashed lock. Called by make before everything else.

1. Nothing to do when the stamp in `.venv` names what is wanted: a fraction of a second.
2. uv: the one on PATH, where recent enough, else the locked one, into the cache.
3. `.venv` with the Python that runs this file, unless it is there and sound.
4. The packages of requirements/dev.txt, each checked against its hash, and nothing else.
5. The project itself, editable; then the stamp, last: an interrupted run is simply run again.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import indexes
import progress
from places import (
    CHECKOUT,
    REQUIREMENTS,
    VENV,
    ToolError,
    beside,
    cache,
    locked,
    run_tool,
    say,
    version_of,
)

LOCK = REQUIREMENTS / "dev.txt"
BUILD_LOCK = REQUIREMENTS / "build.txt"
BOOTSTRAP_LOCK = REQUIREMENTS / "bootstrap.txt"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "cloud-siem-setup"
MINIMUM_UV = (0, 8, 0)  # the oldest that the set-up was tried with
# A virtual environment's python3 may run this file: then the environment is made with its base.
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable


def main(_arguments: list[str]) -> int:
    ensure()
    return 0


def ensure() -> None:
    """Make `.venv` what the lock says, and do nothing where it is so already."""
    wanted = _key()
    if _is_ready(wanted):
        return
    with locked(CHECKOUT, "Another set-up is at work on this checkout; waiting for it."):
        if not _is_ready(wanted):
            _make(wanted)


def environment_log() -> Path:
    return cache("log") / f"setup-{short(str(CHECKOUT).encode())}.log"


def _make(wanted: str) -> None:
    say("Setting up .venv from the locked packages (a minute at most, once) ...")
    log = environment_log()
    log.unlink(missing_ok=True)
    uv = find_uv()
    STAMP.unlink(missing_ok=True)
    if not _is_sound():
        _uv(uv, "Making .venv", ["venv", "--clear", "--python", BASE_PYTHON, str(VENV)], log)
    sync(uv, PYTHON, LOCK, log)
    project = ["--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)]
    _uv(uv, "Installing the project", ["pip", "install", "--python", str(PYTHON), *project], log)
    _write_whole(STAMP, wanted)
    say(".venv is ready.")


def sync(uv: Path, python: Path, lock: Path, log: Path) -> None:
    """Make the environment of `python` hold what `lock` names, each package checked by its hash.

    Bytecode is compiled now: imports of the cloud's SDK take five times as long without it.
    What has to be built from source is built with the hashed tools of requirements/build.txt.
    """
    checked = ["--require-hashes", "--build-constraints", str(BUILD_LOCK), "--compile-bytecode"]
    arguments = ["pip", "sync", "--python", str(python), *checked, str(lock)]
    _uv(uv, f"Installing {lock.name}", arguments, log)


def install_into(uv: Path, target: Path, lock: Path, log: Path) -> None:
    """Unpack what `lock` names into the folder `target`, outside any environment."""
    arguments = ["pip", "install", "--python", BASE_PYTHON, "--target", str(target)]
    _uv(uv, f"Installing {lock.name}", [*arguments, "--require-hashes", "-r", str(lock)], log)


def find_uv() -> Path:
    """uv from PATH where it is recent enough, else the locked one."""
    found = shutil.which("uv")
    if found and version_of([found, "--version"]) >= MINIMUM_UV:
        return Path(found)
    return locked_uv()


def locked_uv() -> Path:
    """The uv of requirements/bootstrap.txt, installed into the cache the first time."""
    key = short(BOOTSTRAP_LOCK.read_bytes() + platform.machine().encode())
    folder = cache("uv")
    uv = folder / f"uv-{key}"
    with locked(folder, "Another set-up is installing uv; waiting for it."):
        if not uv.exists():
            with beside(uv) as partial:
                _install_uv(partial).replace(uv)
    return uv


def _install_uv(aside: Path) -> Path:
    say("Installing uv into the cache ...")
    answer = subprocess.run(
        [BASE_PYTHON, "-m", "venv", str(aside)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        message = (
            "This Python cannot make virtual environments: install its venv module "
            "(on Debian and Ubuntu the package python3-venv), or put uv on PATH."
        )
        raise ToolError(message)
    pip = [str(aside / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    progress.run(
        "Installing uv",
        [*pip, "install", "--no-deps", "--require-hashes", "--requirement", str(BOOTSTRAP_LOCK)],
        log=cache("log") / "uv.log",
        environment=indexes.pip_environment(),
    )
    return aside / "bin" / "uv"


def _uv(uv: Path, title: str, arguments: list[str], log: Path) -> None:
    progress.run(title, [str(uv), *arguments], log=log, environment=indexes.uv_environment())


def _key() -> str:
    """What `.venv` is made of: where one of these changes, it is made anew."""
    parts = [LOCK.read_bytes(), BUILD_LOCK.read_bytes(), (CHECKOUT / "pyproject.toml").read_bytes()]
    parts += [text.encode() for text in (*_python(), str(CHECKOUT), platform.machine())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _python() -> tuple[str, str]:
    return platform.python_version(), sys.base_prefix


def _is_ready(wanted: str) -> bool:
    stamped = STAMP.read_text() if STAMP.exists() else ""
    return stamped == wanted and os.access(PYTHON, os.X_OK)


def _is_sound() -> bool:
    """Whether the environment's Python runs and is the one that runs this file."""
    code = "import platform, sys; print(platform.python_version(), sys.base_prefix, sep='\\n')"
    try:
        answer = subprocess.run(
            [str(PYTHON), "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return tuple(answer.stdout.splitlines()) == _python()


def _write_whole(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(file)


def short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


if __name__ == "__main__":
    run_tool(main)
