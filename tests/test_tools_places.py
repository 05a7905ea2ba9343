"""What all tools share: the cache, the lock, how they fail; and the progress of long commands."""

import ast
import contextlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import places
import progress
from places import ToolError

TOOLS = Path(places.__file__).parent


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert places.cache("engine") == tmp_path / "cloud-siem" / "engine"
    assert places.cache("engine").is_dir()


def test_a_relative_cache_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert places.cache("engine") == tmp_path / ".cache" / "cloud-siem" / "engine"


def test_a_cache_that_cannot_be_made_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cloud-siem").write_text("a file where the folder belongs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(ToolError, match="set XDG_CACHE_HOME to a folder that can be written"):
        places.cache("engine")


def test_the_second_to_want_a_folder_is_told_and_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    order = []
    told = ""

    def second() -> None:
        with places.locked(tmp_path, "waiting"):
            order.append("second")

    thread = threading.Thread(target=second)
    with places.locked(tmp_path, "not said"):
        thread.start()
        while thread.is_alive() and not told.endswith("\n"):  # it may come in pieces
            thread.join(0.01)
            told += capfd.readouterr().err
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
    assert told == "waiting\n"
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_build_left_is_removed_and_never_taken_for_whole(
    tmp_path: Path,
) -> None:
    place = tmp_path / "engine-1"
    (tmp_path / "partial-old").mkdir()

    with contextlib.suppress(ZeroDivisionError), places.beside(place) as partial:
        partial.mkdir()
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_what_was_made_beside_can_be_renamed_into_place(tmp_path: Path) -> None:
    place = tmp_path / "engine-1"

    with places.beside(place) as partial:
        partial.write_text("whole")
        partial.rename(place)

    assert [file.name for file in tmp_path.iterdir()] == ["engine-1"]


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("v3.259.0", (3, 259, 0)),
        ("go version go1.26 linux/amd64", (1, 26, 0)),
        ("uv 0.13.9 (a build)", (0, 13, 9)),
        ("", ()),
    ],
)
def test_a_version_is_found_in_what_a_command_prints(
    printed: str, version: tuple[int, ...]
) -> None:
    assert places.version_of([sys.executable, "-c", f"print({printed!r})"]) == version


@pytest.mark.parametrize("command", [["/no/such/program"], [sys.executable, "-c", "exit(1)"]])
def test_a_command_that_does_not_run_has_no_version(command: list[str]) -> None:
    assert places.version_of(command) == ()


def test_a_known_failure_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(_arguments: list[str]) -> int:
        message = "Do this."
        raise ToolError(message)

    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        places.run_tool(main)

    assert ended.value.code == "error: Do this."


def test_a_failure_of_the_system_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(_arguments: list[str]) -> int:
        Path("/no/such/file").read_text()
        return 0

    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        places.run_tool(main)

    assert ended.value.code == "error: /no/such/file: No such file or directory"


def test_a_failed_command_shows_the_end_of_its_output_and_where_all_of_it_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "deep" / "log"
    code = "[print('line', number) for number in range(100)]; exit(3)"

    with pytest.raises(ToolError, match=rf"^Trying failed \(exit code 3\); .* is in {log}\.$"):
        progress.run("Trying", [sys.executable, "-c", code], log=log)

    assert capfd.readouterr().err.splitlines() == [f"line {number}" for number in range(70, 100)]


def test_a_long_command_shows_that_time_passes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "BEAT", 0.05)

    code = "import time; time.sleep(0.3)"
    progress.run("Trying", [sys.executable, "-c", code], log=tmp_path / "log", environment={})

    assert capfd.readouterr().err.splitlines()[0] == "  Trying: 0:00 min"


def test_an_interrupted_command_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"

    def interrupt(_title: str, _process: object) -> None:
        while not pid_file.exists() or not pid_file.read_text():
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "_watch", interrupt)
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        progress.run("Trying", [sys.executable, "-c", code], log=tmp_path / "log")

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


# --- an older Python ------------------------------------------------------------------------------

SCRIPTS = sorted(Path(places.__file__).parent.glob("*.py"))
OLDER = [f"python3.{minor}" for minor in range(6, 11)]
TO_BE_OLD = """
import runpy, sys
sys.version_info, sys.version = (3, 9, 18, "final", 0), "3.9.18 (main)"
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_an_older_python_reads_every_script(script: Path) -> None:
    """Else it ends with a SyntaxError before any sentence of ours."""
    ast.parse(script.read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_an_older_python_is_refused_with_a_sentence(script: Path) -> None:
    """By every script: make names none of them but starts with python3, whatever that is."""
    done = subprocess.run(
        [sys.executable, "-c", TO_BE_OLD, str(script)],
        env={**os.environ, "PYTHONPATH": str(script.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or newer is needed, and this one is 3.9.18")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("python", OLDER)
@pytest.mark.parametrize("script", ["setup.py", "engine.py", "demo.py", "browser.py"])
def test_an_older_python_that_is_here_says_so(python: str, script: str) -> None:
    found = shutil.which(python)
    if found is None or subprocess.run([found, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no {python} on PATH")
    command = [found, str(SCRIPTS[0].parent / script), "ensure"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or newer is needed")
