"""``cloud-siem fleet accounts``: which members have no stack, which stacks have no member any more.

1. The stack files say who the administrators are; each is asked one ListRdUsers.
2. What is missing on either side is told.
3. With ``--write`` each member without a stack gets a file: all of them are made and checked before
   the first is written, and none that is there is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloud_siem.api import Api
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.member_files import write_all
from cloud_siem.cli.reporting import kinds
from cloud_siem.cli.stackfiles import project_here
from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.accounts import (
    AS_MEMBER,
    DEFAULT_FAIL_ON,
    DEFAULT_NAME,
    PLACEHOLDERS,
    Coverage,
    Gap,
    Listing,
    NewFile,
    administrators,
    coverage,
    new_file,
    with_role,
)
from cloud_siem.keys import DIGITS, REGIONS
from cloud_siem.loading import load_files
from cloud_siem.model import REGION_RULE, Perspective, Region
from cloud_siem.origin import Origin, commit_of
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from cloud_siem.stack import Stack
from cloud_siem.wording import Unusable, counted, printable


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--administrator",
        type=_account,
        metavar="A",
        help="the id of the account whose members are listed (default: those that the stack files"
        " of members name)",
    )
    parser.add_argument(
        "--region",
        type=_region,
        metavar="R",
        help=f"{REGION_RULE} (default: those that the stack files name)",
    )
    parser.add_argument(
        "--write", action="store_true", help="make a stack file for each member that has none"
    )
    template = parser.add_mutually_exclusive_group()
    template.add_argument("--template", metavar="FILE", help="what such a file is made from")
    template.add_argument(
        "--role",
        metavar="ARN",
        help="without a template: have the files name this role, e.g."
        " acs:ram::{account}:role/siem-delivery, instead of the administrator's look at the member",
    )
    parser.add_argument(
        "--name",
        default=DEFAULT_NAME,
        metavar="NAME",
        help=f"what such a stack is called, {DEFAULT_NAME} without it",
    )
    parser.add_argument(
        "--fail-on",
        type=_gaps,
        default=DEFAULT_FAIL_ON,
        metavar="KINDS",
        help="what exit code 7 is for, separated by commas, or none; without it"
        f" {','.join(one.value for one in Gap if one in DEFAULT_FAIL_ON)}",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    kinds = "\n".join(f"  {one.value:<10} {one.doc}" for one in Gap)
    places = "\n".join(f"  {f'{{{name}}}':<16} {doc}" for name, doc in PLACEHOLDERS.items())
    parser.epilog = (
        f"kinds of findings:\n{kinds}\n\nin a template, and in --name:\n{places}\n\n"
        f"{ExitCode.table()}"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> int:
    if not args.write and (args.template or args.role or args.name != DEFAULT_NAME):
        args.usage_error("--template, --role and --name are for --write")
    template = _template(args)
    stacks, reasons = load_files(project_here().stack_files(), os.environ)
    for reason in reasons:
        print(reason, file=sys.stderr)
    asked = _asked(args, stacks)
    failed = bool(reasons)
    listings = []
    for administrator, settings in asked.items():
        try:
            listings.append(_listing(administrator, settings))
        except CloudSiemError as error:
            failed = True
            print(error, file=sys.stderr)
    found = coverage(listings, stacks)
    if args.write and reasons:
        # What they are about is not known: a second file could declare the same logs.
        raise CloudSiemError("Nothing was written: mend the stack files first.")
    written: tuple[Path, ...] = ()
    if args.write:
        written = write_all(_new_files(found, template, args.name), args.template)
        stacks = load_files([*(one.file for one in stacks), *written], os.environ)[0]
        found = coverage(listings, stacks)
    print(_json(found, written) if args.json else _text(found, written))
    if failed:
        return ExitCode.ERROR
    return ExitCode.DRIFT if any(one.gap in args.fail_on for one in found.findings) else ExitCode.OK


# --- asking ---------------------------------------------------------------------------------------


def _asked(args: argparse.Namespace, stacks: Sequence[Stack]) -> Mapping[Perspective, Settings]:
    """Which administrators are asked, and with which settings."""
    known = {seen: stack.settings for seen, stack in administrators(stacks).items()}
    asked = {
        seen: settings
        for seen, settings in known.items()
        if args.administrator in (None, seen.account) and args.region in (None, seen.region)
    }
    if not asked and args.administrator and args.region:
        # No stack file says how it is reached: the environment does.
        seen = Perspective(account=args.administrator, region=args.region)
        asked[seen] = Settings.read({}, os.environ)
    if not asked:
        args.usage_error(
            "no stack file of this project names such an administrator with a member of it;"
            " say --administrator and --region"
        )
    return asked


def _listing(administrator: Perspective, settings: Settings) -> Listing:
    api = Api(
        settings=settings, perspective=administrator, origin=Origin(commit=commit_of(Path.cwd()))
    )
    Session(api).prove()
    listing = Listing.of(administrator, api.members())
    if not listing.members:
        raise CloudSiemError(
            f"ListRdUsers for {administrator} lists no members: it is not, or is no longer, the"
            " administrator of any. No stack was taken for one without a member."
        )
    return listing


# --- writing --------------------------------------------------------------------------------------


def _template(args: argparse.Namespace) -> str:
    if args.role:
        return with_role(args.role)
    if not args.template:
        return AS_MEMBER
    try:
        return Path(args.template).read_text(encoding="utf-8")
    except OSError as error:
        raise CloudSiemError(f"{args.template} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CloudSiemError(f"{args.template} is not UTF-8") from None


def _new_files(found: Coverage, template: str, name: str) -> tuple[NewFile, ...]:
    return tuple(
        new_file(administrator, member, template=template, name=name)
        for administrator, member in found.uncovered
    )


# --- telling --------------------------------------------------------------------------------------


def _text(found: Coverage, written: Sequence[Path]) -> str:
    lines = [f"{path} is written." for path in written]
    if found.findings:
        width = max(len(one.gap.value) for one in found.findings)
        lines += [f"{'KIND':<{width}}  FINDING"]
        lines += [f"{one.gap.value:<{width}}  {printable(one.sentence)}" for one in found.findings]
        lines += [""]
    for listing in found.listings:
        missing = sum(
            one.gap is Gap.UNCOVERED and one.administrator == listing.administrator
            for one in found.findings
        )
        members = counted(len(listing.members), "member")
        lines.append(f"{listing.administrator}: {members}, {missing or 'none'} without a stack.")
    if written:
        lines.append("Next: read what is written, then `cloud-siem fleet preview`.")
    return "\n".join(lines)


def _json(found: Coverage, written: Sequence[Path]) -> str:
    listings = [
        {
            "administrator": listing.administrator.account,
            "region": listing.administrator.region.value,
            "members": len(listing.members),
        }
        for listing in found.listings
    ]
    findings = [
        {
            "kind": one.gap.value,
            "account": one.account,
            "administrator": one.administrator.account if one.administrator else None,
            "stack": one.stack or None,
            "sentence": one.sentence,
        }
        for one in found.findings
    ]
    whole = {"asked": listings, "findings": findings, "written": [str(one) for one in written]}
    return json.dumps(whole, indent=2, ensure_ascii=False)


# --- arguments ------------------------------------------------------------------------------------


def _account(text: str) -> str:
    try:
        return str(DIGITS.parse(text))
    except Unusable as fault:
        raise argparse.ArgumentTypeError(f"{fault.message} ({fault.hint})") from None


def _region(text: str) -> Region:
    try:
        return Region(str(REGIONS.parse(text)))
    except Unusable as fault:
        raise argparse.ArgumentTypeError(f"{fault.message} ({fault.hint})") from None


def _gaps(text: str) -> frozenset[Gap]:
    return kinds(text, {one.value: one for one in Gap})
