"""The locked environment: when it is made anew, and with whose uv and package index."""

from pathlib import Path

import pytest

import indexes
import places
import progress
import setup
from places import ToolError


def _script(file: Path, *lines: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    file.chmod(0o755)
    return file


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout whose long commands only say their titles."""
    titles: list[str] = []

    def run(title: str, command: list[str], **_: object) -> None:
        titles.append(title)
        if "venv" in command:
            _script(tmp_path / ".venv" / "bin" / "python")

    monkeypatch.setattr(progress, "run", run)
    monkeypatch.setattr(setup, "LOCK", tmp_path / "dev.txt")
    monkeypatch.setattr(setup, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(setup, "find_uv", lambda: Path("uv"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "dev.txt").write_text("one==1\n")
    return titles


def test_the_environment_is_made_once(steps: list[str]) -> None:
    setup.ensure()
    setup.ensure()

    assert steps == ["Making .venv", "Installing dev.txt", "Installing the project"]


def test_a_changed_lock_makes_it_anew(steps: list[str], tmp_path: Path) -> None:
    setup.ensure()
    (tmp_path / "dev.txt").write_text("one==2\n")
    setup.ensure()

    assert steps.count("Installing dev.txt") == 2


def test_an_interrupted_set_up_is_run_again(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "interrupted"
        raise ToolError(message)

    with monkeypatch.context() as patched:
        patched.setattr(progress, "run", fail)
        with pytest.raises(ToolError):
            setup.ensure()
    setup.ensure()

    assert steps[-1] == "Installing the project"


def test_an_environment_whose_python_is_gone_is_made_anew(steps: list[str]) -> None:
    setup.ensure()
    setup.PYTHON.unlink()
    setup.ensure()

    assert steps.count("Making .venv") == 2


def test_uv_on_path_is_used_where_recent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = _script(tmp_path / "uv", "echo uv 99.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert setup.find_uv() == uv


@pytest.mark.parametrize("line", ["echo uv 0.1.0", "exit 127"])
def test_uv_on_path_is_passed_over_where_old_or_broken(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(tmp_path / "uv", line)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(setup, "locked_uv", lambda: Path("locked"))

    assert setup.find_uv() == Path("locked")


def test_a_python_without_venv_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(setup, "BASE_PYTHON", str(_script(tmp_path / "python3", "exit 1")))

    with pytest.raises(ToolError, match="the package python3-venv"):
        setup.locked_uv()

    assert list(places.cache("uv").iterdir()) == []


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no package index."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    indexes._pip_options.cache_clear()
    return monkeypatch


def test_the_index_set_up_for_pip_is_used_by_uv(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("PIP_INDEX_URL", "https://one.example/simple")
    bare.setenv("PIP_EXTRA_INDEX_URL", "https://two.example/simple https://three.example/simple")

    environment = indexes.uv_environment()

    assert environment["UV_DEFAULT_INDEX"] == "https://one.example/simple"
    assert environment["UV_INDEX"] == "https://two.example/simple https://three.example/simple"


def test_the_index_of_uv_wins_over_that_of_pip(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    bare.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")

    assert indexes.uv_environment()["UV_DEFAULT_INDEX"] == "https://uv.example/simple"


def test_a_configuration_file_of_uv_is_left_alone(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").touch()
    bare.setenv("PIP_INDEX_URL", "https://pip.example/simple")

    assert "UV_DEFAULT_INDEX" not in indexes.uv_environment()


def test_the_index_set_up_for_uv_is_used_by_pip(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    bare.setenv("PIP_USER", "1")

    environment = indexes.pip_environment()

    assert environment["PIP_INDEX_URL"] == "https://uv.example/simple"
    assert "PIP_USER" not in environment
