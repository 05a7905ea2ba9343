"""``cloud-siem list``: the deliveries of a stack's account as they are now, one ListDelivery."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from cloud_siem.api import Api
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import file_of
from cloud_siem.loading import load_stack_file
from cloud_siem.model import DeliveryKey, Log, Snapshot, Standing, State, judge
from cloud_siem.origin import Origin, commit_of
from cloud_siem.session import Session
from cloud_siem.stack import Stack

_HEADER = ("PRODUCT", "LOG", "STATE", "DECLARED", "")
_INOPERABLE = "not operable by this caller"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", metavar="STACK", help="a stack's name, or its file")
    parser.add_argument("--declared", action="store_true", help="only what the stack declares")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    stack = load_stack_file(file_of(args.stack), os.environ)
    origin = Origin(stack=stack.name, commit=commit_of(Path.cwd()))
    api = Api(settings=stack.settings, perspective=stack.perspective, origin=origin)
    snapshot = Session(api).look()
    rows = [_row(stack, log) for log in snapshot.logs]
    if args.declared:
        rows = [row for row in rows if row[3]]
    print(_json(stack, rows) if args.json else _text(stack, snapshot, rows))
    return ExitCode.OK


def _row(stack: Stack, log: Log) -> tuple[str, ...]:
    key = DeliveryKey(perspective=stack.perspective, product=log.product, log=log.log)
    declared = next((one.state for one in stack.deliveries if one.key.covers(key)), None)
    return (
        log.product,
        log.log,
        log.state.value,
        declared.value if declared else "",
        "" if log.operable else _INOPERABLE,
    )


def _text(stack: Stack, snapshot: Snapshot, rows: Sequence[tuple[str, ...]]) -> str:
    lines = [_HEADER, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADER))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*table, "", *_summary(stack, snapshot)])


def _summary(stack: Stack, snapshot: Snapshot) -> list[str]:
    opened = sum(log.state is State.OPEN for log in snapshot.logs)
    verdicts = [judge(one.key, one.state, snapshot) for one in stack.deliveries]
    off = [one for one in verdicts if one.standing is not Standing.AS_DECLARED]
    as_declared = f"{len(verdicts) - len(off)} of {len(verdicts)} declared deliveries as declared"
    return [
        f"{stack.perspective}: {opened} of {len(snapshot.logs)} logs open; {as_declared}.",
        *(f"  {one.sentence}" for one in off),
    ]


def _json(stack: Stack, rows: Sequence[tuple[str, ...]]) -> str:
    logs = [
        {
            "product": product,
            "log": log,
            "state": state,
            "declared": declared or None,
            "operable": not remark,
        }
        for product, log, state, declared, remark in rows
    ]
    account = {"account": stack.perspective.account, "region": stack.perspective.region.value}
    return json.dumps({"stack": stack.name, **account, "logs": logs}, indent=2)
