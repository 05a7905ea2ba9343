"""Kinds of config values: how text becomes a value, and what a JSON Schema may say about it.

``settings`` and ``stack`` have a table each that gives every key its kind; parsing, the schema for
editors and the docs are made from the same object, so that they cannot part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from cloud_siem.catalog import closest
from cloud_siem.endpoint import Endpoint
from cloud_siem.wording import Unusable, shown


class Kind(Protocol):
    """How the text of a setting becomes its value, and what an editor may be told about it."""

    def parse(self, text: str) -> object:
        """The value; raises ``Unusable``."""

    def accepts(self, value: object, /) -> bool:
        """Whether a YAML scalar of this type, not text, stands for the same text."""

    def schema(self) -> dict[str, object]:
        """A JSON Schema that takes what ``parse`` takes, as far as a schema can say it."""

    @property
    def words(self) -> str:
        """What to write, e.g. ``true or false``."""


@dataclass(frozen=True)
class Switch:
    """True or false."""

    words = "true or false"

    def parse(self, text: str) -> bool:
        if text in {"true", "false"}:
            return text == "true"
        raise Unusable(f"{shown(text)} is neither true nor false", "write true or false")

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def schema(self) -> dict[str, object]:
        return {"enum": [True, False, "true", "false"]}


@dataclass(frozen=True)
class Number:
    """A decimal number within bounds."""

    low: float
    high: float
    unit: str
    whole: bool = False

    @property
    def words(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} of {self.unit}, {self.low:g} to {self.high:g}"

    def parse(self, text: str) -> float | int:
        if not re.fullmatch(self._pattern, text):
            raise Unusable(f"{shown(text)} is no number of {self.unit}", f"write {self.words}")
        number = int(text) if self.whole else float(text)
        if not self.low <= number <= self.high:
            raise Unusable(f"{shown(text)} {self.unit} is out of bounds", f"write {self.words}")
        return number

    def accepts(self, value: object) -> bool:
        return isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)

    def schema(self) -> dict[str, object]:
        kind = "integer" if self.whole else "number"
        number = {"type": kind, "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{self._pattern}$"}]}

    @property
    def _pattern(self) -> str:
        # At most nine digits: Python turns no endless text into a number, and no bound has more.
        return r"(0|[1-9][0-9]{0,8})" + ("" if self.whole else r"(\.[0-9]{1,9})?")


@dataclass(frozen=True, kw_only=True)
class CloseLimit:
    """How many deliveries one run may close."""

    number: int
    percent: bool = False
    """Whether it is a share of the deliveries that were declared open, not a count."""

    def of(self, opened: int) -> int:
        """The count, where so many were declared open; a share is rounded down."""
        return opened * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


@dataclass(frozen=True)
class NumberOrShare:
    """A close limit: a count, or a percentage."""

    words = "a whole number, or a percentage such as 30%"

    def parse(self, text: str) -> CloseLimit:
        found = re.fullmatch(self._pattern, text)
        if not found:
            raise Unusable(f"{shown(text)} is no close limit", f"write {self.words}")
        percent = text.endswith("%")
        return CloseLimit(number=int(text.removesuffix("%")), percent=percent)

    def accepts(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    def schema(self) -> dict[str, object]:
        number = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{self._pattern}$"}]}

    @property
    def _pattern(self) -> str:
        return r"((0|[1-9][0-9]{0,8})|(0|[1-9][0-9]?|100)%)"


@dataclass(frozen=True)
class Text:
    """Text of a fixed form."""

    pattern: str
    words: str
    secret: bool = False
    """Whether messages leave the value out."""
    numbers: tuple[int, int] | None = None
    """The whole numbers, from and to, that are taken without quotes for the same digits."""

    def parse(self, text: str) -> str:
        if re.fullmatch(self.pattern, text):
            return text
        what = "the value" if self.secret else shown(text)
        raise Unusable(f"{what} does not have the right form", f"write {self.words}")

    def accepts(self, value: object) -> bool:
        if self.numbers is None or not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.numbers[0] <= value <= self.numbers[1]

    def schema(self) -> dict[str, object]:
        text: dict[str, object] = {"type": "string", "pattern": f"^{self.pattern}$"}
        if self.numbers is None:
            return text
        low, high = self.numbers
        return {"anyOf": [text, {"type": "integer", "minimum": low, "maximum": high}]}


@dataclass(frozen=True)
class Day:
    """A day of the calendar."""

    words = "a day such as 2026-12-31, in quotes"

    def parse(self, text: str) -> date:
        if not re.fullmatch(_DAY, text):
            raise Unusable(f"{shown(text)} is no day", f"write {self.words}")
        try:
            return date.fromisoformat(text)
        except ValueError:
            message = f"{shown(text)} is not in the calendar"
            raise Unusable(message, f"write {self.words}") from None

    def accepts(self, _value: object) -> bool:
        return False

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{_DAY}$"}


_DAY = r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"


@dataclass(frozen=True)
class Address:
    """An endpoint."""

    words = "host, host:port or a URL"

    def parse(self, text: str) -> Endpoint:
        return Endpoint.parse(text)

    def accepts(self, _value: object) -> bool:
        return False

    def schema(self) -> dict[str, object]:
        local = r"(127\.[0-9.]+|\[::1\]|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt])(:[0-9]+)?/?"
        host = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]+)?"
        pattern = f"^({host}|[Hh][Tt][Tt][Pp][Ss]://{host}/?|[Hh][Tt][Tt][Pp]://{local})$"
        return {"type": "string", "pattern": pattern}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]
    what: str
    """What the words are, e.g. ``state``."""
    meant: Mapping[str, str] = field(default_factory=dict)
    """What people mean who write another word, e.g. ``enabled`` for ``open``."""
    remark: str = ""
    """What the hint says besides."""

    @property
    def words(self) -> str:
        return " or ".join(self.options)

    def parse(self, text: str) -> str:
        if text in self.options:
            return text
        raise Unusable(f"{shown(text)} is no {self.what}", self.hint(text))

    def hint(self, text: str) -> str:
        """What to write instead."""
        near = self.meant.get(text.lower()) or closest(text, self.options)
        hint = f"did you mean {near}?" if near else f"write {self.words}"
        if not self.remark:
            return hint
        return f"{hint} {self.remark}" if near else f"{hint}. {self.remark}"

    def accepts(self, _value: object) -> bool:
        return False

    def schema(self) -> dict[str, object]:
        return {"enum": list(self.options)}


def text_of(value: object, kind: Kind) -> str:
    """A config value as the text that the engine would hand over; raises ``Unusable``.

    The engine hands every top-level scalar over as text (``"true"``), a file has YAML's types; both
    take this one way.
    """
    if value is None or value == "":
        raise Unusable("has no value", f"write {kind.words}, or remove the line")
    if isinstance(value, str):
        return value
    if not kind.accepts(value):
        quotes = isinstance(kind, Text) and isinstance(value, bool | int | float)
        hint = f"write {kind.words}{', in quotes' if quotes else ''}"
        raise Unusable(f"{shown(value)} is of the wrong type", hint)
    return str(value).lower() if isinstance(value, bool) else str(value)
