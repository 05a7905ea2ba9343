"""Samples the Python process that it is started in; on PYTHONPATH only while a profile is made.

Every few milliseconds each thread's CPU since the last sample is booked to what the thread is doing
then, by the rule of `place_of`. The sums are written to a file in the folder SAMPLES again and
again, since the engine kills its plugins.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.003
EVERY = 30
"""Samples between two writings of the file."""
GLUE = ("importlib", "threading", "concurrent", "contextlib", "functools", "_weakrefset")
"""What stands below a place and says nothing about it."""


def place_of(frame: FrameType | None) -> str:
    """What a thread is doing: an import, and of what; or a function of ours; or a library's."""
    ours = library = imported = ""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        function = frame.f_code.co_name
        if function == "<module>" and name != "__main__":
            imported = name if name.startswith("cloud_siem") else name.partition(".")[0]
        elif name.startswith(("cloud_siem", "benchmarks")) and not ours:
            ours = f"{name}.{function}"
        elif not library and not name.startswith(GLUE):
            library = f"{name}.{function}"
        frame = frame.f_back
    if imported:
        return f"import of {imported}"
    return f"{ours} ({library})" if ours and library else ours or library


def on_cpu(thread: int) -> float:
    """Seconds that a thread of this process has run."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


def watch(folder: Path) -> None:
    spent: dict[str, float] = defaultdict(float)
    before: dict[int, float] = {}
    command = Path("/proc/self/cmdline").read_text().replace("\0", " ")
    own = threading.get_native_id()
    while True:
        for _ in range(EVERY):
            time.sleep(INTERVAL_S)
            frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see threads
            for thread in threading.enumerate():
                number = thread.native_id
                if number is None or number == own or thread.ident not in frames:
                    continue
                now = on_cpu(number)
                spent[place_of(frames[thread.ident])] += now - before.get(number, 0.0)
                before[number] = now
        what = {"command": command, "spent": spent}
        partial = folder / f"{os.getpid()}.part"
        partial.write_text(json.dumps(what))
        partial.replace(partial.with_suffix(".json"))


if "SAMPLES" in os.environ:
    threading.Thread(target=watch, args=(Path(os.environ["SAMPLES"]),), daemon=True).start()
