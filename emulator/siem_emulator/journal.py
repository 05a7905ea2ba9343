"""The state file: one event per line, on disk before a write is acknowledged.

`app.py` commits before it answers; `command.py` opens the file. What was acknowledged survives a
kill at any moment: lines are synced before the answer goes out, one sync for all writes that wait
for it, and the short form is written beside the file, synced, and renamed over it. A torn last line
was never acknowledged, and is dropped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from .events import Event, EventError, from_line, to_line

SHORTEN_AFTER = 20_000
"""Lines appended before the file is replaced by its short form: about 3 MB."""

OWNER_ONLY = 0o600
"""The file holds secrets of keys, if only fake ones."""


class JournalError(RuntimeError):
    """The file cannot be used, and why."""


class Journal:
    """One state file, held by one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.so_far: Callable[[], Iterable[Event]] = tuple
        """Answers the short form; the state's owner sets it."""
        self._lock_file = _hold(path)
        self._pending: list[str] = []
        self._pending_lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._appended = 0
        self._synced = 0
        self._lines = 0
        self._file: IO[bytes] | None = None

    def past(self) -> Iterator[Event]:
        """The events that the file holds.

        Raises:
            JournalError: It is not such a file.
        """
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        *lines, torn = text.split("\n")
        del torn  # what follows the last newline was never acknowledged
        for number, line in enumerate(lines, start=1):
            try:
                event = from_line(line)
            except EventError as error:
                raise JournalError(f"{self.path}:{number}: {error}") from error
            yield event

    def keep(self, event: Event) -> None:
        """Remember this for the next `commit`."""
        with self._pending_lock:
            self._pending.append(to_line(event))
            self._appended += 1

    def commit(self) -> None:
        """Return when everything kept so far is on disk; one thread writes for all that wait."""
        wanted = self._appended
        with self._flush_lock:
            if self._synced >= wanted:
                return
            if self._lines > SHORTEN_AFTER:
                self.shorten()
                return
            try:
                self._append()
            except OSError:
                self._lines = SHORTEN_AFTER + 1  # a line may be half written: next time, all anew
                raise

    def shorten(self) -> None:
        """Replace the file by the short form of everything kept so far."""
        with self._pending_lock:
            # An event is applied and kept under the state's lock, so the short form, taken after
            # this, holds at least what is dropped here; to hold more is harmless.
            self._pending.clear()
            appended = self._appended
        lines = [to_line(event) for event in self.so_far()]
        self._replace("".join(lines).encode())
        self._lines, self._synced = len(lines), appended

    def close(self) -> None:
        """Write what is pending, and let the file go."""
        self.commit()
        self.let_go()

    def let_go(self) -> None:
        """Leave the file as it is to whoever wants it next."""
        self._close()
        self._lock_file.close()

    def _append(self) -> None:
        with self._pending_lock:
            lines, self._pending = self._pending, []
            appended = self._appended
        if self._file is None:
            self._file = self.path.open("ab")
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._lines += len(lines)
        self._synced = appended

    def _replace(self, data: bytes) -> None:
        self._close()
        write_atomically(self.path, data)

    def _close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def write_atomically(path: Path, data: bytes) -> None:
    """Make the file hold this, or what it held before, whatever happens in between."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb", opener=_open_for_owner) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_directory(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def _open_for_owner(name: str, flags: int) -> int:
    return os.open(name, flags, OWNER_ONLY)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(path: Path) -> IO[bytes]:
    """Take the file for this process, until it ends however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("wb")
    except OSError as error:
        raise JournalError(f"Cannot use {path} as state file: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise JournalError(f"Another emulator uses the state file {path}.") from error

    return lock
