"""``cloud-siem fleet removed``: what a commit had and this one has not; for pipelines."""

from __future__ import annotations

import argparse
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.review import as_json
from cloud_siem.cli.stackfiles import FOLDER, PATTERN
from cloud_siem.errors import CloudSiemError
from cloud_siem.history import removed_since
from cloud_siem.loading import name_of
from cloud_siem.report.as_markdown import escaped
from cloud_siem.report.writing import write_text
from cloud_siem.review import Review


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("since", metavar="COMMIT", help="that has the files which this one has not")
    parser.add_argument(
        "--into",
        metavar="FOLDER",
        help="where something is removed, write it there as review.md and review.json, too: of the"
        " same form as `cloud-siem review` writes, for the same comment",
    )


def run(args: argparse.Namespace) -> int:
    gone = removed_since(args.since, f"{FOLDER}/{PATTERN}", Path.cwd())
    told = "\n\n".join(_told(file) for file in gone if name_of(file))
    print(told, end="\n" if told else "")
    if told and args.into:
        _write(Path(args.into), told)
    return ExitCode.OK


def _told(file: str) -> str:
    """What is not seen from the files that are left."""
    name = name_of(file)
    return f"""\
### {escaped(name)}

**Its file is removed: nothing looks after this stack any more.** Its deliveries stay as they are,
open ones open. To give them up on purpose, bring {escaped(file)} back and, from a desk,
`pulumi destroy` the stack, which closes them within the close limit, and `pulumi stack rm` it.
Then remove the file."""


def _write(folder: Path, told: str) -> None:
    """As what nobody knows, since nothing was previewed: such a comment is never left out."""
    review = as_json(Review.of_failed("stack files are removed"), stack="")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CloudSiemError(f"the folder {folder} cannot be made: {error.strerror}") from None
    write_text(str(folder / "review.md"), f"{told}\n")
    write_text(str(folder / "review.json"), f"{review}\n")
