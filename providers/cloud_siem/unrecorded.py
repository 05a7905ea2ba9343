"""What holds a secret, or leads to one, and must therefore never be recorded.

The engine pickles provider objects into the state file, with all that they hold, locks and clients
included. Ours hold nothing. Should one ever come to hold what is derived from ``Unrecorded``, the
run fails before anything is written.
"""

from __future__ import annotations

from typing import NoReturn


class Unrecorded:
    """Refuses to be pickled."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is never recorded: it may hold a secret")
