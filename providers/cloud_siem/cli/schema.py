"""``cloud-siem schema``: print the JSON Schema of stack files, or of drift reports."""

from __future__ import annotations

import argparse

from cloud_siem.cli.exitcodes import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "of",
        nargs="?",
        choices=("stack", "drift"),
        default="stack",
        help="stack files, for editors (without it), or the JSON of drift reports",
    )
    parser.epilog = "Write it beside the stack files: cloud-siem schema > stacks/schema.json"


def run(args: argparse.Namespace) -> int:
    if args.of == "drift":
        from cloud_siem.report.as_json import schema_text  # noqa: PLC0415 - of other imports
    else:
        from cloud_siem.schema import schema_text  # noqa: PLC0415
    print(schema_text(), end="")
    return ExitCode.OK
