"""``cloud-siem ram-policy``: print the RAM policy that a caller needs, and no more."""

from __future__ import annotations

import argparse

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.ram import PURPOSES

_BY_NAME = {one.name: one for one in PURPOSES}
_EPILOG = """
Attach the policy to the caller: a RAM user, an instance role, or the role that
cloud-siem:roleArn names. Where a role is assumed, the role needs this policy and
has to trust the caller; the caller needs sts:AssumeRole on the role, and nothing
else. GetCallerIdentity, which every run that makes a call asks first, needs no permission."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=_BY_NAME,
        required=True,
        help="what the caller is for, see below",
    )
    purposes = "\n".join(f"  {one.name:<12} {one.doc}" for one in PURPOSES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"purposes:\n{purposes}\n{_EPILOG}"


def run(args: argparse.Namespace) -> int:
    print(_BY_NAME[args.purpose].text, end="")
    return ExitCode.OK
