"""Which program declares a stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cloud_siem import program
from cloud_siem.errors import CloudSiemError
from cloud_siem.program import digest_of, files_of

FILES = {"Pulumi.yaml": "name: mine\nruntime: python\n", "__main__.py": "import cloud_siem\n"}


def test_it_is_the_projects_own_files_and_no_others(tmp_path: Path) -> None:
    for name, text in {**FILES, "README.md": "x", "stacks/Pulumi.dev.yaml": "y"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert files_of(tmp_path) == FILES
    assert files_of(tmp_path / "stacks") == {}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


IMPORTS = {
    "import parts.logs": {"parts/__init__.py", "parts/logs.py"},
    "import parts.logs as logs": {"parts/__init__.py", "parts/logs.py"},
    "from parts import logs": {"parts/__init__.py", "parts/logs.py"},
    "from parts.logs import x": {"parts/__init__.py", "parts/logs.py"},
    "from parts import *": {"parts/__init__.py", "parts/logs.py", "parts/more.py"},
    "def f():\n    import bare.deep.x": {"bare/deep/x.py"},
    "from bare import deep": set(),
    "import chain": {"chain/__init__.py", "chain/a.py", "chain/sub/b.py", "parts/__init__.py"},
    "import unknown, json": set(),
    "importer = 'import parts.logs'": set(),
}
"""What a program says, and which files of its folders it then imports."""


@pytest.mark.parametrize("text", IMPORTS)
def test_what_the_program_imports_from_its_folders_counts_and_nothing_else(
    tmp_path: Path, text: str
) -> None:
    write(
        tmp_path,
        {
            **FILES,
            "__main__.py": f"{text}\n",
            "parts/__init__.py": "",
            "parts/logs.py": "x = 1",
            "parts/more.py": "",
            "bare/deep/x.py": "",
            "bare/y.py": "",
            "chain/__init__.py": "from . import a",
            "chain/a.py": "from .sub.b import c",
            "chain/sub/b.py": "from ... import escapes\nfrom .. import a\nimport parts",
            "tests/test_x.py": "import nothing",
        },
    )

    assert set(files_of(tmp_path)) == {*FILES, *IMPORTS[text]}


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nimportlib.import_module('parts.logs')",
        "from importlib import import_module as load",
        "__import__('parts.logs')",
        "import sys\nsys.path.append('lib')",
        "from sys import path",
        "exec(open('parts/logs.py').read())",
        "import runpy",
    ],
)
def test_where_the_text_does_not_say_what_is_imported_every_python_file_counts(
    tmp_path: Path, text: str
) -> None:
    """But none of an environment, or of a hidden folder."""
    write(
        tmp_path,
        {
            **FILES,
            "__main__.py": "import helper",
            "helper/__init__.py": text,
            "lib/x.py": "",
            "parts/logs.py": "",
            "parts/data.json": "",
            "venv/pyvenv.cfg": "",
            "venv/lib/y.py": "",
            ".venv/lib/y.py": "",
        },
    )

    assert set(files_of(tmp_path)) == {*FILES, "helper/__init__.py", "lib/x.py", "parts/logs.py"}


def test_a_file_with_a_fault_counts_and_imports_nothing(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "__main__.py": "import parts\ndef", "parts/__init__.py": ""})

    assert set(files_of(tmp_path)) == set(FILES)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "__main__.py": "import parts"})
    (tmp_path / "parts.py").write_bytes(b"# \xff")

    with pytest.raises(CloudSiemError, match=r"parts\.py is not UTF-8"):
        files_of(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, "__main__.py": "import cloud_siem \n"},
        {**FILES, "helpers.py": ""},
        {**FILES, "parts/logs.py": ""},
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
