"""The linters that come from Go modules. Called by make and by tests/pipelines.

    linters.py ensure    build what is missing, in some seconds

actionlint reads the workflows of pipelines/github as the runner will; the other linters are in
`.venv`. It is always the pinned one: another version finds other things.
"""

from pathlib import Path

from gotool import build_go_tool, place_of
from places import ToolError, beside, cache, locked, run_tool, say

ACTIONLINT = "v1.7.12"
MODULE = Path(__file__).resolve().with_suffix("") / "actionlint"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
LDFLAGS = "-s -w"


def main(arguments: list[str]) -> int:
    if arguments != ["ensure"]:
        message = "say `ensure`."
        raise ToolError(message)
    actionlint()
    return 0


def actionlint() -> Path:
    """The program; builds it where there is none yet: aside, then renamed."""
    program = place_of("linters", f"actionlint-{ACTIONLINT}", [MODULE], LDFLAGS)
    with locked(program.parent, "Another set-up is building actionlint; waiting for it."):
        if not program.exists():
            say("Building actionlint, which reads the workflows (some seconds, once) ...")
            with beside(program) as partial:
                log = cache("log") / f"{program.name}.log"
                build_go_tool(MODULE, PACKAGE, partial, ldflags=LDFLAGS, log=log)
                partial.rename(program)
    return program


if __name__ == "__main__":
    run_tool(main)
