"""Reports of any kind: the option that asks for them, and how all of them are written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cloud_siem.cli.streams import unfiltered
from cloud_siem.errors import CloudSiemError
from cloud_siem.report.writing import DRIFT, FORMATS, STDOUT, Target, write_report, writer

T = TypeVar("T")

_NONE = "none"
_MOST = 64
"""Threads; the client keeps 40 connections, and more than these wait for each other."""


def add_report_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        type=_target,
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help=f"write a report, again and again: {', '.join(FORMATS)}; - is standard output,"
        " which has the text without it",
    )


def check_places(args: argparse.Namespace) -> None:
    """Refuse two reports for one file."""
    places = [STDOUT if one.file == STDOUT else Path(one.file).resolve() for one in args.report]
    for place in places:
        if places.count(place) > 1:
            args.usage_error(f"two reports go to {place}: give each its own file")


def written(
    report: object, targets: Sequence[Target], text: Callable[[], str], *, package: str = DRIFT
) -> bool:
    """Write every report that can be written, and tell of the others; whether all could be.

    Args:
        report: What is reported.
        targets: Where to, and how.
        text: Lays out what standard output has, unless a target goes there.
        package: That of the report's formats.
    """
    whole = True
    for target in targets:
        if target.file == STDOUT:
            continue
        try:
            write_report(report, target, package)
        except CloudSiemError as error:
            whole = False
            print(error, file=sys.stderr)
    to_stdout = next((one.format for one in targets if one.file == STDOUT), "")
    if to_stdout:
        print(writer(to_stdout, package)(report), end="")
    else:  # in color on a terminal
        print(text(), end="", file=unfiltered(sys.stdout) if sys.stdout.isatty() else None)
    return whole


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number(text: str) -> int:
    """How many at a time."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST}")
    return int(text)


def kinds(text: str, known: Mapping[str, T]) -> frozenset[T]:
    """Which kinds of findings count: some of those known, by name, or none."""
    if text == _NONE:
        return frozenset()
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            message = f"{word!r} is no kind; there are: {', '.join(known)}, or none by itself"
            raise argparse.ArgumentTypeError(message)
    return frozenset(known[word] for word in words)
