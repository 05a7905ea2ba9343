"""Which stacks a fleet's command line means: its options, and the files that they choose."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from cloud_siem.cli.stackfiles import all_files, project_here
from cloud_siem.fleet.fleets import Chosen
from cloud_siem.fleet.selection import Selection, SelectionError, Shard
from cloud_siem.loading import faults_by_file, load_files
from cloud_siem.project import identity_of, label_of


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stacks",
        nargs="*",
        metavar="SELECTOR",
        help="a stack's name, or a glob of names; all stacks without one",
    )
    parser.add_argument(
        "--tag",
        type=_tag,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="stacks with this tag alone (cloud-siem:tags; the value may be a glob), again and"
        " again",
    )
    parser.add_argument(
        "--not",
        dest="without",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave out what it matches, again and again",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="one of N parts, by a digest of the names: N machines do one part each",
    )


def files_chosen(args: argparse.Namespace) -> dict[str, str]:
    """The stack files that are meant, by stack; a selection of nothing is a wrong command line."""
    files = {label_of(file): file for file in all_files()}
    selection = Selection(
        names=tuple(args.stacks),
        tags=tuple(args.tag),
        without=tuple(args.without),
        shard=args.shard,
    )
    try:
        names = selection.of(_tags(files) if args.tag else {name: {} for name in files})
    except SelectionError as error:
        args.usage_error(str(error))
    return {name: files[name] for name in names}


def chosen(args: argparse.Namespace) -> Chosen:
    """The stacks that are meant, read; a file with a fault is a fault of that stack alone."""
    files = files_chosen(args)
    # Before they are parsed: a record of a text that was edited in between is then one too old.
    texts = {name: _text(file) for name, file in files.items()}
    stacks, reasons = load_files(files.values(), os.environ)
    by_file = faults_by_file(files.values(), stacks, reasons)
    faults = {name: tuple(map(str, by_file[identity_of(file)])) for name, file in files.items()}
    return Chosen(
        folder=project_here().folder.absolute(),
        stacks=tuple(one for one in stacks if not faults[one.name]),
        texts=texts,
        faults={name: found for name, found in faults.items() if found},
    )


def _tags(files: Mapping[str, str]) -> Mapping[str, Mapping[str, str] | None]:
    found = {one.name: one.tags for one in load_files(files.values(), os.environ)[0]}
    return {name: found.get(name) for name in files}


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # parsing it says why


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE, such as env=prod")
    return key, value


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
