"""``cloud-siem fleet preview``, ``up`` and ``refresh``: the real engine on many stacks.

1. The stacks are chosen and read, and the reports' places looked at, before any call.
2. ``fleets`` does the run; whoever watches is told how far it is, on standard error.
3. The reports are written, also when the run is stopped by Ctrl-C: what runs then comes to its end,
   nothing more is started, and they say that they are partial.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cloud_siem.cli.drift import CONCURRENCY
from cloud_siem.cli.fleet_telling import told
from cloud_siem.cli.fleet_watch import watching
from cloud_siem.cli.reporting import add_report_option, check_places, number
from cloud_siem.cli.selecting import add_selection_options, chosen
from cloud_siem.cli.stopping import stoppable
from cloud_siem.fleet import executing, rails
from cloud_siem.fleet.cluster import cluster
from cloud_siem.fleet.executing import Workers
from cloud_siem.fleet.fleets import Fleet, Options
from cloud_siem.fleet.formats import PACKAGE
from cloud_siem.fleet.records import cache_of
from cloud_siem.fleet.tasks import BACKEND, Operation
from cloud_siem.kinds import CloseLimit, NumberOrShare
from cloud_siem.report.writing import check_targets
from cloud_siem.wording import Unusable


def configure(parser: argparse.ArgumentParser) -> None:
    operation = Operation(parser.get_default("command"))
    add_selection_options(parser)
    _add_changed_only(parser, operation)
    if operation is Operation.UP:
        parser.add_argument(
            "--yes", action="store_true", help="write; without it the run ends with its review"
        )
    if operation is not Operation.REFRESH:
        parser.add_argument(
            rails.LIMIT_OPTION,
            type=_limit,
            metavar="N",
            help="how many deliveries all stacks together may close, or a percentage of those"
            f" declared open; {rails.DEFAULT_LIMIT} without it, or {rails.LIMIT_ENVIRON}",
        )
    parser.add_argument(
        "--parallel",
        type=number,
        metavar="N",
        help=f"how many engines run at a time; without it as many as this machine has cores"
        f" ({_cores()}), or the workers of --dask have threads",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="run the engines on the workers of this Dask scheduler, e.g. tcp://scheduler:8786;"
        " the state has to be in a backend that all of them reach",
    )
    parser.add_argument(
        "--concurrency",
        type=number,
        default=CONCURRENCY,
        metavar="N",
        help=f"how many accounts are looked at at a time, {CONCURRENCY} without it",
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="start nothing more once a stack has failed"
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="where the engine's logs go, a file for each stack; in the cache without it",
    )
    add_report_option(parser)


def _add_changed_only(parser: argparse.ArgumentParser, operation: Operation) -> None:
    by_default = operation is Operation.UP
    parser.set_defaults(changed_only=by_default)
    if operation is Operation.REFRESH:
        return
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--changed-only",
        dest="changed_only",
        action="store_true",
        help="skip the stacks that a look at account and state shows to be as declared"
        f"{' (without either)' if by_default else ''}",
    )
    which.add_argument(
        "--all-stacks",
        dest="changed_only",
        action="store_false",
        help=f"run the engine on every stack{'' if by_default else ' (without either)'}",
    )


def run(args: argparse.Namespace) -> int:
    check_places(args)
    check_targets(args.report, PACKAGE)
    operation = Operation(args.command)
    options = Options(
        operation=operation,
        changed_only=args.changed_only,
        write=operation is not Operation.UP or args.yes,
        fail_fast=args.fail_fast,
        concurrency=args.concurrency,
        limit=rails.Limit.read(getattr(args, "close_limit", None), os.environ, args.shard),
        logs=args.logs or cache_of(os.environ) / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
    )
    found = chosen(args)
    with _workers(args) as workers, stoppable() as stopping, watching() as watch:
        fleet = Fleet(
            found,
            options,
            workers=workers,
            environ=os.environ,
            watch=watch,
            stopping=stopping.event,
        )
        rollup = fleet.run()
    return told(replace(rollup, interrupted=stopping.asked), args.report)


@contextmanager
def _workers(args: argparse.Namespace) -> Iterator[Workers]:
    if not args.dask:
        with executing.local(args.parallel or _cores()) as workers:
            yield workers
        return
    if (backend := os.environ.get(BACKEND, "")).startswith("file:"):
        args.usage_error(
            f"workers share no disk with this machine, and {BACKEND} is {backend}; have the state"
            " in s3:// or another backend that all of them reach"
        )
    with cluster(args.dask, args.parallel) as workers:
        yield workers


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _limit(text: str) -> CloseLimit:
    try:
        return NumberOrShare().parse(text)
    except Unusable as fault:
        raise argparse.ArgumentTypeError(f"{fault.message} ({fault.hint})") from None
