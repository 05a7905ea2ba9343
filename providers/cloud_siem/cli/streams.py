"""What the commands print, made harmless at the one door that all of it passes.

While a command runs, ``main`` has a ``HarmlessStream`` in the place of stdout and of stderr. It
cannot tell our line breaks from those of foreign text: ``printable`` keeps such a text in its line.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from cloud_siem.wording import harmless


class HarmlessStream:
    """Passes on to a stream what is written, made harmless; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream
        self._line = ""
        """What is written of the last line: a command may come in several parts."""
        self._lock = threading.RLock()  # a signal handler prints, too

    def write(self, text: str) -> int:
        with self._lock:
            before = len(harmless(self._line))
            whole = self._line + text
            self._line = whole.rpartition("\n")[2]
            self.unfiltered.write(harmless(whole)[before:])
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)


@contextlib.contextmanager
def harmless_output() -> Iterator[None]:
    """While this lasts, nothing that is printed can command a terminal or a CI runner."""
    out, err = (cast("TextIO", HarmlessStream(one)) for one in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def wants_color() -> bool:
    """Whether a terminal is to have colors: not with NO_COLOR (no-color.org), nor a dumb one."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def unfiltered(stream: TextIO) -> TextIO:
    """Return the stream below, for colors and workflow commands of our own.

    What is written there is made from texts that are ``printable`` already.
    """
    return stream.unfiltered if isinstance(stream, HarmlessStream) else stream
