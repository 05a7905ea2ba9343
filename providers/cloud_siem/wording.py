"""What messages show of a value, and how a value says that it does not parse.

Everything that turns a person's input into values uses this, so that a message is one short line
whatever the input was, and never has a credential in it.
"""

from __future__ import annotations

import json
import re
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
    return json.dumps(clipped, ensure_ascii=not clipped.isprintable())


def counted(number: int, one: str) -> str:
    """``1 stack``, ``2 stacks``, ``3 deliveries``."""
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number} {one if number == 1 else many}"


def printable(text: str) -> str:
    """Text on one line, without anything that a terminal would obey."""
    spaced = " ".join(text.split())
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in spaced)


def key_shown(key: str) -> str:
    """A key as messages show it in the path to a fault: as it is, where that is short and plain."""
    odd = key.strip() != key or not key or not key.isprintable()
    return _quoted(key) if odd or len(key) > _CLIPPED or looks_secret(key) else key


def without_password(text: str) -> str:
    """The same text without user and password of any URL in it."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)
