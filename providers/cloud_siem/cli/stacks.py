"""``cloud-siem stacks``: which stacks this project has, and which it has no more; for pipelines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import FOLDER, PATTERN, all_files
from cloud_siem.history import removed_since
from cloud_siem.loading import name_of
from cloud_siem.report.as_markdown import escaped


def configure(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--json", action="store_true", help="one line, such as a matrix takes")
    chosen.add_argument(
        "--removed-since",
        metavar="COMMIT",
        help="as Markdown, the stacks whose files that commit has and this one has not, and what"
        " becomes of them; nothing where there are none",
    )
    parser.epilog = "Without an option, one name a line. Run it in the project's folder."


def run(args: argparse.Namespace) -> int:
    if args.removed_since:
        removed = removed_since(args.removed_since, f"{FOLDER}/{PATTERN}", Path.cwd())
        if removed:
            print("\n\n".join(_told(file) for file in removed))
        return ExitCode.OK
    names = [name_of(file) for file in all_files()]
    print(json.dumps(names) if args.json else "\n".join(names))
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
