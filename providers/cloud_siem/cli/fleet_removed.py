"""``cloud-siem fleet removed``: what a commit had and this one has not; for pipelines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.review import as_json
from cloud_siem.cli.stackfiles import project_here
from cloud_siem.errors import CloudSiemError
from cloud_siem.history import added_since, content_at, removed_since
from cloud_siem.model import DeliveryKey
from cloud_siem.other_stacks import read_bytes, read_stack
from cloud_siem.project import Project, stack_of
from cloud_siem.removed import RemovedStack, removed_stacks
from cloud_siem.report.as_markdown import escaped
from cloud_siem.report.writing import write_text
from cloud_siem.review import Review
from cloud_siem.stack import Stack
from cloud_siem.wording import counted

SHOWN = 20
"""How many deliveries the text lists; a comment holds a few hundred."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("since", metavar="COMMIT", help="that has the files which this one has not")
    parser.add_argument(
        "--into",
        metavar="FOLDER",
        help="where something is removed, write it there as review.md and review.json, too: of the"
        " same form as `cloud-siem review` writes, for the same comment",
    )


def run(args: argparse.Namespace) -> int:
    text = "\n\n".join(_section(stack) for stack in _removed_since(args.since, project_here()))
    print(text, end="\n" if text else "")
    if text and args.into:
        _write(Path(args.into), text)
    return ExitCode.OK


# --- reading --------------------------------------------------------------------------------------


def _removed_since(commit: str, project: Project) -> Sequence[RemovedStack]:
    pattern = os.path.relpath(project.stack_folder / project.pattern, project.folder)
    removed = [name for name in removed_since(commit, pattern, project.folder) if stack_of(name)]
    if not removed:
        return ()
    before: dict[str, Stack | str] = {}
    for name in removed:
        file = str(project.folder / name)
        before[file] = read_bytes(content_at(commit, name, project.folder), file, os.environ)
    owners = {stack.perspective.owner for stack in before.values() if isinstance(stack, Stack)}
    files = [path for path in project.stack_files() if stack_of(path)]
    now = [read_stack(path, os.environ, owners) for path in files]
    added = added_since(commit, pattern, project.folder)
    return removed_stacks(
        before,
        [stack for stack in now if isinstance(stack, Stack)],
        added={str(project.folder / name) for name in added},
        unknown=[reason for reason in now if isinstance(reason, str)],
    )


# --- telling --------------------------------------------------------------------------------------


def _section(removed: RemovedStack) -> str:
    if removed.renamed_to:
        paragraphs = _renamed(removed, removed.renamed_to)
    elif removed.unknown:
        paragraphs = _unknown(removed)
    elif removed.claims:
        paragraphs = _moved(removed)
    else:
        paragraphs = _gone(removed)
    return "\n\n".join((f"### {escaped(removed.name)}", *paragraphs))


def _renamed(removed: RemovedStack, new: Stack) -> Iterator[str]:
    old_name, new_name = escaped(removed.name), escaped(new.name)
    old_file, new_file = escaped(removed.file), escaped(new.file)
    yield f"""\
**Its file is renamed: stack {new_name} ({new_file}) declares its deliveries now.** The state still
belongs to stack {old_name}. Rename the stack before {new_name} is updated for the first time, in a
checkout of this commit. This opens and closes nothing:"""
    yield f"    pulumi stack rename {new.name} --stack {removed.name}"
    yield f"""\
- Do not destroy stack {old_name}: that would close what stack {new_name} declares open.
- Do not bring {old_file} back: the command would move it over {new_file}.
- If stack {new_name} was updated already, the command fails, since the stack exists. Remove the old
  state instead, which closes nothing: `{_remove(removed)}`"""
    if removed.unclaimed:
        yield f"""\
The update of stack {new_name} then closes, within the close limit, what no stack declares open any
more: {_names(removed.unclaimed)}"""


def _moved(removed: RemovedStack) -> Iterator[str]:
    yield f"""\
**Its file is removed, and other stacks declare its deliveries now.** Do not destroy stack
{escaped(removed.name)}: that would close what they declare open."""
    yield _listed([str(claim) for claim in removed.claims])
    if removed.unclaimed:
        yield f"""\
No other stack declares {counted(len(removed.unclaimed), "delivery")} open, and nothing closes what
is removed: {_names(removed.unclaimed)}. Declare them in another stack file, open to keep them or
closed to close them, and update that stack."""
    yield "Then remove the state, which opens and closes nothing:"
    yield f"    {_remove(removed)}"


def _unknown(removed: RemovedStack) -> Iterator[str]:
    yield f"""\
**Its file is removed, and it is not known whether other stacks declare its deliveries now.** Do not
destroy stack {escaped(removed.name)} before this is clear."""
    yield _listed([*removed.unknown, *map(str, removed.claims)])


def _gone(removed: RemovedStack) -> Iterator[str]:
    name, file = removed.name, escaped(removed.file)
    yield """\
**Its file is removed: nothing looks after this stack any more.** No other stack file declares its
deliveries. They stay as they are, open ones open."""
    yield f"""\
- To close them, bring {file} back, run `pulumi destroy --stack {name}`, which closes them within
  the close limit, and `pulumi stack rm {name}`. Then remove the file.
- To leave them open without a stack, remove the state: `{_remove(removed)}`"""


def _remove(removed: RemovedStack) -> str:
    return f"pulumi stack rm {removed.name} --force"


def _listed(lines: Sequence[str]) -> str:
    shown = [f"- {escaped(line)}" for line in lines[:SHOWN]]
    more = len(lines) - len(shown)
    return "\n".join([*shown, f"- and {more} more"] if more else shown)


def _names(keys: Sequence[DeliveryKey]) -> str:
    shown = [f"{escaped(key.product)}/{escaped(key.log_word)}" for key in keys[:SHOWN]]
    more = len(keys) - len(shown)
    return ", ".join([*shown, f"and {more} more"] if more else shown)


def _write(folder: Path, text: str) -> None:
    """As what nobody knows, since nothing was previewed: such a comment is never left out."""
    review = as_json(Review.of_failed("stack files are removed"), stack="")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CloudSiemError(f"the folder {folder} cannot be made: {error.strerror}") from None
    write_text(str(folder / "review.md"), f"{text}\n")
    write_text(str(folder / "review.json"), f"{review}\n")
