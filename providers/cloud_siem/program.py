"""Which program declares a stack: a digest of its files and of this package's version.

An update records it (``resource``), and who wants to know whether an update is needed at all
compares (``fleet``): from another program the same stack file may come to something else.

The files are Pulumi.yaml, the Python files next to it, and what these import from the project's
folders, read from their text: nothing is run. Where the text does not say what is imported, every
Python file of the project counts.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cloud_siem.errors import CloudSiemError
from cloud_siem.project import PROJECT_FILES
from cloud_siem.version import __version__

OUTPUT = "program"
"""The output of ``AccountDeliveries`` that has the digest."""
_OPAQUE = frozenset({"__import__", "eval", "exec", "importlib", "pkgutil", "runpy", "sys.path"})
"""Names by whose use a program may import what no import statement names."""


def files_of(folder: Path) -> dict[str, str]:
    """The project's own files by name, e.g. ``Pulumi.yaml``, ``__main__.py``, ``parts/logs.py``.

    :raises CloudSiemError: one of them is not UTF-8.
    """
    found: dict[Path, str] = {}
    waiting = [*(folder / name for name in PROJECT_FILES), *folder.glob("*.py")]
    opaque = False
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file() or not path.is_relative_to(folder):
            continue
        found[path] = _text(path)
        if path.suffix != ".py":
            continue
        module = _Module(folder, path, found[path])
        waiting += module.imported()
        if module.is_opaque and not opaque:
            opaque = True
            waiting += _all_python(folder)
    return {path.relative_to(folder).as_posix(): found[path] for path in sorted(found)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CloudSiemError(f"{path} is not UTF-8, as each file of a program must be") from None


def _all_python(folder: Path) -> Iterator[Path]:
    """Every Python file below a folder, but of environments and hidden folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not Path(place, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(place, name) for name in files if name.endswith(".py"))


class _Module:
    """One Python file of the project, and what it imports from there."""

    def __init__(self, folder: Path, path: Path, text: str) -> None:
        self._folder = folder
        self._package = path.parent
        try:
            self._nodes = list(ast.walk(ast.parse(text)))
        except (SyntaxError, ValueError):  # it imports nothing, and its program fails
            self._nodes = []

    def imported(self) -> Iterator[Path]:
        """The files that it may import, whether they exist or not."""
        for node in self._nodes:
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        yield from _files(self._folder, alias.name.split("."))
                case ast.ImportFrom(module=name, names=names, level=level):
                    base = self._base(level)
                    parts = name.split(".") if name else []
                    yield from _files(base, parts)
                    yield from _members(base.joinpath(*parts), names)

    def _base(self, level: int) -> Path:
        """Where a name begins: at the project's folder, or so many packages up."""
        if not level:
            return self._folder
        return (self._package, *self._package.parents)[level - 1]

    @property
    def is_opaque(self) -> bool:
        """Whether its import statements may not be all that it imports."""
        return any(name in _OPAQUE for node in self._nodes for name in _names(node))


def _files(base: Path, parts: Iterable[str]) -> Iterator[Path]:
    """What ``import a.b`` reads: each package on the way, and the module."""
    place = base
    for part in parts:
        place = place / part
        yield place.with_suffix(".py")
        yield place / "__init__.py"


def _members(package: Path, names: Iterable[ast.alias]) -> Iterator[Path]:
    """What ``from package import name`` reads, where the name may be a module."""
    for alias in names:
        if alias.name == "*":
            yield from package.glob("*.py")
        else:
            yield from _files(package, [alias.name])


def _names(node: ast.AST) -> Iterator[str]:
    """The names that a node uses, as ``_OPAQUE`` has them."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            yield f"{owner}.{name}"
        case ast.Import(names=names):
            yield from (alias.name.partition(".")[0] for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            yield module.partition(".")[0]
            yield from (f"{module}.{alias.name}" for alias in names)


def digest_of(files: Mapping[str, str]) -> str:
    """Changes with any of these files, and with the package."""
    found = hashlib.sha256(__version__.encode())
    for name in sorted(files):
        # Lengths between the parts: no two projects come to the same bytes.
        text = files[name].encode()
        found.update(f"\0{name}\0{len(text)}\0".encode() + text)
    return found.hexdigest()
