"""``cloud-siem validate``: every fault of every stack file, without engine, cloud or credentials.

As text, faults and warnings go to stderr, one per line, sorted by file and place, and the summary
to stdout; on a terminal each is followed by the line that it is about. In the other formats what
programs read goes to stdout, and the summary to stderr.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import WHICH, all_files
from cloud_siem.cli.streams import unfiltered
from cloud_siem.errors import Reason, Severity, listed
from cloud_siem.loading import load_files
from cloud_siem.stack_warnings import warnings_of
from cloud_siem.wording import counted

Reasons = tuple[Reason, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help=f"a stack file; without any, all of {WHICH}",
    )
    parser.add_argument(
        "--format",
        choices=("text", *_WRITERS),
        default="text",
        help="for people (the default); for programs; annotations of a GitHub workflow; a GitLab"
        " Code Quality report",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where there are only warnings, too"
    )
    parser.epilog = "CLOUD_SIEM_* variables in the environment count, as they do for pulumi up."


def run(args: argparse.Namespace) -> int:
    # Nothing that is read here is garbage before the end; to look for it takes a fifth of the time.
    gc.disable()
    try:
        return validate(args.files or all_files(), os.environ, args.format, strict=args.strict)
    finally:
        gc.enable()


def validate(
    files: list[str], environ: Mapping[str, str], form: str = "text", *, strict: bool = False
) -> int:
    """Print the faults, the warnings and the summary."""
    stacks, faults = load_files(files, environ)
    today = datetime.now(UTC).date()
    warnings = tuple(warning for stack in stacks for warning in warnings_of(stack, today))
    reasons = tuple(sorted((*faults, *warnings), key=lambda one: one.order))
    checked = _Checked(
        files=len(files), stacks=len(stacks), deliveries=sum(len(one.deliveries) for one in stacks)
    )
    if form == "text":
        _show(reasons)
        print(checked.summary(reasons))
    else:
        text = _WRITERS[form](reasons, checked, environ)
        # The annotations of a workflow are commands.
        out = unfiltered(sys.stdout) if form == "github" else sys.stdout
        print(text, end="\n" if text else "", file=out)
        print(checked.summary(reasons), file=sys.stderr)
    return ExitCode.ERROR if faults or (strict and warnings) else ExitCode.OK


def _show(reasons: Reasons) -> None:
    if not reasons:
        return
    if sys.stderr.isatty():
        from cloud_siem.cli.excerpts import with_excerpts  # noqa: PLC0415 - for people

        print(with_excerpts(reasons), file=unfiltered(sys.stderr))
    else:
        print(listed(reasons), file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """How much was checked."""

    files: int
    stacks: int
    """Those without a fault."""
    deliveries: int
    """Of these stacks."""

    def summary(self, reasons: Reasons) -> str:
        warnings = sum(one.severity is Severity.WARNING for one in reasons)
        more = f", {counted(warnings, 'warning')}" if warnings else ""
        if faults := len(reasons) - warnings:
            return f"{counted(self.files, 'file')}, {counted(faults, 'fault')}{more}"
        deliveries = counted(self.deliveries, "delivery")
        return f"{counted(self.stacks, 'stack')}, {deliveries}, no faults{more}"


# --- for programs ---------------------------------------------------------------------------------


def _json(reasons: Reasons, checked: _Checked, _environ: Mapping[str, str]) -> str:
    from cloud_siem.reasons import as_json  # noqa: PLC0415 - most runs write text

    return as_json(reasons, vars(checked))


def _github(reasons: Reasons, _checked: _Checked, environ: Mapping[str, str]) -> str:
    from cloud_siem.reasons import as_github  # noqa: PLC0415 - see above

    return as_github(tuple(_from_root(reasons, environ.get("GITHUB_WORKSPACE", ""))))


def _gitlab(reasons: Reasons, _checked: _Checked, environ: Mapping[str, str]) -> str:
    from cloud_siem.reasons import as_gitlab  # noqa: PLC0415 - see above

    return as_gitlab(tuple(_from_root(reasons, environ.get("CI_PROJECT_DIR", ""))))


_WRITERS: Mapping[str, Callable[[Reasons, _Checked, Mapping[str, str]], str]] = {
    "json": _json,
    "github": _github,
    "gitlab": _gitlab,
}


def _from_root(reasons: Reasons, root: str) -> Iterable[Reason]:
    """The same faults with their files named from the repository's root, as the sites know them.

    Without a root, and of a file that is not below it, the name stays as the person gave it.
    """
    above = Path(root).resolve() if root else None
    for reason in reasons:
        if above and reason.place:
            file = Path(reason.place.file).resolve()
            if file.is_relative_to(above):
                place = replace(reason.place, file=file.relative_to(above).as_posix())
                yield replace(reason, place=place)
                continue
        yield reason
