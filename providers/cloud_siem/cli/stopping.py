"""Ctrl-C that lets what runs come to its end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


@dataclass(kw_only=True)
class Stopping:
    """Whether a run is to stop."""

    event: threading.Event = field(default_factory=threading.Event)
    """Once it is set nothing more is started; a failure may set it, too."""
    asked: bool = False
    """Whether it was Ctrl-C."""

    def heard(self, _signal: int, _frame: FrameType | None) -> None:
        """The first Ctrl-C stops the run, any further one asks the engines to end, too."""
        if not self.asked:
            said = "what runs comes to its end, and nothing more is started. Ctrl-C again asks the"
            print(f"\nStopping: {said} engines to end.", file=sys.stderr)
        elif engine := sys.modules.get("cloud_siem.fleet.engine"):
            print("\nAsking the engines to end; each gives its lock back.", file=sys.stderr)
            engine.interrupt()
        self.asked = True
        self.event.set()


@contextmanager
def stoppable() -> Iterator[Stopping]:
    """While this holds, Ctrl-C is heard by what it yields."""
    stopping = Stopping()
    before = signal.signal(signal.SIGINT, stopping.heard)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)
