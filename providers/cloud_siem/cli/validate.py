"""``cloud-siem validate``: every fault of every stack file, without engine, cloud or credentials.

Faults go to stderr, one per line, sorted by file and place; the summary goes to stdout.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import FOLDER, PATTERN, all_files
from cloud_siem.loading import load_files


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help=f"a stack file; without any, all of {FOLDER}/{PATTERN}",
    )
    parser.epilog = "CLOUD_SIEM_* variables in the environment count, as they do for pulumi up."


def run(args: argparse.Namespace) -> int:
    return validate(args.files or all_files(), os.environ)


def validate(files: list[str], environ: Mapping[str, str]) -> int:
    """Print the faults and the summary."""
    stacks, reasons = load_files(files, environ)
    for reason in reasons:
        print(reason, file=sys.stderr)
    if reasons:
        print(f"{_counted(len(files), 'file')}, {_counted(len(reasons), 'fault')}")
        return ExitCode.ERROR
    deliveries = sum(len(stack.deliveries) for stack in stacks)
    what = f"{_counted(len(stacks), 'stack')}, {_counted(deliveries, 'delivery', 'deliveries')}"
    print(f"{what}, no faults")
    return ExitCode.OK


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
