"""Where the tools keep things, and how they speak and fail. Every other tool imports it first.

Only the standard library is used here: these scripts run before anything is installed.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# An older Python has to come this far: the scripts of this folder keep to a syntax that it reads.
if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older python3 is told
    sys.exit(
        f"error: Python 3.11 or newer is needed, and this one is {sys.version.split()[0]}"
        f" ({sys.executable}): name another one, as in `make up PYTHON=python3.12`."
    )

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements"


class ToolError(Exception):
    """What the person can do something about, in one sentence."""


def cache(name: str) -> Path:
    """The folder `name` in the cache, made if need be; all checkouts share it."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path is to be ignored.
    home = configured if configured.is_absolute() else Path.home() / ".cache"
    folder = home / "cloud-siem" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"The cache folder {folder} cannot be made ({error.strerror}): "
            "set XDG_CACHE_HOME to a folder that can be written."
        )
        raise ToolError(message) from error
    return folder


def say(text: str) -> None:
    """Tell the person what goes on; on stderr, so that stdout has results only."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def locked(folder: Path, waiting: str) -> Iterator[None]:
    """Hold `folder` alone. The lock is on the folder itself: it leaves no file and dies with us."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def beside(place: Path) -> Iterator[Path]:
    """A name beside `place` to make something under, before it is renamed to `place` whole.

    The caller holds the lock of the folder: what an interrupted run left there is nobody's.
    """
    for leftover in place.parent.glob("partial-*"):
        shutil.rmtree(leftover)
    folder = tempfile.mkdtemp(prefix="partial-", dir=place.parent)
    try:
        yield Path(folder) / place.name
    finally:
        shutil.rmtree(folder)


def version_of(command: list[str], environment: dict[str, str] | None = None) -> tuple[int, ...]:
    """The first x.y.z in what the command prints; () where it does not run or prints none."""
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=environment,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def spelled(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def run_tool(main: Callable[[list[str]], int]) -> None:
    """Run a tool's main: what goes wrong for a known reason is one sentence and exit code 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we began is put away
    try:
        code = main(sys.argv[1:])
    except ToolError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'the system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        say("\nInterrupted; the same command can be run again.")
        code = 130
    sys.exit(code)
