"""The Pulumi engine: find it on PATH, else build it into the cache. Called by make, demo and tests.

    engine.py ensure        find or build it
    engine.py path          print the folder it is in
    engine.py run COMMAND   run a command with `.venv` and the engine first on PATH

What is built, and why this way:
1. `pulumi`, from its Go module. That module's go.mod has replacements, which `go install` refuses:
   so tools/engine/pulumi has a go.mod of ours, with its go.sum.
2. `pulumi-language-python`, from the last SDK module that still has it: later ones are in a module
   that the Go proxy does not serve. It works with today's CLI and SDK, runs the python3 that is
   first on PATH, and ignores the project's `virtualenv` option: hence the PATH of `environment`.
3. Two scripts of the SDK module, put beside them: they start programs and dynamic providers.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gotool import build_go_tool, go_environment, place_of, toolchain
from places import VENV, ToolError, beside, cache, locked, run_tool, say, spelled, version_of

# 3.227.0 brought the exit codes that we rely on: 7 for changes where none were expected, 6 for no
# such stack (pulumi/pulumi pull requests 22176 and 22205). `--run-program` is older, 3.160.0.
MINIMUM = (3, 227, 0)
VERSION = "v3.259.0"  # the newest that the Go module proxy serves
MODULES = Path(__file__).resolve().with_suffix("")
SDK = "github.com/pulumi/pulumi/sdk/v3"
# Without it `pulumi version` prints nothing, and the Automation API refuses the CLI.
LDFLAGS = f"-s -w -X {SDK}/go/common/version.Version={VERSION}"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_PACKAGE = f"{SDK}/python/cmd/pulumi-language-python"
SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
HOST_PARTS = ("pulumi-language-python", *(Path(script).name for script in SCRIPTS))


def main(arguments: list[str]) -> int:
    verb, command = arguments[:1], arguments[1:]
    if arguments == ["ensure"]:
        ensure()
    elif arguments == ["path"]:
        print(ready())
    elif verb == ["run"] and command:
        bin_folder = ensure()
        os.execvpe(command[0], command, environment(os.environ, bin_folder))
    else:
        message = "say `ensure`, `path` or `run COMMAND ...`."
        raise ToolError(message)
    return 0


def ensure() -> Path:
    """The folder of a usable engine; builds one where there is none."""
    return _on_path() or _built() or _build()


@functools.cache
def ready() -> Path:
    """The folder of a usable engine, without building."""
    folder = _on_path() or _built()
    if folder is None:
        message = "There is no Pulumi engine yet: run `make test` or `make up`, which build it."
        raise ToolError(message)
    return folder


def environment(base: Mapping[str, str], bin_folder: Path) -> dict[str, str]:
    """`base` with our Python and this engine first on PATH, and the engine kept off the network."""
    first = [str(VENV / "bin"), str(bin_folder)]
    others = [part for part in base.get("PATH", os.defpath).split(os.pathsep) if part not in first]
    kept = {name: value for name, value in base.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return kept | {
        "PATH": os.pathsep.join(first + others),
        "VIRTUAL_ENV": str(VENV),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _on_path() -> Path | None:
    """The person's own engine, where it is recent enough and has what Python programs need."""
    found = shutil.which("pulumi")
    if found is None:
        return None
    bin_folder = Path(found).parent
    places = os.pathsep.join([str(bin_folder), os.environ.get("PATH", os.defpath)])
    parts_are_there = all(shutil.which(part, path=places) for part in HOST_PARTS)
    return bin_folder if parts_are_there and pulumi_version(bin_folder) >= MINIMUM else None


def pulumi_version(bin_folder: Path) -> tuple[int, ...]:
    """What `pulumi version` says; the log that it writes is not for the person's ~/.pulumi."""
    with tempfile.TemporaryDirectory() as home:
        ours = {"PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_HOME": home}
        return version_of([str(bin_folder / "pulumi"), "version"], {**os.environ, **ours})


def _place() -> Path:
    return place_of("engine", VERSION, list(MODULES.iterdir()), LDFLAGS)


def _built() -> Path | None:
    bin_folder = _place() / "bin"
    return bin_folder if bin_folder.is_dir() else None


def _build() -> Path:
    """Build aside, then rename: what is in its place is whole, whatever interrupted a build."""
    place = _place()
    with locked(place.parent, "Another set-up is building the engine; waiting for it."):
        if not place.is_dir():
            _explain(place)
            with beside(place) as partial:
                _build_into(partial / "bin", log=cache("log") / f"{place.name}.log")
                partial.rename(place)
            say("The engine is ready.")
    return place / "bin"


def _explain(place: Path) -> None:
    found = shutil.which("pulumi")
    if found is None:
        why = "There is no pulumi on PATH"
    elif (version := pulumi_version(Path(found).parent)) >= MINIMUM:
        why = f"The pulumi {spelled(version)} on PATH lacks its Python language host"
    else:
        why = f"The pulumi on PATH is older than {spelled(MINIMUM)}"
    say(
        f"{why}: building Pulumi {VERSION}, "
        f"which takes about six minutes, once. It is kept in {place}."
    )


def _build_into(bin_folder: Path, log: Path) -> None:
    bin_folder.mkdir(parents=True)
    log.unlink(missing_ok=True)
    host = bin_folder / HOST_PARTS[0]
    build_go_tool(MODULES / "python-host", HOST_PACKAGE, host, ldflags="-s -w", log=log)
    cli = bin_folder / "pulumi"
    build_go_tool(MODULES / "pulumi", CLI_PACKAGE, cli, ldflags=LDFLAGS, log=log)
    _copy_scripts(bin_folder)
    if pulumi_version(bin_folder) < MINIMUM:
        message = f"The engine was built, but `{cli} version` does not answer {VERSION}."
        raise ToolError(message)


def _copy_scripts(bin_folder: Path) -> None:
    """Put the SDK module's scripts beside the engine, with the run bit that Go drops."""
    module = MODULES / "pulumi"
    answer = subprocess.run(
        [str(toolchain(module)), "list", "-m", "-f", "{{.Dir}}", SDK],
        cwd=module,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        message = f"Go does not say where the module {SDK} is: {answer.stderr.strip()}"
        raise ToolError(message)
    for script in SCRIPTS:
        copy = bin_folder / Path(script).name
        copy.write_bytes((Path(answer.stdout.strip()) / script).read_bytes())
        copy.chmod(0o755)


if __name__ == "__main__":
    run_tool(main)
