"""Scratch projects for the real engine, each on an emulator of its own; and other environments."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import setup
from places import REQUIREMENTS, beside, cache, locked
from siem_emulator import EmulatorServer
from tests.engine.engine import Engine, make_venv

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def pulumi_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests of one process; it holds no stack's state."""
    missing = [
        part
        for part in ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python")
        if shutil.which(part) is None
    ]
    assert not missing, f"{', '.join(missing)}: not on PATH; `make test` builds the engine"

    return tmp_path_factory.mktemp("pulumi-home")


@pytest.fixture
def engine(tmp_path: Path, pulumi_home: Path, siem: EmulatorServer) -> Engine:
    """This project's program, on the demo world."""
    return Engine(folder=tmp_path / "project", home=pulumi_home, siem=siem)


@pytest.fixture
def engine_on(tmp_path: Path, pulumi_home: Path) -> Callable[[EmulatorServer], Engine]:
    """This project's program, on an emulator of the test's own."""
    return lambda server: Engine(folder=tmp_path / "project", home=pulumi_home, siem=server)


@pytest.fixture(scope="session")
def oldest() -> Path:
    """An environment of the oldest packages that we allow, made once into the cache.

    The project is not in it: the checkout that a run is about goes onto its path.
    """
    return _environment("oldest", "the oldest packages")


@pytest.fixture(scope="session")
def pack_venv() -> Path:
    """The policy pack's own environment, made once into the cache.

    Its own, since pulumi-policy holds protobuf at a version before the one that we run with.
    """
    return _environment("policies", "what the policy pack needs")


def _environment(name: str, what: str) -> Path:
    lock = REQUIREMENTS / f"{name}.txt"
    python = f"{platform.python_version()} {sys.base_prefix}".encode()
    folder = cache(name)
    venv = folder / setup.short(lock.read_bytes() + python)
    with locked(folder, f"Another run is installing {what}; waiting for it."):
        if not venv.exists():
            with beside(venv) as partial:
                make_venv(partial)
                setup.sync(setup.find_uv(), partial / "bin" / "python", lock, folder / "log")
                partial.replace(venv)

    return venv
