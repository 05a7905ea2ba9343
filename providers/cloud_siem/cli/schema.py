"""``cloud-siem schema``: print the JSON Schema of stack files, or of a kind of reports."""

from __future__ import annotations

import argparse

from cloud_siem.cli.exitcodes import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "of",
        nargs="?",
        choices=("stack", "drift", "fleet"),
        default="stack",
        help="stack files, for editors (without it), or the JSON of drift reports or fleet runs",
    )
    parser.epilog = "Write it beside the stack files: cloud-siem schema > stacks/schema.json"


def run(args: argparse.Namespace) -> int:
    if args.of == "drift":
        from cloud_siem.report.as_json import schema_text  # noqa: PLC0415 - of other imports
    elif args.of == "fleet":
        from cloud_siem.fleet.formats.as_json import schema_text  # noqa: PLC0415
    else:
        from cloud_siem.schema import schema_text  # noqa: PLC0415
    print(schema_text(), end="")
    return ExitCode.OK
