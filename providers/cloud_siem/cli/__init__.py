"""The command line: ``cloud-siem COMMAND``; one small module per command (``commands``)."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from cloud_siem.catalog import did_you_mean
from cloud_siem.cli.commands import Command, add_commands
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.streams import harmless_output
from cloud_siem.errors import CloudSiemError
from cloud_siem.version import __version__

COMMANDS = (
    Command(
        name="validate",
        module="cloud_siem.cli.validate",
        help="check stack files, without the engine, the cloud or credentials",
    ),
    Command(
        name="schema",
        module="cloud_siem.cli.schema",
        help="print the JSON Schema of stack files or reports",
    ),
    Command(
        name="list",
        module="cloud_siem.cli.listing",
        help="show the deliveries of a stack's account as they are now",
    ),
    Command(
        name="drift",
        module="cloud_siem.cli.drift",
        help="show what is not as declared, in one account or in all of them",
    ),
    Command(
        name="fleet",
        module="cloud_siem.cli.fleet",
        help="preview, update and review many stacks at once",
    ),
    Command(
        name="review",
        module="cloud_siem.cli.review",
        help="say what a saved preview opens and closes, and whether it may",
    ),
    Command(
        name="fresh",
        module="cloud_siem.cli.fresh",
        help="say whether this commit is its branch's newest",
    ),
    Command(
        name="check-state",
        module="cloud_siem.cli.check_state",
        help="say whether recorded states name other code than ours",
    ),
    Command(
        name="ram-policy",
        module="cloud_siem.cli.ram_policy",
        help="print the RAM policy that a caller needs, and no more",
    ),
    Command(
        name="adopt",
        module="cloud_siem.cli.adopt",
        help="write the stack file of an account as it is now",
    ),
    Command(
        name="doctor",
        module="cloud_siem.cli.doctor",
        help="tell what keeps this machine from a working update",
    ),
    Command(
        name="ci",
        module="cloud_siem.cli.ci",
        help="post what was found: a comment, issues, a job's summary",
    ),
    Command(
        name="emulator",
        module="siem_emulator.command",
        help="run and steer an embedded Cloud SIEM on this machine",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises for what a person can act on."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the terminal's encoding lacks is shown by its number, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    with harmless_output():
        return _exit_code(argv)


def _exit_code(argv: Sequence[str] | None) -> int:
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else ExitCode.ERROR
    except CloudSiemError as error:
        print(error, file=sys.stderr)
        return ExitCode.ERROR
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. What is still in the buffer has nowhere to go, and Python
        # would complain about that once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    return code


def _run(argv: Sequence[str]) -> int:
    name = next((word for word in argv if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="cloud-siem",
        description="Log deliveries of Alibaba Cloud SIEM, as code.",
        epilog=ExitCode.table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_commands(parser, COMMANDS)
    if name and name not in (one.name for one in COMMANDS):
        hint = did_you_mean(name, (one.name for one in COMMANDS))
        parser.error(f'there is no command "{name}"' + (f"; {hint}" if hint else ""))
    args = parser.parse_args(argv)
    return int(args.run(args))
