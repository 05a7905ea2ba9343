"""A fleet's roll-up at the end of a command: its reports, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.reporting import written
from cloud_siem.fleet.formats import PACKAGE
from cloud_siem.fleet.formats.as_text import to_text
from cloud_siem.fleet.rollup import Rollup
from cloud_siem.report.writing import Target


def told(rollup: Rollup, targets: Sequence[Target]) -> int:
    """Write all reports; the exit code is the worst of what they say."""
    whole = written(rollup, targets, lambda: to_text(rollup), package=PACKAGE)
    return exit_code(rollup) if whole or rollup.interrupted else ExitCode.ERROR


def exit_code(rollup: Rollup) -> ExitCode:
    if rollup.interrupted:
        return ExitCode.INTERRUPTED
    if rollup.failed:
        return ExitCode.ERROR
    if rollup.refused:
        return ExitCode.REFUSED
    return ExitCode.CLOSES if rollup.closed and not rollup.wrote else ExitCode.OK
