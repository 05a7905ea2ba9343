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
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cloud_siem.api import Api
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import FOLDER, PATTERN
from cloud_siem.cli.writing import write_new
from cloud_siem.errors import CloudSiemError, Place, Reason, RefusedError, StackError
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
from cloud_siem.loading import load_files, load_stack_file, name_of
from cloud_siem.model import Perspective, Region
from cloud_siem.origin import Origin, commit_of
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from cloud_siem.stack import Stack
from cloud_siem.wording import Unusable, counted, printable, shown

_DEFAULT_TEMPLATE = "the built-in one"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--administrator",
        type=_account,
        metavar="A",
        help="the account whose members are asked for, 16 digits; without it those that the stack"
        " files of members name",
    )
    parser.add_argument(
        "--region",
        type=_region,
        metavar="R",
        help="the management center, e.g. cn-hangzhou; without it all that the stack files name",
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
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    if not args.write and (args.template or args.role or args.name != DEFAULT_NAME):
        args.usage_error("--template, --role and --name are for --write")
    template = _template(args)
    stacks, reasons = load_files(sorted(Path(FOLDER).glob(PATTERN)), os.environ)
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
        written = _write(_new_files(found, template, args.name), args.template)
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


def _write(files: Sequence[NewFile], template: str | None) -> tuple[Path, ...]:
    """Write all of them, or none that would not be as it should; returns where they are."""
    if not Path(FOLDER).is_dir():
        raise CloudSiemError(f"there is no folder {FOLDER} here; run this in the project's folder")
    _check_names(files)
    _check_texts(files, template or _DEFAULT_TEMPLATE)
    paths: list[Path] = []
    for file in files:
        path = _path_of(file)
        try:
            write_new(path, file.text)
        except CloudSiemError as error:
            done = f"{counted(len(paths), 'file')} before it written; run it again for the rest"
            raise CloudSiemError(f"{error}; {done}") from None
        paths.append(path)
    return tuple(paths)


def _path_of(file: NewFile) -> Path:
    return Path(FOLDER) / f"Pulumi.{file.stack}.yaml"


def _check_names(files: Sequence[NewFile]) -> None:
    """Refuse names that are none, or are taken by a file or by another member."""
    taken: dict[str, NewFile] = {}
    faults = ["Nothing was written; say another --name."]
    for file in files:
        path = _path_of(file)
        if name_of(path) != file.stack:
            faults.append(f"{shown(file.stack)} for member {file.member} is no name of a stack")
        elif file.stack in taken:
            other = taken[file.stack].member
            faults.append(f"{file.member} and {other} would both be stack {file.stack}")
        elif path.exists():
            faults.append(f"{path} is there, and is not about member {file.member}")
        taken.setdefault(file.stack, file)
    if faults[1:]:
        raise RefusedError("\n".join(faults))


def _check_texts(files: Sequence[NewFile], template: str) -> None:
    """Refuse files that our own loader would not take.

    That of the first one stands for all: they are made from the same template.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            path = Path(folder) / _path_of(file).name
            path.write_text(file.text, encoding="utf-8")
            try:
                stack = load_stack_file(path, os.environ)
            except StackError as error:
                raise StackError(
                    _of_template(one, file, template) for one in error.reasons
                ) from None
            if not file.is_about(stack.perspective):
                message = f"the file of member {file.member} is about {stack.perspective}"
                hint = "write {account} for the member's id, and {region}"
                place = Place(file=template)
                raise StackError([Reason(message=message, place=place, hint=hint)])


def _of_template(reason: Reason, file: NewFile, template: str) -> Reason:
    """The same reason, at its line in the template: the file has as many."""
    place = reason.place and replace(reason.place, file=template)
    message = f"{reason.message}, as the file of member {file.member}"
    return replace(reason, message=message, place=place)


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
    if text == "none":
        return frozenset()
    known = {one.value: one for one in Gap}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            message = f"{word!r} is no kind; there are: {', '.join(known)}, or none by itself"
            raise argparse.ArgumentTypeError(message)
    return frozenset(known[word] for word in words)
