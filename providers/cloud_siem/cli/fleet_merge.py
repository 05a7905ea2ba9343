"""``cloud-siem fleet merge``: the result files of several shards as one roll-up."""

from __future__ import annotations

import argparse
from pathlib import Path

from cloud_siem.cli.fleet_telling import told
from cloud_siem.cli.reporting import add_report_option, check_places
from cloud_siem.fleet.formats import PACKAGE
from cloud_siem.fleet.formats.as_json import read_rollup
from cloud_siem.fleet.rollup import merged
from cloud_siem.report.writing import check_targets


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULT.json",
        help="what `cloud-siem fleet up --report json=FILE` wrote, of each shard",
    )
    add_report_option(parser)


def run(args: argparse.Namespace) -> int:
    check_places(args)
    check_targets(args.report, PACKAGE)
    return told(merged([read_rollup(Path(one)) for one in args.results]), args.report)
