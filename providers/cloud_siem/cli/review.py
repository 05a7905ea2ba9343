"""``cloud-siem review``: what a saved preview opens and closes, for whoever has to approve it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.errors import PlanError, RefusedError, StackError
from cloud_siem.jsontext import parsed
from cloud_siem.report.as_markdown import escaped
from cloud_siem.report.writing import write_text
from cloud_siem.review import Change, Effect, Review, review_plan
from cloud_siem.wording import printable

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
        return review_plan(_read(plan), os.environ)
    except RefusedError as error:
        return Review.of_refused(str(error))
    except (PlanError, StackError) as error:
        return Review.of_failed(str(error))


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
        return "A guard rail refuses the preview."
    counts = [(len(review.of(effect)), effect.value) for effect in Effect]
    told = ", ".join(f"{number} {_plural(number, word)}" for number, word in counts if number)
    return f"{told}." if told else "Nothing opens, and nothing closes."


def _plural(number: int, word: str) -> str:
    if number == 1:
        return word
    return word.replace("is ", "are ") if word.startswith("is ") else word.removesuffix("s")


def _dark(review: Review) -> str:
    products = ", ".join(review.dark)
    return f"Fully dark after it: {products}." if products else ""


def _text(review: Review, stack: str) -> str:
    lines = [f"{printable(stack)}: {_headline(review)}" if stack else _headline(review)]
    lines += [f"  {line}" for change in review.changes for line in _lines(change)]
    lines += [_hanging(one) for one in (_dark(review), _verdict(review), review.failure) if one]
    return "\n".join(lines)


def _hanging(text: str) -> str:
    """Lines of a diagnostic: those after the first cannot be taken for lines of the review."""
    return "\n    ".join(printable(line) for line in text.splitlines())


def _lines(change: Change) -> Iterator[str]:
    adopted = " (open before this stack had it)" if change.adopted else ""
    yield printable(f"{change.sentence}{adopted}")
    if change.undo:
        yield f"    undo: {change.undo}"


def _verdict(review: Review) -> str:
    if review.refusal:
        return f"Refused: {review.refusal}"
    return "Within the close limit." if review.of(Effect.CLOSES) else ""


def _markdown(review: Review, stack: str) -> str:
    """For a comment: what closes first and in the open, all else folded away."""
    closing = review.of(Effect.CLOSES)
    parts = [f"### {escaped(stack)}"] if stack else []
    parts.append(f"**{_headline(review)}**")
    parts += [escaped(one) for one in (_dark(review), _verdict(review), review.failure) if one]
    if closing:
        rows = [_row(one) for one in closing]
        parts.append("\n".join(["| closes | why | undo |", "|---|---|---|", *rows]))
    others = [one for one in review.changes if one not in closing]
    if others:
        listed = "\n".join(f"- {escaped(one.sentence)}" for one in others)
        parts.append(f"<details><summary>{len(others)} more</summary>\n\n{listed}\n\n</details>")
    return "\n\n".join(parts)


def _row(change: Change) -> str:
    adopted = " (open before this stack had it)" if change.adopted else ""
    cells = (change.key.name, f"{change.why}{adopted}", change.undo)
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


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
        "failure": review.failure or None,
    }
    return json.dumps(found, indent=2)


_FORMATS = {"text": _text, "markdown": _markdown, "json": as_json}
