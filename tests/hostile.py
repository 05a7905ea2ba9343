"""Texts that try to command a terminal or a CI runner, and what makes an output harmful.

What is harmful is written down here once more, and not asked of the code under test.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from hypothesis import strategies as st

FORGED = "FORGED"
"""Begins a line that a hostile text would like to write."""
PIECES = (
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x08\x08\x08",
    "\x7f",
    "\x9b2J",
    "\r",
    f"\r\n{FORGED}",
    f"\n{FORGED}",
    f"\x85{FORGED}",
    f"\u2028{FORGED}",
    "\n::set-output name=x::y",
    "\n  ::error::x",
    "::warning::x",
    "\n##[error]x",
    "##[group]x",
    "##vso[task.setvariable variable=x]y",
    "\u202egpj",
    "\u2066x\u2069",
    "\u200e\u200f\u061c",
    "\u200b\u200d\ufeff\u2060",
    "\ufe0f\u3164\u034f\U000e0101\U000e0041",
    "\t",
    "\x00",
    "x",
    "sas",
    '"',
    "\\",
    "中文\u3000",
    " ",
)
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
_SHOWS_NOTHING = {"\u034f", "\u115f", "\u1160", "\u3164", "\uffa0"}


def harm_in(text: str) -> list[str]:
    """Everything in an output that a terminal or a runner would obey, or a reader not see."""
    return [*map(ascii, filter(_is_harmful, text)), *_commands(text)]


def _is_harmful(char: str) -> bool:
    if char == "\n":
        return False
    is_selector = 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF
    return (
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or char in _SHOWS_NOTHING
        or is_selector
    )


def _commands(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line:
            yield line


def forged_lines(text: str) -> list[str]:
    """The lines that a hostile text has written as if they were ours."""
    return [line for line in text.split("\n") if line.lstrip().startswith(FORGED)]
