"""actionlint: built once, from the pinned module."""

from __future__ import annotations

from pathlib import Path

import pytest

import linters
from places import ToolError

# Stands for Go: what it is told to build is a program that says nothing.
FAKE_GO = """#!/bin/sh
[ "$1" = version ] && echo go version go99.1.2 linux/amd64 && exit
echo built >> "$FAKE_LOG"
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\n' > "$2"
"""


def test_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the cache, which all checkouts share."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))

    assert linters.actionlint() == linters.actionlint()
    assert linters.actionlint().is_relative_to(tmp_path / "cache")
    assert (tmp_path / "log").read_text() == "built\n"


def test_the_module_pins_the_version_that_the_tool_names() -> None:
    pinned = (linters.MODULE / "go.mod").read_text()

    assert f"\tgithub.com/rhysd/actionlint {linters.ACTIONLINT}" in pinned
    assert (linters.MODULE / "go.sum").exists()


def test_an_unknown_verb_is_answered_with_the_known_one() -> None:
    with pytest.raises(ToolError, match="say `ensure`"):
        linters.main(["fly"])
