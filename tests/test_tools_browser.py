"""Where the tests' browser comes from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import browser
from places import ToolError


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without a browser; what is put into the folder is on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def program(file: Path, script: str = "") -> Path:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_a_browser_on_path_is_used_as_it_is(nothing: Path) -> None:
    program(nothing / "apt-get", "exit 1")
    chrome = program(nothing / "google-chrome")

    assert browser.ensure() == chrome


def test_where_there_is_none_debians_is_installed(nothing: Path) -> None:
    """The lists are updated first: on a new machine there are none."""
    script = f'echo "$@" >> {nothing}/asked; case "$*" in *install*) echo > {nothing}/chromium;'
    program(nothing / "apt-get", f"{script} /bin/chmod +x {nothing}/chromium;; esac")

    assert browser.ensure() == nothing / "chromium"
    asked = [line.split() for line in (nothing / "asked").read_text().splitlines()]
    assert [line[4] for line in asked] == ["update", "install"]
    assert asked[1][-2:] == ["chromium", "fonts-dejavu-core"]


def test_where_it_cannot_be_installed_that_is_said(
    nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolError, match="install the package chromium, or Chrome"):
        browser.ensure()

    program(nothing / "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="without root and apt-get"):
        browser.ensure()


def test_a_failed_installation_says_where_its_log_is(nothing: Path) -> None:
    program(nothing / "apt-get", "echo no network; exit 100")
    with pytest.raises(ToolError, match=r"exit code 100\); all its output is in .*browser"):
        browser.ensure()


def test_an_installation_that_brings_no_browser_is_told(nothing: Path) -> None:
    program(nothing / "apt-get")
    with pytest.raises(ToolError, match="is not on PATH"):
        browser.ensure()
