"""The locks of requirements/: hashed, naming no registry, and true to pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lock
import progress
import setup
from places import CHECKOUT, REQUIREMENTS

PACK = (CHECKOUT / "policies" / "requirements.txt").read_text()
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
DEV = [
    *RUNTIME,
    *PROJECT["project"]["optional-dependencies"]["emulator"],
    *PROJECT["dependency-groups"]["dev"],
]


def _pins(file: str) -> dict[str, str]:
    return dict(
        re.findall(r"^([a-z0-9.-]+)==(\S+)", (REQUIREMENTS / file).read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_each_pin_has_hashes_and_no_registry_is_named(file: Path) -> None:
    text = file.read_text()
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]

    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|index-url|find-links", text)


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("runtime.txt", RUNTIME),
        ("oldest.txt", RUNTIME),
        ("dev.txt", DEV),
        ("policies.txt", re.findall(r"^[^#\n]+", PACK, re.MULTILINE)),
    ],
)
def test_the_lock_answers_what_the_project_asks_for(file: str, wanted: list[str]) -> None:
    pins = _pins(file)

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_what_we_test_with_is_what_a_user_gets() -> None:
    assert _pins("runtime.txt").items() <= _pins("dev.txt").items()


def test_oldest_has_the_floors() -> None:
    floors = {
        canonicalize_name(asked.name): next(
            part.version for part in asked.specifier if part.operator == ">="
        )
        for asked in map(Requirement, RUNTIME)
    }
    pins = _pins("oldest.txt")

    for name, floor in floors.items():
        assert Requirement(f"{name}=={floor}").specifier.contains(pins[name]), name


def test_every_lock_is_written_by_make_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []
    monkeypatch.setattr(setup, "locked_uv", lambda: Path("uv"))
    monkeypatch.setattr(progress, "run", lambda _title, command, **_: written.append(command))

    lock.main(["--upgrade"])

    assert sorted(lock.LOCKS) == [file.name for file in LOCKS]
    assert all("--generate-hashes" in command and "--upgrade" in command for command in written)
