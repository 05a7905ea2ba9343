"""``cloud-siem ci``: post what the commands before it found, on GitHub or GitLab.

What cannot be posted exits with 1 and says why; whatever was deployed stays as it is, and how that
went is told by its own step.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_siem.ci import bodies, comments, issues, outputs, results
from cloud_siem.ci.environment import github_page
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.errors import CloudSiemError
from cloud_siem.wording import printable

if TYPE_CHECKING:
    from cloud_siem.ci.forge import Forge

_PROVIDERS = ("github", "gitlab")
_DOTENV = "cloud-siem.env"
_LINK = re.compile(r"https?://[^\s()<>\"\\]+")


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    comment = _command(commands, "comment", _comment, "keep one comment on this pull request")
    comment.add_argument("--marker", required=True, type=_marker, metavar="NAME", help=_MARKER)
    _add_bodies(comment, required=True)
    _add_reviews(comment, "with it nothing is posted where nothing changes and no comment is there")
    _add_link(comment)
    issue = _command(commands, "issue", _issue, "keep one issue for each stack that drifted")
    issue.add_argument("--report", required=True, metavar="FILE", help=_DRIFT)
    issue.add_argument(
        "--label",
        type=_label,
        default=issues.LABEL,
        help=f"by which they are found; {issues.LABEL} without it",
    )
    issue.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    _add_link(issue)
    summary = _command(commands, "summary", _summary, "write this job's summary and its outputs")
    _add_bodies(summary, required=False)
    _add_reviews(summary, "gives the outputs changed and closes")
    summary.add_argument("--drift", metavar="FILE", help=f"gives the output drifted: {_DRIFT}")
    summary.add_argument(
        "--report", type=_line, default="", metavar="WHERE", help="becomes the output report"
    )
    summary.add_argument(
        "--outputs",
        metavar="FILE",
        default=_DOTENV,
        help=f"on GitLab, the file of artifacts:reports:dotenv; {_DOTENV} without it",
    )
    _add_link(summary)


_MARKER = "by which the comment is found again; another name is another comment"
_DRIFT = "what `cloud-siem drift --report json=FILE` wrote"


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    does: Callable[[argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--provider", required=True, choices=_PROVIDERS, help="where this runs")
    parser.set_defaults(does=does)
    return parser


def _add_bodies(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--body",
        nargs="+",
        required=required,
        default=[],
        metavar="FILE",
        help="Markdown; several files become one text",
    )


def _add_reviews(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--review",
        nargs="+",
        metavar="FILE",
        help=f"what `cloud-siem review --format json` printed; {text}",
    )


def _add_link(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--link",
        type=_link,
        metavar="URL",
        help="where the whole is, for a text that is cut; the page of this run without it",
    )


def run(args: argparse.Namespace) -> int:
    args.does(args)
    return ExitCode.OK


# --- the three ------------------------------------------------------------------------------------


def _comment(args: argparse.Namespace) -> None:
    text = _text(args.body)
    reviews = [results.read_review(one) for one in args.review or ()]
    quiet = bool(reviews) and not any(one.changed for one in reviews)
    forge = _forge(args.provider, os.environ)
    if quiet:
        body = bodies.marked(args.marker, comments.NOTHING_CHANGES, "")
        done = comments.withdraw(forge, args.marker, body)
    else:
        body = bodies.marked(args.marker, text, args.link or forge.link)
        done = comments.keep(forge, args.marker, body)
    print(f"{forge.name}: {done.value}")


def _issue(args: argparse.Namespace) -> None:
    """One issue after the other; one that cannot be written hides no other."""
    stacks = results.read_drift(args.report)
    forge = _forge(args.provider, os.environ)
    actions = list(issues.plan(stacks, forge.issues(args.label), args.link or forge.link))
    failed = []
    for action in actions:
        if args.dry_run:
            print(f"{forge.name}: {action.sentence(done=False)}")
            continue
        try:
            where = issues.carry_out(forge, action, args.label)
        except CloudSiemError as error:
            failed.append(str(error))
            continue
        print(
            f"{forge.name}: {action.sentence(done=True)}{f' ({printable(where)})' if where else ''}"
        )
    if not actions:
        print(f"{forge.name}: no issue needs a change")
    if failed:
        raise CloudSiemError("\n".join(failed))


def _summary(args: argparse.Namespace) -> None:
    reviews = None if args.review is None else [results.read_review(one) for one in args.review]
    stacks = None if args.drift is None else results.read_drift(args.drift)
    values = results.outputs(reviews, stacks, args.report)
    text = _text(args.body) if args.body else ""
    if args.provider == "github":
        if text:
            outputs.write_summary(text, os.environ, args.link or github_page(os.environ))
        outputs.write_outputs(values, os.environ)
    else:
        outputs.write_dotenv(values, Path(args.outputs))
        print(text, end="\n" if text else "")  # GitLab shows no summary of a job but its log
    for name, value in values.items():
        print(f"{name}={value}", file=sys.stderr)


# --- what they are given --------------------------------------------------------------------------


def _forge(provider: str, environ: Mapping[str, str]) -> Forge:
    try:
        if provider == "github":
            from cloud_siem.ci.github import GitHub  # noqa: PLC0415 - needs the extra

            return GitHub(environ)
        from cloud_siem.ci.gitlab import GitLab  # noqa: PLC0415 - the same

        return GitLab(environ)
    except ModuleNotFoundError as error:
        raise CloudSiemError(
            f"posting needs the Python module {error.name}, which is not installed here (install"
            " pulumi-cloud-siem with its extra: pulumi-cloud-siem[ci])"
        ) from error


def _text(files: Sequence[str]) -> str:
    texts = [_body(one) for one in files]
    return "\n\n".join(one for one in texts if one)


def _body(name: str) -> str:
    try:
        text = Path(name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CloudSiemError(f"body {name}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CloudSiemError(f"body {name}: it is not UTF-8") from None
    if not text:
        raise CloudSiemError(f"body {name}: it is empty; did the command fail that writes it?")
    return text


def _marker(text: str) -> str:
    try:
        return bodies.marker(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _label(text: str) -> str:
    if not text.strip() or "," in text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not one label")
    return text


def _link(text: str) -> str:
    if not _LINK.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no link: write https://...")
    return text


def _line(text: str) -> str:
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not one line")
    return text
