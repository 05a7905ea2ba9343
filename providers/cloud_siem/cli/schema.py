"""``cloud-siem schema``: print the JSON Schema of stack files."""

from __future__ import annotations

import argparse

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.schema import schema_text


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Write it beside the stack files: cloud-siem schema > stacks/schema.json"


def run(_args: argparse.Namespace) -> int:
    print(schema_text(), end="")
    return ExitCode.OK
