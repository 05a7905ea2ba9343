"""``cloud-siem adopt``: write the stack file of an account as it is; one ListDelivery, no write.

For a stack whose file is there, the file is left alone, and what it lacks is printed as commands
for the engine, whose own writer keeps comments and layout.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud_siem.adopt import Adoption, Wish, adoption
from cloud_siem.api import Api
from cloud_siem.catalog import did_you_mean
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import place_of, project_here
from cloud_siem.cli.writing import write_new, write_over
from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError, RefusedError
from cloud_siem.keys import ACCOUNT, KINDS, MEMBER, REGION, VIEW
from cloud_siem.loading import explain_name, load_files, load_stack_file
from cloud_siem.model import REGION_RULE, State
from cloud_siem.origin import Origin, commit_of
from cloud_siem.project import others_of
from cloud_siem.session import Session
from cloud_siem.settings import BY_CONFIG_KEY, PREFIX, SETTINGS
from cloud_siem.stack import Stack, build_stack
from cloud_siem.stackfile import read_stack_file
from cloud_siem.stacktext import missing_lines, stack_text, whose
from cloud_siem.wording import counted, shown

_WHOSE = {"account": ACCOUNT, "region": REGION, "view": VIEW, "member": MEMBER}
_SETTABLE = tuple(key for key in (*KINDS, *BY_CONFIG_KEY) if key not in _WHOSE.values())
"""What ``--set`` can say: all that has one value."""

_REACH = ("endpoint", "stsEndpoint", "profile", "roleArn", "roleExternalId", "otherEndpoint")
"""The settings without which the engine would not reach the account, or not as the same caller."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", metavar="STACK", help="the name of a stack, or its file")
    parser.add_argument(
        "--account",
        metavar="A",
        help="the id of the account whose credentials, or whose role, are used",
    )
    parser.add_argument("--region", metavar="R", help=REGION_RULE)
    parser.add_argument("--view", metavar="V", help="account (the default) or enterprise")
    parser.add_argument("--member", metavar="M", help="the id of the member account")
    parser.add_argument(
        "--include-closed", action="store_true", help="declare closed what is closed, too"
    )
    parser.add_argument(
        "--whole",
        action="append",
        default=[],
        metavar="PRODUCT",
        help='declare a product by one "*", logs that it gets one day included; can be repeated;'
        " '*' is every product that can be",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="write a setting into the file and use it now, e.g."
        " roleArn=acs:ram::{account}:role/siem; can be repeated",
    )
    parser.epilog = (
        "A new file needs --account and --region. CLOUD_SIEM_* variables hold for this run and are"
        " not written; for a role in each account, name it with --set roleArn=..."
    )


def run(args: argparse.Namespace) -> int:
    name, path = place_of(args.stack)
    if not name:
        message, hint = explain_name(path)
        raise CloudSiemError(f"{path}: {message} ({hint})")
    given = {key: getattr(args, word) for word, key in _WHOSE.items() if getattr(args, word)}
    config = _set(args.set)
    before = _before(path)
    if before is None:
        # Of a file that says whose it is, a view or a member that it does not name is the default.
        told = {} if ACCOUNT in read_stack_file(path).values else given
        stack = load_stack_file(path, os.environ, {**told, **config})
        _hold_against(stack, given, config)
    elif not (args.account and args.region):
        print(f"{path} is not there yet: say --account and --region.", file=sys.stderr)
        return ExitCode.USAGE
    else:
        stack = build_stack({**given, **config}, name=name, environ=os.environ)

    others, broken = _others(path)
    wish = Wish(closed=args.include_closed, whole=frozenset(args.whole))
    found = adoption(_session(stack).look(), [one.key for one in stack.deliveries], others, wish)
    _check_reasons(found, stack)
    job = _Job(stack=stack, path=path, found=found, broken=broken)
    if before is None:
        return job.tell_what_is_missing(config)
    return job.write(before, config)


# --- what is there --------------------------------------------------------------------------------

_OF_THE_ENGINE = re.compile(r"(encryptionsalt|encryptedkey|secretsprovider): \S")


def _before(path: Path) -> str | None:
    """What stands in the file that is only to be continued; None where it declares something.

    No file is an empty one. `pulumi stack init` makes one that has its salt alone.
    """
    if not path.parent.is_dir():
        message = f"there is no folder {path.parent} here; run this in the project's folder"
        raise CloudSiemError(message)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        return None  # the loader says it better
    said = [line for line in text.splitlines() if line and not line.startswith("#")]
    return text if said and all(_OF_THE_ENGINE.match(line) for line in said) else None


def _set(pairs: list[str]) -> dict[str, str]:
    """The settings of ``--set``, by whole key."""
    found = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        key = PREFIX + name.removeprefix(PREFIX)
        if not mark or key not in _SETTABLE:
            known = [one.removeprefix(PREFIX) for one in _SETTABLE]
            hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise CloudSiemError(f"--set {shown(pair)} is no KEY=VALUE of a stack file; {hint}")
        found[key] = value
    return found


def _hold_against(stack: Stack, given: Mapping[str, str], config: Mapping[str, str]) -> None:
    """Refuse what the file that is to be completed says otherwise."""
    seen = stack.perspective
    said = {ACCOUNT: seen.account, REGION: seen.region.value, VIEW: seen.view.value}
    said[MEMBER] = seen.member or ""
    wrong = [
        f"{key.removeprefix(PREFIX)} is {said[key] or 'not set'} in {stack.file}, and {value} here"
        for key, value in given.items()
        if said[key] != value
    ]
    if wrong:
        message = f"{'; '.join(wrong)}: another account or view is another stack"
        raise RefusedError.of(Code.NOT_ADOPTED, message)
    if there := [key for key in config if (key,) in stack.places]:
        message = f"{stack.file} has {', '.join(there)} already; edit it there"
        raise RefusedError.of(Code.NOT_ADOPTED, message)


def _others(path: Path) -> tuple[tuple[Stack, ...], int]:
    """The other stacks of the project, and how many of their files have faults."""
    files = others_of(path)
    stacks = [load_files([one], os.environ)[0] for one in files]
    sound = tuple(stack for found in stacks for stack in found)
    return sound, len(files) - len(sound)


def _session(stack: Stack) -> Session:
    origin = Origin(stack=stack.name, commit=commit_of(Path.cwd()))
    return Session(Api(settings=stack.settings, perspective=stack.perspective, origin=origin))


def _check_reasons(found: Adoption, stack: Stack) -> None:
    if stack.settings.require_reason and any(one.state is State.CLOSED for one in found.entries):
        raise RefusedError.of(
            Code.NOT_ADOPTED,
            "requireReason wants a reason for each log that is declared closed, and nobody here"
            " knows why these are; leave out --include-closed, or set requireReason later",
        )


# --- what is done, and said -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One stack to adopt, with all that is known of it."""

    stack: Stack
    path: Path
    found: Adoption
    broken: int
    """How many other stack files could not be compared."""

    def write(self, before: str, config: Mapping[str, str]) -> int:
        """Write the file, and say what to do next."""
        text = stack_text(self.found, config, before)
        if before:
            write_over(self.path, text)
        else:
            write_new(self.path, text)
        entries = counted(len(self.found.entries), "entry")
        print(f"{self.path} is written: {entries}, as {self.stack.perspective} is now.")
        covered = len(self.found.covered)
        summary = self._summary(covered)
        for line in (*summary, *self._overrides(config), "", *self._next(bool(before))):
            print(line)
        return ExitCode.OK

    def tell_what_is_missing(self, config: Mapping[str, str]) -> int:
        """Print the engine's commands, and all else to stderr."""
        default = project_here().stack_file(self.stack.name)
        file = "" if self.path == default else str(self.path)
        lines = missing_lines(self.found, self._absent(config), stack=self.stack.name, file=file)
        print(f"{self.path} is there and stays as it is.", file=sys.stderr)
        for line in self._summary(len(self.found.covered_before)):
            print(line, file=sys.stderr)
        if lines:
            print("\nWhat it lacks, for a shell:", file=sys.stderr)
            print("\n".join(lines))
        else:
            print("It lacks nothing.", file=sys.stderr)
        return ExitCode.OK

    def _absent(self, config: Mapping[str, str]) -> dict[str, str]:
        """What of these keys the file does not have."""
        wanted = {**whose(self.stack.perspective), **config}
        return {key: value for key, value in wanted.items() if (key,) not in self.stack.places}

    def _summary(self, covered: int) -> Iterator[str]:
        """How the file stands to the account.

        Args:
            covered: The open logs that it declares.
        """
        found = self.found
        opened = len(found.opened)
        share = f" ({covered * 100 // opened} %)" if opened else ""
        yield f"  {covered} of {opened} open logs are declared{share}."
        if found.passed_over:
            closed = counted(len(found.passed_over), "closed log")
            yield f"  {closed} not declared (--include-closed)."
        for why, logs in found.left_out.items():
            yield f"  {counted(len(logs), 'log')} left out, since {why}."
        if self.broken:
            files = counted(self.broken, "other stack file")
            yield f"  {files} with faults could not be compared; cloud-siem validate names them."

    def _overrides(self, config: Mapping[str, str]) -> Iterator[str]:
        for setting in SETTINGS:
            overridden = setting.field in self.stack.settings.overridden
            if setting.key in _REACH and overridden and setting.config_key not in config:
                name = setting.environ_name
                yield f"  {name} is not written into the file: set it for pulumi, too."

    def _next(self, initialised: bool) -> Iterator[str]:
        name = self.stack.name
        yield "Next:"
        if not (self.path.parent / "schema.json").is_file():
            yield f"  cloud-siem schema > {self.path.parent}/schema.json   # for your editor"
        if not initialised:
            yield f"  pulumi stack init {name}"
        yield f"  pulumi preview --stack {name}   # says that all are adopted without a write"
        yield f"  pulumi up --stack {name}"
