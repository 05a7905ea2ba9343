"""What messages show of a value, and how a value says that it does not parse.

Everything that turns a person's input into values uses this, so that a message is one short line
whatever the input was, and never has a credential in it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping


class Unusable(Exception):  # noqa: N818 - not an error of the program: it becomes a Reason
    """A value does not parse; carries what a Reason says of it."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


_CREDENTIAL_VALUE = re.compile(r"\b(LTAI[A-Za-z0-9]{8,}|STS\.[A-Za-z0-9]{8,}|TMP\.[A-Za-z0-9]{8,})")
"""Ids of access keys: long-lived ones, those of STS, and temporary ones."""


def looks_secret(text: str) -> bool:
    """Whether the text holds what looks like the id of an access key."""
    return bool(_CREDENTIAL_VALUE.search(text))


def may_hold_secret(text: str) -> bool:
    """Whether ``looks_secret`` is worth asking of a part of this long text."""
    return "LTAI" in text or "STS." in text or "TMP." in text


_CLIPPED = 60


def shown(value: object) -> str:
    """A value as messages show it: short, on one line, and never what looks like a credential."""
    match value:
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str():
            return _quoted(value)
        case None | bool():
            return {None: "nothing", True: "true", False: "false"}[value]
        case _:
            return str(value)[:_CLIPPED]


def _quoted(text: str) -> str:
    if looks_secret(text):
        return '"***"'
    clipped = text if len(text) <= _CLIPPED else text[:_CLIPPED] + "..."
    return json.dumps(clipped, ensure_ascii=not is_harmless(clipped))


def counted(number: int, one: str) -> str:
    """``1 stack``, ``2 stacks``, ``3 deliveries``."""
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number} {one if number == 1 else many}"


def printable(text: str) -> str:
    """Return text from outside as one line that is ``harmless``: a cell, a message, a name."""
    return harmless(" ".join(text.split()))


_ODD = re.compile(r"[^\n -~]")
"""Each character that may have to be escaped."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that are printable to Python and yet show nothing: the rest of Unicode's property
Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 15) is not printable."""
_COMMAND = re.compile(r"^([^\S\n]*:):|(##\w*)\[", re.MULTILINE)
"""Workflow commands. GitHub's runner obeys ``::`` after spaces at a line's start, and ``##[``
anywhere in a line (actions/runner, ActionCommand.cs); Azure's obeys ``##vso[``."""


def harmless(text: str) -> str:
    """Return text of one or more lines that no terminal and no CI runner obeys.

    Control characters other than line breaks, bidirectional controls and characters without width
    are shown as escapes, and so is the last character of what begins a workflow command. The
    escapes are those of JSON wherever JSON allows the character itself: a JSON document keeps its
    meaning.
    """
    return _COMMAND.sub(_broken_command, _ODD.sub(_escape_if_odd, text))


def is_harmless(text: str) -> bool:
    """Check that a name is one line and shows each of its characters."""
    return "\n" not in text and harmless(text) == text


def _escape_if_odd(match: re.Match[str]) -> str:
    char = match[0]
    if unicodedata.category(char) == "Zs":  # spaces, that of Chinese texts among them
        return char
    return char if char.isprintable() and not _INVISIBLE.match(char) else _escape(char)


def _escape(char: str) -> str:
    if char < " ":
        return repr(char)[1:-1]
    return json.dumps(char)[1:-1] if char > "~" and char != "\x7f" else f"\\u{ord(char):04x}"


def _broken_command(match: re.Match[str]) -> str:
    return (match[1] or match[2]) + _escape(match[0][-1])


def key_shown(key: str) -> str:
    """A key as messages show it in the path to a fault: as it is, where that is short and plain."""
    odd = key.strip() != key or not key or not is_harmless(key)
    return _quoted(key) if odd or len(key) > _CLIPPED or looks_secret(key) else key


def without_password(text: str) -> str:
    """The same text without user and password of any URL in it."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)
