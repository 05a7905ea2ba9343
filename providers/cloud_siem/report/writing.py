"""Which formats there are, and how a report becomes a file: whole, or not at all.

A regular file is written next to its place and renamed, so that no reader, the next run's baseline
among them, sees half of one. A pipe is written into. Anything else, a device above all, is refused:
a rename would replace it. So is a link that leads out of its folder, where somebody else may have
put it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cloud_siem.errors import CloudSiemError
from cloud_siem.wording import harmless

FORMATS: Mapping[str, str] = {
    "text": "to_text",
    "json": "to_json",
    "markdown": "to_markdown",
    "html": "to_html",
    "junit": "to_junit",
}
"""By name, the function that lays a report out. It is in a module ``as_<name>`` of the package of
the report's kind, so that a run pays for the formats that it was asked for."""
DRIFT = "cloud_siem.report"
"""The package of the drift reports' formats."""
STDOUT = "-"
_DEVICE_OF_STDOUT = "/dev/stdout"
_DESCRIPTOR = re.compile(r"/dev/(?:fd/|(?=std))(\d+|stdin|stdout|stderr)|/proc/self/fd/(\d+)")
"""What stands for something that this process has open already, as in ``>(gzip > drift.gz)``."""
_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
_MODE = 0o666
"""Less the person's umask, as any new file; temporary files are private at first."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One report to write."""

    format: str
    file: str
    """``-`` is standard output."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """From ``html=drift.html``; raises ``ValueError`` with what is wrong."""
        format_, separator, file = text.partition("=")
        if not separator or not file:
            raise ValueError(f"{text!r} is not FORMAT=FILE, such as html=drift.html")
        if format_ not in FORMATS:
            raise ValueError(f"there is no format {format_!r}; there are: {', '.join(FORMATS)}")
        return cls(format=format_, file=STDOUT if file == _DEVICE_OF_STDOUT else file)


def writer(format_: str, package: str = DRIFT) -> Callable[[Any], str]:
    """The function that lays a report out.

    :raises CloudSiemError: the format needs a package that is not installed.
    """
    try:
        found = getattr(import_module(f"{package}.as_{format_}"), FORMATS[format_])
    except ModuleNotFoundError as error:
        raise CloudSiemError(
            f"the {format_} report needs the Python module {error.name}, which is not installed"
            " here (install pulumi-cloud-siem with its extra: pulumi-cloud-siem[report])"
        ) from error
    return found  # type: ignore[no-any-return] # as the table says


def check_targets(targets: Sequence[Target], package: str = DRIFT) -> None:
    """Refuse what could not be written, before any account is asked.

    :raises CloudSiemError: with every reason.
    """
    reasons = []
    for target in targets:
        try:
            writer(target.format, package)
        except CloudSiemError as error:
            reasons.append(str(error))
        if target.file != STDOUT and (why := unwritable(target.file)):
            reasons.append(f"report {target.file}: {why}")
    if reasons:
        raise CloudSiemError("\n".join(reasons))


def write_report(report: object, target: Target, package: str = DRIFT) -> None:
    """Write one report into its file.

    :raises CloudSiemError: the file cannot be written; what was there before is still there.
    """
    write_text(target.file, writer(target.format, package)(report))


def write_text(file: str, text: str) -> None:
    """Write a report's text into its file or pipe, ``harmless`` as all that we print.

    :raises CloudSiemError: as ``write_report``.
    """
    try:
        write_whole(file, harmless(text))
    except OSError as error:
        why = error.strerror or str(error)
        pipe = _descriptor_of(file) is not None or Path(file).is_fifo()
        state = "" if pipe else "; the file is as it was before"
        raise CloudSiemError(f"report {file}: it could not be written ({why}){state}") from None


def unwritable(file: str) -> str:
    """Say why no report can be written there; empty when it can, as far as this can be known.

    Args:
        file: As the person named it.
    """
    if _descriptor_of(file) is not None:
        return ""
    path = Path(file)
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; make it, or choose another"
    if why := _unfit(path):
        return why
    if not path.is_fifo() and not os.access(path.parent, os.W_OK | os.X_OK):
        return f"nothing may be written into the folder {path.parent}; choose another"
    return ""


def _unfit(path: Path) -> str:
    """Say why what is at this place must not be written to or replaced; empty when it may."""
    place = path.resolve()
    if path.is_dir():
        return "this is a folder, not a file"
    if place.parent != path.parent.resolve():
        return f"this is a link out of its folder, to {place}; name that file instead"
    if path.exists() and not path.is_file() and not path.is_fifo():
        return "this is a device or a socket; only files and pipes can be written"
    return ""


def _check_place(path: Path) -> None:
    if why := _unfit(path):
        raise OSError(errno.EINVAL, why)


def _descriptor_of(file: str) -> int | None:
    """The open file that a name such as ``/dev/fd/63`` stands for."""
    named = _DESCRIPTOR.fullmatch(file)
    if named is None:
        return None
    word = named[1] or named[2]
    return _STREAMS[word] if word in _STREAMS else int(word)


def write_whole(file: str, text: str) -> None:
    """Write a text as it is into a file or a pipe; raises ``OSError`` for any other place."""
    descriptor = _descriptor_of(file)
    if descriptor is not None:
        sys.stdout.flush()  # what was printed before comes first
        _write_into(os.dup(descriptor), text)
    elif Path(file).is_fifo():
        _check_place(Path(file))
        _write_into(_opened_pipe(Path(file)), text)
    else:
        replace_file(Path(file), text)


def _opened_pipe(path: Path) -> int:
    descriptor = os.open(path.resolve(), os.O_WRONLY | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):  # somebody exchanged it a moment ago
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no longer a pipe")
    return descriptor


def _write_into(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def replace_file(file: Path, text: str) -> None:
    """Write a regular file whole, or leave what is there; raises ``OSError``."""
    _check_place(file)
    place = file.resolve()  # a link within its folder stays a link
    handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(_MODE & ~umask)
        Path(temporary).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
