"""The HTML report in a real Chromium: Debian's, or the person's own; never a downloaded one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import browser as chromium
from cloud_siem.report.as_html import to_html
from cloud_siem.report.contents import DriftReport
from places import ToolError


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    """One browser for the tests of a module, and no longer.

    While it runs, its event loop runs in the main thread, where tests of other modules want to run
    their own.
    """
    try:
        program = chromium.ensure()
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    expect.set_options(timeout=60_000)  # milliseconds: on a busy machine too
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program)
        yield launched
        launched.close()


@dataclass
class Opened:
    """A report in a tab of its own, and what that tab did besides."""

    page: Page
    requests: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """The requests that were let out."""
    complaints: list[str] = field(default_factory=list)
    """Errors, and what the console was told."""

    def watch(self) -> None:
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("response", lambda one: self.answers.append(one.url))
        self.page.on("console", lambda one: self.complaints.append(one.text))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("dialog", lambda one: self.complaints.append(f"dialog: {one.message}"))

    @property
    def shown(self) -> list[str]:
        """The sentences of the findings that are to be seen."""
        return self.page.locator("#rows tbody tr:visible td:nth-child(3)").all_inner_texts()

    @property
    def count(self) -> str:
        return self.page.locator("#shown").inner_text()


Open = Callable[..., Opened]


@pytest.fixture
def opened(running: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report from disk, as a person would; options are those of a browser's context."""
    contexts = []

    def open_(report: DriftReport, **options: Any) -> Opened:
        file = tmp_path / "drift.html"
        file.write_text(to_html(report), encoding="utf-8")
        context = running.new_context(**options)
        contexts.append(context)
        tab = Opened(page=context.new_page())
        tab.watch()
        tab.page.goto(file.as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
