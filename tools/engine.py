"""The Pulumi engine: find it on PATH, else build it into the cache. Called by make, demo and tests.

    engine.py ensure        find or build it
    engine.py path          print the folder it is in
    engine.py run COMMAND   run a command with `.venv` and the engine first on PATH
    engine.py each COMMAND  run it with the oldest, the pinned and the newest engine in turn

PULUMI_VERSION asks for one version: oldest, pinned, newest or a number such as 3.274.1.

What is built, and why this way:
1. `pulumi`, from its Go module. That module's go.mod has replacements, which `go install` refuses:
   so each folder tools/engine/pulumi* has a go.mod of ours for one version, with its go.sum.
2. `pulumi-language-python`, from the last SDK module that still has it: later ones are in a module
   that the Go proxy does not serve. It works with today's CLI and SDK, runs the python3 that is
   first on PATH, and ignores the project's `virtualenv` option: hence the PATH of `environment`,
   and hence tools/engine/python-host/install.go, with which `pulumi install` heeds the option: the
   host by itself makes an environment over the project's own folder.
3. Two scripts of the SDK module, put beside them: they start programs and dynamic providers.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gotool import build_go_tool, go_environment, place_of, toolchain
from places import VENV, ToolError, beside, cache, locked, run_tool, say, spelled, version_of

MODULES = Path(__file__).resolve().with_suffix("")
PINNED = "pinned"
VERSIONS = {
    # 3.227.0 brought the exit codes that we rely on: 7 for changes where none were expected, 6 for
    # no such stack (pulumi/pulumi pull requests 22176 and 22205). 3.229.0 is the oldest since then
    # that the Go module proxy serves, and so the oldest that can be tested.
    "oldest": "v3.229.0",
    PINNED: "v3.259.0",
    "newest": "v3.274.1",
}
MINIMUM = (3, 229, 0)
VERSION = VERSIONS[PINNED]
ENVIRON_NAME = "PULUMI_VERSION"
SDK = "github.com/pulumi/pulumi/sdk/v3"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_PACKAGE = f"{SDK}/python/cmd/pulumi-language-python"
SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
# Of the host's main.go, what installs dependencies, and what does it instead.
INSTALLS = (
    "python.InstallDependenciesWithWriters(server.Context(),",
    "installInto(server.Context(),",
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
    elif verb == ["each"] and command:
        return run_with_each(command)
    else:
        message = "say `ensure`, `path`, `run COMMAND ...` or `each COMMAND ...`."
        raise ToolError(message)
    return 0


def run_with_each(command: list[str]) -> int:
    """Run a command with one version after the other, whatever comes of it; 1 if one failed."""
    codes = {}
    for name, version in VERSIONS.items():
        say(f"--- Pulumi {version} ({name})")
        os.environ[ENVIRON_NAME] = version
        answer = subprocess.run(command, env=environment(os.environ, ensure()), check=False)
        codes[version] = answer.returncode
    for version, code in codes.items():
        say(f"Pulumi {version}: {'passed' if code == 0 else f'exit code {code}'}")
    return int(any(codes.values()))


def wanted() -> str:
    """The version that PULUMI_VERSION asks for, e.g. ``v3.274.1``; empty where it is not set."""
    asked = os.environ.get(ENVIRON_NAME, "")
    if not asked or asked in VERSIONS:
        return VERSIONS.get(asked, "")
    number = re.fullmatch(r"v?(\d+\.\d+\.\d+)", asked)
    if not number:
        known = ", ".join(f"{name} ({version})" for name, version in VERSIONS.items())
        message = (
            f"{ENVIRON_NAME}={asked} is not a version: write {known} or a number like 3.274.1."
        )
        raise ToolError(message)
    return f"v{number[1]}"


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
    """The person's own engine, where it is the one to use and has what Python programs need."""
    found = shutil.which("pulumi")
    if found is None:
        return None
    bin_folder = Path(found).parent
    places = os.pathsep.join([str(bin_folder), os.environ.get("PATH", os.defpath)])
    parts_are_there = all(shutil.which(part, path=places) for part in HOST_PARTS)
    return bin_folder if parts_are_there and _fits(pulumi_version(bin_folder)) else None


def _fits(version: tuple[int, ...]) -> bool:
    """Whether this is the version that was asked for, or else one that is recent enough."""
    asked = wanted()
    return spelled(version) == asked.removeprefix("v") if asked else version >= MINIMUM


def pulumi_version(bin_folder: Path) -> tuple[int, ...]:
    """What `pulumi version` says; the log that it writes is not for the person's ~/.pulumi."""
    with tempfile.TemporaryDirectory() as home:
        ours = {"PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_HOME": home}
        return version_of([str(bin_folder / "pulumi"), "version"], {**os.environ, **ours})


def _module(version: str) -> Path:
    """The folder that pins the CLI at this version."""
    for name, known in VERSIONS.items():
        if known == version:
            return MODULES / ("pulumi" if name == PINNED else f"pulumi-{name}")
    known = ", ".join(VERSIONS.values())
    message = (
        f"Pulumi {version} is neither on PATH nor pinned here; pinned are {known}:"
        f" set {ENVIRON_NAME} to one of them."
    )
    raise ToolError(message)


def _ldflags(version: str) -> str:
    """Without it `pulumi version` prints nothing, and the Automation API refuses the CLI."""
    return f"-s -w -X {SDK}/go/common/version.Version={version}"


def _place(version: str) -> Path:
    modules = [_module(version), MODULES / "python-host"]
    return place_of("engine", version, modules, _ldflags(version))


def _built() -> Path | None:
    bin_folder = _place(wanted() or VERSION) / "bin"
    return bin_folder if bin_folder.is_dir() else None


def _build() -> Path:
    """Build aside, then rename: what is in its place is whole, whatever interrupted a build."""
    version = wanted() or VERSION
    place = _place(version)
    with locked(place.parent, "Another set-up is building the engine; waiting for it."):
        if not place.is_dir():
            _explain(place, version)
            with beside(place) as partial:
                _build_into(partial / "bin", version, log=cache("log") / f"{place.name}.log")
                partial.rename(place)
            say("The engine is ready.")
    return place / "bin"


def _explain(place: Path, version: str) -> None:
    found = shutil.which("pulumi")
    own = pulumi_version(Path(found).parent) if found else ()
    if found is None:
        why = "There is no pulumi on PATH"
    elif wanted():
        why = f"The pulumi on PATH is not {version}, or lacks its Python language host"
    elif own >= MINIMUM:
        why = f"The pulumi {spelled(own)} on PATH lacks its Python language host"
    else:
        why = f"The pulumi on PATH is older than {spelled(MINIMUM)}"
    say(
        f"{why}: building Pulumi {version}, "
        f"which takes about six minutes, once. It is kept in {place}."
    )


def _build_into(bin_folder: Path, version: str, log: Path) -> None:
    bin_folder.mkdir(parents=True)
    log.unlink(missing_ok=True)
    _build_host(bin_folder / HOST_PARTS[0], log)
    cli = bin_folder / "pulumi"
    module = _module(version)
    build_go_tool(module, CLI_PACKAGE, cli, ldflags=_ldflags(version), log=log)
    _copy_scripts(module, bin_folder)
    if f"v{spelled(pulumi_version(bin_folder))}" != version:
        message = f"The engine was built, but `{cli} version` does not answer {version}."
        raise ToolError(message)


def _build_host(host: Path, log: Path) -> None:
    """Build the language host from its one file, changed in one place, and from ours."""
    module = MODULES / "python-host"
    main_file = _folder_of(module, HOST_PACKAGE) / "main.go"
    text = main_file.read_text()
    before, after = INSTALLS
    if text.count(before) != 1:
        message = f"{main_file} is another file than the one that this was made for."
        raise ToolError(message)
    with tempfile.TemporaryDirectory() as folder:
        for file in module.iterdir():
            shutil.copy(file, folder)
        Path(folder, "main.go").write_text(text.replace(before, after))
        build_go_tool(Path(folder), ".", host, ldflags="-s -w", log=log)


def _folder_of(module: Path, name: str, *options: str) -> Path:
    """Where Go has the source of a package or, with -m, of a module; it downloads it if need be."""
    answer = subprocess.run(
        [str(toolchain(module)), "list", *options, "-f", "{{.Dir}}", name],
        cwd=module,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        message = f"Go does not say where {name} is: {answer.stderr.strip()}"
        raise ToolError(message)
    return Path(answer.stdout.strip())


def _copy_scripts(module: Path, bin_folder: Path) -> None:
    """Put the SDK module's scripts beside the engine, with the run bit that Go drops."""
    folder = _folder_of(module, SDK, "-m")
    for script in SCRIPTS:
        copy = bin_folder / Path(script).name
        copy.write_bytes((folder / script).read_bytes())
        copy.chmod(0o755)


if __name__ == "__main__":
    run_tool(main)
