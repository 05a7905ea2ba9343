"""The Pulumi project: where Pulumi.yaml is, the project's name, and where its stack files are.

Every module that needs one of these asks ``Project.find``. The rules are the engine's
(sdk/go/common/workspace/paths.go, 3.259): the project file is in the folder or the nearest one
above it, ``stackConfigDir`` says where the stack files are, and a stack file has the extension of
the project file. The commands also work without a project file, on a folder ``stacks``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloud_siem.errors import Place

PROJECT_FILES = ("Pulumi.json", "Pulumi.yaml", "Pulumi.yml")
"""The names of a project file; in a folder with several the engine reads the first."""
SUFFIX = ".yaml"
"""The extension of stack files where no project file has another one."""
_ENGINES_NAME = r"[A-Za-z0-9_.-]{1,100}"
"""The engine's own rule for the name of a stack (sdk/go/common/tokens/stack_name.go, 3.259)."""
STACK_NAME = rf"(?!-){_ENGINES_NAME}"
"""Our rule, without names such as ``--all``: commands would take them for options."""
_NAMESPACE = "cloud-siem"
"""Of our config keys. The engine gives a key without one the project's name."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STACKS = "stacks"
"""The folder of the stack files where no project file names one."""
_STACK_FILE = re.compile(rf"Pulumi\.({STACK_NAME})\.(?:json|yaml|yml)")
_ENGINES_FILE = re.compile(rf"Pulumi\.{_ENGINES_NAME}\.(?:json|yaml|yml)")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Pulumi project, as far as its project file can be read."""

    folder: Path
    """The folder of the project file; without one, the folder where the search began."""
    file_name: str = ""
    """The name of the project file, e.g. ``Pulumi.yaml``; empty when there is none."""
    name: str = ""
    """The project's name; empty when ``failure`` is set."""
    stack_folder: Path
    """The folder of the stack files."""
    virtualenv: str = ""
    """The virtual environment that the project file names, relative to ``folder``."""
    config: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The config for all stacks that the project file has, by key as it is spelled there."""
    failure: str = ""
    """Why there is no usable project file; empty when there is one."""

    @classmethod
    def find(cls, start: Path) -> Project:
        """Find the project of a folder: its project file is there or in the nearest folder above.

        A program may run in a sub-folder of its project (``main:`` of Pulumi.yaml). All paths are
        absolute where ``start`` is, else relative to the working directory. Never raises.
        """
        for folder in (start.absolute(), *start.absolute().parents):
            for file_name in PROJECT_FILES:
                if _is_file(folder / file_name):
                    shown = folder if start.is_absolute() else _relative(folder)
                    return cls._of(shown, file_name)
        return cls(folder=start, stack_folder=start / _STACKS, failure="there is no Pulumi.yaml")

    @classmethod
    def _of(cls, folder: Path, file_name: str) -> Project:
        document, failure = _read(folder / file_name)
        name, config = document.get("name"), document.get("config")
        if not failure and not (isinstance(name, str) and name):
            failure = f"{file_name} does not name the project"
        return cls(
            folder=folder,
            file_name=file_name,
            name=name if isinstance(name, str) and not failure else "",
            stack_folder=_stack_folder(folder, document, Path(file_name).suffix),
            virtualenv=_virtualenv(document),
            config=_with_text_keys(config),
            failure=failure,
        )

    def is_ours(self, key: str) -> bool:
        """Whether the engine resolves a config key, as it is spelled in a file, to one of ours."""
        return key.startswith(_NAMESPACE + ":") or (":" not in key and self.name == _NAMESPACE)

    def place_of_config(self, key: str) -> Place:
        """Where a key under ``config:`` of the project file stands."""
        path = self.folder / self.file_name
        node: Any = yaml.compose(path.read_text(encoding="utf-8"), _LOADER)  # reads JSON, too
        for name in ("config", key):
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            found, node = next((pair for pair in pairs if pair[0].value == name), (None, None))
        if found is None:  # it comes in by a merge key
            return Place(file=str(path))
        mark = found.start_mark
        return Place(file=str(path), line=mark.line + 1, column=mark.column + 1)

    @property
    def pattern(self) -> str:
        """The pattern of the names of stack files, e.g. ``Pulumi.*.yaml``."""
        return file_name_of("*", self.suffix)

    def stack_file(self, stack: str) -> Path:
        """The file of a stack, whether or not it exists."""
        return self.stack_folder / file_name_of(stack, self.suffix)

    def stack_files(self) -> tuple[Path, ...]:
        """All files that are named like a stack file, sorted; ``stack_of`` tells whose they are."""
        return tuple(sorted(self.stack_folder.glob(self.pattern)))

    def unread_files(self) -> tuple[Path, ...]:
        """Files that are named like stack files, and that nobody reads, sorted.

        Their extension is another one, or their folder: the project's own, or one in the folder of
        the stack files that is not a project itself.
        """
        below = (one for one in self.stack_folder.glob("*/") if not _is_project(one))
        return tuple(
            sorted(
                path
                for folder in {self.folder, self.stack_folder, *below}
                for path in folder.glob("Pulumi.*.*")
                if is_engines_file(path)
                and (folder != self.stack_folder or path.suffix != self.suffix)
            )
        )

    @property
    def suffix(self) -> str:
        """The extension of the stack files: that of the project file."""
        return Path(self.file_name).suffix or SUFFIX


def stack_of(path: str | Path) -> str:
    """The stack that a file is of, by its name; empty when it is not the name of a stack file."""
    matched = _STACK_FILE.fullmatch(Path(path).name)
    return matched[1] if matched else ""


def is_project_file(path: str | Path) -> bool:
    """Whether a file has the name of a project file."""
    return Path(path).name in PROJECT_FILES


def is_engines_file(path: str | Path) -> bool:
    """Whether a stack of the engine can have this file, also one whose name we refuse."""
    return _ENGINES_FILE.fullmatch(Path(path).name) is not None


def label_of(path: str | Path) -> str:
    """The name that reports show for a stack file, also for one that no stack can have."""
    file = Path(path)
    return stack_of(file) or file.name.removeprefix("Pulumi.").removesuffix(file.suffix)


def file_name_of(stack: str, suffix: str = SUFFIX) -> str:
    """The name of a stack's file."""
    return f"Pulumi.{stack}{suffix}"


def identity_of(path: str | Path) -> Path:
    """The path by which stack files are told apart: the real folder, and the file's own name.

    The name is the stack. So a link is a stack of its own, whatever file it leads to.
    """
    file = Path(path)
    return file.parent.resolve() / file.name


def others_of(path: Path) -> tuple[Path, ...]:
    """The other files in the same folder that are named like stack files of this one's project.

    :raises OSError: the folder cannot be read.
    """
    suffix = path.suffix
    names = sorted(
        file.name
        for file in path.parent.iterdir()
        if file.name.startswith("Pulumi.") and file.suffix == suffix and file.name != path.name
    )
    return tuple(path.parent / name for name in names if name != f"Pulumi{suffix}")


# --- the project file -----------------------------------------------------------------------------


def _read(path: Path) -> tuple[Mapping[str, object], str]:
    """The document of a project file; or an empty one, with the reason."""
    try:
        text = path.read_text(encoding="utf-8")
        is_json = path.suffix == ".json"
        document: object = json.loads(text) if is_json else yaml.load(text, _LOADER)  # noqa: S506
    except OSError as error:
        return {}, f"{path.name} cannot be read: {error.strerror}"
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        return {}, f"{path.name} cannot be read: {str(error).partition(chr(10))[0]}"
    return (document, "") if isinstance(document, dict) else ({}, "")


def _with_text_keys(config: object) -> Mapping[str, object]:
    """Config as the engine reads it; a text is the older spelling of ``stackConfigDir``."""
    return {str(key): value for key, value in config.items()} if isinstance(config, dict) else {}


def _stack_folder(folder: Path, document: Mapping[str, object], suffix: str) -> Path:
    """The folder that the project file names, else the project's.

    A project that has its files in ``stacks`` without saying so is run with ``--config-file``.
    """
    # `config: <folder>` is the older spelling; the engine still reads it.
    for key in ("stackConfigDir", "config"):
        if isinstance(named := document.get(key), str) and named:
            # Not `folder / named`: to the engine a leading slash is no root.
            return Path(os.path.normpath(f"{folder}/{named}"))
    below = folder / _STACKS
    if below.is_dir() and not any(folder.glob(file_name_of("*", suffix))):
        return below
    return folder


def _virtualenv(document: Mapping[str, object]) -> str:
    runtime = document.get("runtime")
    options = runtime.get("options") if isinstance(runtime, dict) else None
    named = options.get("virtualenv") if isinstance(options, dict) else None
    return named if isinstance(named, str) else ""


def _is_project(folder: Path) -> bool:
    return any(_is_file(folder / name) for name in PROJECT_FILES)


def _is_file(path: Path) -> bool:
    with suppress(OSError):  # a folder above may not be entered: the engine passes it over
        return path.is_file()
    return False


def _relative(folder: Path) -> Path:
    return Path(os.path.relpath(folder, Path.cwd()))
