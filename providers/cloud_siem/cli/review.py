"""``cloud-siem review``: what a saved preview opens and closes, for whoever has to approve it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from cloud_siem.api import Api
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.errors import CloudSiemError, PlanError, RefusedError, StackError
from cloud_siem.jsontext import parsed
from cloud_siem.model import Perspective, Snapshot
from cloud_siem.report.as_markdown import escaped
from cloud_siem.report.writing import write_text
from cloud_siem.review import Change, Effect, Review, review_plan
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from cloud_siem.wording import counted, printable

_STDIN = "-"
_CLOSES, _REFUSED = "closes", "refused"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "plan",
        metavar="PLAN.json",
        help=f"what `pulumi preview --refresh --json` printed; {_STDIN} is standard input",
    )
    parser.add_argument(
        "--format", choices=sorted(_FORMATS), default="text", help="text is the default"
    )
    parser.add_argument(
        "--report",
        type=_target,
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help="write it into a file, too, again and again; also where the preview failed",
    )
    parser.add_argument(
        "--stack", default="", metavar="NAME", help="whose preview it is: a heading"
    )
    parser.add_argument(
        "--fail-on",
        choices=(_CLOSES, _REFUSED),
        default=_CLOSES,
        help=f"what exits with another code than 0; {_CLOSES} without it, refusals included",
    )
    parser.epilog = "CLOUD_SIEM_CLOSE_LIMIT in the environment counts, as it does for pulumi up."


def run(args: argparse.Namespace) -> int:
    review = _reviewed(args.plan)
    for format_, file in args.report:
        write_text(file, f"{_FORMATS[format_](review, args.stack)}\n")
    if review.failure:
        raise PlanError(review.failure)
    print(_FORMATS[args.format](review, args.stack))
    if review.refusal:
        return ExitCode.REFUSED
    closes = args.fail_on == _CLOSES and review.of(Effect.CLOSES)
    return ExitCode.CLOSES if closes else ExitCode.OK


def _target(text: str) -> tuple[str, str]:
    format_, _, file = text.partition("=")
    if format_ not in _FORMATS or not file:
        message = f"{text!r} is not FORMAT=FILE, with one of {', '.join(sorted(_FORMATS))}"
        raise argparse.ArgumentTypeError(message)
    return format_, file


def _reviewed(plan: str) -> Review:
    """The review; what a guard rail refused, or what failed, is told in every format, too."""
    try:
        return review_plan(_read(plan), os.environ, _look)
    except RefusedError as error:
        return Review.of_refused(error)
    except (PlanError, StackError) as error:
        return Review.of_failed(str(error))


def _look(perspective: Perspective, settings: Settings) -> Snapshot | None:
    """What the account shows, where this shell has credentials of it."""
    # The plan comes with the pull request. Where the signed call goes is for this shell to say.
    given = Settings.read({}, os.environ)
    own = replace(
        settings, own_endpoint=given.own_endpoint, own_sts_endpoint=given.own_sts_endpoint
    )
    try:
        return Session(Api(settings=own, perspective=perspective)).look()
    except CloudSiemError as error:
        print(f"cloud-siem: the account was not read: {error}", file=sys.stderr)
        return None


def _read(name: str) -> object:
    try:
        text = sys.stdin.read() if name == _STDIN else Path(name).read_text(encoding="utf-8")
        if not text.strip():
            raise PlanError(f"{name} is empty: the preview made no plan, and said why where it ran")
        plan: object = parsed(text)
    except OSError as error:
        raise PlanError(f"{name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        hint = "write it with `pulumi preview --refresh --json > plan.json`"
        raise PlanError(f"{name} is no JSON: {error} ({hint})") from None
    return plan


# --- formats --------------------------------------------------------------------------------------


def _headline(review: Review) -> str:
    if review.failure:
        return "The preview failed: what would open or close is not known."
    if review.refusal and not review.changes:
        return "A guardrail refuses the preview."
    counts = [(len(review.of(effect)), effect.value) for effect in Effect]
    told = ", ".join(f"{number} {_plural(number, word)}" for number, word in counts if number)
    return f"{told}{_logs(review)}." if told else "Nothing opens, and nothing closes."


def _logs(review: Review) -> str:
    """How many logs the closing entries are, where that is not the same number."""
    entries = len(review.of(Effect.CLOSES))
    if review.logs is None:
        return " (all logs of a product among them: the number of logs is not known)"
    return f" ({counted(review.logs, 'log')})" if review.logs != entries else ""


def _plural(number: int, word: str) -> str:
    if number == 1:
        return word
    return word.replace("is ", "are ") if word.startswith("is ") else word.removesuffix("s")


def _dark(review: Review) -> str:
    products = ", ".join(review.dark)
    return f"Fully dark after it: {products}." if products else ""


def _text(review: Review, stack: str) -> str:
    lines = [f"{printable(stack)}: {_headline(review)}" if stack else _headline(review)]
    lines += [f"  {_line(change)}" for change in review.changes]
    lines += [_hanging(one) for one in (_dark(review), _verdict(review), review.failure) if one]
    if undo := _undo(review):
        lines += [_UNDO, *(f"  {line}" for line in undo)]
    return "\n".join(lines)


def _hanging(text: str) -> str:
    """Lines of a diagnostic: those after the first cannot be taken for lines of the review."""
    return "\n    ".join(printable(line) for line in text.splitlines())


def _line(change: Change) -> str:
    adopted = " (open before this stack had it)" if change.adopted else ""
    return printable(f"{change.sentence}{adopted}")


def _verdict(review: Review) -> str:
    if review.refusal:
        return f"Refused: {review.refusal}"
    if review.unknown:
        return review.unknown
    return "The guardrails allow it." if review.of(Effect.CLOSES) else ""


def _markdown(review: Review, stack: str) -> str:
    """For a comment: what closes first and in the open, all else folded away."""
    closing = review.of(Effect.CLOSES)
    parts = [f"### {escaped(stack)}"] if stack else []
    parts.append(f"**{_headline(review)}**")
    parts += [escaped(one) for one in (_dark(review), _verdict(review), review.failure) if one]
    if closing:
        rows = [_row(one) for one in closing]
        parts.append("\n".join(["| closes | why |", "|---|---|", *rows]))
        parts.append("\n".join([_UNDO, "", "```yaml", *_undo(review), "```"]))
    others = [one for one in review.changes if one not in closing]
    if others:
        listed = "\n".join(f"- {escaped(one.sentence)}" for one in others)
        parts.append(f"<details><summary>{len(others)} more</summary>\n\n{listed}\n\n</details>")
    return "\n\n".join(parts)


def _row(change: Change) -> str:
    adopted = " (open before this stack had it)" if change.adopted else ""
    cells = (change.key.name, f"{change.why}{adopted}")
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


_UNDO = "To undo it, replace these products below `cloud-siem:deliveries` by:"


def _undo(review: Review) -> list[str]:
    """The products of the stack file as they were; each once."""
    blocks = dict.fromkeys(change.undo for change in review.of(Effect.CLOSES))
    return [line for block in blocks for line in block.splitlines()]


def as_json(review: Review, stack: str) -> str:
    changes = [
        {
            "delivery": one.key.name,
            "id": one.key.id,
            "effect": one.effect.name.lower(),
            "why": one.why,
            "adopted": one.adopted,
            "undo": one.undo or None,
        }
        for one in review.changes
    ]
    found = {
        "stack": stack or None,
        "changes": changes,
        "dark": list(review.dark),
        "refusal": review.refusal or None,
        "logs": review.logs,
        "unknown": review.unknown or None,
        "codes": [code.value for code in review.codes],
        "failure": review.failure or None,
    }
    return json.dumps(found, indent=2)


_FORMATS = {"text": _text, "markdown": _markdown, "json": as_json}
