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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.progress import shown
from cloud_siem.cli.stackfiles import all_files, beside, file_of
from cloud_siem.drift import DEFAULT_FAIL_ON, Kind
from cloud_siem.errors import CloudSiemError, Reason
from cloud_siem.loading import load_files
from cloud_siem.origin import commit_of
from cloud_siem.report.as_text import Look, to_text
from cloud_siem.report.baseline import news, read_baseline
from cloud_siem.report.contents import DriftReport, Outcome
from cloud_siem.report.writing import FORMATS, STDOUT, Target, check_targets, write_report, writer
from cloud_siem.stack import Stack
from cloud_siem.survey import Recording, Survey, each

CONCURRENCY = 32
"""More threads do not help: at 50 ms a call these keep one core busy (docs/benchmarks.md)."""
_NONE = "none"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stacks", nargs="*", metavar="STACK", help="a stack's name, or its file")
    parser.add_argument("--all", action="store_true", help="every stack file of this project")
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
    parser.add_argument(
        "--report",
        type=_target,
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help=f"write a report, again and again: {', '.join(FORMATS)}; - is standard output,"
        " which has the text without it",
    )
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
        type=_number,
        default=CONCURRENCY,
        metavar="N",
        help=f"how many stacks at a time, {CONCURRENCY} without it",
    )
    kinds = "\n".join(f"  {one.value:<11} {one.doc}" for one in Kind)
    parser.epilog = f"kinds of findings:\n{kinds}\n\n{ExitCode.table()}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    _check_usage(args)
    baseline = read_baseline(args.baseline) if args.baseline else None
    check_targets(args.report)
    files = all_files() if args.all else [file_of(one) for one in args.stacks]
    report = _report(args, files)
    if baseline:
        report = replace(report, news=news(report, baseline, only_new=args.only_new))
    return _written(report, args.report)


def _check_usage(args: argparse.Namespace) -> None:
    if args.all == bool(args.stacks):
        args.usage_error("name stacks, or say --all for every one of them")
    if args.only_new and not args.baseline:
        args.usage_error("--only-new needs --baseline")
    places = [STDOUT if one.file == STDOUT else Path(one.file).resolve() for one in args.report]
    for place in places:
        if places.count(place) > 1:
            args.usage_error(f"two reports go to {place}: give each its own file")


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
    outcomes = [*_looked_at(found, reasons), *_unread(files, stacks, reasons)]
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


def _looked_at(found: Iterable[Outcome], reasons: Sequence[Reason]) -> Iterator[Outcome]:
    """The outcomes; a log that two files declare is a fault of a file that could be read."""
    for outcome in found:
        faults = tuple(str(one) for one in reasons if _file_of(one) == outcome.file)
        yield replace(outcome, errors=(*faults, *outcome.errors))


def _unread(
    files: Sequence[str], stacks: Sequence[Stack], reasons: Sequence[Reason]
) -> Iterator[Outcome]:
    """The files that gave no stack, each with its faults and those of the environment."""
    sound = {Path(one.file).resolve() for one in stacks}
    for path, file in {Path(file).resolve(): file for file in files}.items():
        if path not in sound:
            faults = [one for one in reasons if not _file_of(one) or _is(_file_of(one), path)]
            name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
            yield Outcome(stack=name, file=file, errors=tuple(str(one) for one in faults))


def _file_of(reason: Reason) -> str:
    return reason.place.file if reason.place else ""


def _is(file: str, path: Path) -> bool:
    return Path(file).resolve() == path


# --- telling --------------------------------------------------------------------------------------


def _written(report: DriftReport, targets: Sequence[Target]) -> int:
    """Write every report that can be written; the exit code."""
    unwritten = False
    for target in targets:
        if target.file == STDOUT:
            continue
        try:
            write_report(report, target)
        except CloudSiemError as error:
            unwritten = True
            print(error, file=sys.stderr)
    to_stdout = next((one.format for one in targets if one.file == STDOUT), "")
    print(writer(to_stdout)(report) if to_stdout else to_text(report, _look()), end="")
    return ExitCode.ERROR if unwritten and not report.partial else _exit_code(report)


def _exit_code(report: DriftReport) -> int:
    if report.partial:
        return ExitCode.INTERRUPTED
    if any(one.errors for one in report.outcomes):
        return ExitCode.ERROR
    return ExitCode.OK if report.in_sync else ExitCode.DRIFT


def _look() -> Look:
    """In color on a terminal, unless NO_COLOR (no-color.org) or a dumb terminal says otherwise."""
    if not sys.stdout.isatty():
        return Look()
    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Look.of_terminal(shutil.get_terminal_size().columns, color=color)


# --- arguments ------------------------------------------------------------------------------------


def _kinds(text: str) -> frozenset[Kind]:
    if text == _NONE:
        return frozenset()
    known = {one.value: one for one in Kind if one is not Kind.IGNORED}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            message = f"{word!r} is no kind; there are: {', '.join(known)}, or none by itself"
            raise argparse.ArgumentTypeError(message)
    return frozenset(known[word] for word in words)


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST}")
    return int(text)


_MOST = 64
"""Threads; the client keeps 40 connections, and more than these wait for each other."""
