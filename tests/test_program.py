"""Which program declares a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_siem import program
from cloud_siem.program import digest_of, files_of

FILES = {"Pulumi.yaml": "name: mine\nruntime: python\n", "__main__.py": "import cloud_siem\n"}


def test_it_is_the_projects_own_files_and_no_others(tmp_path: Path) -> None:
    for name, text in {**FILES, "README.md": "x", "stacks/Pulumi.dev.yaml": "y"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert files_of(tmp_path) == FILES
    assert files_of(tmp_path / "stacks") == {}


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, "__main__.py": "import cloud_siem \n"},
        {**FILES, "helpers.py": ""},
        {"Pulumi.yaml": FILES["Pulumi.yaml"]},
        {"Pulumi.yaml": FILES["__main__.py"], "__main__.py": FILES["Pulumi.yaml"]},
    ],
)
def test_whatever_is_edited_makes_another_program(files: dict[str, str]) -> None:
    assert digest_of(files) != digest_of(FILES)
    assert digest_of(dict(reversed(FILES.items()))) == digest_of(FILES)


def test_another_version_of_the_package_makes_another_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest_of(FILES)
    monkeypatch.setattr(program, "__version__", "99.0")

    assert digest_of(FILES) != before
