"""``cloud-siem check-state``: whether a state names other code than ours, before it is run.

Pipelines run it as their first step with the state at hand. It asks the engine for the state and
nothing else; a raw ``pulumi --refresh`` runs the recorded code before any program can look.
"""

from __future__ import annotations

import argparse
import os

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import WHICH, project_here
from cloud_siem.exporting import NoStackError, check_recorded_code
from cloud_siem.recorded_code import OTHER_TYPES
from cloud_siem.wording import printable


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stacks", nargs="+", metavar="STACK", help=f"a stack by name, as in {WHICH}; it may be new"
    )
    parser.epilog = (
        f"{OTHER_TYPES}=TYPE,... names the types of other dynamic resources that the"
        " program has, and that are not compared."
    )


def run(args: argparse.Namespace) -> int:
    folder = project_here().folder
    for stack in args.stacks:
        try:
            check_recorded_code(stack, folder, os.environ)
        except NoStackError:
            print(f"{printable(stack)}: nothing is recorded yet.")
        else:
            print(f"{printable(stack)}: all recorded code is that of pulumi-cloud-siem.")
    return ExitCode.OK
