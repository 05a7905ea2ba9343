"""What one run of the engine asked of the cloud: a line for each call, and for each switch.

The engine starts and ends the provider's processes as it likes, and its own log tells what became
of resources, not what was sent. So whoever wants to count names a file in the environment
(``CLOUD_SIEM_TALLY``), to which each process adds as it goes. Nothing is counted without it, and a
count that cannot be written never fails the call that it is about.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cloud_siem.model import State

ENVIRON_NAME = "CLOUD_SIEM_TALLY"
_CALL = "call"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a file of lines comes to."""

    calls: int = 0
    """Requests to Cloud SIEM and STS, repeated ones included; those that assume a role aside."""
    opened: int = 0
    closed: int = 0
    """Switches that the cloud accepted."""


class Tally:
    """Adds to a file; an empty name adds nowhere. Safe to use from threads and processes."""

    def __init__(self, file: str = "") -> None:
        self._file = file

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Tally:
        """The one that the environment names, if any."""
        return cls(environ.get(ENVIRON_NAME, ""))

    def called(self) -> None:
        """A request is about to be sent."""
        self._add(_CALL)

    def switched(self, state: State) -> None:
        """The cloud accepted a switch."""
        self._add(state.value)

    def _add(self, word: str) -> None:
        if not self._file:
            return
        with suppress(OSError):
            # One short write to a file opened for appending: lines of several writers never mix.
            handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"{word}\n".encode())
            finally:
                os.close(handle)


def counted_in(file: Path) -> Counts:
    """What was added to a file; nothing where there is none."""
    words = file.read_text(encoding="utf-8").split() if file.is_file() else []
    return Counts(
        calls=words.count(_CALL),
        opened=words.count(State.OPEN.value),
        closed=words.count(State.CLOSED.value),
    )
