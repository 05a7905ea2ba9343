"""Commands, each imported when it is asked for: of ``cloud-siem``, and of groups such as ``fleet``.

A command's module has ``configure(parser)``, which adds its arguments, and ``run(args)``, which
returns an exit code; that of a group has ``COMMANDS``, a table of its own. A command pays for its
own imports and for nobody else's, and misses what it needs for itself alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.errors import CloudSiemError


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, not yet imported."""

    name: str
    module: str
    """By name, so that nothing here imports the emulator."""
    help: str
    """One line."""


class CommandParser(argparse.ArgumentParser):
    """Of one command; its module is imported when its part of a command line is parsed."""

    command: Command | None = None
    """What is not imported yet."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Called by the parser above, for the command that was asked for."""
        command, self.command = self.command, None
        if command is not None:
            module = _module(command)
            if hasattr(module, "COMMANDS"):
                add_commands(self, module.COMMANDS, epilog=ExitCode.table())
            else:
                self.set_defaults(run=module.run, command=command.name, usage_error=self.error)
                module.configure(self)
        return super().parse_known_args(*args, **kwargs)


def add_commands(
    parser: argparse.ArgumentParser, commands: Sequence[Command], *, epilog: str = ""
) -> None:
    """Have a parser know these commands by their names; the epilog ends the help of each."""
    known = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=CommandParser)
    for one in commands:
        command = known.add_parser(
            one.name, help=one.help, description=_sentence(one.help), epilog=epilog
        )
        if epilog:  # it has lines of its own
            command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.command = one


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _module(command: Command) -> ModuleType:
    try:
        return import_module(command.module)
    except ModuleNotFoundError as error:
        message = f"cloud-siem {command.name} needs the Python module {error.name}"
        hint = "install pulumi-cloud-siem with its extras: pulumi-cloud-siem[emulator]"
        raise CloudSiemError(f"{message}, which is not installed here ({hint})") from error
