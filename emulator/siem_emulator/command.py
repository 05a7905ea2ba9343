"""`cloud-siem emulator`: start the emulator, or reach a running one.

The CLI loads this module by name, calls `configure` with its sub-parser and `run` with what was
parsed. Only `start` imports the server; the other verbs speak the control calls of a running one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .client import ClientError, ControlClient, is_loopback

ENDPOINT = "CLOUD_SIEM_ENDPOINT"

OK, ERROR, USAGE = 0, 1, 2


class CommandError(RuntimeError):
    """What went wrong, in one sentence for a person."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs and their options."""
    parser.description = "An emulator of the Cloud SIEM delivery API, on this machine only."
    verbs = parser.add_subparsers(dest="emulator_verb", metavar="VERB", required=True)
    _configure_start(_verb(verbs, "start", start, "listen until interrupted"))
    _configure_switch(_client_verb(verbs, "switch", switch, "switch a log by hand"))
    _client_verb(verbs, "reset", reset, "be as at the start: state, settings, faults, calls")
    _configure_faults(_client_verb(verbs, "faults", faults, "what goes wrong on purpose"))
    _configure_calls(_client_verb(verbs, "calls", calls, "the calls received so far"))
    _configure_effects(
        _client_verb(verbs, "effects", effects, "what the service closed by itself, by a fault")
    )
    _configure_state(_client_verb(verbs, "state", state, "what is open"))


def run(args: argparse.Namespace) -> int:
    """Run the verb; what goes wrong is one sentence on stderr.

    Returns:
        0, or 1 on an error, or 2 where the command line itself cannot be.
    """
    try:
        verb: Callable[[argparse.Namespace], int] = args.emulator_run
        return verb(args)
    except (CommandError, ClientError) as error:
        print(f"cloud-siem emulator: {error}", file=sys.stderr)
        return ERROR


# --- the command line ----------------------------------------------------------------------------


def _verb(
    verbs: Any, name: str, run_verb: Callable[[argparse.Namespace], int], about: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    parser.set_defaults(emulator_run=run_verb)

    return parser


def _client_verb(
    verbs: Any, name: str, run_verb: Callable[[argparse.Namespace], int], about: str
) -> argparse.ArgumentParser:
    parser = _verb(verbs, name, run_verb, about)
    parser.add_argument(
        "--url",
        default=os.environ.get(ENDPOINT),
        help=f"the emulator's address (default: ${ENDPOINT})",
    )

    return parser


def _configure_start(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", type=_loopback, help="a loopback address")
    add("--port", default=0, type=int, help="0 is any free port")
    add("--port-file", type=Path, metavar="FILE", help="written once the port is bound")
    add("--state", type=Path, metavar="FILE", help="keep the state here, not in memory")
    add("--seed", type=Path, metavar="FILE", help="another world than the demo: YAML or JSON")
    add("--latency", type=float, default=0, metavar="MS", help="how long a call takes")
    add("--lag", type=float, default=0, metavar="MS", help="how long reads do not show a write")
    add("--rate", type=float, default=0, metavar="N", help="calls per second and account")
    add(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of docs/emulator.md",
    )


def _configure_switch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", type=_place, metavar="PRODUCT/LOG", help="PRODUCT/* is all logs")
    parser.add_argument("state", choices=("open", "closed"))
    _configure_panel(parser)


def _configure_panel(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--account", help="default: the world's first account")
    add("--region", help="the region, cn-hangzhou or ap-southeast-1 (default: cn-hangzhou)")
    add("--view", choices=("account", "enterprise"))
    add("--member", metavar="ACCOUNT", help="a member of the account")


def _configure_faults(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", nargs="?", choices=("list", "clear", "add"), default="list")
    parser.add_argument(
        "rule", nargs="?", type=_json, metavar="JSON", help='e.g. \'{"kind": "html", "times": 1}\''
    )


def _configure_calls(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--action", help="only this action, e.g. CloseDelivery")
    add("--since", type=int, default=0, metavar="NO", help="only calls after this number")
    add("--counts", action="store_true", help="numbers only")
    add("--json", action="store_true", help="for programs")
    add("--clear", action="store_true", help="forget all calls")


def _configure_effects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def _configure_state(parser: argparse.ArgumentParser) -> None:
    _configure_panel(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def _loopback(text: str) -> str:
    if not is_loopback(text):
        raise argparse.ArgumentTypeError(f"the emulator listens on loopback only, not on {text}")

    return text


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _place(text: str) -> tuple[str, str]:
    product, _, log = text.partition("/")
    if not (product and log):
        raise argparse.ArgumentTypeError(f"{text} is not PRODUCT/LOG or PRODUCT/*")

    return product, log


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"this is not JSON: {error}") from error


# --- start ---------------------------------------------------------------------------------------


def start(args: argparse.Namespace) -> int:
    """Listen until SIGINT or SIGTERM."""
    try:
        from . import process  # noqa: PLC0415 - only this verb needs the server, and aiohttp
    except ModuleNotFoundError as error:
        raise CommandError(
            f"start needs {error.name}: install `pulumi-cloud-siem[emulator]`."
        ) from error
    try:
        process.start(args)
    except process.StartError as error:
        raise CommandError(str(error)) from error

    return OK


# --- the client's verbs --------------------------------------------------------------------------


def switch(args: argparse.Namespace) -> int:
    """Switch one log, or all of a product, as a person would in the console."""
    product, log = args.place
    fields = {"product": product, "log": log, "state": args.state, **_panel(args)}
    changed = _client(args).post("switch", fields)["changed"]
    what = f"{product}/{log}"
    print(f"{what} is {args.state} now." if changed else f"{what} was {args.state} already.")

    return OK


def reset(args: argparse.Namespace) -> int:
    """Be as at the start."""
    _client(args).post("reset", {})
    print("Everything is as at the start.")

    return OK


def faults(args: argparse.Namespace) -> int:
    """List, add or clear faults; what is in force then is printed as JSON."""
    client = _client(args)
    if args.do == "add" and args.rule is None:
        print("cloud-siem emulator: faults add needs a rule in JSON.", file=sys.stderr)
        return USAGE
    rules = {
        "list": lambda: client.get("faults"),
        "clear": lambda: client.delete("faults"),
        "add": lambda: client.post("faults", args.rule),
    }[args.do]()
    for rule in rules:
        print(json.dumps(rule))
    if not rules:
        print("No faults.")

    return OK


def calls(args: argparse.Namespace) -> int:
    """Show, count or forget the calls."""
    client = _client(args)
    if args.clear:
        client.delete("calls")
        print("All calls are forgotten.")
    elif args.counts:
        _show(args, client.get("calls", {"counts": 1}), _counts_table)
    else:
        query = {"action": args.action or "", "since": args.since}
        _show(args, client.get("calls", query), _calls_table)

    return OK


def effects(args: argparse.Namespace) -> int:
    """Show what the service closed by itself."""
    _show(args, _client(args).get("effects"), _effects_table)

    return OK


def state(args: argparse.Namespace) -> int:
    """Show all accounts in numbers, or the logs of one."""
    panel = _panel(args)
    if not panel:
        _show(args, _client(args).get("state"), _accounts_table)
        return OK
    client = _client(args)
    if "account" not in panel:
        panel["account"] = client.get("state")["accounts"][0]["account"]
    _show(args, client.get("state", panel), _deliveries_table)

    return OK


def _client(args: argparse.Namespace) -> ControlClient:
    if not args.url:
        raise CommandError(f"Which emulator? Name it with --url or {ENDPOINT}.")

    return ControlClient(args.url)


def _panel(args: argparse.Namespace) -> dict[str, str]:
    names = ("account", "region", "view", "member")

    return {name: value for name in names if (value := getattr(args, name)) is not None}


# --- tables for people ---------------------------------------------------------------------------


def _show(args: argparse.Namespace, value: Any, table: Callable[[Any], str]) -> None:
    print(json.dumps(value, indent=2) if args.json else table(value))


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Left-aligned columns, as wide as their widest cell."""
    lines = [[_printable(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _printable(cell: object) -> str:
    """Callers choose what stands in a user agent; a terminal must not obey it."""
    return "".join(each if each.isprintable() else "?" for each in str(cell))


def _accounts_table(value: Mapping[str, Any]) -> str:
    return _table(
        ("ACCOUNT", "NAME", "ADMINISTRATOR", "REGION", "VIEW", "OPEN", "LOGS"),
        (
            (
                each["account"],
                each["name"],
                each["administrator"] or "",
                panel["region"],
                panel["view"],
                panel["open"],
                panel["logs"],
            )
            for each in value["accounts"]
            for panel in each["panels"]
        ),
    )


def _deliveries_table(value: Mapping[str, Any]) -> str:
    return _table(
        ("PRODUCT", "LOG", "STATE", "OPERABLE"),
        (
            (each["product"], each["log"], each["state"], "yes" if each["operable"] else "no")
            for each in value["deliveries"]
        ),
    )


def _counts_table(value: Mapping[str, Any]) -> str:
    rows: list[tuple[str, object]] = [
        ("calls", value["total"]),
        ("logs switched", value["changed"]),
    ]
    for what in ("actions", "codes", "accounts"):
        rows += sorted(
            (f"{what[:-1]} {name or '(none)'}", count) for name, count in value[what].items()
        )

    return _table(("WHAT", "COUNT"), rows)


def _calls_table(value: Iterable[Mapping[str, Any]]) -> str:
    return _table(
        (
            "NO",
            "TIME (UTC)",
            "ACTION",
            "ACCOUNT",
            "WHAT",
            "STATUS",
            "CODE",
            "SWITCHED",
            "REQUEST ID",
        ),
        (_call_row(each) for each in value),
    )


def _effects_table(value: Iterable[Mapping[str, Any]]) -> str:
    return _table(
        ("TIME (UTC)", "AFTER CALL", "ACCOUNT", "REGION", "VIEW", "CLOSED"),
        (
            (
                time.strftime("%H:%M:%S", time.gmtime(each["time"])),
                each["cause"],
                each["account"],
                each["region"],
                each["view"],
                f"{each['product']}/{each['log']}",
            )
            for each in value
        ),
    )


def _call_row(call: Mapping[str, Any]) -> tuple[object, ...]:
    parameters = call["parameters"]
    what = (parameters.get("ProductCode"), parameters.get("LogCode"))

    return (
        call["seq"],
        time.strftime("%H:%M:%S", time.gmtime(call["time"])),
        call["action"],
        call["account"],
        "/".join(part for part in what if part),
        call["status"] or "-",
        " ".join(part for part in (call["code"], call["fault"]) if part),
        call["changed"],
        call["request_id"],
    )
