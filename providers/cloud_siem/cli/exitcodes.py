"""The exit codes of every command of this project, in one table."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code says; each member's text is its line in the docs."""

    doc: str

    def __new__(cls, code: int, doc: str) -> ExitCode:
        member = int.__new__(cls, code)
        member._value_ = code
        member.doc = doc
        return member

    OK = 0, "as it should be"
    ERROR = 1, "an error; it wins over all others"
    USAGE = 2, "the command line is wrong"
    DRIFT = 7, "an account is not as declared; the engine's --expect-no-changes says 7, too"
    CLOSES = 20, "deliveries would close, within the limit"
    REFUSED = 21, "a guard rail refuses"
    INTERRUPTED = 130, "stopped by Ctrl-C"
    BROKEN_PIPE = 141, "the reader of the output went away"

    @classmethod
    def table(cls) -> str:
        """The table, as ``--help`` shows it."""
        return "exit codes:\n" + "\n".join(f"  {one.value:<4} {one.doc}" for one in cls)
