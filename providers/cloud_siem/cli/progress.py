"""A progress bar, on a terminal and for many items alone; needs the extra ``progress``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from cloud_siem.cli.streams import unfiltered

T = TypeVar("T")

MANY = 10
"""Fewer are done before a bar has been read."""


def shown(items: Iterable[T], total: int, title: str) -> Iterator[T]:
    """The items, with a bar on stderr where a person watches; without one where nobody does."""
    if total < MANY or not sys.stderr.isatty():
        yield from items
        return
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra, and slow to import
        from rich.progress import track  # noqa: PLC0415
    except ModuleNotFoundError:
        yield from items
        return
    console = Console(file=unfiltered(sys.stderr))
    yield from track(items, total=total, description=title, console=console, transient=True)
