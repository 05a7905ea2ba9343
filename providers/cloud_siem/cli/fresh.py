"""``cloud-siem fresh``: whether the checked-out commit is still the newest of its branch.

A plan that waited for its approval, or a run that somebody starts again, may be older than what
was deployed since: applied, it would set back what others have merged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.codes import Code
from cloud_siem.errors import RefusedError
from cloud_siem.history import head, newest_of

_SHOWN = 12


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("branch", metavar="BRANCH", help="of the remote origin, e.g. main")
    parser.epilog = "It exits with 0 where it is, and with 1 where the branch has moved on."


def run(args: argparse.Namespace) -> int:
    here, newest = head(Path.cwd()), newest_of(args.branch, Path.cwd())
    if here != newest:
        raise RefusedError.of(
            Code.STALE_COMMIT,
            f"{args.branch} has moved on: {here[:_SHOWN]} is checked out here, and the newest is"
            f" {newest[:_SHOWN]}; nothing is applied. The newest commit's own run previews"
            " everything again; there is nothing to do for this one.",
        )
    print(f"{here[:_SHOWN]} is the newest commit of {args.branch}.")
    return ExitCode.OK
