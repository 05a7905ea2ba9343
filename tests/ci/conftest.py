"""Both platforms, and the command as a step of a pipeline runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.ci import web
from cloud_siem.cli import main
from tests.ci.fake_platform import FakeGitHub, FakeGitLab, FakePlatform
from tests.conftest import FakeTime

PROVIDERS = {"github": FakeGitHub, "gitlab": FakeGitLab}
Run = Callable[..., int]


@pytest.fixture(params=sorted(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> str:
    """A test that asks for it, or for what needs it, runs on each platform."""
    name: str = request.param
    return name


@pytest.fixture
def platform(provider: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    """The platform, and the environment that its runner sets."""
    for name in list(os.environ):
        if name.startswith(("CI_", "GITHUB_", "GITLAB_")):
            monkeypatch.delenv(name)
    with PROVIDERS[provider]() as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(autouse=True)
def patience(fake: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Waiting takes no time, and is kept."""
    monkeypatch.setattr(web, "Clock", lambda: fake.clock)
    return fake


@pytest.fixture
def ci(
    provider: str, platform: FakePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """``ci("comment", "--marker", "x", ...)``; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(what: str, *arguments: str) -> int:
        return main(["ci", what, "--provider", provider, *arguments])

    return run


def review(file: str, *effects: str, refusal: str = "", failure: str = "") -> str:
    """What ``cloud-siem review`` writes as JSON, of changes that have these effects."""
    found: dict[str, Any] = {
        "stack": "demo",
        "changes": [{"delivery": "sas/a", "effect": effect} for effect in effects],
        "dark": [],
        "refusal": refusal or None,
        "failure": failure or None,
    }
    Path(file).write_text(json.dumps(found), encoding="utf-8")
    return file


def body(file: str, text: str) -> str:
    Path(file).write_text(text, encoding="utf-8")
    return file
