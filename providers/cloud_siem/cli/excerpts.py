"""Faults on a terminal: each with the line of the file that it is about, a caret and a color."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from cloud_siem.cli.streams import wants_color
from cloud_siem.errors import Place, Reason, Severity, listed
from cloud_siem.wording import is_harmless

_COLORS = {Severity.ERROR: "31", Severity.WARNING: "33"}
"""Red and yellow, by ECMA-48."""
_CLIPPED = 120
"""Characters of a line that are shown."""


def with_excerpts(reasons: Sequence[Reason]) -> str:
    """Write faults as ``listed`` does, each with its line; in color unless NO_COLOR is set."""
    color = wants_color()

    def show(reason: Reason) -> str:
        excerpt = _excerpt(reason.place, color) if reason.place else ()
        return "\n".join((_painted(str(reason), _COLORS[reason.severity], color), *excerpt))

    return listed(reasons, show)


def _painted(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text


def _excerpt(place: Place, color: bool) -> Sequence[str]:
    """The line and a caret below the column; nothing where the line cannot be shown."""
    if place.line is None or place.column is None:
        return ()
    try:
        text = Path(place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return ()
    if place.column > _CLIPPED or not is_harmless(text):
        return ()
    number = f"{place.line:>5} | "
    indent = len(number) + _width(text[: place.column - 1])
    return (number + text[:_CLIPPED], " " * indent + _painted("^", "1", color))


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two (Unicode Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
