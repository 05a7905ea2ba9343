"""The engine: whose pulumi is taken, and that a build is whole or is not there."""

import os
import re
from pathlib import Path

import pytest

import engine
import gotool
import setup
from places import VENV, ToolError

# Stands for Go: "builds" a pulumi that knows its version, and says where its modules are.
FAKE_GO = """
case "$1" in
version) echo go version go99.1.2 linux/amd64 ;;
list) echo "$FAKE_MODULES" ;;
build)
    pwd >> "$FAKE_LOG"
    [ -e main.go ] && /bin/cat main.go install.go >> "$FAKE_SOURCE"
    [ -n "$FAKE_FAILURE" ] && echo a compiler complains && exit 2
    while [ "$1" != -o ]; do shift; done
    printf "#!/bin/sh\\necho ${FAKE_VERSION:-v3.259.0}\\n" > "$2" && /bin/chmod +x "$2" ;;
esac
"""


def _script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH, with an empty cache."""
    engine.ready.cache_clear()
    monkeypatch.delenv("PULUMI_VERSION", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "bin"


@pytest.fixture
def fake_go(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go on PATH that builds in no time; what it is asked for is in the file returned."""
    for script in engine.SCRIPTS:
        _script(tmp_path / "modules" / script, "true").chmod(0o444)
    (tmp_path / "modules" / "main.go").write_text(f"if err := {engine.INSTALLS[0]}\n\treq)")
    monkeypatch.setenv("FAKE_MODULES", str(tmp_path / "modules"))
    monkeypatch.setenv("FAKE_SOURCE", str(tmp_path / "source"))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "built"))
    _script(path / "go", FAKE_GO)
    return tmp_path / "built"


def _own_engine(folder: Path, version: str) -> None:
    _script(folder / "pulumi", f"echo {version}")
    for part in engine.HOST_PARTS:
        _script(folder / part, "true")


def test_the_pulumi_on_path_is_taken(path: Path) -> None:
    _own_engine(path, "v3.300.1")

    assert engine.ensure() == path


@pytest.mark.usefixtures("fake_go")
def test_one_that_is_too_old_is_not(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _own_engine(path, "v3.228.9")

    assert engine.ensure() != path
    assert "The pulumi on PATH is older than 3.229.0: building" in capfd.readouterr().err


@pytest.mark.usefixtures("fake_go")
def test_one_without_its_python_host_is_not(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _own_engine(path, "v3.300.1")
    (path / "pulumi-language-python").unlink()

    assert engine.ensure() != path
    assert "The pulumi 3.300.1 on PATH lacks its Python language host" in capfd.readouterr().err


def test_the_engine_is_built_once_with_all_its_parts(fake_go: Path, tmp_path: Path) -> None:
    bin_folder = engine.ensure()

    assert engine.ensure() == engine.ready() == bin_folder
    assert bin_folder.is_relative_to(tmp_path / "cache")
    host, pulumi = fake_go.read_text().split()
    assert pulumi == str(engine.MODULES / "pulumi")
    assert not Path(host).exists(), "a copy: nothing is written into the checkout"
    assert all(os.access(bin_folder / part, os.X_OK) for part in (*engine.HOST_PARTS, "pulumi"))


@pytest.mark.usefixtures("fake_go")
def test_the_host_is_built_with_our_installing_in_the_place_of_its_own(tmp_path: Path) -> None:
    engine.ensure()

    source = (tmp_path / "source").read_text()
    assert source.startswith("if err := installInto(server.Context(),\n\treq)")
    assert "func installInto(" in source


@pytest.mark.usefixtures("fake_go")
@pytest.mark.parametrize("text", ["package main", 2 * engine.INSTALLS[0]])
def test_a_host_of_another_text_is_not_built(tmp_path: Path, text: str) -> None:
    """Another version of it may need no change, or another one."""
    (tmp_path / "modules" / "main.go").write_text(text)

    with pytest.raises(ToolError, match="another file than the one"):
        engine.ensure()


@pytest.mark.usefixtures("fake_go")
def test_a_failed_build_leaves_nothing_and_shows_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_FAILURE", "1")

    with pytest.raises(ToolError, match=r"Building pulumi-language-python failed \(exit code 2\)"):
        engine.ensure()

    assert list((tmp_path / "cache" / "cloud-siem" / "engine").iterdir()) == []
    assert "a compiler complains" in capfd.readouterr().err
    with pytest.raises(ToolError, match="There is no Pulumi engine yet"):
        engine.ready()


@pytest.mark.usefixtures("path")
def test_go_comes_from_the_cache_where_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(_uv: Path, target: Path, _lock: Path, _log: Path) -> None:
        _script(target / "go" / "bin" / "go", "echo go version go99.0.0")

    monkeypatch.setattr(setup, "find_uv", lambda: Path("uv"))
    monkeypatch.setattr(setup, "install_into", unpack)

    go = gotool.toolchain(engine.MODULES / "pulumi")

    assert gotool.go_version(go) == (99, 0, 0)
    assert gotool.toolchain(engine.MODULES / "pulumi") == go


def test_a_go_older_than_the_module_wants_is_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(path / "go", "echo go version go1.25.10 linux/amd64")
    monkeypatch.setattr(gotool, "_locked_go", lambda: Path("locked"))

    assert gotool.toolchain(engine.MODULES / "pulumi") == Path("locked")


def test_what_the_person_set_for_other_go_work_does_not_interfere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")

    environment = gotool.go_environment()

    assert "GOOS" not in environment
    assert "-mod=readonly" in environment["GOFLAGS"]
    assert environment["GOPROXY"] == "https://proxy.example"


def test_our_python_and_the_engine_come_first(tmp_path: Path) -> None:
    environment = engine.environment({"PATH": f"/bin:{tmp_path}", "PYTHONPATH": "/else"}, tmp_path)

    assert environment["PATH"].split(os.pathsep) == [
        str(VENV / "bin"),
        str(tmp_path),
        "/bin",
    ]
    assert "PYTHONPATH" not in environment


@pytest.mark.parametrize("arguments", [[], ["run"], ["fly"]])
def test_an_unknown_verb_is_answered_with_the_known_ones(arguments: list[str]) -> None:
    with pytest.raises(ToolError, match="say `ensure`"):
        engine.main(arguments)


@pytest.mark.parametrize("module", sorted(engine.MODULES.iterdir()), ids=lambda module: module.name)
def test_the_modules_are_pinned_with_their_sums(module: Path) -> None:
    ours = {"install.go"} if module.name == "python-host" else set()

    assert {file.name for file in module.iterdir()} == {"go.mod", "go.sum", *ours}


@pytest.mark.parametrize("version", engine.VERSIONS.values())
def test_the_module_and_the_version_told_to_the_linker_are_one(version: str) -> None:
    pinned = (engine._module(version) / "go.mod").read_text()

    assert re.search(rf"github\.com/pulumi/pulumi/pkg/v3 {version}( // indirect)?\n", pinned)
    assert f"\t{engine.SDK} {version} // indirect\n" in pinned


# --- other versions -------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["newest", "3.274.1", "v3.274.1"])
def test_a_version_that_is_asked_for_is_built_from_its_own_module_and_kept_beside_the_pinned_one(
    fake_go: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = engine.ensure()
    fake_go.unlink()
    monkeypatch.setenv("FAKE_VERSION", "v3.274.1")
    monkeypatch.setenv("PULUMI_VERSION", asked)
    newest = engine.ensure()

    assert newest != pinned
    assert fake_go.read_text().split()[1] == str(engine.MODULES / "pulumi-newest")
    assert engine.pulumi_version(newest) == (3, 274, 1)
    monkeypatch.delenv("PULUMI_VERSION")
    assert engine.ensure() == pinned


@pytest.mark.usefixtures("fake_go")
def test_a_pulumi_of_another_version_on_path_is_not_taken_for_the_one_that_is_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _own_engine(path, "v3.300.1")
    monkeypatch.setenv("PULUMI_VERSION", "pinned")
    assert engine.ensure() != path

    monkeypatch.setenv("PULUMI_VERSION", "3.300.1")
    assert engine.ensure() == path


@pytest.mark.usefixtures("fake_go")
def test_a_build_that_is_not_of_the_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_VERSION", "oldest")

    with pytest.raises(ToolError, match=r"does not answer v3\.229\.0"):
        engine.ensure()


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("asked", "message"),
    [("3.1.0", "neither on PATH nor pinned here"), ("latest", "is not a version: write oldest")],
)
def test_a_version_that_cannot_be_had_is_answered_with_those_that_can(
    asked: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_VERSION", asked)

    with pytest.raises(ToolError, match=message):
        engine.ensure()


def test_a_command_is_run_with_each_version_whatever_comes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "ensure", lambda: tmp_path)
    monkeypatch.setenv("PULUMI_VERSION", "")
    command = ["sh", "-c", 'echo "$PULUMI_VERSION"; test "$PULUMI_VERSION" != v3.259.0']

    assert engine.main(["each", *command]) == 1
    out, err = capfd.readouterr()
    assert out.split() == list(engine.VERSIONS.values())
    assert err.endswith(
        "Pulumi v3.229.0: passed\nPulumi v3.259.0: exit code 1\nPulumi v3.274.1: passed\n"
    )
