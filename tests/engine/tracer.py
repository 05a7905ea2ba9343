"""Writes down what the engine asks of a dynamic provider; runs as ``sitecustomize`` in its process.

``Engine(traced=True)`` puts it there. It imports nothing of this project, and does nothing in other
processes. Environment variables say what it does:

1. ``TRACE_FILE``: the file that gets one JSON object for each call, and for each printed line.
2. ``TRACE_FAIL``: the call that fails without being made, e.g. ``delete sas/x``.
3. ``TRACE_INTERRUPT``: a signal to the engine, e.g. ``KILL before 2``: before the second call of
   create, update and delete is made; ``after`` it was made and before the engine knows.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

FILE = os.environ.get("TRACE_FILE", "")
FAIL = os.environ.get("TRACE_FAIL", "")
INTERRUPT = os.environ.get("TRACE_INTERRUPT", "")
VERBS = ("Check", "Diff", "Create", "Update", "Delete", "Read")
WRITES = ("Create", "Update", "Delete")
PATIENCE_S = 60
_lock = threading.Lock()
_writes = 0


def note(**what: object) -> None:
    """Append one object to the file."""
    line = json.dumps({"time": time.time(), "pid": os.getpid(), **what}) + "\n"
    with _lock, Path(FILE).open("a", encoding="utf-8") as file:
        file.write(line)


def traced(verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method, written down before it is called."""

    def call(self: object, request: Any, context: Any) -> Any:
        name = request.urn.rpartition("::")[2]
        number = _count() if verb in WRITES else 0
        _interrupt("before", number)
        olds = "+" if verb == "Check" and len(request.olds.fields) else ""
        note(verb=f"{verb.lower()}{olds} {name}")
        if f"{verb.lower()} {name}" == FAIL:
            import grpc  # type: ignore[import-untyped] # noqa: PLC0415 - loaded here anyway

            context.abort(grpc.StatusCode.UNKNOWN, "made to fail")
        answer = method(self, request, context)
        _interrupt("after", number)
        return answer

    return call


def _count() -> int:
    global _writes  # noqa: PLW0603 - one process, one run
    with _lock:
        _writes += 1
        return _writes


def _interrupt(moment: str, number: int) -> None:
    if not number or not INTERRUPT.endswith(f" {moment} {number}"):
        return
    name = INTERRUPT.split()[0]
    os.kill(_engine(), signal.Signals[f"SIG{name}"])
    # A killed engine takes this process along; one that heeds an interrupt lets the call end.
    time.sleep(PATIENCE_S if name == "KILL" else 1)


def _engine() -> int:
    """The process above the shell that started this one."""
    stat = Path(f"/proc/{os.getppid()}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


class Printed:
    """Standard output, with each line written down."""

    def __init__(self, below: TextIO) -> None:
        self._below = below

    def write(self, text: str) -> int:
        for line in text.splitlines():
            note(line=line)
        return self._below.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


def install() -> None:
    """Trace the provider class that ``pulumi.dynamic`` is about to define."""
    from pulumi.runtime.proto import ResourceProviderServicer  # noqa: PLC0415 - not in every process

    def init_subclass(cls: type) -> None:
        for verb in VERBS:
            if verb in cls.__dict__:
                setattr(cls, verb, traced(verb, cls.__dict__[verb]))

    setattr(ResourceProviderServicer, "__init_subclass__", classmethod(init_subclass))  # noqa: B010
    sys.stdout = cast("TextIO", Printed(sys.stdout))


if FILE and "pulumi.dynamic" in sys.orig_argv:
    install()
