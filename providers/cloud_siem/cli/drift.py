"""``cloud-siem drift``: what is not as declared, in many accounts, without the engine.

1. The stacks are read, and the reports' places and the baseline looked at, before any call.
2. Each stack's account is looked at, a few side by side; with ``--state`` the engine is asked, too.
3. The reports are written, also when the run is stopped by Ctrl-C: then they say that they are
   partial. The exit code is the worst of what was found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.progress import shown
from cloud_siem.cli.reporting import add_report_option, check_places, kinds, number, written
from cloud_siem.cli.stackfiles import all_files, beside, file_of
from cloud_siem.cli.streams import wants_color
from cloud_siem.drift import DEFAULT_FAIL_ON, Kind
from cloud_siem.errors import Reason
from cloud_siem.loading import faults_by_file, load_files
from cloud_siem.origin import commit_of
from cloud_siem.project import identity_of, label_of
from cloud_siem.report.as_text import Look, to_text
from cloud_siem.report.baseline import news, read_baseline
from cloud_siem.report.contents import DriftReport, Outcome
from cloud_siem.report.writing import check_targets
from cloud_siem.stack import Stack
from cloud_siem.survey import Recording, Survey, each

CONCURRENCY = 32
"""More threads do not help: at 50 ms a call these keep one core busy (docs/benchmarks.md)."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stacks", nargs="*", metavar="STACK", help="a stack's name, or its file")
    parser.add_argument("--all", action="store_true", help="every stack file of this project")
    configure_review(parser)


def configure_review(parser: argparse.ArgumentParser) -> None:
    """Add all but which stacks are meant."""
    parser.add_argument(
        "--state",
        action="store_true",
        help="compare with what the last pulumi up recorded, too (pulumi stack export)",
    )
    parser.add_argument(
        "--fail-on",
        type=_kinds,
        default=DEFAULT_FAIL_ON,
        metavar="KINDS",
        help="what counts, separated by commas, or none; without it"
        f" {','.join(one.value for one in Kind if one in DEFAULT_FAIL_ON)}",
    )
    add_report_option(parser)
    parser.add_argument(
        "--baseline", metavar="FILE", help="the JSON report of an earlier run: mark what is new"
    )
    parser.add_argument(
        "--only-new",
        action="store_true",
        help="what the baseline knows counts no more, and is not listed",
    )
    parser.add_argument(
        "--concurrency",
        type=number,
        default=CONCURRENCY,
        metavar="N",
        help=f"how many stacks at a time, {CONCURRENCY} without it",
    )
    kinds = "\n".join(f"  {one.value:<11} {one.doc}" for one in Kind)
    parser.epilog = f"kinds of findings:\n{kinds}\n\n{ExitCode.table()}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> int:
    if args.all == bool(args.stacks):
        args.usage_error("name stacks, or say --all for every one of them")
    return review(args, lambda: all_files() if args.all else [file_of(one) for one in args.stacks])


def review(args: argparse.Namespace, choose: Callable[[], Sequence[str]]) -> int:
    """The review of the files that are chosen, once the command line is known to be right."""
    if args.only_new and not args.baseline:
        args.usage_error("--only-new needs --baseline")
    check_places(args)
    baseline = read_baseline(args.baseline) if args.baseline else None
    check_targets(args.report)
    report = _report(args, choose())
    if baseline:
        report = replace(report, news=news(report, baseline, only_new=args.only_new))
    whole = written(report, args.report, lambda: to_text(report, _look()))
    return _exit_code(report) if whole or report.partial else ExitCode.ERROR


# --- looking --------------------------------------------------------------------------------------


def _report(args: argparse.Namespace, files: Sequence[str]) -> DriftReport:
    """Everything that was found until it was all done, or Ctrl-C."""
    began = datetime.now(UTC)
    stacks, reasons = load_files(files, os.environ)
    survey = Survey(
        stacks,
        neighbors=load_files(beside(files, stacks), os.environ)[0],
        commit=commit_of(Path.cwd()),
        recording=_recording() if args.state else None,
    )
    found: list[Outcome] = []
    left_out: tuple[str, ...] = ()
    try:
        looking = each(stacks, survey.outcome, concurrency=args.concurrency)
        for outcome in shown(looking, len(stacks), "Looking at accounts"):
            found.append(outcome)  # noqa: PERF402 - what was found until Ctrl-C stays
    except KeyboardInterrupt:
        seen = {one.file for one in found}
        left_out = (*sorted(one.name for one in stacks if one.file not in seen),)
        print("Stopped; what was found so far is reported as partial.", file=sys.stderr)
    faults = faults_by_file(files, stacks, reasons)
    outcomes = [*_looked_at(found, faults), *_unread(files, stacks, faults)]
    return DriftReport(
        began=began,
        outcomes=tuple(sorted(outcomes, key=lambda one: (one.stack, one.file))),
        fail_on=args.fail_on,
        with_state=args.state,
        left_out=left_out,
    )


def _recording() -> Recording:
    from cloud_siem.exporting import recorded_of  # noqa: PLC0415 - most runs ask no engine

    return recorded_of


Faults = Mapping[Path, Sequence[Reason]]
"""Why files cannot be used, by ``identity_of``."""


def _looked_at(found: Iterable[Outcome], faults: Faults) -> Iterator[Outcome]:
    """The outcomes; a log that two files declare is a fault of a file that could be read."""
    for outcome in found:
        own = map(str, faults[identity_of(outcome.file)])
        yield replace(outcome, errors=(*own, *outcome.errors))


def _unread(files: Sequence[str], stacks: Sequence[Stack], faults: Faults) -> Iterator[Outcome]:
    """The files that gave no stack."""
    sound = {identity_of(one.file) for one in stacks}
    for path, file in {identity_of(file): file for file in files}.items():
        if path not in sound:
            yield Outcome(stack=label_of(path), file=file, errors=tuple(map(str, faults[path])))


# --- telling --------------------------------------------------------------------------------------


def _exit_code(report: DriftReport) -> int:
    if report.partial:
        return ExitCode.INTERRUPTED
    if any(one.errors for one in report.outcomes):
        return ExitCode.ERROR
    return ExitCode.OK if report.in_sync else ExitCode.DRIFT


def _look() -> Look:
    """In color on a terminal, where that is wanted."""
    if not sys.stdout.isatty():
        return Look()
    return Look.of_terminal(shutil.get_terminal_size().columns, color=wants_color())


# --- arguments ------------------------------------------------------------------------------------


def _kinds(text: str) -> frozenset[Kind]:
    return kinds(text, {one.value: one for one in Kind if one is not Kind.IGNORED})
