"""Ends the provider's process once the engine is gone; held by ``provider.configure``.

An engine that is killed leaves its providers alive: they would finish what they were asked for,
write what nobody records any more, and stay for ever. Who their parent is does not tell, since a
shell stands between. What tells is the pipe that the engine reads their output from: it has no
reader any more.
"""

from __future__ import annotations

import os
import select
import threading

ORPHANED = 70
"""The exit code; nobody is left to read it, but for a test."""


def hold(output: int = 1) -> None:
    """From now on, end this process as soon as nobody can read its output any more.

    Args:
        output: The file descriptor. Where it is none of a pipe or a terminal, it has no end.
    """
    threading.Thread(target=_wait, args=(output,), name="lifeline", daemon=True).start()


def _wait(output: int) -> None:
    poll = select.poll()
    poll.register(output, 0)  # nothing that could be read or written: only that the other end went
    poll.poll()
    # Not by an exception, which would end this thread alone; and nothing is left to be tidied.
    os._exit(ORPHANED)
