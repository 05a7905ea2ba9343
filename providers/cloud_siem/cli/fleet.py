"""``cloud-siem fleet COMMAND``: what is done to many stacks; a module for each command.

As in the package itself: a module has ``configure(parser)`` and ``run(args)``.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from cloud_siem.cli.exitcodes import ExitCode

COMMANDS = {
    "list": ("fleet_list", "show which stacks a selection means"),
    "drift": ("fleet_drift", "show what is not as declared; needs no engine"),
    "preview": ("fleet_run", "preview, and review all plans together"),
    "up": ("fleet_run", "preview, review all plans together, then update what they say"),
    "refresh": ("fleet_run", "record what the accounts show"),
    "accounts": ("fleet_accounts", "show which members have no stack, and write one for each"),
    "removed": ("fleet_removed", "say which stacks' files are gone, and what becomes of them"),
    "manifests": ("fleet_manifests", "print the Kubernetes operator's resource for each stack"),
    "merge": ("fleet_merge", "make one roll-up of the result files of several shards"),
}
"""By name, the module in this package and one line."""


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (where, text) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[:1].upper()}{text[1:]}.",
            epilog=ExitCode.table(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module = import_module(f"cloud_siem.cli.{where}")
        command.set_defaults(fleet=module.run, command=name, usage_error=command.error)
        module.configure(command)


def run(args: argparse.Namespace) -> int:
    return int(args.fleet(args))
