"""The text of comments and issues: the hidden marker by which they are found again, and the cut.

Pure; called by ``comments`` and ``issues``. What stands in a body was escaped where it was made;
here is seen to it that the whole fits, and that no line of it is a command to the platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

LIMIT = 65_536
"""Characters; GitHub refuses longer comments and issues. GitLab takes more, which nobody reads."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_DETAILS = re.compile(r"^<details\b[^>\n]*>(?:\s*<summary>(?P<title>.*)</summary>)?", re.IGNORECASE)
_DETAILS_END = re.compile(r"^</details>", re.IGNORECASE)
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_FENCE_ROOM = 100
"""Characters to close code with that was cut; nobody fences with more."""
_QUICK_ACTION = re.compile(r"^(\s*)/(?=[A-Za-z_])")


def marker(name: str) -> str:
    """The first line of what is ours, which no page shows; raises ``ValueError`` for an odd name.

    It must be the first line: an answer that quotes it is somebody else's.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a marker: write up to 100 letters, digits and . _ - /"
        )
    return f"<!-- cloud-siem:{name} -->"


def stack_marker(stack: str) -> str:
    """The marker of the issue about one stack."""
    return f"<!-- cloud-siem:drift/{quote(stack, safe='')} -->"


def has_marker(text: str, mark: str) -> bool:
    return text.partition("\n")[0].strip() == mark


def same(one: str, other: str) -> bool:
    """Whether two texts are the same to a platform, which may keep other ends of lines."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def marked(mark: str, text: str, link: str) -> str:
    """A body that can be posted: the marker, then the text, cut where it is too long.

    Args:
        mark: As ``marker`` makes it.
        text: Markdown.
        link: Where the whole text is; empty when that is nowhere.
    """
    plain = "\n".join(_without_commands(text.strip().splitlines()))
    return f"{mark}\n{fitted(plain, LIMIT - len(mark) - 1, link)}"


def _without_commands(lines: list[str]) -> Iterator[str]:
    """The same, shown the same, without a line that GitLab would obey: ``/merge``, ``/close``."""
    for line, fence in _fenced(lines):
        # In code, which is shown as it stands, there are no commands either.
        yield line if fence else _QUICK_ACTION.sub(r"\1&#47;", line)


def _fenced(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line with the fence of the code that is open after it; empty outside of code."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if found and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
        yield line, fence


# --- the cut --------------------------------------------------------------------------------------


def fitted(text: str, limit: int, link: str) -> str:
    """The text, or as much of it as fits: folded details go first, from the last one upwards."""
    if len(text) <= limit:
        return text
    where = f": [the whole text]({link})" if link else ""
    note = f"\n\n**There is no room here for all of it**{where}."
    room = max(limit - len(note) - _FENCE_ROOM, 0)
    parts = _parts(text)
    length = sum(len(part) for part in parts)
    for at in reversed(range(len(parts))):
        if length <= room:
            break
        short = _folded(parts[at])
        length += len(short) - len(parts[at])
        parts[at] = short
    whole = "".join(parts)
    if length > room:  # even without details: the whole lines that fit
        whole = whole[:room].rpartition("\n")[0] or whole[:room]
    *_, fence = ("", *(fence for _, fence in _fenced(whole.splitlines())))
    return f"{whole.rstrip()}\n{fence}".rstrip() + note


def _parts(text: str) -> list[str]:
    """The text in pieces: each outermost folded part is one."""
    parts: list[list[str]] = [[]]
    depth = 0
    for line, fence in _fenced(text.splitlines(keepends=True)):
        if _DETAILS.match(line) and not fence:
            if not depth:
                parts.append([])
            depth += 1
        parts[-1].append(line)
        if depth and _DETAILS_END.match(line) and not fence:
            depth -= 1
            if not depth:
                parts.append([])
    return ["".join(part) for part in parts]


def _folded(part: str) -> str:
    """A folded part as its title alone; any other text as it is."""
    found = _DETAILS.match(part)
    if not found:
        return part
    return f"{found['title'] or 'details'}: left out\n"
