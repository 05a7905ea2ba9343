"""``cloud-siem fleet drift``: the drift review of the stacks that a selection means."""

from __future__ import annotations

import argparse

from cloud_siem.cli import drift
from cloud_siem.cli.selecting import add_selection_options, files_chosen


def configure(parser: argparse.ArgumentParser) -> None:
    add_selection_options(parser)
    drift.configure_review(parser)


def run(args: argparse.Namespace) -> int:
    return drift.review(args, lambda: list(files_chosen(args).values()))
