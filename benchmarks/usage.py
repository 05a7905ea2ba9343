"""What a command costs: wall, CPU and memory of its whole tree of processes.

The kernel adds a process's CPU to its parent's account when the parent waits for it. The engine
kills its plugins, and their shells do not live to wait for the Python below them; such orphans are
handed to the nearest subreaper. So this process is one while it measures, and waits for them all:
nothing that ran is left out, and nothing has to be sampled.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 900
"""For one command; the slowest, 1,000 creates with checkpoints, takes 100 s on a quiet machine."""
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER in linux/prctl.h


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One run of a command."""

    wall: float
    """Seconds until the command ended."""
    cpu: float
    """Seconds, of the command and all that it started."""
    peak_mb: float
    """Of its largest process."""
    processes: int
    """How many of them were waited for here: the command and its orphans."""
    code: int
    text: str
    """What it printed."""


def heed_interrupts() -> None:
    """Take Ctrl-C as usual, and so do all that this process starts.

    A shell that runs it in its background has it ignored; engines then wait seconds for each plugin
    that they ask to end.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def measure(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = TIMEOUT_S
) -> Usage:
    """Run a command to its end, and to the end of all that it started.

    This process must have no other children meanwhile.
    """
    adopt_orphans()
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = threading.Timer(timeout, end_children)
        watch.start()
        try:
            cpu, peak_kb, processes, wall = 0.0, 0, 0, 0.0
            while True:
                try:
                    pid, status, used = os.wait4(-1, 0)
                except ChildProcessError:  # that was the last one
                    break
                processes += 1
                cpu += used.ru_utime + used.ru_stime
                peak_kb = max(peak_kb, used.ru_maxrss)
                if pid == process.pid:
                    wall = time.perf_counter() - began
                    process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.cancel()
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Usage(
        wall=wall,
        cpu=cpu,
        peak_mb=peak_kb / 1024,
        processes=processes,
        code=process.returncode,
        text=text,
    )


def adopt_orphans() -> None:
    """Have processes whose parent ended become children of this one (Linux)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process cannot adopt orphans")


def end_children() -> None:
    """Kill all that was started: the children of this process, and the orphans that they leave."""
    for _ in range(100):
        children = [
            int(pid)
            for file in Path("/proc/self/task").glob("*/children")
            for pid in file.read_text().split()
        ]
        if not children:
            return
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
