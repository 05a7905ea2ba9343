"""``cloud-siem fleet list``: which stacks a selection means, without the engine or the cloud."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.selecting import add_selection_options, chosen
from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.fleets import Chosen
from cloud_siem.stack import Stack
from cloud_siem.wording import counted, printable

_HEADER = ("STACK", "ACCOUNT", "REGION", "VIEW", "DECLARED", "TAGS")


def configure(parser: argparse.ArgumentParser) -> None:
    add_selection_options(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument(
        "--names", action="store_true", help="their names, as one line of JSON for a matrix"
    )


def run(args: argparse.Namespace) -> int:
    found = chosen(args)
    if args.names:
        return _names(found)
    print(_json(found) if args.json else _text(found))
    return ExitCode.ERROR if found.faults else ExitCode.OK


def _names(found: Chosen) -> int:
    """All of them or none: what is not in a matrix is not looked after, and nobody sees it."""
    if found.faults:
        raise CloudSiemError("\n".join(one for all_ in found.faults.values() for one in all_))
    print(json.dumps([one.name for one in found.stacks]))
    return ExitCode.OK


def _text(found: Chosen) -> str:
    rows = [_HEADER, *map(_row, found.stacks)]
    widths = [max(len(one[at]) for one in rows) for at in range(len(_HEADER))]
    lines = ["  ".join(map(str.ljust, one, widths)).rstrip() for one in rows]
    faults = [
        f"error  {printable(name)}: {printable(error)}"
        for name, all_ in found.faults.items()
        for error in all_
    ]
    return "\n".join([*lines, *faults, "", f"{counted(len(found.texts), 'stack')}."])


def _row(stack: Stack) -> Sequence[str]:
    seen = stack.perspective
    member = f" of {seen.member}" if seen.member else ""
    tags = ", ".join(f"{key}={value}" for key, value in sorted(stack.tags.items()))
    return (
        printable(stack.name),
        seen.account,
        seen.region.value,
        f"{seen.view.value}{member}",
        str(len(stack.deliveries)),
        printable(tags),
    )


def _json(found: Chosen) -> str:
    stacks = [
        {
            "stack": one.name,
            "file": one.file,
            "account": one.perspective.account,
            "region": one.perspective.region.value,
            "view": one.perspective.view.value,
            "member": one.perspective.member,
            "declared": len(one.deliveries),
            "tags": dict(one.tags),
        }
        for one in found.stacks
    ]
    faults = [{"stack": name, "errors": list(errors)} for name, errors in found.faults.items()]
    return json.dumps({"stacks": stacks, "faulty": faults}, indent=2, ensure_ascii=False)
