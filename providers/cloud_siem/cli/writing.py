"""Files that are there whole or not at all: written aside, then given their name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud_siem.errors import CloudSiemError


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; one that somebody made meanwhile stays as it is.

    :raises CloudSiemError: it is there, or cannot be written.
    """
    with _told(path), _aside(path, text) as whole:
        try:
            _name_once(whole, path)
        except FileExistsError:
            message = f"{path} was made by somebody else in this moment; nothing was written"
            raise CloudSiemError(message) from None


def write_over(path: Path, text: str) -> None:
    """Replace a file that is there, keeping its permissions.

    :raises CloudSiemError: it cannot be written.
    """
    with _told(path), _aside(path, text) as whole:
        shutil.copymode(path, whole)
        whole.replace(path)


def _name_once(whole: Path, path: Path) -> None:
    """Give a file its name, unless another has it."""
    try:
        os.link(whole, path)  # unlike a rename, it takes no name away
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: nearly as good
        if path.exists():
            raise FileExistsError from None
        whole.rename(path)


@contextmanager
def _aside(path: Path, text: str) -> Iterator[Path]:
    """A file of this text beside the place where it belongs; gone afterwards."""
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with whole.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        yield whole
    finally:
        whole.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloudSiemError(f"{path} cannot be written: {error.strerror}") from None
