"""``cloud-siem review``: what a saved preview opens and closes, for whoever has to approve it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.errors import PlanError, RefusedError
from cloud_siem.jsontext import parsed
from cloud_siem.report.as_markdown import escaped
from cloud_siem.review import Change, Effect, Review, review_plan

_STDIN = "-"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "plan",
        metavar="PLAN.json",
        help=f"what `pulumi preview --refresh --json` printed; {_STDIN} is standard input",
    )
    parser.add_argument(
        "--format", choices=sorted(_FORMATS), default="text", help="text is the default"
    )
    parser.epilog = "CLOUD_SIEM_CLOSE_LIMIT in the environment counts, as it does for pulumi up."


def run(args: argparse.Namespace) -> int:
    try:
        review = review_plan(_read(args.plan), os.environ)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return ExitCode.REFUSED
    print(_FORMATS[args.format](review))
    if review.refusal:
        return ExitCode.REFUSED
    return ExitCode.CLOSES if review.of(Effect.CLOSES) else ExitCode.OK


def _read(name: str) -> object:
    try:
        text = sys.stdin.read() if name == _STDIN else Path(name).read_text(encoding="utf-8")
        plan: object = parsed(text)
    except OSError as error:
        raise PlanError(f"{name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        hint = "write it with `pulumi preview --refresh --json > plan.json`"
        raise PlanError(f"{name} is no JSON: {error} ({hint})") from None
    return plan


# --- formats --------------------------------------------------------------------------------------


def _headline(review: Review) -> str:
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


def _text(review: Review) -> str:
    lines = [_headline(review)]
    lines += [f"  {line}" for change in review.changes for line in _lines(change)]
    lines += [one for one in (_dark(review), _verdict(review)) if one]
    return "\n".join(lines)


def _lines(change: Change) -> Iterator[str]:
    adopted = " (open before this stack had it)" if change.adopted else ""
    yield f"{change.sentence}{adopted}"
    if change.undo:
        yield f"    undo: {change.undo}"


def _verdict(review: Review) -> str:
    if review.refusal:
        return f"Refused: {review.refusal}"
    return "Within the close limit." if review.of(Effect.CLOSES) else ""


def _markdown(review: Review) -> str:
    """For a comment: what closes first and in the open, all else folded away."""
    closing = review.of(Effect.CLOSES)
    parts = [f"**{_headline(review)}**"]
    parts += [escaped(one) for one in (_dark(review), _verdict(review)) if one]
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


def _json(review: Review) -> str:
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
    found = {"changes": changes, "dark": list(review.dark), "refusal": review.refusal or None}
    return json.dumps(found, indent=2)


_FORMATS = {"text": _text, "markdown": _markdown, "json": _json}
