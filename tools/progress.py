"""Run a long command quietly, and show that time passes. Called by setup, lock and gotool."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from places import ToolError, say

TAIL = 30  # lines of a failed command's output: enough for a compiler's complaint, and one screen
BEAT = (
    15  # seconds between two lines where the output is no terminal: alive, but no flood in a CI log
)


def run(
    title: str,
    command: list[str],
    *,
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with its output in `log`; a failure shows the end and says where it is."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _watch(title, process)
        finally:
            if process.poll() is None:  # we are interrupted
                process.terminate()
                process.wait()
    if process.returncode:
        say(tail(log))
        message = f"{title} failed (exit code {process.returncode}); all its output is in {log}."
        raise ToolError(message)


def tail(log: Path) -> str:
    """The last lines of a log, as text."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-TAIL:])


def _watch(title: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for the end: one line that counts on a terminal, a line now and then elsewhere."""
    terminal = sys.stderr.isatty()
    start = time.monotonic()
    while True:
        try:
            process.wait(timeout=1 if terminal else BEAT)
        except subprocess.TimeoutExpired:
            text = f"  {title}: {_elapsed(time.monotonic() - start)}"
            print(text, end="\r" if terminal else "\n", file=sys.stderr, flush=True)
        else:
            break
    if terminal:
        print("\x1b[2K", end="\r", file=sys.stderr, flush=True)  # wipe the counting line


def _elapsed(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
