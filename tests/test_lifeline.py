from __future__ import annotations

import subprocess
import sys

from cloud_siem.lifeline import ORPHANED

WAITS = """
import sys, threading
from cloud_siem import lifeline

lifeline.hold()
print("ready", flush=True)
print(sys.stdin.readline(), flush=True)
threading.Event().wait()
"""


def test_a_process_ends_when_nobody_reads_its_output_any_more() -> None:
    """And not before, though it writes nothing and has nothing to do."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdin
        assert waiting.stdout
        assert waiting.stdout.readline() == "ready\n"
        waiting.stdin.write("still there\n")
        waiting.stdin.flush()
        assert waiting.stdout.readline() == "still there\n"

        waiting.stdout.close()

        assert waiting.wait(30) == ORPHANED
